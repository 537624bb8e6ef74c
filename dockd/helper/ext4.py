"""Makes an ext4 file system anew with mke2fs: the same features, sizes, label and identity, with what the camera expects.

mke2fs works on a file in memory, never on the camera: what it made is then written like everything else. It is asked for exactly
the features that the camera's own superblock names; one that is not known here is one that it may need, so none is guessed.
"""

import os
import struct
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from dockd.core.occupancy import Occupancy
from dockd.helper.sectors import SECTOR_BYTES, NotRebuiltError, Sectors, Tree

Read = Callable[[int, int], bytes]
"""Reads so many bytes from an offset of the volume."""

MKE2FS = "/sbin/mke2fs"

_WITHIN_S = 25
"""Less than what makes a bay show `get help`: nothing that it does here takes so long."""

_AT, _MAGIC = 1024, 0xEF53
_COMPATIBLE = {
    0x4: "has_journal",
    0x8: "ext_attr",
    0x10: "resize_inode",
    0x20: "dir_index",
    0x200: "sparse_super2",
    0x1000: "orphan_file",
}
_INCOMPATIBLE = {
    0x2: "filetype",
    0x10: "meta_bg",
    0x40: "extent",
    0x80: "64bit",
    0x200: "flex_bg",
    0x400: "ea_inode",
    0x2000: "metadata_csum_seed",
    0x4000: "large_dir",
    0x8000: "inline_data",
}
_READ_COMPATIBLE = {
    0x1: "sparse_super",
    0x2: "large_file",
    0x8: "huge_file",
    0x10: "uninit_bg",
    0x20: "dir_nlink",
    0x40: "extra_isize",
    0x400: "metadata_csum",
    0x2000: "project",
}
"""By their bits, as fs/ext4/ext4.h and mke2fs(8) name them."""

_ORPHAN_FILE = 0x1000
_FIRST_OF_THE_OLD = 11

_DISCARD_BYTES = 1 << 20


def in_use(read: Read, root: int | Path) -> Occupancy:
    """The inodes that are given away, as the kernel counts them in the tables of all groups.

    Args:
        read: the volume as it is.
        root: its root folder, mounted.

    Raises:
        OSError: the camera does not answer.
    """
    superblock = read(_AT, 1024)
    (revision,), (first,) = struct.unpack_from("<I", superblock, 0x4C), struct.unpack_from("<I", superblock, 0x54)
    (features,) = struct.unpack_from("<I", superblock, 0x5C)
    first = first if revision else _FIRST_OF_THE_OLD
    status = os.statvfs(root)
    return Occupancy(status.f_files - status.f_ffree, first - 1 + bool(features & _ORPHAN_FILE), first=first)


def fresh(read: Read, size_bytes: int, tree: Tree) -> Sectors:
    """The file system that is there, made anew with `tree` in it; arguments and errors as in `fat.fresh`."""
    options = _options(read(_AT, 1024), size_bytes)
    with tempfile.TemporaryDirectory(prefix="dockd-fresh-") as folder:
        source = Path(folder)
        source.chmod(0o755)  # as the new root folder is to be
        _lay_down(tree, source)
        image = os.memfd_create("fresh ext4", os.MFD_CLOEXEC)
        try:
            os.truncate(image, size_bytes)
            _made(["-d", folder, *options] if tree else options, image)
            return _content(image, size_bytes)
        finally:
            os.close(image)


def _options(superblock: bytes, size_bytes: int) -> list[str]:
    inodes, blocks, reserved = struct.unpack_from("<III", superblock, 0)
    (log_block,) = struct.unpack_from("<I", superblock, 0x18)
    (magic,) = struct.unpack_from("<H", superblock, 0x38)
    (inode_bytes,) = struct.unpack_from("<H", superblock, 0x58)
    features = struct.unpack_from("<III", superblock, 0x5C)
    block_bytes = 1024 << min(log_block, 6)
    if magic != _MAGIC or log_block > 6 or not inodes or blocks * block_bytes > size_bytes:  # noqa: PLR2004 - 64 KiB
        msg = "its superblock is not one of ext4, or its numbers do not add up"
        raise NotRebuiltError(msg)
    label = superblock[0x78:0x88].rstrip(b"\0").decode("ascii", "replace")
    if not label.isascii() or not label.isprintable():
        msg = "its label is no plain text"
        raise NotRebuiltError(msg)
    known = (_COMPATIBLE, _INCOMPATIBLE, _READ_COMPATIBLE)
    names = [name for bits, table in zip(features, known, strict=True) for name in _named(bits, table)]
    identity = uuid.UUID(bytes=superblock[0x68:0x78])
    seed = uuid.UUID(bytes=superblock[0xEC:0xFC])
    return [
        *("-b", str(block_bytes), "-I", str(inode_bytes), "-N", str(inodes), "-L", label, "-U", str(identity)),
        *("-m", f"{min(50.0, 100.0 * reserved / max(1, blocks)):.4f}", "-O", ",".join(["none", *names])),
        *("-E", f"hash_seed={seed},root_owner=0:0,lazy_itable_init=1,nodiscard"),
    ]


def _named(bits: int, known: dict[int, str]) -> Iterator[str]:
    for bit in (1 << number for number in range(32)):
        if bits & bit:
            if bit not in known:
                msg = f"its ext4 has a feature ({bit:#x}) that is not made anew"
                raise NotRebuiltError(msg)
            yield known[bit]


def _lay_down(tree: Tree, folder: Path) -> None:
    for name, inner in tree.items():
        if isinstance(inner, dict):
            (folder / name).mkdir(mode=0o755)
            (folder / name).chmod(0o755)
            _lay_down(inner, folder / name)
        else:
            (folder / name).write_bytes(inner)
            (folder / name).chmod(0o644)


def _made(options: list[str], image: int) -> None:
    command = [MKE2FS, "-q", "-F", "-t", "ext4", *options, f"/proc/self/fd/{image}"]
    # The camera's time of making is nobody's business. What is copied into it has the time of now, as mke2fs will have it.
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "E2FSPROGS_FAKE_TIME": "315532800", "MKE2FS_CONFIG": "/dev/null"}
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; its options are numbers, names from a table and a checked label
            command,
            pass_fds=(image,),
            env=environment,
            capture_output=True,
            timeout=_WITHIN_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        msg = f"mke2fs cannot be run: {exc}"
        raise NotRebuiltError(msg) from exc
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        msg = f"mke2fs does not make it: {words[-1] if words else done.returncode}"
        raise NotRebuiltError(msg)


def _content(image: int, size_bytes: int) -> Sectors:
    """Everything in the file that is more than zeros."""
    made = Sectors(size_bytes)
    at = 0
    while True:
        try:
            at = os.lseek(image, at, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but holes from here on
            return made
        end = os.lseek(image, at, os.SEEK_HOLE)
        while at < end:
            piece = os.pread(image, min(_DISCARD_BYTES, end - at), at)
            _keep(made, at, piece)
            at += len(piece)


def _keep(made: Sectors, at: int, piece: bytes) -> None:
    for begin in range(0, len(piece), SECTOR_BYTES):
        sector = piece[begin : begin + SECTOR_BYTES]
        if any(sector):
            made.put(at + begin, sector)
