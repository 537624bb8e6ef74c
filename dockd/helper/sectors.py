"""What a disk is to hold after a clear: zeros, but for a few sectors that a fresh file system consists of."""

import bisect
import errno
import os
from collections.abc import Iterable, Mapping

SECTOR_BYTES = 512


class NotRebuiltError(ValueError):
    """This file system, or what is to lie in it, is of a kind that is not made anew; the words say what."""


def exactly(volume: int, size: int, offset: int) -> bytes:
    """So many bytes of a disk or partition.

    Raises:
        OSError: the medium's error; that it ends is one too, for so the kernel answers of a disk that has left.
    """
    content = os.pread(volume, size, offset)
    if len(content) != size:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return content


class Sectors:
    """The content of a disk or a part of it, by sectors of 512 bytes; those that are not named hold zeros."""

    def __init__(self, size_bytes: int, sectors: Mapping[int, bytes] | None = None) -> None:
        self.size_bytes = size_bytes
        self._sectors = dict(sectors or {})
        self._order: list[int] | None = None

    @property
    def sectors(self) -> Mapping[int, bytes]:
        """Those that hold more than zeros, by their numbers."""
        return self._sectors

    def put(self, offset: int, content: bytes | bytearray) -> None:
        """Let `content` lie from `offset` on.

        Raises:
            NotRebuiltError: it does not fit.
        """
        if offset < 0 or offset + len(content) > self.size_bytes:
            msg = f"{len(content)} bytes at {offset} do not fit into {self.size_bytes}"
            raise NotRebuiltError(msg)
        self._order = None
        done = 0
        while done < len(content):
            number, within = divmod(offset + done, SECTOR_BYTES)
            part = bytes(content[done : done + SECTOR_BYTES - within])
            before = self._sectors.get(number, bytes(SECTOR_BYTES))
            after = before[:within] + part + before[within + len(part) :]
            if any(after):
                self._sectors[number] = after
            else:
                self._sectors.pop(number, None)
            done += len(part)

    def embed(self, offset: int, other: "Sectors") -> None:
        """Let `other` lie from `offset` on, which must be a whole sector."""
        self._order = None
        first = offset // SECTOR_BYTES
        self._sectors |= {first + number: content for number, content in other.sectors.items()}

    def fill(self, view: memoryview, offset: int) -> bool:
        """Write what lies from `offset` on into `view`; both whole sectors. Whether that is more than zeros."""
        view[:] = bytes(len(view))
        first = offset // SECTOR_BYTES
        found = list(self._within(first, first + len(view) // SECTOR_BYTES))
        for number in found:
            begin = (number - first) * SECTOR_BYTES
            view[begin : begin + SECTOR_BYTES] = self._sectors[number]
        return bool(found)

    def _within(self, first: int, end: int) -> Iterable[int]:
        if self._order is None:
            self._order = sorted(self._sectors)
        return self._order[bisect.bisect_left(self._order, first) : bisect.bisect_left(self._order, end)]


Tree = dict[str, "Tree | bytes"]
"""What a fresh file system holds: folders, and small files by their content."""


def tree_of(folders: Iterable[str], files: Mapping[str, bytes]) -> Tree:
    """The tree with these paths in it.

    Raises:
        NotRebuiltError: one is both a file and a folder.
    """
    root: Tree = {}
    for path in folders:
        _below(root, path.split("/"))
    for path, content in files.items():
        *parents, name = path.split("/")
        folder = _below(root, parents)
        if name in folder:
            msg = f"{path} would be both a file and a folder"
            raise NotRebuiltError(msg)
        folder[name] = content
    return root


def _below(root: Tree, parts: Iterable[str]) -> Tree:
    node = root
    for part in parts:
        inner = node.setdefault(part, {})
        if not isinstance(inner, dict):
            msg = f"{part} would be both a file and a folder"
            raise NotRebuiltError(msg)
        node = inner
    return node
