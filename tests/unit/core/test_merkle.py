"""The tree against the vectors that Certificate Transparency's implementations share, and against the RFC's own recursion.

The vectors are those of github.com/transparency-dev/merkle (testonly/constants.go, testdata/*/*/happy-path.json at commit
417fb0c314750d94e53942e9f92e79b6d35915db), which go back to the reference implementation of RFC 6962.
"""

import hashlib
from base64 import b64decode
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.core.canonical import leaf_hash
from dockd.core.merkle import EMPTY_ROOT, ProofError, Tree, check_consistency, root_from_inclusion, root_of_disclosed, tree_hash

_INPUTS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
_INCLUSIONS = (
    (0, 1, ()),
    (
        *(0, 8),
        (
            "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
            "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=",
        ),
    ),
    (
        *(5, 8),
        (
            "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
            "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
        ),
    ),
    (2, 3, ("+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=",)),
    (
        *(1, 5),
        (
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
            "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
        ),
    ),
)
_CONSISTENCIES = (
    (1, 1, ()),
    (
        *(1, 8),
        (
            "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
            "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=",
        ),
    ),
    (
        *(6, 8),
        (
            "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
            "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
        ),
    ),
    (2, 5, ("Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=", "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=")),
    (
        *(6, 7),
        (
            "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
            "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
        ),
    ),
)


def _leaf(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def _tree(leaves: Sequence[bytes]) -> Tree:
    tree = Tree(lambda start, end: leaves[start:end])
    tree.grow(len(leaves))
    return tree


def _recursion(leaves: Sequence[bytes]) -> bytes:
    """MTH, as RFC 9162 writes it."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + _recursion(leaves[:k]) + _recursion(leaves[k:])).digest()


_PUBLISHED = [leaf_hash(bytes.fromhex(each)) for each in _INPUTS]
_MANY = [_leaf(number) for number in range(1500)]


def test_roots_are_those_that_are_published() -> None:
    """The root of every size up to eight, the empty tree included."""
    tree = _tree(_PUBLISHED)
    assert [tree.root(size).hex() for size in range(9)] == list(_ROOTS)
    assert EMPTY_ROOT.hex() == _ROOTS[0]
    assert tree_hash([]) == EMPTY_ROOT


@pytest.mark.parametrize(("index", "size", "path"), _INCLUSIONS)
def test_inclusion_proofs_are_those_that_are_published(index: int, size: int, path: tuple[str, ...]) -> None:
    """Made and checked against the published path and root."""
    published = [b64decode(each) for each in path]
    assert _tree(_PUBLISHED).inclusion(index, size) == published
    assert root_from_inclusion(_PUBLISHED[index], index, size, published).hex() == _ROOTS[size]


@pytest.mark.parametrize(("old", "new", "proof"), _CONSISTENCIES)
def test_consistency_proofs_are_those_that_are_published(old: int, new: int, proof: tuple[str, ...]) -> None:
    """Made and checked against the published proof and roots."""
    published = [b64decode(each) for each in proof]
    assert _tree(_PUBLISHED).consistency(old, new) == published
    check_consistency(old, bytes.fromhex(_ROOTS[old]), new, bytes.fromhex(_ROOTS[new]), published)


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 1500])
def test_large_trees_follow_the_recursion(size: int) -> None:
    """Whatever lies in memory as whole blocks gives the roots that the RFC's recursion gives."""
    assert _tree(_MANY).root(size) == _recursion(_MANY[:size]) == tree_hash(_MANY[:size])


def test_growing_step_by_step_is_growing_at_once() -> None:
    """A tree that grew with its log, in steps of any size, answers like one that was built at the end."""
    tree = Tree(lambda start, end: _MANY[start:end])
    for size in (0, 1, 255, 255, 256, 600, 1024, 1500):
        tree.grow(size)
        assert tree.root() == (tree_hash(_MANY[:size]))
    assert tree.consistency(257, 1500) == _tree(_MANY).consistency(257, 1500)


@settings(deadline=None)
@given(st.integers(1, 1500), st.data())
def test_every_proof_is_good_and_every_other_leaf_is_not(size: int, data: st.DataObject) -> None:
    """An inclusion path leads from its leaf to the root, and from no other leaf."""
    tree, index = _tree(_MANY), data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index, size)
    assert root_from_inclusion(_MANY[index], index, size, path) == tree.root(size)
    assert root_from_inclusion(b"\0" * 32, index, size, path) != tree.root(size)


