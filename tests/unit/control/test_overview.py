"""What people see of the dock, and what they may order."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dockd.charging.checkout import Desk
from dockd.charging.rehearsal import Rehearsal
from dockd.control.overview import Overview
from dockd.core import custody, life
from dockd.core.clearance import FileKind
from dockd.core.policy import Policy
from dockd.core.profile import CRITICAL
from dockd.core.readiness import Lamp
from dockd.core.recording import Refusal, State
from dockd.dock.board import Phase, Presence
from dockd.dock.live import Orders
from dockd.dock.parts import Dock
from dockd.errors import ControlError
from dockd.web.hold import HoldOrder, ReleaseOrder
from dockd.web.lists import CameraOrder, CustodyWanted, SelftestView, StatusWanted
from dockd.web.view import Wanted
from tests.sim.dock_of import dock_in, docked, spooled
from tests.sim.evidence import seen


@pytest.fixture
async def dock(tmp_path: Path) -> AsyncIterator[Dock]:
    """A dock that knows camera C1."""
    async with dock_in(tmp_path) as built:
        await docked(built)
        yield built


class _Rounds:
    """Counts how often the bays were told to look again."""

    def __init__(self) -> None:
        self.count = 0

    def look_again(self) -> None:
        self.count += 1


def _overview(dock: Dock) -> tuple[Overview, _Rounds]:
    rounds = _Rounds()
    desk, rehearsal = Desk(dock, 12, ZoneInfo("UTC")), Rehearsal(dock.board, dock.clock)
    return Overview(dock, rounds.look_again, _no_selftest, desk, rehearsal), rounds


async def _no_selftest() -> SelftestView:
    return SelftestView("dock-1", "2026-11-24T20:00:00.000Z", fit=True, checks=())


async def test_an_idle_dock_says_so(dock: Dock) -> None:
    """Empty bays have no lamp, an empty queue takes no time, and the archive is not called unreachable before it was asked."""
    status = await _overview(dock)[0].status()
    assert [(bay.bay, bay.lamp, bay.phase) for bay in status.bays] == [("1", None, "empty"), ("2", None, "empty")]
    assert (status.queue.files, status.queue.bytes, status.queue.drain_s) == (0, 0, None)
    assert status.archive.reachable
    assert status.archive.since is None
    assert status.daemon.rss_bytes > 0


async def test_a_critical_incident_is_shown_with_its_deadline(dock: Dock) -> None:
    """The earliest one, where the site file sets a time at all."""
    for number, at in enumerate(("2026-11-28T06:00:00.000Z", "2026-11-28T05:00:00.000Z")):
        dock.outbox.put(replace(seen(str(number) * 32), priority=CRITICAL, seen=at))
    queue = (await _overview(dock)[0].status()).queue
    assert (queue.critical, queue.critical_by) == (2, None)
    dock.live.now = Orders(policy=Policy(critical_within_hours=4))
    assert (await _overview(dock)[0].status()).queue.critical_by == "2026-11-28T09:00:00.000Z"


async def test_a_bay_shows_how_far_its_camera_is(dock: Dock) -> None:
    """Counts and bytes come from the recordings on the camera; what was read of an unfinished one counts too."""
    one = await spooled(dock, "a" * 32, b"x" * 1000)
    await dock.journal.record(custody.RecordingSeen(seen("b" * 32, size_bytes=3000)))
    other = await dock.journal.recording("b" * 32)
    bay = dock.board.bays["1"]
    bay.camera, bay.scanned, bay.phase = "C1", True, Phase.COPYING
    bay.present = {each.recording_id: Presence(each, FileKind.RECORDING) for each in (one, other)}
    bay.reading = {other.path: 500}
    view = (await _overview(dock)[0].status()).bays[0]
    assert (view.files_total, view.files_copied, view.files_archived) == (2, 1, 0)
    assert (view.bytes_total, view.bytes_done) == (4000, 1500)
    assert view.lamp is Lamp.LEAVE
    assert view.remaining_s is None  # nothing moves, so nobody knows
    bay.meter.add(500)
    assert (await _overview(dock)[0].status()).bays[0].remaining_s is not None
    refused = replace(other, state=State.REFUSED, refusal=Refusal("archive-refused", "too large"))
    bay.present[other.recording_id], bay.reading = Presence(refused, FileKind.RECORDING), {}
    assert (await _overview(dock)[0].status()).bays[0].remaining_s is None  # it is not copied: nobody waits for that


async def test_the_archive_link_keeps_its_first_reason_until_it_answers(dock: Dock) -> None:
    """A second failure does not hide the first, and an answer clears it."""
    overview, _ = _overview(dock)
    dock.board.archive_failed("no route")
    dock.board.archive_failed("still no route")
    link = (await overview.status()).archive
    assert (link.reachable, link.message) == (False, "no route")
    dock.board.archive_answers()
    assert (await overview.status()).archive.reachable


async def test_recordings_come_in_pages(dock: Dock) -> None:
    """A page says where the next one begins, and the last one says that it is the last."""
    for digit in "123":
        await spooled(dock, digit * 32, digit.encode())
    overview, _ = _overview(dock)
    first = await overview.recordings(Wanted(limit=2))
    assert [each.recording for each in first.recordings] == ["1" * 32, "2" * 32]
    assert first.next_after is not None
    second = await overview.recordings(Wanted(after=first.next_after))
    assert [each.recording for each in second.recordings] == ["3" * 32]
    assert second.next_after is None
    assert (await overview.recordings(Wanted(state=State.ERASED))).recordings == ()


async def test_a_refused_recording_in_the_spool_goes_to_the_archive_again(dock: Dock) -> None:
    """A person's retry puts it back into the outbox, and the custody log says who."""
    await spooled(dock, "a" * 32, b"x")
    await dock.journal.record(custody.Stepped("a" * 32, life.Refused(Refusal("archive-refused", "too large"))))
    overview, rounds = _overview(dock)
    view = await overview.retry("a" * 32, "anna")
    assert view.state is State.VERIFIED
    assert await dock.outbox.take() == "a" * 32
    assert rounds.count == 1
    assert b'"by":"anna"' in (await dock.journal.custody())[-1].entry


