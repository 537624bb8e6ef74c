"""Walk a camera's tree and open its files, beneath its root and nowhere else."""

import dataclasses
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dockd.core.clearance import Identity
from dockd.core.names import basename, parent, shown
from dockd.core.occupancy import Occupancy
from dockd.core.profile import Found
from dockd.errors import CameraGoneError, NoDirectReadError, NotARecordingError, SourceChangedError, SourceUnreadableError
from dockd.medium import NotDirectError, open_direct

DEEPEST = 32
MOST_ENTRIES = 1_000_000
MOST_NAME_BYTES = 64 << 20
DISKS = Path("/sys/dev/block")
"""The kernel's disks by their numbers; file systems without one have a major number of 0."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESHUTDOWN, errno.ESTALE, errno.ENOMEDIUM})
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_root(path: Path) -> int:
    """A descriptor of the directory that a directory bay holds.

    Raises:
        CameraGoneError: it is not there, or its device is gone.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        msg = f"the camera's folder cannot be opened: {exc.strerror}"
        raise CameraGoneError(msg) from exc


def identity_of(status: os.stat_result) -> Identity:
    """What must stay the same of a file while it is examined."""
    return Identity(
        status.st_dev, status.st_ino, status.st_size, _within_64_bits(status.st_mtime_ns), _within_64_bits(status.st_ctime_ns)
    )


def _within_64_bits(epoch_ns: int) -> int:
    """A hostile file system names times beyond the year 2262, which no message and no catalogue holds."""
    return max(-(1 << 63), min((1 << 63) - 1, epoch_ns))


def walk(root: int, moved: Callable[[int], None], in_use: Occupancy | None = None) -> Iterator[Found]:
    """Every entry below `root` that is not a folder, with why it can never be read where that is so.

    Args:
        root: descriptor of the camera's root; its own offset is not used.
        moved: told after each folder how many entries it had, as a sign of life.
        in_use: what its file system says is taken, if that is known. Where it is not what was seen, the root is an entry, too.

    Raises:
        CameraGoneError: the root cannot be listed, or can no longer be; or its disk has left by the end.
    """
    device, most_bytes = os.fstat(root).st_dev, _capacity_bytes(root)
    pending, entries, name_bytes = [b""], 0, 0
    seen_all: list[Identity] = []
    while pending:
        folder = pending.pop()
        found: list[Found] = []
        try:
            with opened_folder(root, folder) as descriptor, os.scandir(descriptor) as listing:
                names = sorted(os.fsencode(entry.name) for entry in listing)
                if in_use is not None:
                    seen_all.append(identity_of(os.fstat(descriptor)))
                missed: set[bytes] = set()
                for name in names:
                    path = folder + b"/" + name if folder else name
                    try:
                        seen = _look(descriptor, name, path, device, most_bytes)
                    except OSError as exc:
                        # One entry of a broken file system: a folder that lies in itself, an inode that is none.
                        if exc.errno in _GONE or not _answers(root):
                            raise
                        seen = Found(path, None, f"it cannot be looked at: {exc.strerror}")
                    if seen is None:
                        missed.add(name)
                        continue
                    name_bytes += len(path)
                    if seen.identity is None and not seen.problem:
                        pending.append(path)
                    else:
                        found.append(seen)
                found += _nameless(descriptor, folder, missed)
        except OSError as exc:
            if not folder or exc.errno in _GONE or not _answers(root):
                msg = f"the camera stopped answering: {exc.strerror}"
                raise CameraGoneError(msg) from exc
            yield Found(folder, None, f"this folder cannot be listed: {exc.strerror}")
            continue
        yield from found
        if in_use is not None:
            seen_all += [each.identity for each in found if each.identity is not None]
        entries += len(names)
        moved(len(names))
        if entries > MOST_ENTRIES or name_bytes > MOST_NAME_BYTES:
            yield Found(folder, None, f"more than {MOST_ENTRIES} entries, or names too long: the rest was not looked at")
            return
    if not _attached(root):
        msg = "the camera was taken out while it was looked through"
        raise CameraGoneError(msg)  # FAT gives no error for a folder whose disk is gone: it looks empty
    if in_use is not None and (words := in_use.unaccounted(seen_all)):
        yield Found(b"", None, words)


