"""Blocks writes to a camera's disk and mounts it where nobody else sees it.

The disk is opened once and held: while it is open its number cannot become another disk's, and what is mounted is what was
opened, through the descriptor. Writes are blocked on the disk and on all its partitions before the file system's code sees it,
for even a read-only mount would write to a dirty journal. They are let through only while something is erased under a permit.
"""

import ctypes
import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

from dockd.errors import CameraGoneError, CameraUnknownError, DockError
from dockd.helper.sysfs import Disk, Sysfs

_BLKROSET, _BLKROGET, _BLKGETDISKSEQ = 0x125D, 0x125E, 0x80081280  # linux/fs.h
_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_NOSYMFOLLOW, _MS_NOATIME = 1, 2, 4, 8, 256, 1024  # linux/mount.h
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_MNT_DETACH = 2
_FLAGS = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOSYMFOLLOW | _MS_NOATIME

_libc = ctypes.CDLL(None, use_errno=True)


def options(filesystem: str, uid: int, *, writable: bool = False) -> str:
    """Mount options: FAT has no owners, so its files belong to the one user who may read them; times count as UTC."""
    masks = "umask=0077" if writable else "fmask=0377,dmask=0277"
    match filesystem:
        case "vfat":
            return f"uid={uid},{masks},utf8,tz=UTC"
        case "exfat":
            return f"uid={uid},{masks},iocharset=utf8"
        case "ext4":
            # Not as the camera's own superblock says: that may be to panic.
            return "errors=remount-ro" if writable else "noload,errors=continue"
        case _:
            msg = f"{filesystem!r} is never mounted"
            raise RuntimeError(msg)


def own_namespace() -> None:
    """Leave the system's mounts: from here on nothing that this process mounts is seen elsewhere, nor the other way round."""
    _called(_libc.unshare(_CLONE_NEWNS))
    _called(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))


class HeldDisk:
    """A camera's disk and its partitions, kept open, with every way to write to them shut unless it is opened for a while.

    Args:
        disk: in sysfs.
        descriptor: of it.
    """

    def __init__(self, disk: Disk, descriptor: int) -> None:
        self.disk, self.descriptor, self.diskseq = disk, descriptor, _diskseq(descriptor)
        self._parts: dict[int, int] = {}

    def volume(self, partition: int) -> int:
        """The descriptor of a partition, 0 for the disk itself.

        Raises:
            CameraUnknownError: it has no such partition.
        """
        if partition not in self._parts and partition:
            msg = f"the camera's disk has no partition {partition}"
            raise CameraUnknownError(msg)
        return self._parts[partition] if partition else self.descriptor

    @property
    def partitions(self) -> tuple[int, ...]:
        """Their numbers."""
        return tuple(sorted(self._parts))

    def let_write(self, *, let: bool) -> None:
        """Open or shut every way to write to it.

        Raises:
            CameraGoneError: it is not there any more.
            CameraUnknownError: the kernel did not do it.
        """
        for each in (self.descriptor, *self._parts.values()):
            _block_writes(each, blocked=not let)

    def claim(self) -> int:
        """A descriptor of the disk that keeps everybody else from mounting it, or any part of it.

        Raises:
            CameraUnknownError: somebody has.
            CameraGoneError: it is not there any more.
        """
        descriptor = _exclusive(self.disk)
        if _diskseq(descriptor) != self.diskseq:
            os.close(descriptor)
            msg = "another disk is there than the one that was meant"
            raise CameraGoneError(msg)
        return descriptor

    def writer(self) -> int:
        """A descriptor that writes and reads past the page cache, proved to be this very disk's; writes must be let through.

        Raises:
            CameraGoneError: it is not there any more.
        """
        return _open_node(self.disk, self.diskseq, os.O_RDWR | os.O_DIRECT)

    def hold_partitions(self, sysfs: Sysfs) -> None:
        """Hold those partitions that the kernel knows now.

        Raises:
            CameraGoneError: one is not there any more.
        """
        for part in sysfs.partitions(self.disk):
            self._parts[part.partition] = _open_node(part, self.diskseq)

    def close_partitions(self) -> None:
        """Let go of the partitions, and with them of what the kernel remembers of their content."""
        while self._parts:
            os.close(self._parts.popitem()[1])

    def close(self) -> None:
        """Let go of all of it; it stays shut."""
        self.close_partitions()
        os.close(self.descriptor)


def held(sysfs: Sysfs, disks: list[Disk], diskseq: int) -> HeldDisk:
    """The disk, open, with every way to write to it shut.

    Args:
        sysfs: where the partitions are found.
        disks: those of the camera; no other can be opened.
        diskseq: which of them.

    Raises:
        CameraGoneError: no such disk is there, or it is another by now.
        CameraUnknownError: somebody else uses it.
    """
    made = HeldDisk(*_opened(disks, diskseq))
    try:
        in_no_other_use(made.disk)
        made.hold_partitions(sysfs)
        made.let_write(let=False)
    except BaseException:
        made.close()
        raise
    return made


