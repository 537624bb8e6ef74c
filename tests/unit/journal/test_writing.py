"""One writer, whole transactions: full disks, cancelled callers, and a table that only grows."""

import asyncio
import resource
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from dockd import crashpoint
from dockd.core.custody import Noted, RecordingSeen
from dockd.errors import JournalError
from dockd.journal import Journal
from tests.sim.evidence import seen


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody SET entry = x'00'",
        "DELETE FROM custody",
        "INSERT OR REPLACE INTO custody VALUES (1, x'00', zeroblob(32))",
        "INSERT INTO custody VALUES (7, x'00', zeroblob(32))",
        "INSERT INTO custody VALUES (NULL, x'00', zeroblob(31))",
        "INSERT INTO custody VALUES (2, 'text', zeroblob(32))",
        "INSERT INTO recording (recording) VALUES ('r9')",
        "UPDATE recording SET state = 'archived'",
        "UPDATE recording SET state = 'lost'",
    ],
)
async def test_the_tables_themselves_refuse_what_never_happens(journal: Journal, path: Path, statement: str) -> None:
    """Whoever writes past dockd still cannot change or skip a custody entry, or call unproved bytes archived."""
    await journal.record(RecordingSeen(seen("r1")))
    before = await journal.custody()
    with closing(sqlite3.connect(path)) as tool, pytest.raises(sqlite3.IntegrityError):
        tool.execute(statement)
    assert await journal.custody() == before


async def test_a_full_disk_loses_nothing_and_heals(journal: Journal) -> None:
    """No room: JournalError, nothing written, reading goes on; with room again, so does writing."""
    note = Noted("dock.noted", {"text": "x" * 5000})

    def pages(limit: int) -> int:
        return int(journal._ledger._connection.execute(f"PRAGMA max_page_count = {limit}").fetchone()[0])

    used = await journal._run(lambda: pages(1))
    with pytest.raises(JournalError, match="no room to write the journal") as caught:
        await journal.record(RecordingSeen(seen("r1")), *[note] * 10)
    assert caught.value.hint
    assert used
    assert await journal.recordings() == []
    assert len(await journal.custody()) == 1
    await journal._run(lambda: pages(1_000_000))
    await journal.record(RecordingSeen(seen("r1")), *[note] * 10)
    assert [each.seq for each in await journal.custody()] == list(range(1, 13))


async def test_a_failing_disk_is_named(journal: Journal, path: Path) -> None:
    """An error of the file system under the write-ahead log is a JournalError, and the journal goes on once it is mended."""
    written = path.with_name("journal.db-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (written + 1000, hard))
    try:
        with pytest.raises(JournalError):
            await journal.record(*[Noted("dock.noted", {"text": "x" * 5000})] * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    await journal.record(Noted("dock.noted", {}))
    assert [each.seq for each in await journal.custody()] == [1, 2]
    await journal.examine()


class Gate:
    """Stops the journal's thread inside a transaction, just before it commits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        monkeypatch.setattr(crashpoint, "passing", self._passing)

    def _passing(self, name: str) -> None:
        if name == "journal.committing":
            self.reached.set()
            assert self.open.wait(30)


async def test_a_cancelled_callers_transaction_is_finished(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while its transaction runs, a caller is let go at once, and the transaction is whole."""
    gate = Gate(monkeypatch)
    recording = asyncio.create_task(journal.record(RecordingSeen(seen("r1"))))
    await asyncio.to_thread(gate.reached.wait, 30)
    recording.cancel()
    with pytest.raises(asyncio.CancelledError):
        await recording
    gate.open.set()
    assert (await journal.recording("r1")).sequence == 1
    assert len(await journal.custody()) == 2


async def test_what_was_cancelled_before_it_began_never_happens(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while it waits behind another transaction, a change leaves no trace."""
    gate = Gate(monkeypatch)
    first = asyncio.create_task(journal.record(RecordingSeen(seen("r1"))))
    await asyncio.to_thread(gate.reached.wait, 30)
    second = asyncio.create_task(journal.record(RecordingSeen(seen("r2", path=b"2"))))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.open.set()
    await first
    assert [each.recording_id for each in await journal.recordings()] == ["r1"]


async def test_a_slow_disk_does_not_hold_the_event_loop(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a transaction waits for the disk, everything else on the loop goes on."""
    gate = Gate(monkeypatch)
    recording = asyncio.create_task(journal.record(RecordingSeen(seen("r1"))))
    await asyncio.to_thread(gate.reached.wait, 30)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not recording.done()
    gate.open.set()
    await recording


async def test_calls_happen_in_the_order_in_which_they_were_made(journal: Journal) -> None:
    """Many tasks may record at once; each transaction is whole, and the first to ask is the first to be written."""
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(journal.record(Noted("dock.noted", {"n": number}), Noted("dock.noted", {"n": number})))
    entries = [each.entry.partition(b'"n":')[2].partition(b",")[0] for each in await journal.custody(first=2)]
    assert entries == [b"%d" % (number // 2) for number in range(100)]


async def test_closing_finishes_what_was_asked(journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change asked for before the close is durable after it; later calls are a bug; closing twice is not."""
    gate = Gate(monkeypatch)
    recording = asyncio.create_task(journal.record(RecordingSeen(seen("r1"))))
    await asyncio.to_thread(gate.reached.wait, 30)
    closing_first = asyncio.create_task(journal.close())
    await asyncio.sleep(0)
    closing_first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing_first
    gate.open.set()
    await recording
    await journal.close()
    with pytest.raises(RuntimeError, match="the journal is closed"):
        await journal.holds()
    assert sorted(each.name for each in path.parent.iterdir()) == ["journal.db", "journal.db-tip", "journal.db.lock"]