def walk_volumes(
    root: int, volumes: Sequence[str], moved: Callable[[int], None], in_use: Mapping[str, Occupancy] | None = None
) -> Iterator[Found]:
    """As `walk`, of a camera whose root has a folder for each of its volumes; those that it has not are left out."""
    taken = {name.encode(): each for name, each in (in_use or {}).items()}
    with opened_folder(root, b"") as folder, os.scandir(folder) as listing:
        there = {os.fsencode(entry.name) for entry in listing}
    for name in (each.encode() for each in volumes):
        if name in there:
            with opened_folder(root, name) as volume:
                for found in walk(volume, moved, taken.get(name)):
                    yield dataclasses.replace(found, path=name + b"/" + found.path if found.path else name)


def room_bytes(root: int, volumes: Sequence[str] | None = None) -> int:
    """Room for new files on a camera.

    Args:
        root: of the camera.
        volumes: those that new files go onto, of a camera that has a folder for each; those that it has not have no room.

    Raises:
        OSError: the camera left, or gives an error.
    """
    total = 0
    for name in [b""] if volumes is None else [each.encode() for each in volumes]:
        try:
            with opened_folder(root, name) as folder:
                status = os.fstatvfs(folder)
        except FileNotFoundError:
            continue
        total += status.f_bavail * status.f_frsize
    return total


def _capacity_bytes(root: int) -> int:
    """Of the whole camera; endless where the file system does not say."""
    status = os.fstatvfs(root)
    return status.f_blocks * status.f_frsize or 1 << 63


def _look(descriptor: int, name: bytes, path: bytes, device: int, most_bytes: int) -> Found | None:
    """One entry; None for what vanished meanwhile, without identity and problem for a folder that is to be walked.

    Raises:
        OSError: this entry, or the device, gives an error.
    """
    try:
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None
    kind = stat.S_IFMT(status.st_mode)
    if status.st_dev != device:
        return Found(path, None, "another file system is mounted here")
    if kind == stat.S_IFDIR:
        if path.count(b"/") + 1 >= DEEPEST:
            return Found(path, None, f"folders deeper than {DEEPEST} are not entered")
        return Found(path, None)
    if kind != stat.S_IFREG:
        return Found(path, identity_of(status), f"{_KINDS.get(kind, 'no plain file')}, which is never read")
    if status.st_size > most_bytes:
        # Room for it would be waited for without end, and those after it with it.
        return Found(path, identity_of(status), f"it says that it has {status.st_size} bytes, more than the whole camera")
    return Found(path, identity_of(status))


def _nameless(descriptor: int, folder: bytes, missed: set[bytes]) -> Iterator[Found]:
    """Of the entries that were listed and then not found those that are listed still: none of them vanished.

    The kernel finds no name on FAT that ends with a dot.
    """
    if not missed:
        return
    with opened_folder(descriptor, b"") as again, os.scandir(again) as listing:
        for name in sorted(missed & {os.fsencode(entry.name) for entry in listing}):
            yield Found(folder + b"/" + name if folder else name, None, "it is listed, and cannot be found by its name")