async def test_a_refused_recording_that_was_never_copied_is_read_again(dock: Dock) -> None:
    """Without bytes in the spool the retry begins at the camera."""
    await dock.journal.record(
        custody.RecordingSeen(seen("a" * 32)), custody.Stepped("a" * 32, life.Refused(Refusal("source-unreadable", "bad sector")))
    )
    overview, rounds = _overview(dock)
    assert (await overview.retry("a" * 32, "anna")).state is State.SEEN
    assert dock.outbox.files == 0
    assert rounds.count == 1


@pytest.mark.parametrize("altered", [b"y", b"xx", None])
async def test_a_copy_that_is_not_what_was_verified_makes_room_for_another(dock: Dock, altered: bytes | None) -> None:
    """Wrong bytes are kept beside the spool, and the retry begins at the camera; bytes that turn out to be right go on."""
    await spooled(dock, "a" * 32, b"x")
    await dock.journal.record(custody.Stepped("a" * 32, life.Refused(Refusal("spool-mismatch", "other bytes"))))
    if altered is not None:
        dock.spool.path_of("a" * 32).write_bytes(altered)
    view = await _overview(dock)[0].retry("a" * 32, "anna")
    kept = sorted(dock.spool.altered.iterdir()) if dock.spool.altered.exists() else []
    if altered is None:
        assert (view.state, kept) == (State.VERIFIED, [])
        return
    assert view.state is State.SEEN
    assert [each.read_bytes() for each in kept] == [altered]
    noted, retried = (json.loads(each.entry) for each in (await dock.journal.custody())[-2:])
    assert (noted["event"], noted["file"], noted["size_bytes"]) == ("spool.set-aside", str(kept[0]), str(len(altered)))
    assert (retried["event"], retried["by"]) == ("recording.retried", "anna")


async def test_a_copy_that_cannot_be_read_makes_room_for_another(dock: Dock) -> None:
    """A bad place of the disk stays bad, however often it is sent from; what is left of the copy is kept beside the spool."""
    await spooled(dock, "a" * 32, b"x")
    await dock.journal.record(custody.Stepped("a" * 32, life.Refused(Refusal("spool-broken", "Input/output error"))))
    dock.spool.path_of("a" * 32).unlink()
    dock.spool.path_of("a" * 32).mkdir()  # what gives an error to whoever reads it
    assert (await _overview(dock)[0].retry("a" * 32, "anna")).state is State.SEEN
    assert [each.is_dir() for each in dock.spool.altered.iterdir()] == [True]
    noted = json.loads((await dock.journal.custody())[-2].entry)
    assert (noted["event"], noted["size_bytes"], noted["blake3"]) == ("spool.set-aside", None, None)


@pytest.mark.parametrize("recording", ["a" * 32, "f" * 32])
async def test_only_what_is_refused_can_be_retried(dock: Dock, recording: str) -> None:
    """A good recording and an unknown one are answered with a sentence, and nothing changes."""
    await spooled(dock, "a" * 32, b"x")
    before = await dock.journal.custody()
    with pytest.raises(ControlError, match=recording):
        await _overview(dock)[0].retry(recording, "anna")
    assert await dock.journal.custody() == before


