"""What a camera's file system says of itself on the medium, read without believing it."""

import struct

from dockd.helper.sectors import exactly

_EXT4_AT, _EXT4_MAGIC = 1024, 0xEF53
_EXT4_VALID, _EXT4_ERRORS = 1, 2
_EXT4_RECOVER, _EXT4_ORPHANS = 0x4, 0x10000
_EXFAT_DIRTY, _EXFAT_FAILED = 2, 4

_NOT_CLOSED = "its file system was not closed properly"
_DAMAGED = "its file system says that it is damaged"


def unclean(volume: int, filesystem: str) -> str:
    """Why a file system may hold something that a walk does not show; empty if it was closed as it should be.

    Args:
        volume: descriptor of the disk or partition.
        filesystem: vfat, exfat or ext4.

    Raises:
        OSError: the medium's error.
    """
    match filesystem:
        case "vfat":
            return _unclean_fat(volume)
        case "exfat":
            flags = struct.unpack_from("<H", exactly(volume, 512, 0), 106)[0]
            return _NOT_CLOSED if flags & _EXFAT_DIRTY else _DAMAGED if flags & _EXFAT_FAILED else ""
        case _:
            state = struct.unpack_from("<H", exactly(volume, 1024, _EXT4_AT), 0x3A)[0]
            if needs_repair(volume, filesystem) or not state & _EXT4_VALID:
                return _NOT_CLOSED
            return _DAMAGED if state & _EXT4_ERRORS else ""


def needs_repair(volume: int, filesystem: str) -> bool:
    """Whether mounting it for writing changes what a read-only mount showed: a journal to be replayed, orphans to be removed."""
    if filesystem != "ext4":
        return False
    superblock = exactly(volume, 1024, _EXT4_AT)
    incompatible, compatible_to_read = struct.unpack_from("<II", superblock, 0x60)
    (last_orphan,) = struct.unpack_from("<I", superblock, 0xE8)
    return bool(incompatible & _EXT4_RECOVER or compatible_to_read & _EXT4_ORPHANS or last_orphan)


def _unclean_fat(volume: int) -> str:
    """Linux marks the boot sector, others the second entry of the table of clusters (Microsoft's FAT specification, 2000)."""
    boot = exactly(volume, 512, 0)
    sector_bytes, reserved, table16 = struct.unpack_from("<H", boot, 11)[0], *struct.unpack_from("<H6xH", boot, 14)
    if boot[0x25 if table16 else 0x41] & 1:
        return _NOT_CLOSED
    begin = exactly(volume, 8, reserved * sector_bytes)
    if not table16:
        (mark,) = struct.unpack_from("<I", begin, 4)
        return "" if mark & 0x08000000 else _NOT_CLOSED
    (mark,) = struct.unpack_from("<H", begin, 2)
    return _NOT_CLOSED if boot[0x36:0x3E].startswith(b"FAT16") and not mark & 0x8000 else ""