def _opened(disks: list[Disk], diskseq: int) -> tuple[Disk, int]:
    why = "there is none"
    for disk in disks:
        try:
            return disk, _open_node(disk, diskseq)
        except CameraGoneError as exc:
            why = exc.message
    msg = f"disk {diskseq} is not in this bay: {why}"
    raise CameraGoneError(msg)


def _open_node(disk: Disk, diskseq: int, flags: int = os.O_RDONLY) -> int:
    """The device file, proved to be the disk that was meant.

    Raises:
        CameraGoneError: it is not.
    """
    try:
        descriptor = os.open(disk.node, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        msg = f"the camera's disk cannot be opened: {exc.strerror}"
        raise CameraGoneError(msg) from exc
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISBLK(status.st_mode) or status.st_rdev != disk.number or _diskseq(descriptor) != diskseq:
            msg = "another disk is there than the one that was meant"
            raise CameraGoneError(msg)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _diskseq(descriptor: int) -> int:
    try:
        (number,) = struct.unpack("=Q", fcntl.ioctl(descriptor, _BLKGETDISKSEQ, bytes(8)))
    except OSError:
        return -1
    return int(number)


def in_no_other_use(disk: Disk) -> None:
    """Refuse a disk that somebody else has mounted or holds: it may be written to behind our back, and does not go when told.

    Raises:
        CameraUnknownError: somebody does.
        CameraGoneError: it cannot be opened.
    """
    os.close(_exclusive(disk))


def _exclusive(disk: Disk) -> int:
    try:
        return os.open(disk.node, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        if exc.errno == errno.EBUSY:
            msg = "another program on this machine uses the camera's disk"
            raise CameraUnknownError(msg, hint="Call your admin: cameras must not be mounted by anything but the dock.") from exc
        msg = f"the camera's disk cannot be opened: {exc.strerror}"
        raise CameraGoneError(msg) from exc


def _block_writes(descriptor: int, *, blocked: bool) -> None:
    what = "blocked" if blocked else "let through"
    try:
        fcntl.ioctl(descriptor, _BLKROSET, struct.pack("=i", blocked))
        (read_only,) = struct.unpack("=i", fcntl.ioctl(descriptor, _BLKROGET, bytes(4)))
    except OSError as exc:
        msg = f"writes to the camera's disk cannot be {what}: {exc.strerror}"
        raise CameraGoneError(msg) from exc
    if bool(read_only) != blocked:
        msg = f"writes to the camera's disk cannot be {what}"
        raise CameraUnknownError(msg)


class Mount:
    """One volume, mounted on `where` in the namespace of this process."""

    def __init__(self, where: Path) -> None:
        self._where = os.fsencode(where)

    def root(self) -> int:
        """A descriptor of the root folder; whoever has it keeps the volume mounted.

        Raises:
            CameraGoneError: it cannot be opened.
        """
        try:
            return os.open(self._where, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as exc:
            msg = f"the camera's root folder cannot be opened: {exc.strerror}"
            raise CameraGoneError(msg) from exc

    def release(self) -> None:
        """Unmount.

        Raises:
            CameraUnknownError: a descriptor is still open somewhere.
        """
        if _libc.umount2(self._where, 0):
            msg = f"the camera is still in use: {os.strerror(ctypes.get_errno())}"
            raise CameraUnknownError(msg, hint="")

    def abandon(self) -> None:
        """Unmount as far as can be done; the kernel finishes when the last descriptor is closed."""
        _libc.umount2(self._where, _MNT_DETACH)


def mounted(volume: int, filesystem: str, uid: int, where: Path, *, writable: bool = False) -> Mount:
    """Mount the volume on the folder `where`, read-only unless it is to be `writable`.

    Args:
        volume: descriptor from `HeldDisk`.
        filesystem: the profile's.
        uid: whose the files are where the file system knows no owners.
        where: an existing folder.
        writable: for erasing from it.

    Raises:
        CameraUnknownError: it holds no such file system, or a broken one.
        CameraGoneError: the disk gives errors.
    """
    source = f"/proc/self/fd/{volume}".encode()
    data = options(filesystem, uid, writable=writable).encode()
    flags = _FLAGS if writable else _FLAGS | _MS_RDONLY
    if _libc.mount(source, os.fsencode(where), filesystem.encode(), flags, data):
        raise _mount_failed(ctypes.get_errno(), filesystem)
    return Mount(where)


def sync(root: int) -> None:
    """Have everything written to the file system below `root` reach its disk.

    Raises:
        OSError: it did not.
    """
    _called(_libc.syncfs(root))


def _mount_failed(number: int, filesystem: str) -> DockError:
    words = os.strerror(number)
    if number == errno.ENODEV:
        return CameraUnknownError(f"this machine's kernel has no {filesystem}", hint="Admins: install the kernel's module.")
    if number in {errno.EIO, errno.ENXIO, errno.ENOMEDIUM}:
        return CameraGoneError(f"the camera's disk gives errors: {words}")
    return CameraUnknownError(
        f"the camera's disk holds no sound {filesystem} file system ({words})",
        hint="Nothing on the camera was changed. Hand it to your admin.",
    )


def _called(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
