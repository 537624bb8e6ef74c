"""What a person says of a recording, and what the dock does about it."""

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dockd.charging.checkout import Desk
from dockd.charging.rehearsal import Rehearsal
from dockd.control.holding import HelperHolds
from dockd.control.marking import Marking
from dockd.control.overview import Overview
from dockd.core import custody, life
from dockd.core.clearance import FileKind
from dockd.core.marking import FIRST_AMENDMENT
from dockd.core.policy import Category, Policy
from dockd.core.profile import CRITICAL
from dockd.core.recording import MediumReading, Refusal, State
from dockd.dock.board import Phase, Presence
from dockd.dock.live import Orders
from dockd.dock.parts import Dock
from dockd.docking import offloading
from dockd.errors import ControlError, WorkerError
from dockd.journal.orders import HoldOrdered
from dockd.offload import copying, messages
from dockd.offload.handful import SMALL_BYTES
from dockd.offload.spool import Spool
from dockd.offload.workers import BayWorker
from dockd.web.lists import MarkOrder, SelftestView
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.dock_here import dcf, dock_here
from tests.sim.dock_of import dock_in, docked, spooled
from tests.sim.evidence import seen

ID, OTHER, SIDECAR = "a" * 32, "b" * 32, "c" * 32
POLICY = Policy(
    (Category("at-large-arrest", 1000, frozenset({"AT_LARGE"}), urgent=True), Category("contact", 100)), critical_within_hours=4
)


@pytest.fixture
async def dock(tmp_path: Path) -> AsyncIterator[Dock]:
    """Two recordings wait for the archive, one of them with a sidecar."""
    async with dock_in(tmp_path) as built:
        await docked(built)
        built.live.now = Orders(policy=POLICY)
        for each in (OTHER, ID):
            built.outbox.put(await spooled(built, each, b"x"))
        await built.journal.record(custody.RecordingSeen(replace(seen(SIDECAR), sidecar_of=ID)))
        yield built


class _Helper(HelperHolds):
    """Remembers what it was told to hold, or cannot be asked."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("/nowhere")
        self.placed: list[tuple[str, str, str, str]] = []
        self.error = error

    async def place(self, order: custody.HoldPlaced | HoldOrdered) -> None:
        """Remember."""
        if self.error is not None:
            raise self.error
        self.placed.append((order.scope, order.subject, order.by, order.reason))


async def _no_selftest() -> SelftestView:
    raise AssertionError


def _overview(dock: Dock, helper: _Helper | None = None) -> tuple[Overview, asyncio.Event]:
    again = asyncio.Event()
    desk, rehearsal = Desk(dock, 12, ZoneInfo("UTC")), Rehearsal(dock.board, dock.clock)
    return Overview(dock, again.set, _no_selftest, desk, rehearsal, helper=helper), again


async def test_what_is_marked_while_its_copy_is_read_for_a_retry_is_retried_as_marked(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a large copy takes minutes, and the mark finds a recording that waits in no queue yet."""
    refused, reading, marked, examine = "d" * 32, asyncio.Event(), threading.Event(), Spool.examine
    loop = asyncio.get_running_loop()

    def slowly(spool: Spool, recording_id: str) -> MediumReading | None:
        loop.call_soon_threadsafe(reading.set)
        assert marked.wait(30)
        return examine(spool, recording_id)

    await spooled(dock, refused, b"x")
    await dock.journal.record(custody.Stepped(refused, life.Refused(Refusal("spool-mismatch", "other bytes"))))
    monkeypatch.setattr(Spool, "examine", slowly)
    overview, _ = _overview(dock)
    async with asyncio.TaskGroup() as group:
        retrying = group.create_task(overview.retry(refused, "anna"))
        await reading.wait()
        await overview.mark(MarkOrder(refused, "shots fired", critical=True), "ann (uid 7)")
        marked.set()
    assert (retrying.result().state, retrying.result().critical) == (State.VERIFIED, True)
    assert dock.outbox.critical_untaken == 1
    assert await dock.outbox.take() == refused


