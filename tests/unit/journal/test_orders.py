"""What people ordered, what they may see of cameras, and how they hear that something was recorded."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from dockd.core import life
from dockd.core.canonical import leaf_hash
from dockd.core.custody import (
    CameraBarred,
    CameraDocked,
    CameraEnrolled,
    DockingEnded,
    HoldLifted,
    HoldPlaced,
    Noted,
    RecordingSeen,
    Stepped,
    encode,
)
from dockd.core.recording import State
from dockd.errors import JournalCorruptError
from dockd.journal import Journal, schema
from dockd.journal.orders import Admission, CameraKnown, HoldOrdered, Verdict
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import seen


async def test_holds_are_told_with_who_and_why(journal: Journal) -> None:
    """Whoever releases a hold can read first who placed it and for what."""
    await journal.record(HoldPlaced("camera", "C1", "anna (uid 7)", "case 7"), HoldPlaced("recording", "r1", "bert", "case 8"))
    first, second = await journal.hold_orders()
    assert first == HoldOrdered("camera", "C1", "", "anna (uid 7)", "case 7", first.placed)
    assert (second.scope, second.subject, second.by, second.reason) == ("recording", "r1", "bert", "case 8")
    await journal.record(HoldLifted("camera", "C1", "anna", "closed"))
    assert await journal.hold_orders() == [second]


async def test_the_last_word_about_a_camera_counts(journal: Journal) -> None:
    """A bar stands until the camera is enrolled, and nobody's word about it means that there is none."""
    assert await journal.admission("C1") is None
    await journal.record(CameraBarred("C1", "anna", "found in the street"), CameraEnrolled("C2", "anna", "new"))
    barred = await journal.admission("C1")
    assert barred is not None
    assert (barred.verdict, barred.reason) == (Verdict.BARRED, "found in the street")
    await journal.record(CameraEnrolled("C1", "bert", "looked at"))
    assert [(each.camera, each.verdict, each.by) for each in await journal.admissions()] == [
        ("C1", Verdict.ENROLLED, "bert"),
        ("C2", Verdict.ENROLLED, "anna"),
    ]
    assert isinstance(await journal.admission("C2"), Admission)


async def test_cameras_are_told_with_their_last_docking_and_their_recordings(journal: Journal) -> None:
    """Each camera once: where it stood last, whether it still does, and how far its recordings are."""
    await journal.record(
        RecordingSeen(seen("r1")),
        RecordingSeen(seen("r2", path=b"2")),
        Stepped("r2", life.CopyStarted()),
        DockingEnded("d1", "pulled"),
        CameraDocked("d2", "C1", "dcf", "2", "badge 8"),
        CameraDocked("d3", "A9", "dcf", "1", None),
        DockingEnded("d3", "pulled"),
    )
    other, known = await journal.cameras()
    assert isinstance(known, CameraKnown)
    assert (other.camera, other.officer, other.counts, other.ended is not None) == ("A9", None, {}, True)
    assert (known.camera, known.bay, known.officer, known.ended) == ("C1", "2", "badge 8", None)
    assert known.counts == {State.SEEN: 1, State.COPYING: 1}


async def test_the_newest_entry_of_an_event_is_found(journal: Journal, clock: HurriedClock) -> None:
    """And the number of the newest of all."""
    assert await journal.last_note("journal.backed-up") is None
    await journal.record(Noted("journal.backed-up", {"to": "x"}))
    first = await journal.last_note("journal.backed-up")
    clock.wall += timedelta(minutes=1)
    await journal.record(Noted("journal.backed-up", {"to": "y"}), Noted("daemon.started", {}))
    second = await journal.last_note("journal.backed-up")
    assert first is not None
    assert second is not None
    assert first["time"] < second["time"]
    assert (first["to"], second["to"]) == ("x", "y")
    assert await journal.last_note("journal.backed-up", "daemon.started") == await journal.last_note("daemon.started")
    assert await journal.head() == 4


async def test_the_newest_notes_of_an_older_journal_are_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was noted before the journal kept where is looked up once, when it is brought up to date."""
    notes = [Noted("daemon.started", {"n": 1}), Noted("daemon.started", {"n": 2}), Noted("archive.reconciled", {"until": 7})]
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:5])
        await (await Journal.create(path, HurriedClock())).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for seq, note in enumerate(notes, 1):
            entry = encode(note, seq=seq, time="2026-11-24T19:10:00.000Z")
            connection.execute("INSERT INTO custody VALUES (?, ?, ?)", (seq, entry, leaf_hash(entry)))
    opened = await Journal.open(path, HurriedClock())
    try:
        assert (await opened.last_note("daemon.started", "daemon.stopped") or {})["n"] == 2
        assert await opened.last_note("daemon.stopped") is None
        assert await opened.reconciled_to() == 7
    finally:
        await opened.close()


async def test_who_waits_hears_of_the_next_record(journal: Journal) -> None:
    """The event that was taken before is set by what is recorded after, and a new one waits for the next."""
    heard = journal.next_record()
    assert not heard.is_set()
    await journal.record(Noted("daemon.started", {}))
    async with asyncio.timeout(10):
        await heard.wait()
    assert not journal.next_record().is_set()


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM admission", "UPDATE admission SET verdict = 'enrolled'", "UPDATE admission SET camera = 'C2'"],
)
async def test_an_examination_finds_a_bar_that_was_tampered_with(path: Path, journal: Journal, statement: str) -> None:
    """What stands in the table is what the custody log says."""
    await journal.record(CameraBarred("C1", "anna", "lost"))
    await journal.examine()
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        tool.execute(statement)
    with pytest.raises(JournalCorruptError, match="what was said of camera C1"):
        await journal.examine()


async def test_the_archive_of_the_last_proof_is_known(journal: Journal) -> None:
    """None before the first."""
    assert await journal.archive_of_last_proof() is None
