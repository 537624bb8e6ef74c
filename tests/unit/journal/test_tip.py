"""An end of the log that is lost, with SQLite's own file of what it wrote last or otherwise, is never passed over."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dockd.clock import SystemClock
from dockd.core.custody import HoldPlaced, Noted
from dockd.errors import JournalCutError, JournalError
from dockd.evidence.gathering import Wish, gather
from dockd.evidence.quarantine import quarantined
from dockd.journal import Journal, tip
from dockd.journal.onlooking import onlooking
from dockd.journal.rebuild import rebuild
from dockd.journal.salvage import IN_DOUBT
from dockd.offload.spool import Spool
from tests.sim.bundle_of import tell

HOLD = HoldPlaced("camera", "C1", "anna", "a court asks")


@pytest.fixture
async def killed(path: Path, tmp_path: Path) -> AsyncIterator[Path]:
    """A journal as a kill leaves it: fifty entries, and the hold among them, lie in its -wal alone."""
    there = tmp_path / "killed"
    there.mkdir()
    await (await Journal.create(path, SystemClock())).close()
    journal = await Journal.open(path, SystemClock())
    for number in range(50):
        await journal.record(HOLD if number == 7 else Noted("daemon.test", {"number": number}))
    for each in path.parent.glob("journal.db*"):
        shutil.copy(each, there)
    yield there / path.name
    await journal.close()


def wal(journal: Path) -> Path:
    """What SQLite wrote last."""
    return journal.with_name(journal.name + "-wal")


async def opened(journal: Path) -> int:
    """How far the log goes in a journal that opens."""
    found = await Journal.open(journal, SystemClock())
    head = await found.head()
    await found.close()
    return head


async def test_a_journal_that_was_killed_opens_with_all_of_it(killed: Path) -> None:
    """What is checked is what is there."""
    assert await opened(killed) == 50


async def test_a_journal_without_what_was_written_last_is_refused_until_it_is_put_back(killed: Path) -> None:
    """It is a sound database without a -wal, only an older one; nothing is written to it before a person acted."""
    kept = killed.parent / "elsewhere"
    wal(killed).rename(kept)
    with pytest.raises(JournalCutError, match="ends with entry 0, but 50 were written: the last ones are lost") as refused:
        await opened(killed)
    assert "-wal was moved or deleted, put it back" in refused.value.hint
    kept.rename(wal(killed))
    assert await opened(killed) == 50


async def test_half_of_what_was_written_last_is_not_enough(killed: Path) -> None:
    """SQLite takes the whole frames that are left for all there were."""
    os.truncate(wal(killed), wal(killed).stat().st_size // 2)
    with pytest.raises(JournalCutError, match="but 50 were written"):
        await opened(killed)


async def test_an_older_journal_that_was_put_back_is_refused(path: Path, tmp_path: Path) -> None:
    """A copy of yesterday in the place of today's is noticed without asking the archive."""
    journal = await Journal.create(path, SystemClock())
    await journal.record(Noted("daemon.test", {}))
    await journal.copy(tmp_path / "backup")
    await journal.record(HOLD)
    await journal.close()
    shutil.copy(tmp_path / "backup", path)
    with pytest.raises(JournalCutError, match="ends with entry 1, but 2 were written"):
        await opened(path)


async def test_another_log_of_the_same_length_is_refused(path: Path) -> None:
    """It is the entry itself that is known, not only its number."""
    journal = await Journal.create(path, SystemClock())
    await journal.record(Noted("daemon.test", {}))
    await journal.close()
    tip.beside(path).write_bytes(b"%020d %b\n" % (1, b"00" * 32))
    with pytest.raises(JournalCutError, match="entry 1 of the custody log is not the one that was written"):
        await opened(path)


async def test_a_hold_that_was_lost_keeps_everything_after_a_rebuild(killed: Path) -> None:
    """Which orders there were is not known: all is held until an admin has looked."""
    wal(killed).unlink()
    journal = await rebuild(killed, [], SystemClock(), "dock-1")
    orders = await journal.hold_orders()
    await journal.close()
    assert [each.case for each in orders] == [IN_DOUBT]


