"""While the archive is down one upload probes for all; the first answer lets everybody go on."""

import asyncio
import random
from pathlib import Path

import pytest

from dockd.archive.breaker import Breaker
from dockd.archive.retrying import Retrying
from dockd.errors import ArchiveError, ArchiveRefusedError, ArchiveUnreachableError
from tests.sim.archive import Faults, SimArchive
from tests.sim.consignments import HurriedClock, Watched, consign, noise

UPLOADS = 16


class SteppedClock(HurriedClock):
    """Time passes by sleeping: whoever is to wake first wakes, and it is then."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    def monotonic(self) -> float:
        """Since the beginning."""
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Until its time has come."""
        mine = (self.now_s + seconds, len(self._sleepers), asyncio.Event())
        self._sleepers.append(mine)
        await mine[2].wait()

    async def run_until(self, end_s: float) -> None:
        """Let time pass, one sleeper after the other."""
        while True:
            for _ in range(50):
                await asyncio.sleep(0)  # everybody who can go on does
            due = min((each for each in self._sleepers if not each[2].is_set()), default=None)
            if due is None or due[0] > end_s:
                self.now_s = end_s
                return
            self.now_s = due[0]
            due[2].set()


class Uploads:
    """Some uploads to one archive, which is there or not; each behind the delays that the daemon has."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.breaker = Breaker(self.clock, 1.0, 60.0)
        self._patience = Retrying(SimArchive(), self.clock, lambda _error, _next_s: None, jitter=random.Random(7))
        self.there = asyncio.Event()
        self.may_end = asyncio.Event()
        self.tries = self.answered = self.done = 0

    async def upload(self, *, poisoned: bool = False) -> None:
        """One of them, until it is done."""

        async def once() -> None:
            self.tries += 1
            await asyncio.sleep(0)
            if poisoned or not self.there.is_set():
                message = "the archive does not answer"
                raise ArchiveUnreachableError(message)
            self.answered += 1
            self.breaker.answered()
            await self.may_end.wait()

        async def in_turn() -> None:
            await self.breaker.attempt(once)

        await self._patience.persist(in_turn, lambda error: isinstance(error, ArchiveUnreachableError))
        self.done += 1


async def test_an_outage_of_an_hour_sees_one_probe_a_minute() -> None:
    """Not sixteen: they come one at a time and far apart, and all are done soon after it is over."""
    uploads = Uploads()
    uploads.may_end.set()
    async with asyncio.TaskGroup() as group:
        for _ in range(UPLOADS):
            group.create_task(uploads.upload())
        await uploads.clock.run_until(600)
        settled = uploads.tries
        await uploads.clock.run_until(4200)
        assert 50 <= uploads.tries - settled <= 61
        uploads.there.set()
        await uploads.clock.run_until(4200 + 120)
        assert uploads.done == UPLOADS


async def test_an_upload_that_always_fails_keeps_nobody_from_going_on() -> None:
    """The turn goes round, and the others' answers close the breaker."""
    uploads = Uploads()
    uploads.there.set()
    uploads.may_end.set()
    async with asyncio.TaskGroup() as group:
        poisoned = group.create_task(uploads.upload(poisoned=True))
        await uploads.clock.run_until(300)
        for _ in range(UPLOADS):
            group.create_task(uploads.upload())
        await uploads.clock.run_until(420)
        assert uploads.done == UPLOADS
        poisoned.cancel()


async def test_others_go_on_while_the_probe_still_sends() -> None:
    """An upload of hours is answered in its first second: nobody waits for its end."""
    uploads = Uploads()
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(uploads.upload())
        await uploads.clock.run_until(30)
        assert uploads.answered == 0
        uploads.there.set()
        await uploads.clock.run_until(200)
        assert (uploads.answered, uploads.done) == (3, 0)
        uploads.may_end.set()


async def test_what_is_stored_goes_through_the_breaker(tmp_path: Path) -> None:
    """The archive's word where the upload stands closes it, not the upload's end."""
    sim = SimArchive(faults=Faults(unreachable=True))
    sim.gate.clear()

    def mended(_error: ArchiveError, _next_s: float) -> None:
        sim.faults.unreachable = False

    archive = Retrying(sim, HurriedClock(), mended)
    async with asyncio.TaskGroup() as group:
        for seed in range(3):
            group.create_task(archive.store(consign(tmp_path, noise(1000, seed)), None, Watched()))
        async with asyncio.timeout(30):
            while len(sim.uploads) < 3:
                sim.waiting.clear()
                await sim.waiting.wait()
        sim.gate.set()
    assert len(sim.objects()) == 3


async def test_a_refusal_is_an_answer_and_a_cancelled_probe_hands_its_turn_on() -> None:
    """Nobody is left waiting for a turn that does not come."""
    clock = SteppedClock()
    breaker = Breaker(clock, 1.0, 60.0)

    async def down() -> None:
        message = "down"
        raise ArchiveUnreachableError(message)

    async def refused() -> None:
        message = "never this one"
        raise ArchiveRefusedError(message)

    for _ in range(2):
        with pytest.raises(ArchiveUnreachableError):
            await breaker.attempt(down)
    probe = asyncio.create_task(breaker.attempt(down))
    waiting = asyncio.create_task(breaker.attempt(refused))
    await clock.run_until(0.5)
    probe.cancel()
    await clock.run_until(2)
    with pytest.raises(ArchiveRefusedError):
        await waiting
    with pytest.raises(ArchiveUnreachableError):
        await breaker.attempt(down)
