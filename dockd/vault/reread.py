"""Reads a file from its medium, past the page cache, and measures it: the reading that every receipt rests on.

open(2), O_DIRECT: buffer, position and length must be aligned; an anonymous mapping is page-aligned, and only the end of a file
may give an uneven count. The kernel writes dirty pages out before it reads, so what comes back is what the medium holds.
"""

import hashlib
import mmap
import os
import threading
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
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, _BUFFER_BYTES) as buffer, memoryview(buffer) as view:
            return _measure(descriptor, view, stopping)
    finally:
        os.close(descriptor)


def _measure(descriptor: int, view: memoryview, stopping: threading.Event) -> Measured:
    fast, strong = blake3(), hashlib.sha256()
    position = 0
    while count := os.preadv(descriptor, [view], position):
        if stopping.is_set():
            raise InterruptedReadingError
        if count < len(view) and count % _ALIGNMENT_BYTES and position + count < os.fstat(descriptor).st_size:
            count -= count % _ALIGNMENT_BYTES  # a short read within the file: go on from an aligned place
            if not count:
                msg = "the file system gave an unaligned part of a block"
                raise OSError(msg)
        with view[:count] as chunk:
            fast.update(chunk)
            strong.update(chunk)
        position += count
        if count % _ALIGNMENT_BYTES:
            break
    return Measured(position, Digests(fast.digest(), strong.digest()))