@settings(deadline=None)
@given(st.integers(0, 1500), st.data())
def test_every_tree_is_consistent_with_what_it_was(new: int, data: st.DataObject) -> None:
    """A consistency proof is good for exactly the two trees that it was made for."""
    tree, old = _tree(_MANY), data.draw(st.integers(0, new))
    proof = tree.consistency(old, new)
    check_consistency(old, tree.root(old), new, tree.root(new), proof)
    with pytest.raises(ProofError):
        check_consistency(old, b"\0" * 32, new, tree.root(new), proof)
    with pytest.raises(ProofError, match=r"too many|no proof"):
        check_consistency(old, tree.root(old), new, tree.root(new), [*proof, b"\0" * 32])
    if old:
        with pytest.raises(ProofError):
            check_consistency(old, tree.root(old), new, b"\0" * 32, proof)
    if proof:
        with pytest.raises(ProofError):
            check_consistency(old, tree.root(old), new, tree.root(new), proof[:-1])


@settings(deadline=None)
@given(st.integers(0, 1500), st.data())
def test_disclosed_leaves_and_the_rest_give_the_root(size: int, data: st.DataObject) -> None:
    """Any choice of leaves, none and all included, gives the root with what stands for the others, and not without."""
    chosen = sorted(data.draw(st.sets(st.integers(0, size - 1), max_size=20))) if size else []
    tree = _tree(_MANY)
    hidden, leaves = tree.disclosure(chosen, size), [(index, _MANY[index]) for index in chosen]
    assert root_of_disclosed(leaves, size, hidden) == tree.root(size)
    with pytest.raises(ProofError, match="too many"):
        root_of_disclosed(leaves, size, [*hidden, b"\0" * 32])
    if hidden:
        with pytest.raises(ProofError, match="too few"):
            root_of_disclosed(leaves, size, hidden[:-1])
    if leaves:
        with_one_changed = [*leaves[:-1], (leaves[-1][0], b"\0" * 32)]
        assert root_of_disclosed(with_one_changed, size, hidden) != tree.root(size)


def test_all_leaves_need_no_hash_and_one_needs_its_path() -> None:
    """A whole log is disclosed with nothing beside it, one entry with the nodes of its inclusion path."""
    tree = _tree(_MANY)
    assert tree.disclosure(range(1500), 1500) == []
    assert sorted(tree.disclosure([700], 1500)) == sorted(tree.inclusion(700, 1500))


def test_leaves_out_of_order_or_range_are_no_disclosure() -> None:
    """Reordered, repeated or invented places are refused before anything is hashed."""
    for indices in ([1, 0], [0, 0], [-1], [3]):
        with pytest.raises(ProofError, match="order"):
            root_of_disclosed([(index, _MANY[0]) for index in indices], 3, [])


def test_impossible_proofs_are_refused() -> None:
    """A proof for a leaf or a size that cannot be is no proof."""
    with pytest.raises(ProofError, match="no leaf"):
        root_from_inclusion(_MANY[0], 1, 1, [])
    with pytest.raises(ProofError, match="where 1"):
        root_from_inclusion(_MANY[0], 1, 2, [])
    with pytest.raises(ProofError, match="no later state"):
        check_consistency(2, _MANY[0], 1, _MANY[0], [])
    with pytest.raises(ProofError, match="too few"):
        check_consistency(1, _MANY[0], 2, _MANY[1], [])


def test_a_tree_answers_for_nothing_that_it_does_not_have() -> None:
    """Questions beyond the log are bugs of whoever asks."""
    tree = _tree(_PUBLISHED)
    for question in (
        lambda: tree.grow(7),
        lambda: tree.root(9),
        lambda: tree.inclusion(8, 8),
        lambda: tree.inclusion(0, 9),
        lambda: tree.consistency(9, 8),
        lambda: tree.disclosure([0], 9),
    ):
        with pytest.raises(RuntimeError):
            question()
