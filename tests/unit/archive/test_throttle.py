"""Uploads keep to the rate of the hour, all together, and move steadily."""

import asyncio
from pathlib import Path

from dockd.archive.settings import TusSettings
from dockd.archive.throttle import Throttle
from dockd.archive.tus import TusArchive
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.evidence import DOCK
from tests.sim.tus_server import TusServer

RATE = 50_000
SIZE = 500_000


class StretchedClock(HurriedClock):
    """Time passes only by sleeping."""

    def monotonic(self) -> float:
        """What was slept."""
        return sum(self.slept_s)


async def test_uploads_together_take_ten_seconds_for_ten_seconds_worth(tmp_path: Path) -> None:
    """Two recordings at once through one throttle: within three per cent, the trial's megabyte included where there is one."""
    clock = StretchedClock()
    async with TusServer() as server:
        server.wrong.algorithms = ()
        throttle = Throttle(clock, lambda: RATE)
        archive = TusArchive(TusSettings(server.url, DOCK, (), archive_id="plain"), HurriedClock(), throttle)
        async with asyncio.TaskGroup() as group:
            for seed in (1, 2):
                group.create_task(archive.store(consign(tmp_path, noise(SIZE // 2, seed)), None, Watched()))
        await archive.close()
    assert 0.97 * SIZE / RATE <= clock.monotonic() <= 1.03 * SIZE / RATE
    assert max(clock.slept_s) < 0.2


async def test_without_a_limit_nobody_waits(tmp_path: Path) -> None:
    """And an hour that brings one counts from the next piece on."""
    clock, limits = StretchedClock(), iter([None, None, RATE, RATE, RATE, RATE])
    throttle = Throttle(clock, lambda: next(limits))
    assert throttle.piece_bytes(10**6) == 10**6
    await throttle.take(10**6)
    assert clock.slept_s == []
    assert throttle.piece_bytes(10**6) == RATE // 20
    await throttle.take(RATE)
    await throttle.take(RATE)
    assert 1.8 <= clock.monotonic() <= 2
