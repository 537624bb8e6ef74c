"""The kernel's own seal on a file: with fs-verity nobody can write to it again, and each read is checked against its hash tree.

Sealing reads the whole file once more and stores the tree behind its bytes (a 127th of them). What the medium then gives
otherwise is an error to whoever reads it, never other bytes. A sealed file can be renamed and removed as any other. Not every
file system can do it, and not every kernel: ext4 can where its superblock has the feature `verity`.

Numbers and layouts: linux/fsverity.h; behaviour: Documentation/filesystems/fsverity.rst of the kernel.
"""

import errno
import os
import struct
from fcntl import ioctl

LACKING = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS})
"""What a file system or a kernel says that cannot seal; EINVAL of the size of its blocks."""

_ENABLE = 0x40806685
"""FS_IOC_ENABLE_VERITY: `struct fsverity_enable_arg`."""

_MEASURE = 0xC0046686
"""FS_IOC_MEASURE_VERITY: `struct fsverity_digest`."""

_VERSION, _SHA256, _BLOCK_BYTES = 1, 1, 4096
_ARGUMENT = struct.pack("=IIIIQII96x", _VERSION, _SHA256, _BLOCK_BYTES, 0, 0, 0, 0)
_ROOM = struct.pack("=HH64x", 0, 64)

_TREE_SHARE = 127
"""A block of 4096 bytes holds 128 hashes of SHA-256, of blocks or of others of the tree."""


def seal(descriptor: int) -> None:
    """Seal a file for ever; one that is sealed stays so. Blocks while the whole file is read; only SIGKILL ends it sooner.

    Args:
        descriptor: open for reading only, of a file that nobody has open for writing.

    Raises:
        OSError: one of `LACKING`: it cannot be done here; ETXTBSY: somebody has the file open for writing.
    """
    try:
        ioctl(descriptor, _ENABLE, _ARGUMENT)
    except FileExistsError:
        return


def is_sealed(descriptor: int) -> bool:
    """Whether a file is sealed; one that cannot be, is not.

    Raises:
        OSError: the disk failed.
    """
    try:
        ioctl(descriptor, _MEASURE, _ROOM)
    except OSError as exc:
        if exc.errno == errno.ENODATA or exc.errno in LACKING:
            return False
        raise
    return True


def tree_bytes(size_bytes: int) -> int:
    """Room that a file's seal takes: its tree, which begins on a boundary of 64 KiB, and a block that tells of it."""
    return size_bytes // (_TREE_SHARE - 1) + (128 << 10)


def forget_cached(descriptor: int) -> None:
    """Have the next read of a file come from its medium.

    The kernel reads a sealed file through the page cache even where it is asked to go past it (O_DIRECT).
    """
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
