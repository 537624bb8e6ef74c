"""What a disk holds after a power cut: every write up to a flush, and none after it.

`quit` leaves what the machine wrote in the host's page cache, so a missing fsync would never show. QEMU's blklogwrites keeps
every write and flush in the order in which the disk heard of them, in the kernel's format for that (its documentation of device
mapper targets, log-writes.rst); replaying it up to a flush gives the worst that an honest disk may do.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.rig.image import RigError, run

_MAGIC = 0x6A736677736872
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")
_FLUSH, _FUA, _DISCARD, _MARK = 1, 2, 4, 8
_KNOWN = _FLUSH | _FUA | _DISCARD | _MARK


@dataclass(frozen=True, slots=True)
class _Entry:
    at_bytes: int
    size_bytes: int
    flags: int
    data_at: int


def flushes(log: Path) -> int:
    """How often the disk was told to make durable what it had."""
    return sum(bool(entry.flags & _FLUSH) for entry in _entries(log))


def replay(log: Path, before: Path, place: Path, *, flush: int) -> Path:
    """The disk at `place` as a power cut right after the `flush`th flush (from 1) leaves it.

    Args:
        log: of blklogwrites.
        before: the raw disk when the log began.
        place: a new raw file.
        flush: which; 0 for a disk to which nothing of the log came.
    """
    run("cp", "--sparse=always", before, place)
    seen = 0
    with log.open("rb") as said, place.open("r+b") as disk:
        for entry in _entries(log):
            if seen == flush:
                break
            if entry.size_bytes and not entry.flags & _MARK:
                disk.seek(entry.at_bytes)
                said.seek(entry.data_at)
                disk.write(bytes(entry.size_bytes) if entry.flags & _DISCARD else said.read(entry.size_bytes))
            seen += bool(entry.flags & _FLUSH)
    return place


def _entries(log: Path) -> Iterator[_Entry]:
    """Every entry that is there whole; the machine's end may have cut the last one off."""
    size = log.stat().st_size
    with log.open("rb") as file:
        head = file.read(_SUPER.size)
        if len(head) < _SUPER.size or _SUPER.unpack(head)[:2] != (_MAGIC, 1):
            msg = f"{log} is no log of writes"
            raise RigError(msg)
        sector_bytes = _SUPER.unpack(head)[3]
        place = sector_bytes
        while place + sector_bytes <= size:
            file.seek(place)
            sector, sectors, flags, _ = _ENTRY.unpack(file.read(_ENTRY.size))
            if flags & ~_KNOWN or not (sectors or flags):
                return
            kept_bytes = 0 if flags & _DISCARD else sectors * sector_bytes
            if place + sector_bytes + kept_bytes > size:
                return
            yield _Entry(sector * sector_bytes, sectors * sector_bytes, flags, place + sector_bytes)
            place += sector_bytes + kept_bytes
