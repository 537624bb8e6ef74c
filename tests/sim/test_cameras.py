import hashlib
import os
import shutil
from pathlib import Path

from tests.sim.cameras import Zoo, make_camera, make_too_deep, make_zoo


def digest(root: Path, path: bytes) -> str:
    """SHA-256 of one file."""
    return hashlib.sha256(Path(os.fsdecode(os.fsencode(root) + b"/" + path)).read_bytes()).hexdigest()


def test_camera_has_the_digests_that_it_answers(tmp_path: Path) -> None:
    """Every recording and sidecar of a made camera has the digest that its builder says, and the same again for the same seed."""
    digests = make_camera(tmp_path / "a", "X1", recordings=2, size_bytes=1_500_000)
    assert sorted(digests) == [
        b"DCIM/100MEDIA/CLIP0001.MP4",
        b"DCIM/100MEDIA/CLIP0001.THM",
        b"DCIM/100MEDIA/CLIP0002.MP4",
        b"DCIM/100MEDIA/CLIP0002.THM",
    ]
    assert {path: digest(tmp_path / "a", path) for path in digests} == digests
    assert len(set(digests.values())) == 4
    assert make_camera(tmp_path / "b", "X1", recordings=2, size_bytes=1_500_000) == digests
    assert make_camera(tmp_path / "c", "X1", recordings=2, size_bytes=1_500_000, seed=1) != digests
    assert (tmp_path / "a/MISC/CAMERA.TXT").read_text().splitlines() == ["serial: X1", "battery: 87", "officer: badge 4711"]


def test_thousandth_recording_opens_a_new_folder(tmp_path: Path) -> None:
    """A camera with more than 999 recordings has a second folder, and an empty one has an empty DCIM."""
    digests = make_camera(tmp_path / "a", "X1", recordings=1000, size_bytes=1, sidecars=False)
    assert b"DCIM/101MEDIA/CLIP0001.MP4" in digests
    assert make_camera(tmp_path / "b", "X2", recordings=0) == {}
    assert (tmp_path / "b/DCIM").is_dir()


def test_zoo_lists_everything_that_it_made(tmp_path: Path) -> None:
    """Each entry below the zoo is either a plain file with a digest or something that is never read."""
    make_camera(tmp_path, "X1", recordings=0)
    zoo = make_zoo(tmp_path)
    found = set()
    for folder, folders, files in os.walk(os.fsencode(tmp_path / "DCIM")):
        entries = files + [name for name in folders if (Path(os.fsdecode(folder)) / os.fsdecode(name)).is_symlink()]
        found |= {os.path.relpath(os.path.join(folder, name), os.fsencode(tmp_path)) for name in entries}  # noqa: PTH118 - bytes
    assert found == set(zoo.files) | zoo.never_read
    assert {path: digest(tmp_path, path) for path in zoo.files} == zoo.files


def test_too_deep_file_has_no_usable_path(tmp_path: Path) -> None:
    """The deepest file's whole path is longer than any system call takes."""
    make_camera(tmp_path / "camera", "X1", recordings=0)
    zoo = Zoo()
    make_too_deep(tmp_path / "camera", zoo)
    assert len(zoo.too_deep) > os.pathconf(tmp_path, "PC_PATH_MAX")
    shutil.rmtree(tmp_path / "camera")
