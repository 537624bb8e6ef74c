"""The custody log as a tree: its head, its proofs, and the checkpoints that the archive cosigned."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dockd.core.canonical import leaf_hash
from dockd.core.custody import CameraDocked, Noted
from dockd.core.merkle import check_consistency, tree_hash
from dockd.core.note import Checkpoint, Note, NoteSignature
from dockd.errors import JournalCorruptError
from dockd.journal import Journal, log
from tests.sim.consignments import HurriedClock


def _note(size: int, root: bytes) -> bytes:
    return Note(Checkpoint("dockd/d/0", size, root).text(), (NoteSignature("d", b"abcd", b"s"),)).encode()


async def test_an_empty_log_has_no_head(path: Path, clock: HurriedClock) -> None:
    """Nothing can be signed of a log that has not begun."""
    journal = await Journal.create(path, clock)
    assert await journal.tree_head() is None
    assert await journal.checkpoint() is None
    await journal.close()


async def test_the_head_is_the_root_over_all_entries(journal: Journal) -> None:
    """Each entry is a leaf from the first on, and the head follows the log."""
    await journal.record(*(Noted("test", {"number": number}) for number in range(300)))
    first = await journal.tree_head()
    entries = [each.entry for each in await journal.custody(1)]
    assert first is not None
    assert (first.size, first.first_leaf) == (301, leaf_hash(entries[0]))
    assert first.root == tree_hash([leaf_hash(each) for each in entries])
    await journal.record(Noted("test", {}))
    second = await journal.tree_head()
    assert second is not None
    check_consistency(301, first.root, 302, second.root, await journal.consistency(301, 302))


async def test_a_long_log_is_taken_in_step_by_step(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two steps other work has its turn; the head is the same."""
    monkeypatch.setattr(log, "_STEP", 7)
    await journal.record(*(Noted("test", {"number": number}) for number in range(30)))
    head = await journal.tree_head()
    assert head is not None
    assert head.root == tree_hash([each.leaf for each in await journal.custody(1)])


async def test_cosigned_checkpoints_are_kept(journal: Journal, path: Path) -> None:
    """The newest is told; one that covers an entry is found; a newer cosignature of the same size takes its place."""
    await journal.keep_checkpoint(1, b"one")
    await journal.keep_checkpoint(5, b"five")
    await journal.keep_checkpoint(1, b"one again")
    assert await journal.checkpoint() == (5, b"five")
    with closing(sqlite3.connect(path)) as connection:
        assert log.newest(connection, covering=2) == (5, b"five")
        assert log.newest(connection, covering=6) is None
        assert connection.execute("SELECT note FROM checkpoint WHERE size = 1").fetchone() == (b"one again",)


async def test_a_log_that_is_what_was_cosigned_passes_examination(journal: Journal) -> None:
    """The examination rebuilds the tree and finds the cosigned root in it."""
    await journal.record(CameraDocked("d2", "C2", "dcf", "2", None))
    await journal.keep_checkpoint(1, _note(1, tree_hash([each.leaf for each in await journal.custody(1, 1)])))
    await journal.examine()


@pytest.mark.parametrize("note", [_note(1, bytes(32)), _note(2, bytes(32)), b"no note"])
async def test_a_log_that_was_rewritten_fails_examination(journal: Journal, note: bytes) -> None:
    """Entries that are whole among themselves, but not those which the archive cosigned, are named."""
    await journal.keep_checkpoint(1, note)
    with pytest.raises(JournalCorruptError, match="first 1 entries the archive cosigned"):
        await journal.examine()


async def test_a_log_that_lost_its_end_fails_examination(journal: Journal) -> None:
    """A checkpoint over more entries than there are is never passed over."""
    await journal.keep_checkpoint(9, _note(9, bytes(32)))
    with pytest.raises(JournalCorruptError, match="first 9 entries"):
        await journal.examine()
