"""Walking a camera and opening its files: nothing outside, nothing twice, nothing in silence."""

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.camera import tree
from dockd.camera.tree import identity_of, open_root, opened_file, opened_folder, still_there, unreadable, walk, walk_volumes
from dockd.core.clearance import Identity
from dockd.core.occupancy import Occupancy
from dockd.core.profile import Found
from dockd.errors import CameraGoneError, NoDirectReadError, NotARecordingError, SourceChangedError, SourceUnreadableError
from dockd.medium import NotDirectError
from tests.sim.bay_sysfs import loop_device
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera, make_too_deep, make_zoo

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

CLIP = b"DCIM/100MEDIA/CLIP0001.MP4"


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Two recordings."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=10_000, sidecars=False)
    return tmp_path / "camera"


@pytest.fixture
def root(camera: Path) -> Iterator[int]:
    """The camera's descriptor."""
    descriptor = open_root(camera)
    yield descriptor
    os.close(descriptor)


def walked(root: int) -> dict[bytes, Found]:
    """What a walk finds, by path; each once."""
    listed = list(walk(root, lambda _: None))
    assert len({each.path for each in listed}) == len(listed)
    return {each.path: each for each in listed}


def identity(root: int, path: bytes = CLIP) -> Identity:
    """What the scan sees of one file."""
    found = walked(root)[path].identity
    assert found is not None
    return found


def test_every_entry_of_the_zoo_is_found_or_named(tmp_path: Path) -> None:
    """Each plain file comes with its identity, each other thing with the reason why it is never read."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=0)
    zoo = make_zoo(tmp_path / "camera")
    make_too_deep(tmp_path / "camera", zoo)
    root = open_root(tmp_path / "camera")
    try:
        found = walked(root)
    finally:
        os.close(root)
        shutil.rmtree(tmp_path / "camera")
    readable = {path for path, each in found.items() if not each.problem}
    assert {path for path in zoo.files if path.count(b"/") < tree.DEEPEST} <= readable
    assert all(found[path].problem for path in zoo.never_read)
    deep = [each for each in found.values() if "deeper than" in each.problem]
    assert {each.path for each in deep} == {
        zoo_path_at_depth(path) for path in [*zoo.files, zoo.too_deep] if path.count(b"/") >= tree.DEEPEST
    }


def zoo_path_at_depth(path: bytes) -> bytes:
    """The folder of `path` that is not entered any more."""
    return b"/".join(path.split(b"/")[: tree.DEEPEST])


def test_links_and_devices_are_named_with_their_kind(camera: Path, root: int) -> None:
    """A person reads what the thing is."""
    media = camera / "DCIM/100MEDIA"
    (media / "link.MP4").symlink_to("/etc/passwd")
    os.mkfifo(media / "pipe.MP4")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(media)
        listener.bind("socket.MP4")
        os.chdir("/")
    problems = {path.rpartition(b"/")[2]: each.problem for path, each in walked(root).items() if each.problem}
    assert problems == {
        b"link.MP4": "a symbolic link, which is never read",
        b"pipe.MP4": "a pipe, which is never read",
        b"socket.MP4": "a socket, which is never read",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_other_file_system_below_a_camera_is_not_entered(camera: Path, root: int) -> None:
    """What is mounted into a camera's tree is not the camera."""
    (camera / "DCIM/mounted").mkdir()
    with mounted_over(camera / "DCIM/mounted"):
        found = walked(root)
    assert found[b"DCIM/mounted"].problem == "another file system is mounted here"


