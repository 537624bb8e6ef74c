"""How long the spool keeps what the archive has proved, and that it never keeps a camera waiting for that."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from dockd.core import custody
from dockd.core.alerts import Kind
from dockd.core.expiry import Keep
from dockd.core.recording import State
from dockd.delivery.keeping import Keeper, discard_proved
from dockd.offload.spool import Ledger, Spool
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, dock_here

SIZE = 200_000


class _Ahead(SystemClock):
    """A clock that is so many days ahead."""

    days = 0

    def now(self) -> datetime:
        """Wall time, and the days."""
        return super().now() + timedelta(days=self.days)


def camera(folder: Path, serial: str) -> Path:
    """Two short recordings, no sidecars."""
    make_camera(folder / serial, serial, recordings=2, size_bytes=SIZE, sidecars=False)
    return folder / serial


def keeping(dock: DockHere, days: int, low_water_bytes: int = 0) -> None:
    """Have the site keep copies."""
    dock.dock.live.now = replace(dock.dock.live.now, keep=Keep(days, low_water_bytes))


def archived(dock: DockHere, bay: str = "1") -> bool:
    """Whether everything in the bay is in the archive."""
    return [each.recording.state for each in dock.bay(bay).present.values()] == [State.ARCHIVED] * 2


async def gone(dock: DockHere) -> None:
    """Wait until the spool is empty."""
    while dock.dock.spool.recording_ids():
        await dock.dock.board.news()


async def test_copies_stay_until_their_time_is_over(tmp_path: Path) -> None:
    """Through looks for what may go, and through a start; an hourly look lets them go when it is time."""
    clock = _Ahead()
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False, clock=clock) as dock:
        keeping(dock, days=7)
        dock.insert(camera(tmp_path, "CAM-1"))
        await dock.until(lambda: archived(dock))
        kept = dock.dock.spool.recording_ids()
        clock.days = 6
        assert await discard_proved(dock.dock, kept) == 0, "as each start and each order that is lifted does it"
        assert len(dock.dock.spool.recording_ids()) == 2
        looking = asyncio.create_task(Keeper(dock.dock, look_s=0.01).run())
        clock.days = 7
        await gone(dock)
        looking.cancel()
        await asyncio.wait([looking])


async def test_a_camera_that_needs_the_room_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is copied at once, at the cost of proved copies alone."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        spool = dock.dock.spool
        # A disk with room for three recordings.
        monkeypatch.setattr(
            Ledger, "free_bytes", lambda self: max(0, 3 * (SIZE + 20_000) - spool.used_bytes() - self.promised_bytes)
        )
        keeping(dock, days=365)
        dock.insert(camera(tmp_path, "CAM-1"))
        await dock.until(lambda: archived(dock))
        first = spool.recording_ids()
        dock.insert(camera(tmp_path, "CAM-2"), bay="2")
        await dock.until(lambda: archived(dock, "2"))
        assert len(first & spool.recording_ids()) < 2, "one of them had to go"


async def test_below_the_low_water_mark_copies_go_without_being_asked(tmp_path: Path) -> None:
    """As soon as the archive has proved the next one."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        keeping(dock, days=365, low_water_bytes=1 << 60)
        dock.insert(camera(tmp_path, "CAM-1"))
        await dock.until(lambda: archived(dock))
        await gone(dock)


async def test_a_copy_of_what_the_archive_lost_stays_until_it_is_proved_again(tmp_path: Path) -> None:
    """Whatever its time and the room: it may be the last one. Where it is proved again, it goes as any other."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        keeping(dock, days=7)
        dock.insert(camera(tmp_path, "CAM-1"))
        await dock.until(lambda: archived(dock))
        assert await dock.dock.yielding_bytes() == 2 * SIZE
        lost, other = sorted(dock.dock.spool.recording_ids())
        await dock.dock.journal.record(custody.AlertBegun(Kind.UNPROVED, lost, "it does not prove it any more"))
        assert await dock.dock.yielding_bytes() == SIZE
        keeping(dock, days=0)
        assert await discard_proved(dock.dock, {lost, other}) == 1
        assert dock.dock.spool.recording_ids() == {lost}
        await dock.dock.journal.record(custody.AlertEnded(Kind.UNPROVED, lost))
        assert await discard_proved(dock.dock, {lost}) == 1


async def test_what_waits_for_the_archive_never_goes(tmp_path: Path) -> None:
    """However short room is."""
    archive = SimArchive()
    archive.faults.unreachable = True
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        keeping(dock, days=0, low_water_bytes=1 << 60)
        dock.insert(camera(tmp_path, "CAM-1"))
        await dock.until(lambda: dock.bay().phase == "waiting for the archive")
        assert await discard_proved(dock.dock, dock.dock.spool.recording_ids()) == 0
        assert len(dock.dock.spool.recording_ids()) == 2
        archive.faults.unreachable = False
        await dock.until(lambda: archived(dock))
        await gone(dock)


async def test_an_order_that_comes_while_copies_go_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands take minutes to remove: what is held by then stays, also where it was to go when the first was removed."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        keeping(dock, days=365)
        dock.insert(camera(tmp_path, "CAM-1"))
        await dock.until(lambda: archived(dock))
        spool, loop, discard = dock.dock.spool, asyncio.get_running_loop(), Spool.discard
        lying = spool.recording_ids()

        def meanwhile(self: Spool, recording_id: str) -> None:
            for other in lying - {recording_id}:
                asyncio.run_coroutine_threadsafe(dock.hold("recording", other), loop).result()
            discard(self, recording_id)

        monkeypatch.setattr(Spool, "discard", meanwhile)
        dock.dock.ledger.wanted_bytes = 1 << 60
        assert await discard_proved(dock.dock, lying) == 1
        assert len(spool.recording_ids()) == 1
