import errno
from pathlib import Path

import pytest

from dockd.errors import CameraGoneError, CameraUnknownError
from dockd.helper import guard
from dockd.helper.sysfs import Sysfs, text
from tests.sim.bay_sysfs import BAY, CAMERA, PERMITTED, BaySysfs
from tests.sim.usb_devices import BULK, KEYBOARD, NETWORK, UAS, descriptors


@pytest.fixture
def bay(tmp_path: Path) -> BaySysfs:
    """One port."""
    return BaySysfs(tmp_path / "sys")


def test_a_camera_is_let_in_with_its_disk(bay: BaySysfs) -> None:
    """Device and interface are authorised, and the kernel is told to find the interface's driver."""
    device = bay.plug(BULK)
    assert guard.authorise(bay.sysfs, PERMITTED, BAY) is CAMERA
    assert (text(device / "authorized"), text(device / "1-1.2:1.0/authorized")) == ("1", "1")
    assert (bay.root / "bus/usb/drivers_probe").read_text() == "1-1.2:1.0"


def test_a_camera_that_is_in_use_already_is_left_in_peace(bay: BaySysfs) -> None:
    """After a restart of the daemon nothing is bound anew."""
    device = bay.plug(UAS, authorized="1")
    (device / "1-1.2:1.0/authorized").write_text("1")
    (device / "1-1.2:1.0/driver").mkdir()
    assert guard.authorise(bay.sysfs, PERMITTED, BAY) is CAMERA
    assert not (bay.root / "bus/usb/drivers_probe").read_text()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (descriptors(KEYBOARD), "a keyboard is in bay 3"),
        (descriptors(NETWORK), "a modem or network card is in bay 3"),
        (descriptors(BULK, KEYBOARD), "a disk that is also a keyboard is in bay 3"),
        (descriptors((9, 0, 0), device_class=9), "a hub is in bay 3"),
        (descriptors(BULK, vendor=0x0951), r"a disk that no profile knows \(0951:0011\) is in bay 3"),
        (b"", "a device whose description of itself is broken"),
    ],
)
def test_what_is_no_camera_is_never_let_in(bay: BaySysfs, raw: bytes, words: str) -> None:
    """The port stays shut and the refusal says what is there."""
    device = bay.plug(raw=raw)
    with pytest.raises(CameraUnknownError, match=words):
        guard.authorise(bay.sysfs, PERMITTED, BAY)
    assert text(device / "authorized") == "0"


def test_what_was_let_in_before_anybody_guarded_is_taken_out_of_use(bay: BaySysfs) -> None:
    """A keyboard that was plugged in at boot is no better than one that is plugged in now."""
    device = bay.plug(raw=descriptors(KEYBOARD), authorized="1")
    with pytest.raises(CameraUnknownError):
        guard.authorise(bay.sysfs, PERMITTED, BAY)
    assert text(device / "authorized") == "0"


def test_what_was_there_before_the_guard_is_swept_out(bay: BaySysfs) -> None:
    """Without being asked, at the helper's start: a keyboard of the boot is shut, a camera and what is in no bay are left."""
    keyboard = bay.plug(raw=descriptors(KEYBOARD), authorized="1")
    camera = bay.plug(BULK, name="1-1.3", authorized="1")
    beside = bay.plug(raw=descriptors(KEYBOARD), name="1-1.4", authorized="1")
    guard.sweep(bay.sysfs, PERMITTED)
    assert [text(each / "authorized") for each in (keyboard, camera, beside)] == ["0", "1", "1"]
    guard.sweep(bay.sysfs, PERMITTED)


def test_a_sweep_goes_on_behind_what_cannot_be_shut(bay: BaySysfs) -> None:
    """The other bays are swept all the same."""
    stuck = bay.plug(raw=descriptors(KEYBOARD), authorized="1")
    other = bay.plug(raw=descriptors(KEYBOARD), name="1-1.3", authorized="1")
    with pytest.MonkeyPatch.context() as patch:
        write = Path.write_text

        def refuse(path: Path, data: str) -> int:
            if path == stuck / "authorized":
                raise OSError(errno.EIO, "Input/output error")
            return write(path, data)

        patch.setattr(Path, "write_text", refuse)
        guard.sweep(bay.sysfs, PERMITTED)
    assert [text(each / "authorized") for each in (stuck, other)] == ["1", "0"]


def test_a_device_that_changes_its_mind_is_taken_out_of_use(bay: BaySysfs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptors that are other ones once the kernel has read them again count for nothing."""
    device = bay.plug(BULK)
    answers = iter([descriptors(BULK), descriptors(BULK, KEYBOARD)])
    monkeypatch.setattr(guard, "descriptors", lambda path: next(answers))
    with pytest.raises(CameraUnknownError, match="describes itself in two ways"):
        guard.authorise(bay.sysfs, PERMITTED, BAY)
    assert text(device / "authorized") == "0"


def test_an_interface_that_was_not_described_is_never_bound(bay: BaySysfs) -> None:
    """What the kernel made of the device is looked at once more, whatever the bytes said."""
    device = bay.plug(BULK)
    keyboard = bay.interface(device, 1, KEYBOARD)
    with pytest.raises(CameraUnknownError, match="has an interface that it did not describe"):
        guard.authorise(bay.sysfs, PERMITTED, BAY)
    assert (text(device / "authorized"), text(keyboard / "authorized")) == ("0", "0")


@pytest.mark.parametrize("name", ["", "5", "../../3", "3\0", "3/../4", "*"])
def test_only_bays_of_the_site_file_are_bays(bay: BaySysfs, name: str) -> None:
    """A bay's name is looked up and never made into a path."""
    device = bay.plug(BULK)
    with pytest.raises(CameraUnknownError, match="is no USB bay of this dock"):
        guard.authorise(bay.sysfs, PERMITTED, name)
    assert text(device / "authorized") == "0"


def test_an_empty_bay_is_empty(bay: BaySysfs) -> None:
    """Whatever is at the ports beside it."""
    bay.plug(BULK, name="1-1.21")
    with pytest.raises(CameraGoneError, match="bay 3 is empty"):
        guard.authorise(bay.sysfs, PERMITTED, BAY)


def test_a_machine_without_usb_has_empty_bays(tmp_path: Path) -> None:
    """The kernel's folder is missing until a USB driver is loaded."""
    with pytest.raises(CameraGoneError):
        guard.authorise(Sysfs(tmp_path), PERMITTED, BAY)


def test_a_camera_that_leaves_meanwhile_is_gone(bay: BaySysfs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's error is the camera's removal, not the helper's end."""
    bay.plug(BULK)

    def gone(path: Path) -> bytes:
        answer = (path / "descriptors").read_bytes()
        (path / "authorized").unlink()
        (path / "authorized").mkdir()
        return answer

    monkeypatch.setattr(guard, "descriptors", gone)
    with pytest.raises(CameraGoneError, match="could not be let in"):
        guard.authorise(bay.sysfs, PERMITTED, BAY)
