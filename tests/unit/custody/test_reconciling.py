"""The daily comparison of cameras, dock and archive: what is lost is an alert within a day, and over when it is there again."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from dockd.core import life
from dockd.core.custody import CameraDocked, RecordingSeen, Stepped
from dockd.core.proof import ArchiveProof
from dockd.core.recording import Refusal, State, StoredObject
from dockd.custody.reconciling import Reconciler, ask_again, due
from dockd.errors import ArchiveBusyError, ArchiveDeniedError
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.consignments import HurriedClock
from tests.sim.dock_here import DockHere, build, dock_here
from tests.sim.evidence import NOW, seen


async def _archived(dock: DockHere, camera: Path, files: int) -> None:
    dock.insert(camera)
    await dock.until(lambda: [each.recording.state for each in dock.bay().present.values()] == [State.ARCHIVED] * files)


async def _alerts(dock: DockHere) -> list[tuple[str, str]]:
    return [(each.kind, each.subject) for each in await dock.dock.journal.alerts() if each.ended is None]


async def test_what_the_archive_lost_is_an_alert_the_same_day(tmp_path: Path) -> None:
    """Everything new is asked for again; what is gone stands as an alert until it is proved again, and is asked for daily."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=10_000, sidecars=False)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await _archived(dock, tmp_path / "camera", 2)
        reconciler = Reconciler(dock.dock, sample=0)
        assert await reconciler.once() == []
        notes = [json.loads(each.entry) for each in await dock.dock.journal.custody()]
        assert [each["proved"] for each in notes if each["event"] == "archive.reconciled"] == [2]
        assert await reconciler.once() == [], "what was proved is not asked for every day, but for the sample"
        archive.faults.lose_objects = True
        (lost, _) = await Reconciler(dock.dock, sample=2).once()
        assert "does not prove any more that it holds DCIM/" in lost.message
        assert len(await _alerts(dock)) == 2
        archive.faults.lose_objects = False
        still = await reconciler.once()
        assert len(still) == 2, "it is asked for again although it is not new"
    assert [each["lost"] for each in notes if each["event"] == "archive.reconciled"] == [0]


async def test_of_the_old_ones_some_are_asked_for_at_random(tmp_path: Path) -> None:
    """As many each day as were wanted, never one twice in a day; and after enough days none has been left out."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=4, size_bytes=1000, sidecars=False)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await _archived(dock, tmp_path / "camera", 4)
        reconciler = Reconciler(dock.dock, sample=2)
        await reconciler.once()  # all of them, for they were new
        days = []
        for _ in range(300):  # of that many, one is left out for ever once in 10^90
            archive.asked.clear()
            assert await reconciler.once() == []
            days.append(tuple(sorted(archive.asked)))
            if len(set().union(*days)) == 4 and len(set(days)) > 2:
                break
        assert {len(set(each)) for each in days} == {len(each) for each in days} == {2}
        assert set().union(*days) == {each.recording_id for each in await dock.recordings()}
        assert len(set(days)) > 2, "not in turn either"


class Day(HurriedClock):
    """Nobody waits, and the time that they would have waited is over."""

    async def sleep(self, seconds: float) -> None:
        """As there."""
        self.wall += timedelta(seconds=seconds)
        await super().sleep(seconds)


async def test_what_is_lost_after_midday_is_an_alert_before_the_next_midday(tmp_path: Path) -> None:
    """Archived at noon, gone at once, and no more than a day later somebody is told, without having asked."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=10_000, sidecars=False)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        journal, day = dock.dock.journal, Day(wall=dock.dock.clock.now())
        reconciler = Reconciler(replace(dock.dock, clock=day), sample=0)
        await reconciler.once()
        await _archived(dock, tmp_path / "camera", 2)
        archive.faults.lose_objects = True
        running = asyncio.create_task(reconciler.run())
        while not await _alerts(dock):
            await journal.next_record().wait()
        running.cancel()
        await asyncio.wait([running])
        assert [kind for kind, _ in await _alerts(dock)] == ["unproved", "unproved"]
        notes = [json.loads(each.entry) for each in await journal.custody()]
        assert [each["lost"] for each in notes if each["event"] == "archive.reconciled"][:2] == [0, 2], "found by the next one"
        assert day.slept_s[0] <= 86_400, "which is no more than a day later"


async def test_a_camera_that_left_too_early_is_an_alert_until_it_is_back(tmp_path: Path) -> None:
    """Listed, not copied, and gone: the alert begins, and ends when the camera stands in a bay again."""
    async with dock_here(tmp_path / "spool", SimArchive()) as dock:
        await dock.dock.journal.record(CameraDocked("d1", "C1", "dcf", "1", None), RecordingSeen(seen("1" * 32)))
        reconciler = Reconciler(dock.dock)
        await reconciler.once()
        assert await _alerts(dock) == [("uncopied", "C1")]
        dock.dock.board.bays["1"].camera = "C1"
        await reconciler.once()
        assert await _alerts(dock) == []


async def test_what_was_refused_is_an_alert_until_a_person_acts(tmp_path: Path) -> None:
    """Of the same day, once, and over as soon as somebody has it tried again."""
    async with dock_here(tmp_path / "spool", SimArchive()) as dock:
        refusal = Refusal("source-unreadable", "DCIM/1.MP4 cannot be read: Input/output error")
        await dock.dock.journal.record(CameraDocked("d1", "C1", "dcf", "1", None), RecordingSeen(seen("1" * 32)))
        await dock.dock.journal.record(Stepped("1" * 32, life.CopyStarted()), Stepped("1" * 32, life.Refused(refusal)))
        dock.dock.board.bays["1"].camera = "C1"
        reconciler = Reconciler(dock.dock)
        for _ in range(2):
            await reconciler.once()
            assert await _alerts(dock) == [("set-aside", "C1")]
        await dock.dock.journal.record(Stepped("1" * 32, life.Retried("ann", spooled=False)))
        await reconciler.once()
        assert await _alerts(dock) == []


