"""Finds the volume of a camera that holds its recordings, and attaches it; the worker's side of a helper's session."""

import os

from dockd.camera.tree import opened_folder, unreadable
from dockd.core.names import basename, parent
from dockd.core.profile import Profile
from dockd.core.usb import UsbSource, Volume
from dockd.errors import CameraUnknownError
from dockd.helper.client import Session


def attached(session: Session, source: UsbSource, profile: Profile) -> tuple[Volume, int]:
    """The one volume that holds recordings, and a descriptor of its root folder.

    Every volume is looked at. One that cannot be mounted may hold recordings too, so nothing is said of the camera then; and of
    two that hold some none may be forgotten, so a person is shown the camera.

    Raises:
        CameraUnknownError: no volume holds recordings, or more than one does, or one cannot be mounted.
        CameraGoneError: the camera left.
        WorkerError: the helper cannot be asked.
    """
    if len(source.volumes) == 1:
        root = session.open(source.bay, source.volumes[0])
        if not _shows(root, profile):
            os.close(root)
            raise _nothing(profile)
        return source.volumes[0], root
    found = [volume for volume in source.volumes if _looked_at(session, source.bay, volume, profile)]
    if not found:
        raise _nothing(profile)
    if len(found) > 1:
        msg = f"the camera has {len(found)} volumes with recordings, and this version reads one"
        raise CameraUnknownError(msg, hint="Nothing was copied. Hand the camera, with its card, to your admin.")
    return found[0], session.open(source.bay, found[0])


def _looked_at(session: Session, bay: str, volume: Volume, profile: Profile) -> bool:
    """Whether a volume holds recordings; it is released again, so that another one of its disk can be opened."""
    root = session.open(bay, volume)
    try:
        return _shows(root, profile)
    finally:
        os.close(root)
        session.release()


def _shows(root: int, profile: Profile) -> bool:
    """Whether there is what every camera of this profile has."""
    path = profile.present.encode()
    try:
        with opened_folder(root, parent(path)) as folder:
            os.stat(basename(path), dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as exc:
        raise unreadable(root, path, exc) from exc
    return True


def _nothing(profile: Profile) -> CameraUnknownError:
    return CameraUnknownError(
        f"the device is a camera by its numbers, but has no {profile.present} as {profile.name} cameras have"
    )
