"""What somebody calls a recording when it is archived already: the archive is asked to keep it as long as that wants."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dockd.clock import parse_rfc3339
from dockd.control.marking import Marking
from dockd.core.custody import RecordingKeptLonger
from dockd.core.observation import ReadBack
from dockd.core.policy import Category, Policy
from dockd.core.profile import MarkLines
from dockd.core.proof import StatementKind, observe
from dockd.core.recording import State
from dockd.custody.reconciling import Reconciler
from dockd.delivery import retaining
from dockd.delivery.retaining import Retention, short
from dockd.dock.live import Orders
from dockd.journal.gaps import Kept
from dockd.web.lists import MarkOrder
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, dcf, dock_here
from tests.sim.evidence import NOW, archived, seen

POLICY = Policy((Category("arrest", 2000), Category("contact", 100)))


async def _archived(dock: DockHere, tmp_path: Path) -> str:
    """One recording is in the archive, which promised to keep it for a year; its id."""
    dock.dock.live.now = Orders(policy=POLICY)
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=10_000, sidecars=False)
    dock.insert(tmp_path / "camera")
    await dock.until(lambda: [each.recording.state for each in dock.bay().present.values()] == [State.ARCHIVED])
    (recording,) = await dock.recordings()
    return recording.recording_id


async def _mark(dock: DockHere, recording_id: str, category: str) -> None:
    order = MarkOrder(recording_id, "report 7", category=category)
    await Marking(dock.dock, lambda: None, None).mark(await dock.dock.journal.recording(recording_id), order, "ann")


async def _alerts(dock: DockHere) -> list[tuple[str, str]]:
    return [(each.kind, each.message) for each in await dock.dock.journal.alerts() if each.ended is None]


async def test_a_longer_category_has_the_archive_keep_it_longer(tmp_path: Path) -> None:
    """Counted from when the archive had it; its new promise is in the custody log, and is what counts from then on."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        recording_id = await _archived(dock, tmp_path)
        (before,) = await dock.entries("recording.archived")
        retention = Retention(dock.dock)
        await retention.once()
        assert archive.calls.count("prove_again") == 0, "nobody said anything"
        await _mark(dock, recording_id, "arrest")
        await retention.once()
        (after,) = await dock.entries("recording.kept-longer")
        first = parse_rfc3339(before["retain_until"]) - timedelta(days=365)
        assert parse_rfc3339(after["retain_until"]) - first == timedelta(days=2000)
        (kept,) = await dock.dock.journal.marked_and_archived()
        assert kept.until == after["retain_until"]
        await _mark(dock, recording_id, "contact")
        await retention.once()
        assert len(await dock.entries("recording.kept-longer")) == 1, "nothing is ever kept shorter"
        assert archive.calls.count("prove_again") == 1
        assert await _alerts(dock) == []


async def test_an_archive_that_does_not_promise_it_is_an_alert_until_it_does(tmp_path: Path) -> None:
    """Told once, with the archive's own words, and over as soon as it promises."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        recording_id = await _archived(dock, tmp_path)
        await _mark(dock, recording_id, "arrest")
        archive.faults.keeps_no_longer = True
        retention = Retention(dock.dock)
        for _ in range(2):
            await retention.once()
        ((kind, message),) = await _alerts(dock)
        assert (kind, "it keeps it until" in message, recording_id in message) == ("kept-short", True, True)
        archive.faults.keeps_no_longer = False
        archive.faults.reject = "the disk is broken"
        await retention.once()
        assert len(await _alerts(dock)) == 1
        archive.faults.reject = None
        await retention.once()
        assert await _alerts(dock) == []


async def test_an_alert_is_over_when_nobody_asks_for_it_any_more(tmp_path: Path) -> None:
    """As after another site file; and the archive's refusal is told with its words."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        recording_id = await _archived(dock, tmp_path)
        await _mark(dock, recording_id, "arrest")
        archive.faults.reject = "the disk is broken"
        await Retention(dock.dock).once()
        ((_, message),) = await _alerts(dock)
        assert "the disk is broken" in message
        dock.dock.live.now = Orders()
        await Retention(dock.dock).once()
        assert await _alerts(dock) == []


