"""Clears a camera as a whole: what is to be there is made first, then written down, then put in the place of everything."""

import os
import stat
from collections.abc import Callable

from dockd.camera.tree import missing_alone, opened_folder, walk
from dockd.core.clearance import OverwritePermit
from dockd.core.erasure import Erasure
from dockd.core.names import basename, parent, shown
from dockd.core.usb import described
from dockd.errors import CameraGoneError, CameraUnknownError, EraseFailedError
from dockd.helper.begun import Begun, BegunBook, Device, Fresh
from dockd.helper.blueprint import disk_bytes, fresh_disk
from dockd.helper.docked import Docked
from dockd.helper.overwriting import overwrite
from dockd.helper.sectors import NotRebuiltError
from dockd.helper.sysfs import descriptors, serial

_MOST_FACTS_BYTES = 64 * 1024

Alive = Callable[[int], None]


def device_of(camera: Docked) -> Device:
    """What tells this disk from others while nothing on it can be read.

    Raises:
        OSError: it does not answer.
    """
    claims = described(descriptors(camera.device))
    return Device(claims.vendor, claims.product, serial(camera.device), disk_bytes(camera.disk.descriptor))


def prepared(camera: Docked, root: int) -> Fresh:
    """What a clear would leave on this camera: its folders, and the files in which it says who it is.

    Args:
        camera: mounted.
        root: descriptor of its root folder.

    Raises:
        NotRebuiltError: it could not be made anew.
        CameraGoneError, OSError: the camera does not answer.
    """
    profile = camera.profile
    folders, files = list(profile.erase.folders), {}
    folders += [path for path in (profile.present, *profile.folders) if path and _kind(root, path) == stat.S_IFDIR]
    facts = [each.file for each in (profile.serial, profile.battery, profile.officer) if each is not None]
    for path in dict.fromkeys([profile.present, *facts]):
        if _kind(root, path) == stat.S_IFREG:
            files[path] = _small(root, path)
    return fresh_disk(camera, tuple(dict.fromkeys(folders)), files)


def clear(
    camera: Docked, permit: OverwritePermit, fresh: Fresh, book: BegunBook, alive: Alive, *, officers: tuple[str, ...]
) -> Erasure:
    """Overwrite everything under a permit; `officers` are those whose camera it is.

    Raises:
        EraseFailedError: it was not done; what happened is said.
        CameraError: the camera left, or somebody else uses it.
    """
    camera.unmount()
    begun = book.begin(permit, device_of(camera), camera.profile, fresh, officers)
    return finish(camera, begun, book, alive)[0]


def broken_off(camera: Docked, book: BegunBook) -> Begun | None:
    """The clear that was begun on this disk and not finished; None for a disk that has no token on it.

    Raises:
        CameraGoneError: it leaves just now; what was begun is finished at its next docking.
        CameraUnknownError: there is a token that nothing here fits, or the disk does not say whether there is one.
    """
    try:
        return book.found(camera.disk.descriptor, device_of(camera))
    except OSError as exc:
        if not camera.disk.disk.path.exists():
            msg = "the camera left before its first block was read"
            raise CameraGoneError(msg) from exc
        msg = f"the camera's first block cannot be read: {exc.strerror}"
        hint = "Take the camera out and put it back; if that does not help, hand it to your admin."
        raise CameraUnknownError(msg, hint=hint) from exc


def finish(camera: Docked, begun: Begun, book: BegunBook, alive: Alive) -> tuple[Erasure, bool]:
    """Do what was begun, from its beginning; whether the kernel has to look for partitions anew. Raises as `clear`.

    It has to where the disk came with a token in place of its partition table. Whoever asked must have written down that the
    clear is finished before that, for the camera then looks as if it had been plugged in again.
    """
    unknown = bool(begun.partition) and begun.partition not in camera.disk.partitions
    erasure = overwrite(camera.disk, begun, alive)
    if not unknown:
        camera.disk.hold_partitions(camera.sysfs)
        camera.disk.let_write(let=False)
        camera.mount()
        _look(camera, begun, alive)
    book.finished(begun)
    return erasure, unknown


def _look(camera: Docked, begun: Begun, alive: Alive) -> None:
    """The kernel takes the file system for one, and there is nothing on it but what was put there.

    Raises:
        EraseFailedError: there is something else.
    """
    root = camera.root()
    try:
        found = {each.path for each in walk(root, alive)}
    finally:
        os.close(root)
    if found != set(begun.restored):
        odd = min(found ^ set(begun.restored))
        msg = f"the camera was cleared, and does not show what was put there: {shown(odd)}"
        raise EraseFailedError(msg)


def _kind(root: int, path: str) -> int:
    """What kind of thing is there, 0 for nothing."""
    name = path.encode()
    try:
        with opened_folder(root, parent(name)) as folder:
            return stat.S_IFMT(os.stat(basename(name), dir_fd=folder, follow_symlinks=False).st_mode)
    except (FileNotFoundError, NotADirectoryError) as exc:
        missing_alone(root, name, exc)
        return 0


def _small(root: int, path: str) -> bytes:
    name = path.encode()
    with opened_folder(root, parent(name)) as folder:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(basename(name), flags, dir_fd=folder)
        try:
            content = os.read(descriptor, _MOST_FACTS_BYTES + 1)
        finally:
            os.close(descriptor)
    if len(content) > _MOST_FACTS_BYTES:
        msg = f"{shown(name)} is longer than a file in which a camera says who it is"
        raise NotRebuiltError(msg)
    return content