async def test_a_critical_mark_is_first_in_the_queue_with_its_deadline(dock: Dock) -> None:
    """What belongs to it as well; it is in the custody log with who said so and why, and every bay looks again."""
    overview, again = _overview(dock)
    told = await overview.mark(MarkOrder(ID, "shots fired", critical=True), "ann (uid 7)")
    assert (told.critical, told.category, told.first_amendment) == (True, None, False)
    seen_at = (await dock.journal.recording(ID)).seen
    assert told.deadline is not None
    assert told.deadline[11:13] != seen_at[11:13], "four hours later"
    assert await dock.outbox.take() == ID
    assert (await dock.journal.recording(SIDECAR)).priority == CRITICAL
    entries = [json.loads(each.entry) for each in await dock.journal.custody()]
    marks = [entry for entry in entries if entry["event"] == "recording.marked"]
    assert {(each["recording"], each["by"], each["reason"]) for each in marks} == {
        (ID, "ann (uid 7)", "shots fired"),
        (SIDECAR, "ann (uid 7)", "shots fired"),
    }
    assert again.is_set()
    assert not (await dock.journal.holds()).recordings


async def test_a_category_is_known_by_its_names(dock: Dock) -> None:
    """As cameras and people write them; one that the policy does not have is refused with those that it has."""
    overview, _ = _overview(dock)
    told = await overview.mark(MarkOrder(ID, "report 7", category="AT LARGE"), "ann")
    assert (told.category, told.critical, told.deadline) == ("at-large-arrest", False, None)
    with pytest.raises(ControlError, match="no category 'parade'") as refused:
        await overview.mark(MarkOrder(ID, "report 7", category="parade"), "ann")
    assert refused.value.hint == "It has: at-large-arrest, contact."
    dock.live.now = Orders()
    with pytest.raises(ControlError) as refused:
        await overview.mark(MarkOrder(ID, "report 7", category="parade"), "ann")
    assert "in the site file first" in refused.value.hint


async def test_first_amendment_activity_is_held_here_and_by_the_helper_at_once(dock: Dock) -> None:
    """The helper obeys nobody but root when it is lifted."""
    helper = _Helper()
    overview, _ = _overview(dock, helper)
    told = await overview.mark(MarkOrder(ID, "a march", first_amendment=True), "ann")
    assert told.first_amendment
    assert (await dock.journal.holds()).recordings == {ID, SIDECAR}
    assert sorted(helper.placed) == [("recording", each, "ann", FIRST_AMENDMENT) for each in (ID, SIDECAR)]


async def test_a_helper_that_cannot_be_asked_is_said_and_the_hold_stands(dock: Dock) -> None:
    """The daemon erases nothing of it meanwhile."""
    overview, again = _overview(dock, _Helper(WorkerError("the helper that opens cameras cannot be asked")))
    with pytest.raises(WorkerError):
        await overview.mark(MarkOrder(ID, "a march", first_amendment=True), "ann")
    assert (await dock.journal.holds()).recordings == {ID, SIDECAR}
    assert again.is_set()


async def test_a_sidecar_is_marked_through_its_recording(dock: Dock) -> None:
    """So that both never say different things."""
    with pytest.raises(ControlError, match=ID):
        await Marking(dock, lambda: None, None).mark(
            await dock.journal.recording(SIDECAR), MarkOrder(SIDECAR, "x", critical=True), "ann"
        )


async def test_what_is_still_on_a_camera_counts_as_critical_at_once(dock: Dock) -> None:
    """The bay shows how far it is; only what was said of it changes."""
    await dock.journal.record(custody.RecordingSeen(seen("d" * 32)))
    bay = dock.board.bays["1"]
    bay.phase = Phase.COPYING
    bay.present["d" * 32] = Presence(await dock.journal.recording("d" * 32), FileKind.RECORDING)
    overview, _ = _overview(dock)
    await overview.mark(MarkOrder("d" * 32, "shots fired", critical=True), "ann")
    assert bay.present["d" * 32].recording.priority == CRITICAL
    queue = (await overview.status()).queue
    assert queue.critical == 1
    assert queue.critical_by is not None


