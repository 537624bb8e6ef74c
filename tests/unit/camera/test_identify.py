"""Who a camera says that it is."""

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.camera import identify as identify_module
from dockd.camera.identify import CameraFacts, identify
from dockd.camera.tree import open_root
from dockd.core.profile import Source
from dockd.errors import CameraGoneError, CameraUnknownError, SourceUnreadableError
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera
from tests.sim.dock_here import dcf


def facts(camera: Path, text: str | None, *, folder_name: str = "bay-1") -> CameraFacts:
    """What is read of a camera whose identity file holds `text`."""
    (camera / "MISC").mkdir(parents=True, exist_ok=True)
    if text is not None:
        (camera / "MISC/CAMERA.TXT").write_text(text, errors="surrogateescape")
    root = open_root(camera)
    try:
        return identify(root, dcf(), folder_name)
    finally:
        os.close(root)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("serial: BWC-1\nbattery: 87\nofficer: B. Jones\n", CameraFacts("BWC-1", True, 87, "B. Jones")),
        ("SERIAL = BWC-1\r\n", CameraFacts("BWC-1", True, None, None)),
        ("serial: BWC-1\nbattery: 101\n", CameraFacts("BWC-1", True, None, None)),
        ("serial: BWC-1\nbattery: full\n", CameraFacts("BWC-1", True, None, None)),
        ("serial: BWC-1\nofficer: \x1b[2J\n", CameraFacts("BWC-1", True, None, None)),
        ("serial: BWC-1\nofficer: " + "x" * 100, CameraFacts("BWC-1", True, None, "x" * 64)),
        ("battery: 5\n", CameraFacts("bay-1", False, 5, None)),
        ("", CameraFacts("bay-1", False, None, None)),
        (None, CameraFacts("bay-1", False, None, None)),
        ("\udcff\udcfe\nserial: BWC-1\n", CameraFacts("BWC-1", True, None, None)),
    ],
)
def test_facts_are_read_where_the_profile_says(text: str | None, expected: CameraFacts, tmp_path: Path) -> None:
    """Each fact is taken if it is one, and left out if it is not."""
    assert facts(tmp_path, text) == expected


@pytest.mark.parametrize("serial", ["../../etc", "a/b", "x" * 65, "\u00e9", "a%00"])
def test_serial_that_is_none_is_refused(serial: str, tmp_path: Path) -> None:
    """A serial names things in messages and records, so it is letters, digits and a few signs, or nothing is done."""
    with pytest.raises(CameraUnknownError, match="is not one"):
        facts(tmp_path, f"serial: {serial}\n")


def test_folder_name_that_is_no_serial_is_refused(tmp_path: Path) -> None:
    """Nor does a folder's name pass that no serial could be."""
    with pytest.raises(CameraUnknownError):
        facts(tmp_path, None, folder_name="bay one")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_identity_file_that_is_no_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    """Guessing another serial would be worse than asking a person, and opening a device would do something to it."""
    (tmp_path / "MISC").mkdir()
    (tmp_path / "DCIM").mkdir()
    place = tmp_path / "MISC/CAMERA.TXT"
    if kind == "link":
        place.symlink_to("/etc/hostname")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    with pytest.raises(SourceUnreadableError):
        facts(tmp_path, None)


def test_folder_of_facts_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """No fact is read from outside the camera: there is none then."""
    (tmp_path / "camera/DCIM").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/CAMERA.TXT").write_text("serial: STOLEN\n")
    (tmp_path / "camera/MISC").symlink_to(tmp_path / "elsewhere")
    root = open_root(tmp_path / "camera")
    try:
        assert identify(root, dcf(), "bay-1").serial == "bay-1"
    finally:
        os.close(root)


def test_profile_without_sources_takes_the_folder_name(tmp_path: Path) -> None:
    """A kind of camera that writes nothing down is called like its folder."""
    (tmp_path / "DCIM").mkdir()
    root = open_root(tmp_path)
    try:
        profile = replace(dcf(), serial=None, battery=None, officer=Source("x", re.compile("no group")))
        assert identify(root, profile, "bay-1") == CameraFacts("bay-1", False, None, None)
        (tmp_path / "x").write_text("no group\n")
        assert identify(root, profile, "bay-1").officer is None
    finally:
        os.close(root)


def test_expression_that_never_ends_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that keeps an expression busy for years ends in words for the admin, not in a camera that seems to hang."""
    monkeypatch.setattr(identify_module, "_SEARCH_CPU_S", 0.05)
    (tmp_path / "x").write_text("a" * 60 + "!")
    handler = signal.getsignal(signal.SIGVTALRM)
    root = open_root(tmp_path)
    try:
        profile = replace(dcf(), officer=Source("x", re.compile("((?:a+)+)$")))
        with pytest.raises(CameraUnknownError, match=r"officer\.line of profile dcf takes too long to search x"):
            identify(root, profile, "bay-1")
    finally:
        os.close(root)
    assert signal.getsignal(signal.SIGVTALRM) is handler
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_shipped_expressions_are_quick_whatever_the_camera_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text of the largest size that is read costs the profiles that ship more than a moment."""
    monkeypatch.setattr(identify_module, "_SEARCH_CPU_S", 1.0)
    for text in ("serial" * 10_000, "serial" + " " * 65_000, " " * 65_000, "serial: BWC-1" + " " * 64_000 + "\x1c"):
        try:
            facts(tmp_path, text)
        except CameraUnknownError as exc:
            assert "is not one" in exc.message  # noqa: PT017 - a serial may be refused, but not for its cost


@pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())
@pytest.mark.parametrize("error", ["ENOENT", "EIO"])
def test_camera_that_is_pulled_is_no_other_camera(error: str, tmp_path: Path) -> None:
    """FAT says of a file whose folder it cannot read that there is none: the folder's name is no serial then."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=1000)
    with CameraFs(tmp_path / "camera") as mounted:
        root = open_root(mounted.mount)
        mounted.pull(error=error)
        with pytest.raises(CameraGoneError):
            identify(root, dcf(), "bay-1")
        os.close(root)
