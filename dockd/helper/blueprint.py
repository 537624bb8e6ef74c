"""What a disk is to hold after a clear: the same partition table, the same file system, empty but for what the camera expects."""

import fcntl
import struct

from dockd.helper import exfat, ext4, fat
from dockd.helper.begun import Fresh
from dockd.helper.docked import Docked
from dockd.helper.sectors import SECTOR_BYTES, NotRebuiltError, Sectors, exactly, tree_of
from dockd.helper.sysfs import number

_BLKGETSIZE64 = 0x80081272  # linux/fs.h
_CODE_BYTES = 440
_TABLE_AT, _ENTRY_BYTES, _ENTRIES = 446, 16, 4
_EXTENDED, _GUID = frozenset({0x05, 0x0F, 0x85}), 0xEE

_MAKERS = {"vfat": fat.fresh, "exfat": exfat.fresh, "ext4": ext4.fresh}


def disk_bytes(descriptor: int) -> int:
    """Everything of a disk or partition that can be addressed.

    Raises:
        OSError: the disk does not answer.
    """
    return int(struct.unpack("=Q", fcntl.ioctl(descriptor, _BLKGETSIZE64, bytes(8)))[0])


def fresh_disk(camera: Docked, folders: tuple[str, ...], files: dict[str, bytes]) -> Fresh:
    """The whole disk, made anew in memory.

    Args:
        camera: whose disk and file system it is like.
        folders: that it expects.
        files: that it expects, with their content.

    Raises:
        NotRebuiltError: it is of a kind that is not made anew; the words say why.
        OSError: the disk does not answer.
    """
    partition, volume = camera.partition, camera.volume
    whole = Sectors(disk_bytes(camera.disk.descriptor))
    start = 0
    if partition:
        table, start = _table(camera, partition)
        whole.put(0, table)
    made = _MAKERS[camera.profile.filesystem](
        lambda offset, size: exactly(volume, size, offset), disk_bytes(volume), tree_of(folders, files)
    )
    whole.embed(start, made)
    return Fresh(whole, partition, tuple(path.encode() for path in sorted(files)))


def _table(camera: Docked, partition: int) -> tuple[bytes, int]:
    """The partition table without the code before it, and where its only partition begins, as kernel and table agree."""
    sector = exactly(camera.disk.descriptor, SECTOR_BYTES, 0)
    entries = [sector[_TABLE_AT + index * _ENTRY_BYTES :][:_ENTRY_BYTES] for index in range(_ENTRIES)]
    used = [(index + 1, entry[4], *struct.unpack("<II", entry[8:])) for index, entry in enumerate(entries) if any(entry)]
    if sector[510:] != b"\x55\xaa" or len(used) != 1:
        msg = f"its partition table has {len(used)} entries, and only those with one are made anew"
        raise NotRebuiltError(msg)
    index, kind, start, size = used[0]
    if kind in _EXTENDED or kind == _GUID:
        msg = "its partition table is of a kind that is not made anew"
        raise NotRebuiltError(msg)
    part = next(each for each in camera.sysfs.partitions(camera.disk.disk) if each.partition == partition)
    if (index, start, size) != (partition, number(part.path / "start"), number(part.path / "size")):
        msg = "its partition table is not the one that the kernel goes by"
        raise NotRebuiltError(msg)
    return bytes(_CODE_BYTES) + sector[_CODE_BYTES:], start * SECTOR_BYTES
