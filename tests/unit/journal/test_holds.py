"""Orders in the journal, and which of its recordings they keep."""

import sqlite3
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from dockd.core.custody import CameraDocked, Change, HoldLifted, HoldPlaced, RecordingMet, RecordingSeen
from dockd.journal import Journal, schema
from tests.sim.evidence import NOW, measure, seen

DOCKED: list[Change] = [
    CameraDocked("e1", "C1", "dcf", "1", "A. Smith"),
    RecordingSeen(seen("1" * 32, camera="C1", docking="e1")),
    CameraDocked("e2", "C1", "dcf", "1", "B. Jones"),
    RecordingSeen(seen("2" * 32, camera="C1", docking="e2")),
    RecordingMet("1" * 32, "e2", b"DCIM/CLIP.MP4", measure(b"x")),
    CameraDocked("e3", "C3", "dcf", "2", None),
    RecordingSeen(seen("3" * 32, camera="C3", docking="e3")),
]


async def test_an_officers_are_all_that_came_while_the_camera_was_theirs(journal: Journal) -> None:
    """Whoever has the camera now; the pool camera's later recordings are another's."""
    await journal.record(*DOCKED, HoldPlaced("officer", "a smith", "anna", "complaint"))
    assert await journal.held() == {"1" * 32}
    holds = await journal.holds()
    assert (holds.officers, holds.recordings) == (frozenset({"asmith"}), frozenset({"1" * 32}))
    await journal.record(HoldPlaced("officer", "Jones, B", "anna", "nobody is called so"))
    assert await journal.held() == {"1" * 32}
    await journal.record(HoldPlaced("officer", "B Jones", "anna", "complaint"))
    assert await journal.held() == {"1" * 32, "2" * 32}, "both were on the camera while it was theirs"


async def test_a_span_and_a_camera_keep_theirs(journal: Journal) -> None:
    """By when the dock saw a recording and what its camera's clock said; asked about some, only of those."""
    await journal.record(*DOCKED)
    assert await journal.held() == set()
    await journal.record(HoldPlaced("time", f"../{NOW.isoformat()}", "anna", "incident"))
    assert await journal.held() == {"1" * 32, "2" * 32, "3" * 32}
    assert await journal.held(["2" * 32]) == {"2" * 32}
    await journal.record(HoldLifted("time", f"../{NOW.isoformat()}", "anna", "over"), HoldPlaced("camera", "C3", "anna", "why"))
    assert await journal.held() == {"3" * 32}


async def test_what_one_case_releases_the_other_still_holds(journal: Journal, tmp_path: Path) -> None:
    """The same camera held for two cases and for none is three orders; and the log says the same as the table."""
    orders = [HoldPlaced("camera", "C1", "anna", "why", case) for case in ("", "26-cv-1", "26-cv-2")]
    await journal.record(*orders, *orders)
    assert [each.case for each in await journal.hold_orders()] == ["", "26-cv-1", "26-cv-2"]
    await journal.record(HoldLifted("camera", "C1", "anna", "closed", "26-cv-1"), HoldLifted("camera", "C1", "anna", "closed"))
    assert [each.case for each in await journal.hold_orders()] == ["26-cv-2"]
    assert (await journal.holds()).cameras == {"C1"}
    await journal.examine()


async def test_an_order_that_nobody_could_understand_is_never_written(journal: Journal) -> None:
    """The caller has to look before."""
    with pytest.raises(RuntimeError, match="no span"):
        await journal.record(HoldPlaced("time", "yesterday", "anna", "why"))
    assert await journal.hold_orders() == []


async def test_holds_of_an_older_journal_stand(tmp_path: Path) -> None:
    """A journal from before cases and officers is brought forward with every order in force."""
    path = tmp_path / "journal.sqlite"
    await (await Journal.create(path, SystemClock())).close()
    path.unlink()
    with sqlite3.connect(path, isolation_level=None) as old:
        before = next(number for number, steps in enumerate(schema.MIGRATIONS) if "hold_before" in steps[0])
        schema.migrate(old, schema.MIGRATIONS[:before])
        old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID:d}")
        old.execute("INSERT INTO hold VALUES ('camera', 'C1', 'anna', 'court order', '2026-11-01T00:00:00.000Z')")
    old.close()
    opened = await Journal.open(path, SystemClock())
    (order,) = await opened.hold_orders()
    await opened.close()
    assert (order.scope, order.subject, order.case, order.reason) == ("camera", "C1", "", "court order")
