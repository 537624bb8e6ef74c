"""What the file system on a volume has given away, counted on the medium where the kernel's own count may be only a note."""

from pathlib import Path

from dockd.core.occupancy import UNREADABLE, Occupancy
from dockd.helper import exfat, ext4, fat
from dockd.helper.blueprint import disk_bytes
from dockd.helper.sectors import NotRebuiltError, exactly
from dockd.logs import logger

_log = logger(__name__)


def in_use(volume: int, filesystem: str, root: int | Path) -> Occupancy | None:
    """What is taken; None of a kind that is never made anew either, such as FAT12.

    Args:
        volume: descriptor of the disk or partition.
        filesystem: vfat, exfat or ext4.
        root: its root folder, mounted.

    Raises:
        OSError: the medium's error.
    """

    def read(offset: int, size: int) -> bytes:
        return exactly(volume, size, offset)

    try:
        match filesystem:
            case "vfat":
                return fat.in_use(read, disk_bytes(volume))
            case "exfat":
                return exfat.in_use(read, disk_bytes(volume))
            case _:
                return ext4.in_use(read, root)
    except NotRebuiltError:
        return None


def in_use_if_readable(volume: int, filesystem: str, root: int | Path) -> Occupancy | None:
    """As `in_use`, but where the medium gives an error that is said of it: what can be read is read all the same."""
    try:
        return in_use(volume, filesystem, root)
    except OSError as exc:
        _log.warning("what is in use cannot be counted", filesystem=filesystem, why=exc.strerror)
        return UNREADABLE
