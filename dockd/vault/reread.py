"""Reads a file from its medium, past the page cache, and measures it: the reading that every receipt rests on.

open(2), O_DIRECT: buffer, position and length must be aligned; an anonymous mapping is page-aligned, and only the end of a file
may give an uneven count. The kernel writes dirty pages out before it reads, so what comes back is what the medium holds.
"""

import hashlib
import mmap
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blake3 import blake3

from dockd.core.recording import Digests, Measured

_BUFFER_BYTES = 4 * 1024 * 1024
_ALIGNMENT_BYTES = 4096


class InterruptedReadingError(Exception):
    """The process is stopping; nothing was learned about the file."""


def measure(path: Path, stopping: threading.Event) -> Measured:
    """Size and both digests of what the medium holds, in one pass.

    Raises:
        OSError: it cannot be read, or not past the page cache (EINVAL on open).
        InterruptedReadingError: `stopping` was set.
    """
    fast, strong, size_bytes = blake3(), hashlib.sha256(), 0
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for piece in _pieces(descriptor):
            if stopping.is_set():
                raise InterruptedReadingError
            fast.update(piece)
            strong.update(piece)
            size_bytes += len(piece)
    finally:
        os.close(descriptor)
    return Measured(size_bytes, Digests(fast.digest(), strong.digest()))


def _pieces(descriptor: int) -> Iterator[memoryview]:
    """The file's bytes in order; each piece is valid until the next is asked for, which is read meanwhile."""
    now, then = (memoryview(mmap.mmap(-1, _BUFFER_BYTES)) for _ in range(2))
    position = 0
    count = _read(descriptor, now, position)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        while count:
            position += count
            if count % _ALIGNMENT_BYTES:
                yield now[:count]
                return
            ahead = reader.submit(_read, descriptor, then, position)
            yield now[:count]
            now, then, count = then, now, ahead.result()


def _read(descriptor: int, buffer: memoryview, position: int) -> int:
    """Fill `buffer` from an aligned position; an uneven count means the end of the file, 0 that there is nothing more."""
    count = os.preadv(descriptor, [buffer], position)
    uneven = count % _ALIGNMENT_BYTES
    if uneven and position + count < os.fstat(descriptor).st_size:
        count -= uneven  # a short read within the file: the next one begins at an aligned place
        if not count:
            msg = "the file system gave only a part of a block"
            raise OSError(msg)
    return count
