"""Orders on recordings that lie in the archive already: the archive is told, until it has taken it."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dockd.core import custody
from dockd.core.recording import State
from dockd.custody.archived_holds import TOLD, ArchivedHolds
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, dock_here

ORDER = custody.HoldPlaced("camera", "CAM-1", "A. Jones", "a court asks")


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """One with two recordings."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=10_000, sidecars=False)
    return tmp_path / "camera"


async def archived(dock: DockHere, camera: Path) -> None:
    """Both lie in the archive."""
    dock.insert(camera)
    await dock.until(lambda: [each.recording.state for each in dock.bay().present.values()] == [State.ARCHIVED] * 2)


async def test_an_order_that_comes_later_reaches_the_archive(camera: Path, tmp_path: Path) -> None:
    """Each object is held there, that is an entry, and an archive that is away is told when it is back."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await archived(dock, camera)
        archive.faults.busy_times = 1
        running = asyncio.create_task(ArchivedHolds(dock.dock, again_s=0.01).run())
        await dock.dock.journal.record(ORDER)
        while await dock.dock.journal.last_note(TOLD) is None:
            await dock.dock.journal.next_record().wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert set(archive.kept.values()) == {(True, 0)}
        assert len(archive.kept) == 2


async def test_what_was_told_is_not_told_again_and_what_is_not_there_holds_up_nothing(camera: Path, tmp_path: Path) -> None:
    """One object that the archive lost is named each time; the other is held once."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await archived(dock, camera)
        await dock.dock.journal.record(ORDER)
        lost = min(archive.uploads)
        del archive.uploads[lost]
        told = ArchivedHolds(dock.dock)
        with capture_logs() as logs:
            assert not await told.once()
            assert not await told.once()
        assert [each["event"] for each in logs if "hold" in each["event"]] == [
            "archive not told of a hold",
            "archive holds",
            "archive not told of a hold",
        ]
        assert len(archive.kept) == 1


async def test_a_dock_without_orders_tells_nothing(camera: Path, tmp_path: Path) -> None:
    """Neither archived nor held: nobody is asked."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await archived(dock, camera)
        assert await ArchivedHolds(dock.dock).once()
        assert archive.kept == {}
        assert await dock.dock.journal.last_note(TOLD) is None
