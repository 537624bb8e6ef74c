"""Attaches a camera: its one volume, or those that its profile names; the worker's side of a helper's session."""

import os

from dockd.camera.tree import missing_alone, opened_folder, unreadable
from dockd.core.names import basename, parent
from dockd.core.profile import Profile
from dockd.core.usb import UsbSource, Volume
from dockd.core.volumes import VolumesError, named
from dockd.errors import CameraUnknownError
from dockd.helper.client import Session

_TO_THE_ADMIN = "Nothing was copied. Hand the camera, with its card, to your admin."


def attached(session: Session, source: UsbSource, profile: Profile) -> tuple[Volume | None, int]:
    """A descriptor of the camera's root folder, and the volume that it is; None where it holds a folder for each of several.

    A volume that nobody expects may hold footage that nobody would look for, so nothing is read of such a camera.

    Raises:
        CameraUnknownError: it shows other volumes than its profile says, one cannot be mounted, or it is none of this profile's.
        CameraGoneError: the camera left.
        WorkerError: the helper cannot be asked.
    """
    volume, root = _opened(session, source, profile)
    if not _shows(root, profile):
        os.close(root)
        msg = f"the device is a camera by its numbers, but has no {profile.present} as {profile.name} cameras have"
        raise CameraUnknownError(msg)
    return volume, root


def _opened(session: Session, source: UsbSource, profile: Profile) -> tuple[Volume | None, int]:
    if profile.volumes:
        try:
            volumes = named(source.volumes, profile.volumes)
        except VolumesError as exc:
            msg = f"the camera is not as profile {profile.name} says: {exc}"
            raise CameraUnknownError(msg, hint=_TO_THE_ADMIN) from exc
        return None, session.open_several(source.bay, volumes)
    if len(source.volumes) != 1:
        msg = f"the camera shows {len(source.volumes)} volumes, and profile {profile.name} names none"
        raise CameraUnknownError(msg, hint=f"{_TO_THE_ADMIN} Admins: name them under volumes in the profile.")
    return source.volumes[0], session.open(source.bay, source.volumes[0])


def _shows(root: int, profile: Profile) -> bool:
    """Whether there is what every camera of this profile has."""
    path = profile.present.encode()
    try:
        with opened_folder(root, parent(path)) as folder:
            os.stat(basename(path), dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError) as exc:
        missing_alone(root, path, exc)
        return False
    except OSError as exc:
        raise unreadable(root, path, exc) from exc
    return True
