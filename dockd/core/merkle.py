"""The Merkle tree over the custody log: RFC 9162 section 2.1, whose hashes are those of RFC 6962.

The leaf hash is `canonical.leaf_hash`. A `Tree` keeps one hash for every 256 leaves and reads the leaves themselves where they
are stored; what it says of a size never changes, however many leaves follow.

Besides the RFC's proofs of one leaf and of consistency there is the *disclosure* of many leaves: from left to right, the hash of
every largest subtree that holds none of them. With the disclosed leaves it gives the root by the RFC's own recursion; it has
one hash for each node of an inclusion path when there is one leaf, and none when all are there.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

_GRAIN = 256

EMPTY_ROOT = hashlib.sha256(b"").digest()

Leaves = Callable[[int, int], Sequence[bytes]]
"""The leaf hashes from index `start` up to and not including `end`."""


class ProofError(ValueError):
    """These hashes do not prove what they are said to prove."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes, level by level: equal to the RFC's recursion, as only the last node of a level is odd."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        above = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = above if len(level) % 2 == 0 else [*above, level[-1]]
    return level[0]


class Tree:
    """An append-only tree over leaves that someone else stores.

    Args:
        leaves: reads their hashes.

    Attributes:
        size: how many leaves it can answer for.
    """

    def __init__(self, leaves: Leaves) -> None:
        self._leaves = leaves
        self._whole: list[list[bytes]] = []  # [j][i]: the subtree over leaves [i, i + 1) times 256 times 2^j
        self.size = 0

    def grow(self, size: int) -> None:
        """Answer for `size` leaves from now on; it reads each leaf that is new once.

        Raises:
            RuntimeError: leaves would have to be taken away.
        """
        if size < self.size:
            msg = f"a tree of {self.size} leaves cannot become one of {size}"
            raise RuntimeError(msg)
        blocks = len(self._whole[0]) if self._whole else 0
        for block in range(blocks, size // _GRAIN):
            self._add(tree_hash(self._leaves(block * _GRAIN, (block + 1) * _GRAIN)))
        self.size = size

    def _add(self, block: bytes) -> None:
        for level in self._whole:
            level.append(block)
            if len(level) % 2:
                return
            block = node_hash(*level[-2:])
        self._whole.append([block])

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves, of all where none is named."""
        wanted = self._within(self.size if size is None else size)
        return self._hash(0, wanted) if wanted else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]) of RFC 9162 section 2.1.3.1: from the leaf up."""
        self._within(size)
        if not 0 <= index < size:
            msg = f"there is no leaf {index} in a tree of {size}"
            raise RuntimeError(msg)
        path: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """PROOF(old, D[new]) of RFC 9162 section 2.1.4.1; empty from an empty tree, with which every other is consistent."""
        self._within(new)
        if not 0 <= old <= new:
            msg = f"a tree of {new} leaves is no later state of one of {old}"
            raise RuntimeError(msg)
        proof: list[bytes] = []
        start, end = 0, new
        while 0 < old < end:
            middle = start + _split(end - start)
            if old <= middle:
                proof.append(self._hash(middle, end))
                end = middle
            else:
                proof.append(self._hash(start, middle))
                start = middle
        if start and old:
            proof.append(self._hash(start, end))
        return proof[::-1]

    def disclosure(self, indices: Sequence[int], size: int) -> list[bytes]:
        """What `root_of_disclosed` needs beside the leaves at `indices`, which are in order."""
        self._within(size)
        return [self._hash(start, end) for start, end in _hidden(indices, 0, size)]

    def _within(self, size: int) -> int:
        if not 0 <= size <= self.size:
            msg = f"this tree answers for {self.size} leaves, not for {size}"
            raise RuntimeError(msg)
        return size

    def _hash(self, start: int, end: int) -> bytes:
        """The hash over leaves `start` to `end`, as they are joined in the tree."""
        count = end - start
        if count < _GRAIN:
            return tree_hash(self._leaves(start, end))
        if count & (count - 1) == 0:
            return self._whole[(count // _GRAIN).bit_length() - 1][start // count]
        middle = start + _split(count)
        return node_hash(self._hash(start, middle), self._hash(middle, end))


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root of a tree of `size` leaves of which `leaf` is the one at `index`, by its inclusion path.

    Raises:
        ProofError: there is no such leaf, or the path has another length.
    """
    if not 0 <= index < size:
        msg = f"there is no leaf {index} in a tree of {size}"
        raise ProofError(msg)
    turns: list[bool] = []  # from the root down: whether the way goes to the right
    while size > 1:
        middle = _split(size)
        turns.append(index >= middle)
        index, size = (index - middle, size - middle) if index >= middle else (index, middle)
    if len(path) != len(turns):
        msg = f"an inclusion path of {len(path)} hashes where {len(turns)} lead to the root"
        raise ProofError(msg)
    for right, beside in zip(reversed(turns), path, strict=True):
        leaf = node_hash(beside, leaf) if right else node_hash(leaf, beside)
    return leaf


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Whether the tree of `new` leaves begins with that of `old`.

    Raises:
        ProofError: it does not, or that is not shown.
    """
    if not 0 <= old <= new:
        msg = f"a tree of {new} leaves is no later state of one of {old}"
        raise ProofError(msg)
    if old == 0:
        if proof or old_root != EMPTY_ROOT:
            msg = "an empty tree needs no proof and has one root only"
            raise ProofError(msg)
        return
    rest = iter(proof)
    shown_old, shown_new = _both(old, new, old_root, rest)
    if next(rest, None) is not None:
        msg = "a consistency proof with hashes too many"
        raise ProofError(msg)
    if shown_old != old_root or shown_new != new_root:
        msg = f"the tree of {new} leaves does not begin with the tree of {old} leaves that was shown before"
        raise ProofError(msg)


def _both(old: int, new: int, old_root: bytes, proof: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The hashes of the old and the new tree that the proof leads to."""
    turns: list[bool] = []
    known = True  # the old tree is a whole subtree of the new one, so that its root is known
    while old < new:
        middle = _split(new)
        turns.append(old > middle)
        known = known and old <= middle
        old, new = (old - middle, new - middle) if old > middle else (old, middle)
    before = after = old_root if known else _next(proof)
    for right in reversed(turns):
        beside = _next(proof)
        before, after = (node_hash(beside, before), node_hash(beside, after)) if right else (before, node_hash(after, beside))
    return before, after


def root_of_disclosed(leaves: Sequence[tuple[int, bytes]], size: int, hidden: Sequence[bytes]) -> bytes:
    """The root of a tree of `size` leaves, of which some are shown with their indices, in order, and the others by `hidden`.

    Raises:
        ProofError: the leaves are out of order or range, or there are hashes too few or too many.
    """
    indices = [index for index, _ in leaves]
    if any(one >= other for one, other in pairwise(indices)) or not all(0 <= each < size for each in indices):
        msg = f"leaves that are not in the order of a log of {size} entries"
        raise ProofError(msg)
    rest = iter(hidden)
    root = _joined(leaves, 0, size, rest) if size else EMPTY_ROOT
    if next(rest, None) is not None:
        msg = "a disclosure with hashes too many"
        raise ProofError(msg)
    return root


def _joined(leaves: Sequence[tuple[int, bytes]], start: int, end: int, hidden: Iterator[bytes]) -> bytes:
    if not leaves:
        return _next(hidden)
    if len(leaves) == end - start:
        return tree_hash([leaf for _, leaf in leaves])
    middle = start + _split(end - start)
    at = bisect_left(leaves, (middle, b""))
    left = _joined(leaves[:at], start, middle, hidden)
    return node_hash(left, _joined(leaves[at:], middle, end, hidden))


def _hidden(indices: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The largest subtrees between `start` and `end` that hold none of `indices`."""
    if not indices and start < end:
        yield start, end
    elif len(indices) < end - start:
        middle = start + _split(end - start)
        at = bisect_left(indices, middle)
        yield from _hidden(indices[:at], start, middle)
        yield from _hidden(indices[at:], middle, end)


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _next(proof: Iterator[bytes]) -> bytes:
    try:
        return next(proof)
    except StopIteration:
        msg = "a proof with hashes too few"
        raise ProofError(msg) from None