class mounted_over:  # noqa: N801 - reads as a statement
    """A tmpfs over a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self._folder], check=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self._folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_camera_of_several_volumes_is_walked_volume_by_volume(camera: Path, root: int) -> None:
    """Only named folders are volumes, one that is not there is none, and what is mounted below one is still not the camera."""
    (camera / "internal").mkdir()
    (camera / "card").mkdir()
    with mounted_over(camera / "internal"), mounted_over(camera / "card"):
        (camera / "internal/DCIM").mkdir()
        (camera / "internal/DCIM/A.MP4").write_bytes(b"a")
        (camera / "card/B.MP4").write_bytes(b"b")
        (camera / "card/other").mkdir()
        with mounted_over(camera / "card/other"):
            found = {each.path: each.problem for each in walk_volumes(root, ["internal", "card", "slot2"], lambda count: None)}
    assert found == {
        b"internal/DCIM/A.MP4": "",
        b"card/B.MP4": "",
        b"card/other": "another file system is mounted here",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_the_disk_that_is_asked_after_is_the_volumes(
    camera: Path, root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera's root of several volumes is listed from memory when all of them are gone."""
    (camera / "card").mkdir()
    (tmp_path / "card.fs").write_bytes(b"")
    subprocess.run(["mkfs.ext4", "-q", tmp_path / "card.fs", "8M"], check=True)
    with loop_device(tmp_path / "card.fs") as node:
        subprocess.run(["mount", "-o", "ro", node, camera / "card"], check=True)
        try:
            problem = OSError(errno.EIO, "Input/output error")
            assert isinstance(unreadable(root, b"card/A.MP4", problem), SourceUnreadableError)
            monkeypatch.setattr("dockd.camera.tree.DISKS", tmp_path)
            assert isinstance(unreadable(root, b"card/A.MP4", problem), CameraGoneError)
            assert isinstance(still_there(root, b"card/A.MP4"), CameraGoneError)
        finally:
            subprocess.run(["umount", camera / "card"], check=True)