async def test_what_is_said_while_it_is_on_its_way_is_asked_for_when_it_is_there(tmp_path: Path) -> None:
    """The upload was announced with what was known then; nobody has to say it again."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock, asyncio.TaskGroup() as group:
        dock.dock.live.now = Orders(policy=POLICY)
        watching = group.create_task(Retention(dock.dock).run())
        make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=10_000, sidecars=False)
        archive.gate.clear()
        dock.insert(tmp_path / "camera")
        await dock.until(lambda: [each.recording.state for each in dock.bay().present.values()] == [State.UPLOADING])
        (recording,) = await dock.recordings()
        await _mark(dock, recording.recording_id, "arrest")
        archive.gate.set()
        async with asyncio.timeout(30):
            while not await dock.entries("recording.kept-longer"):
                await dock.dock.journal.next_record().wait()
        watching.cancel()


async def test_a_dock_looks_every_day(tmp_path: Path) -> None:
    """Also when nobody says anything: a policy may have changed meanwhile."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock, asyncio.TaskGroup() as group:
        recording_id = await _archived(dock, tmp_path)
        await _mark(dock, recording_id, "contact")
        watching = group.create_task(Retention(dock.dock, every_s=0.01).run())
        dock.dock.live.now = Orders(policy=Policy((Category("contact", 3000),)))
        async with asyncio.timeout(30):
            while not await dock.entries("recording.kept-longer"):
                await dock.dock.journal.next_record().wait()
        watching.cancel()


@pytest.mark.parametrize("called", [None, "CONTACT", "a word that the policy lost"])
async def test_a_policy_that_asks_for_more_counts_for_what_nobody_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str | None
) -> None:
    """What is archived already, by what its camera called it; what has no name that is known, as long as the longest."""
    monkeypatch.setattr(retaining, "_PAGE", 2)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock, asyncio.TaskGroup() as group:
        dock.dock.live.now = Orders(policy=Policy(retain_days=365))
        make_camera(tmp_path / "camera", "CAM-1", recordings=3, size_bytes=1000, sidecars=False)
        if called is not None:
            for clip in (tmp_path / "camera").rglob("*.MP4"):
                clip.with_suffix(".XML").write_text(f"<rec><category>{called}</category></rec>")
        said = MarkLines(category=re.compile("<category>([^<]*)<"))
        profile = replace(dcf(), sidecars=("*.XML",), marks=said)
        dock.insert(tmp_path / "camera", profile=profile)
        await dock.until(lambda: {each.recording.state for each in dock.bay().present.values()} == {State.ARCHIVED})
        before = {each["recording"]: each["retain_until"] for each in await dock.entries("recording.archived")}
        watching = group.create_task(Retention(dock.dock).run())
        dock.dock.live.now = Orders(policy=Policy((Category("arrest", 2000), Category("contact", 700))))
        dock.dock.retention_due.set()
        async with asyncio.timeout(30):
            while len(after := await dock.entries("recording.kept-longer")) < len(before):
                await dock.dock.journal.next_record().wait()
        watching.cancel()
        days = 700 if called == "CONTACT" else 2000
        longer = timedelta(days=days - 365)
        assert {each["recording"] for each in after} == set(before)
        for each in after:
            assert parse_rfc3339(each["retain_until"]) - parse_rfc3339(before[each["recording"]]) == longer


async def test_what_somebody_names_goes_before_what_the_policy_asks_for(tmp_path: Path) -> None:
    """Asking for all that is archived may take a night; it goes on afterwards with the one that it had come to."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await _archived(dock, tmp_path)
        page, last = await dock.dock.journal.archived_page(after=0, most=10)
        assert last == page[-1].recording.sequence
        dock.dock.retention_due.set()
        assert await Retention(dock.dock)._compare(page, last) == last - 1
        assert archive.calls.count("prove_again") == 0
        dock.dock.retention_due.clear()
        assert await Retention(dock.dock)._compare(page, last) == last
        assert archive.calls.count("prove_again") == 1
        assert await dock.dock.journal.archived_page(after=last, most=10) == ([], None)


def test_an_archive_that_promises_nothing_to_anybody_is_not_asked() -> None:
    """And a promise is not short for the hours of an upload."""
    recording = archived(seen("a" * 32), b"x")
    promises = (NOW, NOW + timedelta(days=99, hours=20), NOW + timedelta(days=98))
    marked = [Kept(recording, NOW.isoformat(), until.isoformat()) for until in promises]
    policy = Policy(retain_days=100)
    assert short(marked, policy) == [(marked[2], NOW + timedelta(days=100))]


@pytest.mark.parametrize("signed", [True, False])
async def test_what_an_archive_promised_is_read_from_both_kinds_of_proof(tmp_path: Path, signed: bool) -> None:
    """A store with object lock promises as well: what it must still hold is asked for by the daily comparison."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        recording_id = await _archived(dock, tmp_path)
        if not signed:
            recording = await dock.dock.journal.recording(recording_id)
            assert recording.stored is not None
            proof = observe(
                ReadBack(recording.stored.measured, dock.dock.clock.now() + timedelta(days=7), {}),
                kind=StatementKind.HOLDING,
                stored=recording.stored,
                nonce="ab" * 16,
                dock=dock.dock.name,
                camera=recording.camera,
                time=dock.dock.clock.now(),
            )
            await dock.dock.journal.record(RecordingKeptLonger(recording_id, proof))
        await Reconciler(dock.dock).once()
        (note,) = await dock.entries("archive.reconciled")
        assert note["proved"] == 1
