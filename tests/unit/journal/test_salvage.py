"""What was held before a journal was made anew is held afterwards."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dockd.clock import SystemClock
from dockd.core.custody import CameraDocked, Change, HoldLifted, HoldPlaced, RecordingSeen
from dockd.core.recording import Recording
from dockd.journal import Journal
from dockd.journal.orders import HoldOrdered
from dockd.journal.rebuild import rebuild
from dockd.journal.salvage import IN_DOUBT
from tests.sim.consignments import HurriedClock
from tests.unit.journal.test_rebuilding import DOCK, SPOOLED

BY, WHY = "A. Jones", "a court asks"
SPAN = "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"


def seen(name: str, camera: str, docking: str) -> RecordingSeen:
    """A recording that the old journal found; its spooled copy may be long gone."""
    return RecordingSeen(
        Recording(
            recording_id=name,
            sequence=0,
            camera=camera,
            docking=docking,
            path=name.encode(),
            size_bytes=1,
            modified_ns=5,
            sidecar_of=None,
            priority=0,
            seen="2026-01-01T00:00:00.000Z",
        )
    )


async def old_journal(path: Path, *changes: Change) -> None:
    """A journal of two cameras, in which these orders were given."""
    journal = await Journal.create(path, HurriedClock())
    await journal.record(CameraDocked("d1", "C1", "dcf", "1", "badge 7"), seen("whole", "C1", "d1"))
    await journal.record(CameraDocked("d9", "C9", "dcf", "2", "A. Smith"), seen("gone", "C9", "d9"))
    await journal.record(*changes)
    await journal.close()


async def rebuilt(path: Path) -> tuple[list[HoldOrdered], dict[str, Any]]:
    """The orders that stand in the journal made anew, and its first entry."""
    journal = await rebuild(path, SPOOLED, HurriedClock(), DOCK)
    try:
        orders = await journal.hold_orders()
        (first,) = await journal.custody(1, 1)
        return orders, json.loads(first.entry)
    finally:
        await journal.close()


def named(orders: list[HoldOrdered]) -> set[tuple[str, str, str]]:
    """What each is known by."""
    return {(each.scope, each.subject, each.case) for each in orders}


async def test_orders_that_stood_stand_again_and_no_others(path: Path) -> None:
    """By camera, recording and time, under their cases, with who placed them and why; what was released stays so."""
    await old_journal(
        path,
        HoldPlaced("camera", "C1", BY, WHY),
        HoldPlaced("recording", "whole", BY, WHY, "17"),
        HoldPlaced("time", SPAN, BY, WHY),
        HoldPlaced("camera", "C5", BY, WHY),
        HoldLifted("camera", "C5", BY, "released"),
    )
    orders, first = await rebuilt(path)
    assert named(orders) == {("camera", "C1", ""), ("recording", "whole", "17"), ("time", SPAN, "")}
    assert {(each.by, each.reason) for each in orders} == {(BY, WHY)}
    assert (first["holds"], first["holds_whole"]) == (3, True)


async def test_what_the_new_journal_cannot_know_keeps_the_whole_camera(path: Path) -> None:
    """A recording whose copy has left the spool will get another id, and nobody will know whose dockings it came from."""
    await old_journal(path, HoldPlaced("recording", "gone", BY, WHY, "17"), HoldPlaced("officer", "a smith", BY, WHY))
    orders, _ = await rebuilt(path)
    assert {("camera", "C9", "17"), ("camera", "C9", "")} <= named(orders)
    assert {"a court asks (was: recording gone)", "a court asks (was: officer a smith)"} <= {each.reason for each in orders}
    journal = await Journal.open(path, HurriedClock())
    assert (await journal.holds()).on_camera("C9")
    await journal.close()


def damage(path: Path, how: str) -> None:
    """What befalls a journal."""
    content = path.read_bytes()
    match how:
        case "lost":
            path.unlink()
        case "no database":
            path.write_bytes(b"damaged")
        case "cut off":
            path.write_bytes(content[: len(content) // 2])
        case _:
            path.write_bytes(content.replace(b'"event":"recording.seen"', b'"event":"recording.sern"'))


@pytest.mark.parametrize("how", ["lost", "no database", "cut off", "an entry changed"])
async def test_where_orders_may_be_missing_everything_is_held_until_an_admin_has_looked(path: Path, how: str) -> None:
    """Whatever was recorded until then; what could be read stands as well, and a release ends it."""
    await old_journal(path, HoldPlaced("camera", "C1", BY, WHY))
    damage(path, how)
    orders, first = await rebuilt(path)
    assert first["holds_whole"] is False
    (doubt,) = [each for each in orders if each.case == IN_DOUBT]
    assert doubt.scope == "time"
    assert how != "an entry changed" or ("camera", "C1", "") in named(orders), "the order itself could be read"
    journal = await Journal.open(path, HurriedClock())
    assert await journal.held() == {manifest.recording_id for manifest, _ in SPOOLED}
    assert (await journal.holds()).on_recording("new id", 5)
    await journal.record(HoldLifted(doubt.scope, doubt.subject, BY, "all were placed again", IN_DOUBT))
    assert not (await journal.holds()).on_recording("new id", 5)
    await journal.close()


def set_aside(path: Path) -> None:
    """The first of two renames."""
    path.rename(path.with_name(f"{path.name}.aside-20260101T000000Z-00ff00ff"))


async def test_a_rebuild_that_was_cut_off_between_two_renames_finds_the_orders_set_aside(path: Path) -> None:
    """The old journal has its other name already; whether it was the newest is not known, so all is held besides."""
    await old_journal(path, HoldPlaced("camera", "C1", BY, WHY))
    set_aside(path)
    orders, _ = await rebuilt(path)
    assert ("camera", "C1", "") in named(orders)
    assert IN_DOUBT in {each.case for each in orders}


def cut_off(path: Path, left: str) -> None:
    """As a rebuild is between its two renames; with `left`, a part of the old journal is not moved yet."""
    for end in ("", "-tip"):
        path.with_name(path.name + end).rename(path.with_name(f".{path.name}.rebuilding{end}"))
    if left:
        path.with_name(path.name + left).touch()


@pytest.mark.parametrize("left", ["", "-wal"])
async def test_a_rebuild_that_was_cut_off_is_known_by_what_it_had_made(path: Path, left: str) -> None:
    """The journal that it set aside was the newest, whole unless a part of it was left behind: then all is held besides."""
    await old_journal(path, HoldPlaced("camera", "C1", BY, WHY))
    await rebuilt(path)
    cut_off(path, left)
    orders, first = await rebuilt(path)
    assert ("camera", "C1", "") in named(orders)
    assert first["holds_whole"] is not bool(left)
    assert (IN_DOUBT in {each.case for each in orders}) is bool(left)


async def test_a_rebuilt_journal_set_aside_by_hand_is_not_what_a_rebuild_set_aside(path: Path) -> None:
    """What a broken-off rebuild had made names another: somebody moved this one, and nobody knows what came after it."""
    await old_journal(path, HoldPlaced("camera", "C1", BY, WHY))
    await rebuilt(path)
    shutil.copy(path, path.with_name(f"{path.name}.aside-20991231T000000Z-00ff00ff"))
    cut_off(path, "")
    _, first = await rebuilt(path)
    assert first["holds_whole"] is False


async def test_orders_outlive_every_rebuild(path: Path) -> None:
    """What one brought over, the next one finds."""
    await old_journal(path, HoldPlaced("recording", "gone", BY, WHY))
    first, _ = await rebuilt(path)
    second, _ = await rebuilt(path)
    assert named(first) == named(second)


async def test_a_new_dock_has_nothing_to_bring_over(path: Path) -> None:
    """A sound journal without orders leaves none, and holds nothing."""
    await (await Journal.create(path, SystemClock())).close()
    orders, _ = await rebuilt(path)
    assert orders == []