def test_file_that_vanishes_during_the_walk_hides_nothing(camera: Path, root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that goes between listing and look is no reason to overlook the others beside it, nor the whole camera."""
    (camera / "temporary").write_bytes(b"")
    real_stat = os.stat

    def vanishing(path: bytes | str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        if path in {b"temporary", b"CLIP0001.MP4"}:
            os.unlink(path, dir_fd=dir_fd)
        return real_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", vanishing)
    assert set(walked(root)) == {b"DCIM/100MEDIA/CLIP0002.MP4", b"MISC/CAMERA.TXT"}


def test_what_is_listed_and_cannot_be_found_is_named(root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As FAT's names that end with a dot: footage that nobody can open is not nothing."""
    real_stat = os.stat

    def no_such_name(path: bytes | str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        if path in {b"CLIP0001.MP4", b"MISC"}:
            raise FileNotFoundError(errno.ENOENT, "no such name")
        return real_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", no_such_name)
    found = walked(root)
    assert {path for path, each in found.items() if each.identity is None} == {CLIP, b"MISC"}
    assert found[CLIP].problem == "it is listed, and cannot be found by its name"


def test_a_walk_whose_disk_has_left_is_none(root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on FAT looks empty then, without any error: what was not seen would count as gone."""
    if not os.major(os.fstat(root).st_dev):
        pytest.skip("this machine's temporary files lie on no disk")
    (tmp_path / "disks").mkdir()
    with pytest.raises(CameraGoneError, match="while it was looked through"):
        list(walk(root, lambda _: monkeypatch.setattr(tree, "DISKS", tmp_path / "disks")))


def test_walk_of_too_many_entries_says_that_it_stopped(camera: Path, root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree without end is left off, in words."""
    monkeypatch.setattr(tree, "MOST_ENTRIES", 3)
    assert any("was not looked at" in each.problem for each in walked(root).values())
    monkeypatch.setattr(tree, "MOST_ENTRIES", 1000)
    monkeypatch.setattr(tree, "MOST_NAME_BYTES", 20)
    assert any("was not looked at" in each.problem for each in walked(root).values())


@needs_fuse
@pytest.mark.parametrize("error", ["EIO", "ENODEV"])
def test_camera_that_is_pulled_during_a_walk_is_gone(error: str, camera: Path) -> None:
    """An error that is the whole camera's is never taken for a folder's: a scan that lacks files must not count."""
    with CameraFs(camera) as mounted:
        root = open_root(mounted.mount)
        listing = walk(root, lambda _: mounted.pull(error=error))
        with pytest.raises(CameraGoneError):
            list(listing)
        os.close(root)


def test_folder_that_cannot_be_listed_is_named(camera: Path, root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bad folder does not end the scan, and is not silently empty."""
    real = tree.opened_folder
    bad = OSError(errno.EIO, os.strerror(errno.EIO))

    def failing(root: int, folder: bytes) -> object:
        if folder == b"DCIM/100MEDIA":
            raise bad
        return real(root, folder)

    monkeypatch.setattr(tree, "opened_folder", failing)
    found = walked(root)
    assert found[b"DCIM/100MEDIA"].problem == "this folder cannot be listed: Input/output error"
    assert b"MISC/CAMERA.TXT" in found


@pytest.mark.parametrize("entry", [b"DCIM", b"CLIP0001.MP4"])
def test_entry_that_cannot_be_looked_at_is_named(entry: bytes, camera: Path, root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One broken entry, in the root or below, hides nothing that lies beside it."""
    real_stat = os.stat

    def failing(path: bytes | str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        if path == entry:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return real_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", failing)
    found = walked(root)
    (named,) = [each for each in found.values() if each.problem]
    assert named.path.endswith(entry)
    assert "cannot be looked at: Too many levels of symbolic links" in named.problem
    assert b"MISC/CAMERA.TXT" in found
    assert (b"DCIM/100MEDIA/CLIP0002.MP4" in found) == (entry != b"DCIM")


def test_file_larger_than_its_camera_is_named(camera: Path, root: int) -> None:
    """A length that cannot be is no reason to wait for room that no disk has."""
    status = os.statvfs(camera)
    with (camera / os.fsdecode(CLIP)).open("r+b") as file:
        file.truncate(status.f_blocks * status.f_frsize + 1)
    found = walked(root)
    assert "more than the whole camera" in found[CLIP].problem
    assert not found[b"DCIM/100MEDIA/CLIP0002.MP4"].problem


def test_file_system_that_does_not_say_its_size_holds_files_of_any(
    camera: Path, root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems have no size; their files are not judged by it."""
    real_statvfs = os.fstatvfs

    def sizeless(descriptor: int) -> os.statvfs_result:
        return os.statvfs_result((real_statvfs(descriptor).f_bsize, 4096, 0, *real_statvfs(descriptor)[3:]))

    monkeypatch.setattr(os, "fstatvfs", sizeless)
    assert not any(each.problem for each in walked(root).values())


def test_root_that_is_not_there_is_a_camera_that_left(tmp_path: Path) -> None:
    """Nothing to open is nobody in the bay."""
    with pytest.raises(CameraGoneError, match="cannot be opened"):
        open_root(tmp_path / "nothing")


@pytest.mark.parametrize("path", [b"..", b"DCIM/../..", b".", b"DCIM//100MEDIA", b"/etc"])
def test_paths_that_no_camera_has_are_a_bug(path: bytes, root: int) -> None:
    """Nobody asks for a folder outside by any spelling."""
    with pytest.raises(RuntimeError, match="not a path on a camera"), opened_folder(root, path):
        pass


def test_folder_that_became_a_link_is_not_followed(camera: Path, root: int, tmp_path: Path) -> None:
    """A swap between scan and copy leads nowhere."""
    seen = identity(root)
    (camera / "DCIM/100MEDIA").rename(tmp_path / "elsewhere")
    (camera / "DCIM/100MEDIA").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceUnreadableError), opened_file(root, CLIP, seen, direct=False):
        pass


def test_file_that_became_another_is_refused(camera: Path, root: int) -> None:
    """Replaced, rewritten, deleted or turned into a link: each is noticed before a byte is read."""
    seen = identity(root)
    clip = camera / CLIP.decode()
    clip.write_bytes(b"other")
    with pytest.raises(SourceChangedError, match="changed after"), opened_file(root, CLIP, seen, direct=True):
        pass
    clip.unlink()
    with pytest.raises(SourceChangedError, match="no longer on the camera"), opened_file(root, CLIP, seen, direct=True):
        pass
    clip.symlink_to("CLIP0002.MP4")
    with pytest.raises(NotARecordingError), opened_file(root, CLIP, seen, direct=True):
        pass


def test_file_is_read_as_the_scan_saw_it(camera: Path, root: int) -> None:
    """Directly or not, the descriptor is that file's."""
    for direct in (True, False):
        with opened_file(root, CLIP, identity(root), direct=direct) as source:
            assert os.fstat(source).st_ino == (camera / CLIP.decode()).stat().st_ino


def test_file_system_without_direct_reads_is_told_apart(tmp_path: Path) -> None:
    """Only what can be read past the page cache proves anything."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=10, sidecars=False)
        root = open_root(tmp_path / "camera")

        def refused(*_: object, **__: object) -> int:
            raise NotDirectError(errno.EINVAL, "no direct I/O")

        seen = identity(root)
        monkeypatch.setattr(tree, "open_direct", refused)
        with pytest.raises(NoDirectReadError), opened_file(root, CLIP, seen, direct=True):
            pass
        os.close(root)


def test_empty_root_means_that_the_camera_left(tmp_path: Path) -> None:
    """A missing file on a camera that still lists something is the file's fault; on an empty one it is the camera's."""
    (tmp_path / "camera").mkdir()
    root = open_root(tmp_path / "camera")
    assert isinstance(still_there(root, b"x"), CameraGoneError)
    assert isinstance(unreadable(root, b"x", OSError(errno.EIO, "no")), CameraGoneError)
    (tmp_path / "camera/DCIM").mkdir()
    assert isinstance(still_there(root, b"x"), SourceChangedError)
    assert isinstance(unreadable(root, b"x", OSError(errno.EIO, "no")), SourceUnreadableError)
    assert isinstance(unreadable(root, b"x", OSError(errno.ENODEV, "no")), CameraGoneError)
    (tmp_path / "camera/DCIM").rmdir()
    (tmp_path / "camera").rmdir()
    assert isinstance(still_there(root, b"x"), CameraGoneError)
    os.close(root)


def test_times_beyond_every_calendar_fit_into_a_message(camera: Path) -> None:
    """A hostile file system may name any second of 64 bits; the identity stays one that can be sent and compared."""
    real = (camera / CLIP.decode()).stat()
    hostile = os.stat_result(tuple(real), {"st_mtime_ns": (1 << 62) * 10**9, "st_ctime_ns": -(1 << 62) * 10**9})
    found = identity_of(hostile)
    assert (found.modified_ns, found.changed_ns) == ((1 << 63) - 1, -(1 << 63))


def test_a_disk_that_is_detached_does_not_answer(root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that lists from memory while the kernel has no such disk any more belongs to a camera that is gone."""
    device = os.fstat(root).st_dev
    if not os.major(device):
        pytest.skip("this machine's temporary files lie on no disk")
    error = OSError(errno.EIO, os.strerror(errno.EIO))
    monkeypatch.setattr(tree, "DISKS", tmp_path / "disks")
    assert isinstance(unreadable(root, CLIP, error), SourceUnreadableError)
    (tmp_path / "disks").mkdir()
    assert isinstance(unreadable(root, CLIP, error), CameraGoneError)
    (tmp_path / "disks" / f"{os.major(device)}:{os.minor(device)}").touch()
    assert isinstance(unreadable(root, CLIP, error), SourceUnreadableError)


def test_a_walk_that_has_not_seen_all_that_is_in_use_names_the_root(tmp_path: Path) -> None:
    """And one that has seen it names nothing; what several volumes have in use is counted for each."""
    for name in ("internal", "card"):
        (tmp_path / name / "DCIM").mkdir(parents=True)
        (tmp_path / name / "DCIM/CLIP.MP4").write_bytes(b"footage")
    whole, more = Occupancy(3, 0), Occupancy(4, 0)
    root = open_root(tmp_path)
    try:
        with opened_folder(root, b"card") as card:
            assert [each.path for each in walk(card, lambda _: None, whole)] == [b"DCIM/CLIP.MP4"]
            (*_, last) = walk(card, lambda _: None, more)
            assert (last.path, last.identity) == (b"", None)
            assert "1 inodes are in use, and belong to no file" in last.problem
        found = walk_volumes(root, ["internal", "card"], lambda _: None, {"internal": whole, "card": more})
        assert [each.path for each in found if each.problem] == [b"card"]
    finally:
        os.close(root)
