"""Tells a medium to forget what its file system no longer uses, where it can be told (FITRIM)."""

import fcntl
import os
import struct
from collections.abc import Callable

_FITRIM = 0xC0185879  # linux/fs.h
_RANGE = struct.Struct("=QQQ")
_AT_ONCE_BYTES = 1 << 30
"""A card may need a while for each; between two there is a sign of life."""


def trim(root: int, alive: Callable[[int], None]) -> int | None:
    """Bytes that the medium below `root` was told to forget, None where it cannot be told.

    Most USB bridges do not pass it on, and some answer with an error of their own; either way nothing depends on it.

    Args:
        root: of a file system that is mounted for writing.
        alive: told after each part.
    """
    status = os.fstatvfs(root)
    size, trimmed = status.f_blocks * status.f_frsize, 0
    for start in range(0, size, _AT_ONCE_BYTES):
        try:
            answer = fcntl.ioctl(root, _FITRIM, _RANGE.pack(start, _AT_ONCE_BYTES, 0))
        except OSError:
            return trimmed or None
        trimmed += _RANGE.unpack(answer)[1]
        alive(1)
    return trimmed
