"""One probe, not a thousand: while the link or the archive is down, uploads try one after the other.

The first failure opens the breaker. From then on one upload tries at a time, and no sooner than all failures together have
earned; the turn goes round, so that a recording which fails for a reason of its own never keeps the others from finding out
that the archive is back. The first that is answered closes the breaker, and everybody goes on while it sends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dockd.clock import Clock
from dockd.errors import ArchiveDeniedError, ArchiveError, ArchiveUnreachableError

_T = TypeVar("_T")

_DOWN = (ArchiveUnreachableError, ArchiveDeniedError)
"""What would happen to every other recording, too."""


class Breaker:
    """Shared by all uploads to one archive.

    Args:
        clock: to wait.
        first_s: between the second try and the third; each later one comes after twice as long, up to `most_s`.
        most_s: the longest that passes between two probes.
    """

    def __init__(self, clock: Clock, first_s: float, most_s: float) -> None:
        self._clock, self._first_s, self._most_s = clock, first_s, most_s
        self._failures, self._failed_s = 0, 0.0
        self._turn = asyncio.Lock()  # first come, first served
        self._prober: object | None = None

    async def attempt(self, once: Callable[[], Awaitable[_T]]) -> _T:
        """What `once` gives or raises, when it is its turn; it says `answered` as soon as it was."""
        me = object()
        if self._failures:
            await self._turn.acquire()
            self._prober = me
        try:
            if self._failures:
                await self._rest()
            found = await once()
        except _DOWN:
            self._failures = self._failures + 1 if self._prober is me else max(1, self._failures)
            self._failed_s = self._clock.monotonic()
            raise
        except ArchiveError:
            self.answered()
            raise
        else:
            self.answered()
            return found
        finally:
            if self._prober is me:
                self._hand_on()

    def answered(self) -> None:
        """The archive is there: whoever waits goes on."""
        self._failures = 0
        if self._prober is not None:
            self._hand_on()

    def _hand_on(self) -> None:
        self._prober = None
        self._turn.release()

    async def _rest(self) -> None:
        """Wait until the next probe is due; the first one after a failure is due when its own delay is over."""
        if self._failures > 1:
            due_s = self._failed_s + min(self._first_s * 2.0 ** min(self._failures - 2, 32), self._most_s)
            left_s = due_s - self._clock.monotonic()
            if left_s > 0:
                await self._clock.sleep(left_s)
