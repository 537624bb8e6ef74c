"""Alerts and marks, as the journal keeps them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from dockd.core import custody
from dockd.journal import Journal
from tests.sim.evidence import seen

UNDOCKED = custody.AlertBegun("undocked", "C1", "camera C1 was not docked")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """A new one."""
    made = await Journal.create(tmp_path / "journal.db", SystemClock())
    yield made
    await made.close()


async def test_an_alert_begins_once_and_ends_once(journal: Journal) -> None:
    """A second one of the same kind about the same camera is a bug, and so is an end without a beginning."""
    await journal.record(UNDOCKED)
    (alert,) = await journal.alerts()
    assert (alert.kind, alert.subject, alert.message, alert.ended, alert.told) == (
        "undocked",
        "C1",
        "camera C1 was not docked",
        None,
        frozenset(),
    )
    with pytest.raises(RuntimeError, match="impossible"):
        await journal.record(UNDOCKED)
    await journal.record(custody.AlertEnded("undocked", "C1"))
    assert await journal.alerts() == []
    with pytest.raises(RuntimeError, match="no alert undocked stands for C1"):
        await journal.record(custody.AlertEnded("undocked", "C1"))
    await journal.record(UNDOCKED)
    assert len(await journal.alerts()) == 1


async def test_an_end_is_kept_until_everybody_heard_it_who_heard_the_beginning(journal: Journal) -> None:
    """Each channel by itself; told twice is told once."""
    await journal.record(UNDOCKED)
    number = (await journal.alerts())[0].number
    await journal.record(custody.AlertTold(number, "begun", "webhook"), custody.AlertTold(number, "begun", "webhook"))
    await journal.record(custody.AlertTold(number, "begun", "email"))
    await journal.record(custody.AlertEnded("undocked", "C1"), custody.AlertTold(number, "ended", "webhook"))
    (alert,) = await journal.alerts()
    assert alert.ended is not None
    assert alert.told == {("begun", "webhook"), ("begun", "email"), ("ended", "webhook")}
    await journal.record(custody.AlertTold(number, "ended", "email"))
    assert await journal.alerts() == []


async def test_what_a_recording_was_marked_as_is_kept(journal: Journal) -> None:
    """All of it at once."""
    await journal.record(custody.CameraDocked("d1", "C1", "dcf", "1", None), custody.RecordingSeen(seen("r1")))
    before = await journal.recording("r1")
    assert (before.category, before.priority, before.first_amendment) == (None, 100, False)
    await journal.record(custody.RecordingMarked("r1", "search", 10, first_amendment=True, by="ann", reason="shots fired"))
    after = await journal.recording("r1")
    assert (after.category, after.priority, after.first_amendment) == ("search", 10, True)
