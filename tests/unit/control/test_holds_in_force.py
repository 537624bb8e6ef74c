"""Orders by officer and by time, in a whole dock: on the camera, in the spool, and in what the archive is asked every day."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dockd.core import custody
from dockd.core.recording import State
from dockd.custody.reconciling import Reconciler, due
from tests.sim.archive import SimArchive
from tests.sim.audit import files_below
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, dock_here
from tests.sim.evidence import NOW, seen

CLIP = b"DCIM/100MEDIA/CLIP0001.MP4"
OTHER = b"DCIM/100MEDIA/CLIP0002.MP4"
NIGHT = "2021-03-05T18:00:00.000Z/2021-03-06T02:00:00.000Z"


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Two short recordings of badge 4711's: one of a night in March, one of a week later."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=20_000, sidecars=False)
    for name, day in ((CLIP, 5), (OTHER, 12)):
        closed = datetime(2021, 3, day, 20, tzinfo=UTC).timestamp()
        os.utime(tmp_path / "camera" / name.decode(), (closed, closed))
    return tmp_path / "camera"


def recordings_on(root: Path) -> set[bytes]:
    """What the camera still has."""
    return set(files_below(root)) - {b"MISC/CAMERA.TXT"}


def _states(dock: DockHere) -> dict[bytes, State]:
    return {each.recording.path: each.recording.state for each in dock.bay().present.values()}


async def test_an_officers_hold_keeps_the_officers_camera(camera: Path, tmp_path: Path) -> None:
    """As the camera names its user; lifted, the camera is erased."""
    order = custody.HoldPlaced("officer", "Badge-4711", "anna", "complaint", "2026-119")
    async with dock_here(tmp_path / "spool", SimArchive()) as dock:
        await dock.dock.journal.record(order)
        dock.insert(camera)
        await dock.until(lambda: dock.bay().held and set(_states(dock).values()) == {State.ARCHIVED})
        assert recordings_on(camera) == {CLIP, OTHER}
        await dock.dock.journal.record(custody.HoldLifted("officer", "Badge-4711", "anna", "closed", "2026-119"))
        dock.change()
        await dock.until(lambda: set(_states(dock).values()) == {State.ERASED})
        assert recordings_on(camera) == set()


async def test_a_roster_says_too_whose_camera_it_is(camera: Path, tmp_path: Path) -> None:
    """Where the camera names somebody else, either of them keeps it."""
    async with dock_here(tmp_path / "spool", SimArchive()) as dock:
        dock.dock.live.now.assigned["CAM-1"] = "B. Jones"  # type: ignore[index]  # the test's own mapping
        await dock.dock.journal.record(custody.HoldPlaced("officer", "b jones", "anna", "complaint"))
        dock.insert(camera)
        await dock.until(lambda: dock.bay().held and set(_states(dock).values()) == {State.ARCHIVED})
        assert recordings_on(camera) == {CLIP, OTHER}


async def test_a_hold_by_time_keeps_what_may_be_of_that_time(camera: Path, tmp_path: Path) -> None:
    """The night's recording stays, with the reason on the bay; the later one goes."""
    async with dock_here(tmp_path / "spool", SimArchive()) as dock:
        await dock.dock.journal.record(custody.HoldPlaced("time", NIGHT, "anna", "incident"))
        dock.insert(camera)
        await dock.until(lambda: _states(dock) == {CLIP: State.ARCHIVED, OTHER: State.ERASED} and bool(dock.bay().kept))
        assert recordings_on(camera) == {CLIP}
        assert "CLIP0001.MP4 stays on the camera: on hold: it may have been made" in (dock.bay().kept or "")
        assert await dock.dock.journal.held() == {each.recording_id for each in await dock.recordings() if each.path == CLIP}, (
            "nor does the spool forget it"
        )


async def test_an_order_between_the_permit_and_the_erasing_still_counts(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placed in the instant after the permit was recorded: nothing is removed."""
    async with dock_here(tmp_path / "spool", SimArchive()) as dock:
        journal, record = dock.dock.journal, dock.dock.journal.record

        async def and_then_an_order(*changes: custody.Change) -> None:
            await record(*changes)
            if any(isinstance(each, custody.ClearanceBegun) for each in changes):
                await record(custody.HoldPlaced("time", NIGHT, "anna", "incident"))

        monkeypatch.setattr(journal, "record", and_then_an_order)
        dock.insert(camera)
        await dock.until(lambda: "an order came meanwhile" in (dock.bay().kept or ""))
        assert recordings_on(camera) == {CLIP, OTHER}


async def test_the_spool_forgets_nothing_that_is_held(camera: Path, tmp_path: Path) -> None:
    """Proved by the archive or not: the dock's copy stays until the order is lifted, through a restart, and goes then."""
    make_camera(tmp_path / "other", "CAM-2", recordings=2, size_bytes=10_000, sidecars=False, seed=1, officer="badge 7")
    archive, order = SimArchive(), custody.HoldPlaced("officer", "badge 4711", "anna", "complaint")
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await dock.dock.journal.record(order)
        dock.insert(camera)
        dock.insert(tmp_path / "other", "2")
        await dock.until(lambda: len(archive.objects()) == 4 and dock.dock.outbox.files == 0)
        held = {each.recording_id for each in await dock.recordings() if each.camera == "CAM-1"}
        await dock.until(lambda: dock.dock.spool.recording_ids() == held)
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        assert dock.dock.spool.recording_ids() == held
        await dock.dock.journal.record(custody.HoldLifted("officer", "badge 4711", "anna", "closed"))
        await dock.until(lambda: not dock.dock.spool.recording_ids())


async def test_what_is_held_is_asked_for_every_day(camera: Path, tmp_path: Path) -> None:
    """Also what is neither new nor in the sample; and what the archive loses of it is an alert the same day."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive) as dock:
        dock.insert(camera)
        await dock.until(lambda: set(_states(dock).values()) == {State.ERASED})
        reconciler = Reconciler(dock.dock, sample=0)
        assert await reconciler.once() == []
        archive.faults.lose_objects = True
        assert await reconciler.once() == []
        await dock.dock.journal.record(custody.HoldPlaced("time", NIGHT, "anna", "incident"))
        (lost,) = await reconciler.once()
        assert "CLIP0001.MP4" in lost.message


def test_what_is_held_is_asked_for_after_its_retention_too() -> None:
    """The archive's promise ends, the order does not."""
    one, two = seen("1" * 32), seen("2" * 32)
    kept = {"1" * 32: "2026-11-01T00:00:00+00:00", "2" * 32: "2026-11-01T00:00:00+00:00"}
    assert due([one, two], kept, NOW, {"2" * 32}) == [two]
