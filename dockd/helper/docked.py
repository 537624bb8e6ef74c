"""One volume of a camera in a bay: its disk held and write-blocked, the volume mounted, for as long as a session wants."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dockd.core.profile import Profile
from dockd.errors import CameraGoneError, DockError, EraseFailedError
from dockd.helper import guard, mounting
from dockd.helper.idmapping import hand_over
from dockd.helper.permitted import Permitted
from dockd.helper.sysfs import Sysfs, size_bytes

_LEAST_BYTES = 8 * 512  # as `core.usb`: a slot without a card, or the shell of an extended partition


@dataclass(frozen=True, slots=True)
class Where:
    """What a session asks for, and where it mounts.

    Attributes:
        bay: id.
        diskseq: of a disk there.
        partition: of it, 0 for the disk itself.
        uid: who may read it where the file system knows no owners.
        folder: an existing folder, in this process's own mount namespace; locks lie beside it.
    """

    bay: str
    diskseq: int
    partition: int
    uid: int
    folder: Path


class Docked:
    """A camera's volume; `docked` makes it, with nothing mounted yet.

    Attributes:
        partition: which of the disk's is mounted, 0 for the disk itself.
    """

    def __init__(self, sysfs: Sysfs, device: Path, profile: Profile, where: Where) -> None:
        self.sysfs, self.device, self.profile, self.where = sysfs, device, profile, where
        self.partition = where.partition
        self._address = sysfs.address(device)
        self._turn = in_turn(where.folder, where.diskseq)
        try:
            self.disk = mounting.held(sysfs, sysfs.disks(device), where.diskseq)
        except BaseException:
            os.close(self._turn)
            raise
        self._mount: mounting.Mount | None = None

    @property
    def volume(self) -> int:
        """The descriptor of the volume."""
        return self.disk.volume(self.partition)

    def mount(self) -> None:
        """Mount it read-only.

        Raises:
            CameraUnknownError, CameraGoneError: as `mounting.mounted`.
        """
        self._mount = mounting.mounted(self.volume, self.profile.filesystem, self.where.uid, self.where.folder)

    def hand_over(self) -> None:
        """Let the client read what only the camera's own user may; root may anyhow, and FAT belongs to the client as mounted.

        Raises:
            CameraUnknownError: the kernel cannot.
        """
        hand_over(self.where.folder, self.profile.filesystem, self.profile.owner, self.where.uid)

    def root(self) -> int:
        """A descriptor of the root folder; whoever has it keeps the volume mounted.

        Raises:
            CameraGoneError: it cannot be opened.
        """
        return mounting.Mount(self.where.folder).root()

    def unmount(self) -> None:
        """Unmount it, if it is mounted.

        Raises:
            CameraUnknownError: a descriptor is still open somewhere.
        """
        if self._mount is not None:
            self._mount.release()
            self._mount = None

    @contextmanager
    def writable(self) -> Iterator[int]:
        """The root folder, mounted for writing; what was written is on the disk when the block ends, and the disk is shut again.

        Raises:
            EraseFailedError: the disk did not take what was written.
            DockError: as `mount`.
        """
        self.unmount()
        try:
            self.disk.let_write(let=True)
            mount = mounting.mounted(self.volume, self.profile.filesystem, 0, self.where.folder, writable=True)
            try:
                root = mount.root()
                try:
                    yield root
                    mounting.sync(root)
                finally:
                    os.close(root)
                mount.release()
            except BaseException:
                mount.abandon()
                raise
        except OSError as exc:
            self._shut_again()
            raise self._not_written(exc) from exc
        except BaseException:
            self._shut_again()
            raise
        self.disk.let_write(let=False)

    def _shut_again(self) -> None:
        """After something else went wrong, which is what is told; a disk that is gone needs no lock."""
        with suppress(DockError):
            self.disk.let_write(let=False)

    def _not_written(self, error: OSError) -> DockError:
        if not self.disk.disk.path.exists():
            return CameraGoneError("the camera left while it was being erased")
        return EraseFailedError(f"the camera's disk did not take what was written: {error.strerror}")

    def is_still_there(self, permitted: Permitted) -> None:
        """Judge afresh what is in the bay: it must be the same device, still plugged in, with a profile that says the same.

        Raises:
            CameraGoneError: another one is there, or none.
            CameraUnknownError: it is not let in any more.
        """
        device, profile, _ = guard.judged(self.sysfs, permitted, self.where.bay)
        if (device, self.sysfs.address(device), profile) != (self.device, self._address, self.profile):
            msg = f"bay {self.where.bay} no longer holds the camera that was opened"
            raise CameraGoneError(msg)

    def unseen(self) -> list[str]:
        """What of the camera this volume is not: other disks, other partitions."""
        others = []
        for disk in self.sysfs.disks(self.device):
            if size_bytes(disk) < _LEAST_BYTES:
                continue
            parts = [each.partition for each in self.sysfs.partitions(disk) if size_bytes(each) >= _LEAST_BYTES]
            if disk.number != self.disk.disk.number:
                others.append(f"its disk {disk.path.name} was not looked through")
                continue
            others += [f"partition {each} was not looked through" for each in parts if each != self.partition]
        return others

    def close(self) -> None:
        """Unmount as far as can be done, and let go of the disk, which stays shut."""
        if self._mount is not None:
            self._mount.abandon()
            self._mount = None
        self.disk.close()
        os.close(self._turn)


def in_turn(folder: Path, diskseq: int) -> int:
    """A lock that lasts as long as the disk is mounted here: a session that is just ending must not look like a stranger."""
    path = folder.parent / f"disk-{diskseq}.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def docked(sysfs: Sysfs, permitted: Permitted, where: Where) -> Docked:
    """The camera in a bay, judged afresh, its disk held and shut.

    Raises:
        CameraUnknownError, CameraGoneError: as `guard.judged` and `mounting.held`.
    """
    device, profile, _ = guard.judged(sysfs, permitted, where.bay)
    return Docked(sysfs, device, profile, where)
