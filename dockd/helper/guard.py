"""Decides over what is plugged into a bay, and tells the kernel: only cameras, and of them only their disks.

A root hub that serves a bay authorises nothing by itself, so a device there is a description and nothing more until it is judged
here. What was plugged in before anybody guarded the port is judged the same way, and taken out of use if it is refused. The
kernel reads the device's description again when it is authorised; so it is compared again, and each interface is looked at once
more before a driver may have it.
"""

from pathlib import Path

from dockd.core import usb
from dockd.core.profile import Profile
from dockd.errors import CameraGoneError, CameraUnknownError
from dockd.helper.permitted import Permitted
from dockd.helper.sysfs import Sysfs, descriptors, number, text
from dockd.logs import logger

_log = logger(__name__)

_KEEP_IT = "Take it out, keep it, and call your admin: nothing on it was used."
_IF_A_CAMERA = "Take it out. Admins: if it is a camera of yours, name its numbers under usb: in its profile."


def judged(sysfs: Sysfs, permitted: Permitted, bay: str) -> tuple[Path, Profile, bytes]:
    """The device in a bay, its profile, and the descriptors from which both were judged.

    Raises:
        CameraUnknownError: the bay is none of the dock's, or holds something that is no camera.
        CameraGoneError: it is empty.
    """
    port = permitted.ports.get(bay)
    if port is None:
        msg = f"{bay!r} is no USB bay of this dock"
        raise CameraUnknownError(msg, hint="Compare the daemon's site file with the helper's, and restart both.")
    device = sysfs.at(port)
    if device is None:
        msg = f"bay {bay} is empty"
        raise CameraGoneError(msg)
    raw = descriptors(device)
    words = usb.refusal(raw)
    if words:
        msg = f"{words} is in bay {bay}; it was not let in"
        raise CameraUnknownError(msg, hint=_KEEP_IT)
    claims = usb.described(raw)
    profile = permitted.profile_of(claims.vendor, claims.product)
    if profile is None:
        msg = f"a disk that no profile knows ({claims.vendor:04x}:{claims.product:04x}) is in bay {bay}; it was not let in"
        raise CameraUnknownError(msg, hint=_IF_A_CAMERA)
    return device, profile, raw


def authorise(sysfs: Sysfs, permitted: Permitted, bay: str) -> Profile:
    """Let the camera in a bay be used, with its disks and nothing else.

    Raises:
        CameraUnknownError: it is none; it is out of use now.
        CameraGoneError: it left meanwhile, or the bay was empty.
    """
    port = permitted.ports.get(bay)
    try:
        device, profile, raw = judged(sysfs, permitted, bay)
    except CameraUnknownError:
        _shut(sysfs.at(port) if port is not None else None)
        raise
    try:
        if text(device / "authorized") != "1":
            (device / "authorized").write_text("1")
        if descriptors(device) != raw:
            _shut(device)
            msg = f"the device in bay {bay} describes itself in two ways; it was not let in"
            raise CameraUnknownError(msg, hint=_KEEP_IT)
        for interface in sysfs.interfaces(device):
            if _kind(interface) not in usb.STORAGE:
                _shut(device)
                msg = f"the device in bay {bay} has an interface that it did not describe; it was not let in"
                raise CameraUnknownError(msg, hint=_KEEP_IT)
            _let_bind(sysfs, interface)
    except OSError as exc:
        msg = f"the camera in bay {bay} could not be let in: {exc.strerror}"
        raise CameraGoneError(msg) from exc
    return profile


def sweep(sysfs: Sysfs, permitted: Permitted) -> None:
    """Take out of use whatever is in a bay and is no camera, without being asked: for what was there before the guard was.

    Until the root hubs let nothing in by themselves, at boot, the kernel lets in everything; a daemon that does not run asks for
    nothing. Cameras are left as they are.
    """
    for bay in sorted(permitted.ports):
        try:
            judged(sysfs, permitted, bay)
        except CameraGoneError:
            continue
        except CameraUnknownError as refused:
            try:
                if _shut(sysfs.at(permitted.ports[bay])):
                    _log.warning("taken out of use", bay=bay, why=refused.message)
            except CameraUnknownError as exc:
                _log.error("still in use", bay=bay, why=exc.message)


def _kind(interface: Path) -> tuple[int, int, int]:
    kind = [number(interface / f"bInterface{name}", 16) for name in ("Class", "SubClass", "Protocol")]
    return kind[0], kind[1], kind[2]


def _let_bind(sysfs: Sysfs, interface: Path) -> None:
    """An interface that was authorised after its device came has missed its driver; the kernel looks for one when told."""
    if text(interface / "authorized") == "1" and (interface / "driver").exists():
        return
    (interface / "authorized").write_text("1")
    (sysfs.root / "bus" / "usb" / "drivers_probe").write_text(interface.name)


def _shut(device: Path | None) -> bool:
    """Take a device out of use, if it is in use; whether it was. One that is not there any more needs nothing."""
    if device is None or text(device / "authorized") != "1":
        return False
    try:
        (device / "authorized").write_text("0")
    except FileNotFoundError:
        return False
    except OSError as exc:
        msg = f"a device that is refused could not be taken out of use: {exc.strerror}"
        raise CameraUnknownError(msg, hint="Unplug it now, and call your admin.") from exc
    return True