async def test_it_happens_every_day_also_for_a_dock_that_was_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once where a day has passed since the last time, else when it is over; an archive that refuses is asked next day."""
    clock = HurriedClock()
    dock = await build(tmp_path / "spool", SimArchive(), pinned_keys=(), clock=clock)
    rounds = asyncio.Semaphore(0)
    reconciler = Reconciler(dock, every_s=86_400)
    once = reconciler.once

    async def counted() -> object:
        rounds.release()
        if len(clock.slept_s) > 1:
            msg = "not with this token"
            raise ArchiveDeniedError(msg)
        return await once()

    monkeypatch.setattr(reconciler, "once", counted)
    task = asyncio.create_task(reconciler.run())
    for _ in range(3):
        await rounds.acquire()
    task.cancel()
    await asyncio.wait([task])
    assert clock.slept_s[:3] == [0.0, 86_400, 86_400]
    clock.slept_s.clear()
    clock.wall += timedelta(hours=6)
    later = asyncio.create_task(reconciler.run())
    await rounds.acquire()
    later.cancel()
    await asyncio.wait([later])
    assert clock.slept_s[0] == pytest.approx(18 * 3600)
    await dock.journal.close()


def test_what_the_archive_need_not_keep_any_more_is_not_asked_for() -> None:
    """After its retention an object may be gone, and that is no loss."""
    one, two, three = seen("1" * 32), seen("2" * 32), seen("3" * 32)
    kept = {"1" * 32: "2026-11-25T00:00:00+00:00", "2" * 32: "2026-11-24T00:00:00+00:00"}
    assert due([one, two, three], kept, NOW) == [one]


async def test_what_is_missing_here_is_an_alert_while_the_archive_is_away(tmp_path: Path) -> None:
    """It is asked for as long as it takes, which may be a week; a camera that left too early is somebody's today."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=10_000, sidecars=False)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await _archived(dock, tmp_path / "camera", 1)
        await dock.dock.journal.record(CameraDocked("d1", "C1", "dcf", "2", None), RecordingSeen(seen("1" * 32)))
        archive.faults.unreachable = True
        reconciling = asyncio.create_task(Reconciler(dock.dock).once())
        async with asyncio.timeout(30):
            while await _alerts(dock) != [("uncopied", "C1")]:
                await dock.dock.board.news()
        assert not reconciling.done()
        archive.faults.unreachable = False
        assert len(await reconciling) == 1


class Failing(SimArchive):
    """An archive whose disk gives errors for one of its objects, and for no other: it says so, as the vault does."""

    async def prove_again(
        self, stored: StoredObject, nonce: str, *, camera: str, retain_until: datetime | None = None
    ) -> ArchiveProof:
        """As the protocol says, but for the first object that it took."""
        if stored.object_id == next(iter(self.uploads)):
            msg = "the archive answered 503: its disk gave an error while the object was read; come back later"
            raise ArchiveBusyError(msg, retry_after_s=0.01)
        return await super().prove_again(stored, nonce, camera=camera, retain_until=retain_until)


async def test_an_object_that_the_archives_disk_gives_errors_for_is_an_alert_and_holds_up_no_other(tmp_path: Path) -> None:
    """It is asked about for a while, and no longer: who waits for ever hears of no loss. `dockd report gaps` names it as well."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=10_000, sidecars=False)
    archive = Failing()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await _archived(dock, tmp_path / "camera", 2)
        async with asyncio.timeout(30):
            (lost,) = await Reconciler(dock.dock, patience_s=0.2).once()
        assert "the archive gave no answer about" in lost.message
        assert [kind for kind, _ in await _alerts(dock)] == ["unproved"]
        recordings = await dock.recordings()
        asked = await ask_again(archive, recordings)
        assert (asked.proved, [why for _, why in asked.lost]) == (
            1,
            ["the archive answered 503: its disk gave an error while the object was read; come back later"],
        )
        with pytest.raises(ArchiveBusyError):
            await ask_again(archive, [each for each in recordings if each.recording_id == lost.subject])


async def test_an_archive_that_answers_nothing_is_away_and_has_lost_nothing(tmp_path: Path) -> None:
    """It is asked until it is back."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=10_000, sidecars=False)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await _archived(dock, tmp_path / "camera", 2)
        archive.faults.unreachable = True
        reconciling = asyncio.create_task(Reconciler(dock.dock, patience_s=0.05).once())
        asked = archive.calls.count("prove_again")
        while archive.calls.count("prove_again") < asked + 20:
            await SystemClock().sleep(0.01)
        archive.faults.unreachable = False
        assert await reconciling == []
        assert await _alerts(dock) == []


async def test_of_very_many_new_ones_none_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked for part by part, and how far that came is written down after each."""
    monkeypatch.setattr("dockd.journal.gaps._MOST_AT_ONCE", 2)
    make_camera(tmp_path / "camera", "CAM-1", recordings=5, size_bytes=1000, sidecars=False)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        await _archived(dock, tmp_path / "camera", 5)
        await Reconciler(dock.dock, sample=0).once()
        notes = await dock.entries("archive.reconciled")
        assert [each["proved"] for each in notes] == [2, 2, 1]
        assert [each["until"] for each in notes] == sorted({each["until"] for each in notes})
