"""Read files from their medium, past the page cache, and measure what came.

A read that the page cache answers proves nothing about the disk, so every proof in dockd reads with O_DIRECT. A file system that
cannot do that cannot be proved, and is refused rather than believed.
"""

import errno
import hashlib
import mmap
import os
from collections.abc import Callable, Iterator

from blake3 import blake3

from dockd.core.recording import Digests, Measured, MediumReading

ALIGNMENT_BYTES = 4096
"""What O_DIRECT wants of addresses, offsets and lengths on every disk in use; a page, and a multiple of any logical block."""

PIECE_BYTES = 1 << 20


class NotDirectError(OSError):
    """The file system does not support O_DIRECT."""


def buffer(size_bytes: int = PIECE_BYTES) -> mmap.mmap:
    """Page-aligned memory, as O_DIRECT demands; give it back with `close`."""
    return mmap.mmap(-1, size_bytes)


def open_direct(name: str | bytes, flags: int, *, dir_fd: int | None = None, mode: int = 0o600) -> int:
    """`os.open` with O_DIRECT, never following a link.

    Raises:
        NotDirectError: the file system refuses O_DIRECT.
        OSError: as `os.open`.
    """
    try:
        return os.open(name, flags | os.O_DIRECT | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=dir_fd)
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            raise NotDirectError(exc.errno, "this file system has no direct I/O", os.fsdecode(name)) from exc
        raise


def pieces(descriptor: int, memory: mmap.mmap) -> Iterator[memoryview]:
    """The file's bytes in order, each piece valid until the next is asked for.

    Args:
        descriptor: opened with `open_direct`; read with positioned reads.
        memory: from `buffer`.

    Raises:
        OSError: the medium's error.
    """
    view, offset = memoryview(memory), 0
    try:
        while True:
            count = os.preadv(descriptor, [view], offset)
            if count:
                yield view[:count]
            offset += count
            if count % ALIGNMENT_BYTES or not count:
                return
    finally:
        view.release()


def measure(descriptor: int, memory: mmap.mmap, moved: Callable[[int], None]) -> Measured:
    """Size and both digests of the file as the medium gives it.

    Args:
        descriptor: opened with `open_direct`.
        memory: from `buffer`.
        moved: told the bytes of each piece.
    """
    size_bytes, fast, standard = 0, blake3(), hashlib.sha256()
    for piece in pieces(descriptor, memory):
        fast.update(piece)
        standard.update(piece)
        size_bytes += len(piece)
        moved(len(piece))
    return Measured(size_bytes, Digests(fast.digest(), standard.digest()))


def read_back(descriptor: int, memory: mmap.mmap, moved: Callable[[int], None]) -> MediumReading:
    """Size and BLAKE3 of the file as the medium gives it, to compare with what was written."""
    size_bytes, fast = 0, blake3()
    for piece in pieces(descriptor, memory):
        fast.update(piece)
        size_bytes += len(piece)
        moved(len(piece))
    return MediumReading(size_bytes, fast.digest())