async def test_a_mark_counts_in_the_queue_of_a_camera_that_is_being_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not begun when it was marked is copied next, before what was waiting in front of it."""
    monkeypatch.setattr(offloading, "_BATCH_FILES", 1)
    monkeypatch.setattr(offloading, "_ROOM_S", 0.02)
    make_camera(tmp_path / "camera", "CAM-1", recordings=3, size_bytes=10_000, sidecars=False)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False, keep_free_bytes=1 << 60) as here:
        here.insert(tmp_path / "camera", profile=replace(dcf(), critical=()))
        await here.until(lambda: here.bay().phase is Phase.WAITING)
        last = max(await here.recordings(), key=lambda each: each.path)
        overview, _ = _overview(here.dock)
        await overview.mark(MarkOrder(last.recording_id, "shots fired", critical=True), "ann")
        here.dock.ledger.keep_free_bytes = 0
        await here.until(lambda: here.bay().phase is Phase.RESTING and not here.dock.outbox.files)
        copied = [each["recording"] for each in await here.entries("recording.verified")]
        assert (copied[0], len(copied)) == (last.recording_id, 3)


@pytest.mark.parametrize("size_bytes", [3 << 20, 10_000], ids=["in the middle of a recording", "between handfuls"])
async def test_a_mark_overtakes_the_list_that_is_being_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    """The camera's whole list was ordered already; what is being read is left where it is, and continued afterwards."""
    hastened = threading.Event()
    at_all, hasten = copying.Copier._moved, BayWorker.hasten
    monkeypatch.setattr(copying, "HANDFUL", 1)

    def moved(copier: copying.Copier, path: bytes, count: int) -> None:
        given_up = itertools.count()
        while not hastened.wait(0.05):
            assert next(given_up) < 600, "nobody overtakes it"
            at_all(copier, path, 0)  # what a slow camera says
        at_all(copier, path, count)

    def grouped(jobs: Sequence[messages.CopyJob]) -> Iterator[tuple[bool, Sequence[messages.CopyJob]]]:
        for number, group in enumerate(in_groups(jobs)):
            yield group
            assert number or not group[0] or hastened.wait(30), "as above, of small ones"

    def and_said(worker: BayWorker) -> None:
        hasten(worker)
        hastened.set()

    in_groups = copying.grouped
    monkeypatch.setattr(copying.Copier, "_moved", moved)
    monkeypatch.setattr(copying, "grouped", grouped)
    monkeypatch.setattr(BayWorker, "hasten", and_said)
    make_camera(tmp_path / "camera", "CAM-1", recordings=4, size_bytes=size_bytes, sidecars=False)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as here:
        here.insert(tmp_path / "camera", profile=replace(dcf(), critical=()))
        await here.until(lambda: here.bay().phase is Phase.COPYING and len(here.bay().present) == 4)
        await here.until(lambda: all(each.recording.state is not State.SEEN for each in here.bay().present.values()))
        last = max(await here.recordings(), key=lambda each: each.path)
        overview, _ = _overview(here.dock)
        await overview.mark(MarkOrder(last.recording_id, "shots fired", critical=True), "ann")
        await here.until(lambda: here.bay().phase is Phase.RESTING and not here.dock.outbox.files)
        verified = [each["recording"] for each in await here.entries("recording.verified")]
        assert len(verified) == len(set(verified)) == 4
        assert verified.index(last.recording_id) == (0 if size_bytes > SMALL_BYTES else 1)


async def test_a_mark_has_an_upload_give_way(tmp_path: Path) -> None:
    """Both couriers are busy with what is routine; the one that was marked is sent before either ends."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=3, size_bytes=400_000, sidecars=False)
    archive = SimArchive()
    archive.gate.clear()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as here:
        here.insert(tmp_path / "camera", profile=replace(dcf(), critical=()))
        await here.until(lambda: len(archive.uploads) == 2 and here.dock.outbox.files == 3)
        sent = {each.consignment.verified.recording_id for each in archive.uploads.values()}
        (waiting,) = [each.recording_id for each in await here.recordings() if each.recording_id not in sent]
        overview, _ = _overview(here.dock)
        await overview.mark(MarkOrder(waiting, "shots fired", critical=True), "ann")
        await here.until(lambda: len(archive.uploads) == 3)
        archive.gate.set()
        await here.until(lambda: not here.dock.outbox.files)
        assert len(archive.objects()) == 3
