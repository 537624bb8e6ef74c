"""The custody log as a Merkle tree: its head, and proofs about it, read through whatever connection holds the journal.

The leaves are the journal's own leaf hashes; the tree over them is derived anew when a journal is opened, in steps between which
other work has its turn, and goes on from there as the log does. Nothing of it is stored but the checkpoints that the archive
cosigned.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from dockd.core.merkle import Tree

_STEP = 8192


@dataclass(frozen=True, slots=True)
class Head:
    """The log as it is now.

    Attributes:
        size: how many entries it has.
        root: the Merkle root over them.
        first_leaf: the leaf hash of the first, by which the log is known.
    """

    size: int
    root: bytes
    first_leaf: bytes


class CustodyTree:
    """The tree over the custody log behind one connection. Every method runs in that connection's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._tree = Tree(self._leaves)

    def catch_up(self) -> bool:
        """Take in what the log has more than the tree, but only so much at once; whether nothing is left."""
        size = self._connection.execute("SELECT coalesce(max(seq), 0) FROM custody").fetchone()[0]
        self._tree.grow(min(size, self._tree.size + _STEP))
        return bool(self._tree.size == size)

    def head(self) -> Head | None:
        """The log as far as the tree has caught up, None while it is empty."""
        if not self._tree.size:
            return None
        return Head(self._tree.size, self._tree.root(), self._leaves(0, 1)[0])

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the first `new` entries begin with the first `old`."""
        return self._tree.consistency(old, new)

    def root(self, size: int) -> bytes:
        """The root over the first `size` entries."""
        return self._tree.root(size)

    def disclosure(self, numbers: Sequence[int], size: int) -> list[bytes]:
        """What stands for all but the entries with these numbers (from 1, in order) in a log of `size`."""
        return self._tree.disclosure([number - 1 for number in numbers], size)

    def _leaves(self, start: int, end: int) -> list[bytes]:
        rows = self._connection.execute("SELECT leaf FROM custody WHERE seq > ? AND seq <= ? ORDER BY seq", (start, end))
        return [row[0] for row in rows]


def keep(connection: sqlite3.Connection, size: int, note: bytes, taken: str) -> None:
    """Keep the checkpoint of `size` entries that the archive cosigned; the newest cosignature of one size is kept."""
    connection.execute("INSERT OR REPLACE INTO checkpoint (size, note, taken) VALUES (?, ?, ?)", (size, note, taken))


def newest(connection: sqlite3.Connection, covering: int = 0) -> tuple[int, bytes] | None:
    """Size and note of the last checkpoint that the archive cosigned and that covers so many entries, None if there is none."""
    query = "SELECT size, note FROM checkpoint WHERE size >= ? ORDER BY size DESC LIMIT 1"
    row = connection.execute(query, (covering,)).fetchone()
    return None if row is None else (row[0], row[1])