async def test_holds_are_placed_and_lifted(dock: Dock) -> None:
    """A hold on a camera or a recording stands until it is released; a second release is refused."""
    await spooled(dock, "a" * 32, b"x")
    overview, rounds = _overview(dock)
    of_camera, of_recording = HoldOrder(reason="case 7", camera="C1"), HoldOrder(reason="case 7", recording="a" * 32)
    await overview.hold(of_camera, "anna")
    await overview.hold(of_recording, "anna")
    holds = await dock.journal.holds()
    assert (holds.cameras, holds.recordings) == (frozenset({"C1"}), frozenset({"a" * 32}))
    no_camera, no_recording = ReleaseOrder(reason="over", camera="C1"), ReleaseOrder(reason="over", recording="a" * 32)
    await overview.release(no_camera, "bert")
    await overview.release(no_recording, "bert")
    holds = await dock.journal.holds()
    assert not holds.cameras
    assert not holds.recordings
    assert rounds.count == 4
    with pytest.raises(ControlError, match="not on hold"):
        await overview.release(no_camera, "bert")


async def test_cameras_are_listed_with_what_is_said_of_them(dock: Dock) -> None:
    """One that was docked, one that an admin only spoke of, one that is only held: each once, with its counts."""
    await spooled(dock, "a" * 32, b"x")
    overview, rounds = _overview(dock)
    await overview.refuse(CameraOrder("B7", "stolen"), "anna (uid 7)")
    await overview.enroll(CameraOrder("C1", "ours"), "anna (uid 7)")
    await overview.hold(HoldOrder(reason="case 7", camera="D2"), "anna (uid 7)")
    barred, known, held = (await overview.cameras()).cameras
    assert (barred.camera, barred.verdict, barred.verdict_reason, barred.docked) == ("B7", "barred", "stolen", False)
    assert (known.camera, known.verdict, known.verdict_by, known.docked) == ("C1", "enrolled", "anna (uid 7)", True)
    assert (known.bay, known.files_waiting, known.files_erased) == ("1", 1, 0)
    assert (held.camera, held.verdict, held.held, held.last_docked) == ("D2", None, True, None)
    assert [(each.subject, each.by, each.reason) for each in (await overview.holds()).holds] == [("D2", "anna (uid 7)", "case 7")]
    assert rounds.count == 3


async def test_who_waits_for_a_change_is_told_of_it(dock: Dock) -> None:
    """At once where the status is another already, as soon as something happens where it is not, and late rather than never."""
    overview, _ = _overview(dock)
    seen_now = (await overview.status()).change
    assert (await overview.status_after(StatusWanted(seen_now + 1, 30))).change == seen_now
    assert (await overview.status_after(StatusWanted(wait_s=30))).change == seen_now
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        waiting = group.create_task(overview.status_after(StatusWanted(seen_now, 30)))
        await asyncio.sleep(0)
        dock.board.tell()
    assert waiting.result().change == seen_now + 1
    dock.board.sent.add(1000)
    async with asyncio.timeout(20):
        moving = await overview.status_after(StatusWanted(seen_now + 1, 30))
    assert (moving.change, moving.queue.rate_bytes_s > 0) == (seen_now + 1, True)


async def test_who_waits_for_a_custody_entry_is_given_it(dock: Dock) -> None:
    """What there is comes at once, in the bytes that were hashed; what is not there yet when it is recorded, or not at all."""
    overview, _ = _overview(dock)
    first = (await overview.custody(CustodyWanted(limit=1))).entries[0]
    written = (await dock.journal.custody())[0]
    assert (bytes(first.entry), first.leaf) == (written.entry, written.leaf.hex())
    head = await dock.journal.head()
    assert (await overview.custody(CustodyWanted(head + 1))).entries == ()
    assert (await overview.custody(CustodyWanted(head + 1, wait_s=1))).entries == ()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        waiting = group.create_task(overview.custody(CustodyWanted(head + 2, wait_s=20)))
        await asyncio.sleep(0)
        await dock.journal.record(custody.Noted("one", {}))
        await dock.journal.record(custody.Noted("two", {}))
    assert [bytes(each.entry).count(b'"two"') for each in waiting.result().entries] == [1]
    assert waiting.result().head == head + 2


async def test_the_selftest_is_asked_for(dock: Dock) -> None:
    """Of whoever looks at the parts."""
    assert (await _overview(dock)[0].selftest()).fit


async def test_a_refused_recording_shows_its_reason_on_the_bay(dock: Dock) -> None:
    """The officer's admin sees which file it is, why, and that the camera must be kept."""
    await dock.journal.record(
        custody.RecordingSeen(seen("a" * 32)), custody.Stepped("a" * 32, life.Refused(Refusal("source-unreadable", "bad sector")))
    )
    bay = dock.board.bays["1"]
    bay.camera, bay.scanned, bay.phase = "C1", True, Phase.RESTING
    bay.present = {"a" * 32: Presence(await dock.journal.recording("a" * 32), FileKind.RECORDING)}
    bay.problems = {b"DCIM/link": "a symbolic link, which is never read"}
    view = (await _overview(dock)[0].status()).bays[0]
    assert view.lamp is Lamp.HELP
    assert {(each.path, each.reason) for each in view.problems} == {
        ("DCIM/link", "a symbolic link, which is never read"),
        ("DCIM/1.MP4", "bad sector"),
    }