async def test_what_is_whole_is_rebuilt_with_its_hold_alone(killed: Path) -> None:
    """The doubt above comes of what is missing, not of the rebuild."""
    journal = await rebuild(killed, [], SystemClock(), "dock-1")
    orders = await journal.hold_orders()
    await journal.close()
    assert [(each.subject, each.case) for each in orders] == [("C1", "")]


async def test_nothing_is_exported_from_a_journal_whose_end_is_lost(tmp_path: Path) -> None:
    """No bundle, no quarantine and no report is made of less than there was."""
    story = await tell(tmp_path)
    spool = Spool(tmp_path)
    gather(story.journal, Wish())
    quarantined(spool)
    await story.grow()
    newest = tip.read(story.journal)
    assert newest is not None
    tip.beside(story.journal).write_bytes(b"%020d %b\n" % (newest.seq + 1, newest.leaf.hex().encode()))
    for look in (lambda: gather(story.journal, Wish()), lambda: quarantined(spool)):
        with pytest.raises(JournalCutError, match="the last ones are lost"):
            look()


@pytest.mark.parametrize("left", [None, b"", b"\0" * 86, b"1 aa\n"])
async def test_a_journal_of_an_older_dockd_gets_its_tip(path: Path, left: bytes | None) -> None:
    """Without one, or with what a power cut left of one, it opens, and is known from then on."""
    journal = await Journal.create(path, SystemClock())
    await journal.record(Noted("daemon.test", {}))
    await journal.close()
    tip.beside(path).unlink()
    if left is not None:
        tip.beside(path).write_bytes(left)
    assert await opened(path) == 1
    found = tip.read(path)
    assert found is not None
    assert found.seq == 1


async def test_the_tip_is_never_ahead_of_a_transaction(journal: Journal, path: Path) -> None:
    """What was rolled back is not called written, and each commit is at once."""
    before = tip.read(path)
    with pytest.raises(RuntimeError):
        await journal.record(Noted("daemon.test", {}), Noted("daemon.test", {"seq": 1}))
    assert tip.read(path) == before
    await journal.record(Noted("daemon.test", {}))
    found, (entry,) = tip.read(path), await journal.custody(2, 1)
    assert found == tip.Tip(2, entry.leaf)


async def test_a_disk_that_refuses_the_tip_loses_no_entry(journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal goes on and says so; the tip stays behind, and a start that finds it so opens."""

    def refuse(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing, capture_logs() as logs:
        failing.setattr(os, "pwrite", refuse)
        await journal.record(Noted("daemon.test", {}))
        failing.setattr(os, "fdatasync", refuse)
        await journal.keep_checkpoint(2, b"note")
    assert [each["event"] for each in logs] == ["tip of the log not written"] * 2
    await journal.close()
    assert await opened(path) == 2


async def test_a_tip_that_cannot_be_is_an_error_in_words(path: Path) -> None:
    """What cannot be read is not passed over, by the daemon as little as by whoever looks on."""
    await (await Journal.create(path, SystemClock())).close()
    tip.beside(path).unlink()
    tip.beside(path).mkdir()
    with pytest.raises(JournalError, match="-tip: how far the custody log was written cannot be read: Is a directory"):
        await opened(path)
    with pytest.raises(JournalError, match="cannot be read: Is a directory"), onlooking(path):
        pass


async def test_a_tip_that_cannot_be_read_keeps_everything_after_a_rebuild(killed: Path) -> None:
    """The disk that lost the end of the log gives an error for the tip as well: the hold that was in it is not taken for none."""
    wal(killed).unlink()
    tip.beside(killed).unlink()
    tip.beside(killed).mkdir()
    with pytest.raises(JournalError, match="cannot be read"):
        await opened(killed)
    journal = await rebuild(killed, iter(()), SystemClock(), "dock-1")
    try:
        assert [each.case for each in await journal.hold_orders()] == [IN_DOUBT]
    finally:
        await journal.close()


async def test_an_onlooker_sees_one_instant_and_says_what_is_wrong(journal: Journal, path: Path) -> None:
    """While somebody writes; and what SQLite finds wrong is an error in words."""
    with onlooking(path) as connection:
        await journal.record(Noted("daemon.test", {}))
        assert connection.execute("SELECT max(seq) FROM custody").fetchone()[0] == 1
    with pytest.raises(JournalError, match="syntax error"), onlooking(path) as connection:
        connection.execute("SELECT * FROM nothing at all")