@contextmanager
def opened_folder(root: int, folder: bytes) -> Iterator[int]:
    """A fresh descriptor of a folder beneath `root`, entered part by part; the empty folder is the root itself.

    Raises:
        OSError: a part is missing, is no folder, or is a link (ELOOP or ENOTDIR).
    """
    descriptor = os.open(".", _FOLDER, dir_fd=root)
    try:
        for part in folder.split(b"/") if folder else ():
            if part in {b"", b".", b".."}:
                msg = f"{shown(folder)} is not a path on a camera"
                raise RuntimeError(msg)
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_file(root: int, path: bytes, expected: Identity, *, direct: bool, folder: int | None = None) -> Iterator[int]:
    """A recording opened for reading, proved to be the file that the scan saw.

    Args:
        root: descriptor of the camera's root.
        path: beneath it.
        expected: what the scan saw.
        direct: past the page cache.
        folder: a descriptor of `path`'s folder, by `opened_folder`; without, it is entered afresh.

    Raises:
        SourceChangedError: another file, size or time than the scan saw.
        NotARecordingError: not a plain file.
        NoDirectReadError: `direct`, and the file system cannot.
        CameraGoneError, SourceUnreadableError: as `unreadable` tells them apart.
    """
    try:
        if folder is None:
            with opened_folder(root, parent(path)) as entered:
                descriptor = _open_plain(entered, path, direct=direct)
        else:
            descriptor = _open_plain(folder, path, direct=direct)
    except NotDirectError as exc:
        msg = f"{shown(path)} cannot be read past the page cache"
        raise NoDirectReadError(msg) from exc
    except FileNotFoundError as exc:
        raise still_there(root, path) from exc
    except OSError as exc:
        raise unreadable(root, path, exc) from exc
    try:
        if identity_of(os.fstat(descriptor)) != expected:
            msg = f"{shown(path)} changed after the dock had listed it"
            raise SourceChangedError(msg)
        yield descriptor
    finally:
        os.close(descriptor)


def _open_plain(folder: int, path: bytes, *, direct: bool) -> int:
    """Open a plain file in `folder` without ever waiting on what is none."""
    name = basename(path)
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        msg = f"{shown(path)} is no longer a plain file"
        raise NotARecordingError(msg)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    if direct:
        return open_direct(name, flags, dir_fd=folder)
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def still_there(root: int, path: bytes) -> SourceChangedError | CameraGoneError:
    """Why `path` is missing: the file alone, or the camera, of which FAT says no more than that nothing is there."""
    if _answers(root, path):
        return SourceChangedError(f"{shown(path)} is no longer on the camera")
    return CameraGoneError("the camera was taken out")


def missing_alone(root: int, path: bytes, error: OSError) -> None:
    """Return if the camera is there, and only the file is missing that `error` says is.

    Raises:
        CameraGoneError: the camera was taken out.
    """
    missing = still_there(root, path)
    if isinstance(missing, CameraGoneError):
        raise missing from error


def unreadable(root: int, path: bytes, error: OSError) -> CameraGoneError | SourceUnreadableError:
    """Whether `error`, met at `path`, is the file's or the whole camera's: a camera that still lists its root is there."""
    if error.errno not in _GONE and _answers(root, path):
        return SourceUnreadableError(f"{shown(path)} cannot be read: {error.strerror}")
    return CameraGoneError(f"the camera stopped answering at {shown(path)}: {error.strerror}")


def _answers(root: int, path: bytes = b"") -> bool:
    """Whether the disk with `path` is attached, and the root of its file system can be listed afresh and holds anything.

    A folder that was listed before can be listed from memory when its disk is long gone; the kernel's list of disks cannot.
    """
    try:
        with opened_folder(root, _volume(root, path)) as folder:
            if not _attached(folder):
                return False
            with os.scandir(folder) as listing:
                return any(True for _ in listing)
    except OSError:
        return False


def _attached(folder: int) -> bool:
    """Whether the kernel still has the disk of an open folder."""
    device = os.fstat(folder).st_dev
    return not os.major(device) or not DISKS.exists() or (DISKS / f"{os.major(device)}:{os.minor(device)}").exists()


def _volume(root: int, path: bytes) -> bytes:
    """The folder that is the root of the volume with `path`: the camera's own root but where a camera has several volumes."""
    first = path.partition(b"/")[0]
    if not first:
        return b""
    try:
        status = os.stat(first, dir_fd=root, follow_symlinks=False)
    except OSError:
        return b""
    return first if status.st_dev != os.fstat(root).st_dev and stat.S_ISDIR(status.st_mode) else b""
