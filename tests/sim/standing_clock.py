"""A clock that stands until a test lets time pass: to the moment for which somebody waits next, and no further."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dockd.clock import SystemClock

DEADLINE_S = 30.0


class StandingClock:
    """Implements `dockd.clock.Clock`."""

    def __init__(self, wall: datetime = datetime(2026, 11, 24, 19, 10, tzinfo=UTC)) -> None:
        self._wall, self._passed_s = wall, 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Wall time, which passes with the other."""
        return self._wall + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        """Seconds that were let pass."""
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        """Until the test has let so much pass."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._passed_s + seconds, waiting))
        await waiting

    def skip(self) -> None:
        """Let time pass until the first of those who wait is due; if nobody waits, it stands."""
        self._sleepers = [each for each in self._sleepers if not each[1].done()]
        if self._sleepers:
            first = min(self._sleepers, key=lambda each: each[0])
            self._sleepers.remove(first)
            self._passed_s = max(self._passed_s, first[0])
            first[1].set_result(None)

    async def until(self, come: Callable[[], bool]) -> None:
        """Let time pass until something has come."""
        async with asyncio.timeout(DEADLINE_S):
            while not come():
                self.skip()
                await self._turns()  # whoever was woken has its turn before more time passes

    async def passes(self, seconds: float) -> None:
        """Let so much pass, and whoever waits for a moment in it have his turn."""
        then_s = self._passed_s + seconds
        while any(due_s <= then_s for due_s, waiting in self._sleepers if not waiting.done()):
            self.skip()
            await self._turns()
        self._passed_s = then_s
        await self._turns()

    async def _turns(self) -> None:
        for _ in range(20):
            await SystemClock().sleep(0)
