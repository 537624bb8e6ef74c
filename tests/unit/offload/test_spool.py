"""The spool's folder and the room in it."""

import os
import subprocess
from pathlib import Path

import pytest

from dockd.errors import SpoolBrokenError, SpoolFullError
from dockd.medium import NotDirectError
from dockd.offload import messages, spool
from dockd.offload.spool import Ledger, Spool, disk_error
from tests.sim.camera_fs import CameraFs, fuse_missing

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())


@pytest.fixture
def ready(tmp_path: Path) -> Spool:
    """An empty spool."""
    made = Spool(tmp_path / "spool")
    made.prepare()
    return made


def test_room_is_promised_once(tmp_path: Path) -> None:
    """Two bays never count on the same room, and it comes back when a copy ends, however it ends."""
    ledger = Ledger(tmp_path, 0)
    free = ledger.free_bytes()
    half = free // 2
    with ledger.reserved(half):
        assert ledger.promised_bytes == half
        with pytest.raises(SpoolFullError) as caught, ledger.reserved(free):
            pass
        assert (caught.value.needed_bytes, caught.value.transient) == (free, True)
    assert ledger.promised_bytes == 0
    with pytest.raises(ZeroDivisionError), ledger.reserved(half):
        raise ZeroDivisionError
    assert ledger.promised_bytes == 0
    assert Ledger(tmp_path, 1 << 60).free_bytes() == 0


def test_folder_without_direct_reads_is_no_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk whose reads prove nothing is refused at the start, in words."""

    def refused(*_: object, **__: object) -> int:
        raise NotDirectError(22, "no direct I/O")

    monkeypatch.setattr(spool, "open_direct", refused)
    with pytest.raises(SpoolBrokenError, match="no direct I/O"):
        Spool(tmp_path / "spool").prepare()


@needs_fuse
def test_folder_whose_whole_sync_may_be_a_lie_is_no_spool(tmp_path: Path) -> None:
    """A handful of copies rests on one sync of the file system, which a server in user space need not be told of."""
    (tmp_path / "backing" / "spool here" / "recordings").mkdir(parents=True)
    with CameraFs(tmp_path / "backing") as mounted:
        with pytest.raises(SpoolBrokenError, match=r"on fuse.* cannot make sure") as caught:
            Spool(mounted.mount / "spool here").prepare()
        assert "ext4" in caught.value.hint
    assert not any((tmp_path / "backing" / "spool here" / "recordings").iterdir())


def test_type_of_the_nearest_mount_counts(tmp_path: Path) -> None:
    """As the system's own tool says it."""
    for folder in (tmp_path, Path("/proc/self"), Path("/")):
        told = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], check=True, capture_output=True, text=True).stdout.strip()
        assert spool.file_system_of(folder) in {told, *({"ext2", "ext3", "ext4"} if told == "ext2/ext3" else ())}


def test_place_that_cannot_be_a_folder_is_no_spool(tmp_path: Path) -> None:
    """Nor is a file."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolBrokenError, match="cannot be used as a spool"):
        Spool(tmp_path / "file").prepare()


def test_spool_is_the_docks_alone(ready: Spool) -> None:
    """Evidence is not for every user of the machine, and no probe stays."""
    assert ready.directory.stat().st_mode & 0o777 == 0o700
    assert ready.recordings.stat().st_mode & 0o777 == 0o700
    assert ready.verified.stat().st_mode & 0o777 == 0o700
    assert list(ready.recordings.iterdir()) == [ready.verified]
    assert list(ready.verified.iterdir()) == []


def test_manifest_that_cannot_be_read_is_none(ready: Spool) -> None:
    """A damaged or missing manifest explains nothing, and is not hidden."""
    (ready.recordings / "aa.json").write_bytes(b"{")
    assert ready.manifest("aa") is None
    assert ready.manifest("bb") is None
    assert [found for _, found in ready.manifests()] == [None]
    assert ready.examine("aa") is None


def test_discarding_what_is_not_there_is_no_error(ready: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Discarding twice is discarding; a disk that fails is named."""
    ready.discard("aa")

    def failing(_: int) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(SpoolBrokenError):
        ready.discard("aa")


def test_what_the_spool_occupies_is_told(ready: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished and unfinished copies count; one that goes in this instant does not."""
    ready.path_of("aa").write_bytes(bytes(10_000))
    (ready.recordings / "bb.part").write_bytes(bytes(20_000))
    assert ready.used_bytes() >= 30_000
    assert ready.unfinished_ids() == {"bb"}
    assert ready.recording_ids() == {"aa"}
    assert ready.begun_bytes("bb") >= 20_000
    assert ready.begun_bytes("aa") == 0
    assert ready.every_id() == {"aa", "bb"}


def test_recordings_of_an_older_spool_are_found(tmp_path: Path) -> None:
    """What lay among the unfinished copies is moved to where the verified ones are, and nothing else is."""
    spool = Spool(tmp_path / "spool")
    spool.recordings.mkdir(parents=True)
    for name in ("aa", "aa.json", "bb.part"):
        (spool.recordings / name).write_text(name)
    spool.prepare()
    spool.prepare()
    assert spool.path_of("aa").read_text() == "aa"
    assert sorted(os.listdir(spool.recordings)) == ["aa.json", "bb.part", "verified"]  # noqa: PTH208 - names only


def test_altered_copies_are_kept_one_beside_the_other(ready: Spool) -> None:
    """Each has a place of its own, however often a copy of one recording is altered; a disk that fails is named."""
    places = []
    for content in ("one", "two"):
        ready.path_of("aa").write_text(content)
        places.append(ready.set_aside("aa"))
    assert [place.read_text() for place in places] == ["one", "two"]
    assert ready.recording_ids() == set()
    with pytest.raises(SpoolBrokenError, match="No such file"):
        ready.set_aside("aa")


@pytest.mark.parametrize(
    ("code", "kind"), [(28, SpoolFullError), (122, SpoolFullError), (5, SpoolBrokenError), (30, SpoolBrokenError)]
)
def test_full_disk_is_told_from_a_broken_one(code: int, kind: type[Exception]) -> None:
    """One passes, the other needs a person."""
    assert isinstance(disk_error(OSError(code, os.strerror(code)), 1), kind)


def test_only_patterns_cross_between_processes_beside_plain_values() -> None:
    """What has no spelling in a message is a bug of the sender, at once."""
    with pytest.raises(NotImplementedError):
        messages.frame(messages.Known(b"x", object()))  # type: ignore[arg-type]  # that is the test
    with pytest.raises(NotImplementedError):
        messages._rich(int, 1)
