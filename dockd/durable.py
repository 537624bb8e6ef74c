"""Writes that are still there after a power cut.

Order, as everywhere in dockd: temporary name beside the final one, write, length check, fdatasync, rename, fsync of the folder.
fsync promises that the drive was told to keep the bytes, not that it did: whoever needs a proof reads back (`dockd.medium`).
"""

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


def sync_folder(folder: int) -> None:
    """Make the renames and removals in `folder`, a descriptor, durable."""
    os.fsync(folder)


def sync_file_system(folder: int) -> None:
    """Make everything durable that was written on the file system of `folder`: one wait for many small files.

    Raises:
        OSError: the disk failed; also for what was written by others (Linux since 5.8).
    """
    if _libc.syncfs(folder):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def sync_path(path: Path) -> None:
    """Make the renames and removals in the folder `path` durable.

    Raises:
        OSError: it is not there, or the disk failed.
    """
    folder = open_folder(path)
    try:
        sync_folder(folder)
    finally:
        os.close(folder)


def open_folder(path: Path) -> int:
    """A descriptor of a folder of the dock's own."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def write_synced(folder: int, name: str, data: bytes) -> None:
    """Write a whole small file under `name` and make its bytes durable; its name is durable after `sync_folder`.

    Raises:
        OSError: disk full or failed; a part of the file may lie there.
    """
    write(folder, name, data, sync=True)


def write(folder: int, name: str, data: bytes, *, sync: bool) -> None:
    """Write a whole small file under `name`; without `sync`, durable only after `sync_file_system`.

    Raises:
        OSError: as `write_synced`.
    """
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def rename(folder: int, old: str, new: str) -> None:
    """Rename within `folder` or below it; durable after `sync_folder` of both folders."""
    os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
