"""Lets all uploads together send no faster than the site file allows at this hour."""

from collections.abc import Callable

from dockd.clock import Clock
from dockd.core.bandwidth import Bucket

_LEAST_PIECE_BYTES = 2048
_PIECES_A_SECOND = 20


class Throttle:
    """The one bucket that every body takes from before it is handed to the kernel.

    Args:
        clock: to measure and to wait.
        limit: bytes in a second, now; None for as fast as it goes.
    """

    def __init__(self, clock: Clock, limit: Callable[[], int | None] = lambda: None) -> None:
        self._clock, self._limit = clock, limit
        self._bucket = Bucket()

    def piece_bytes(self, wanted_bytes: int) -> int:
        """How much of `wanted_bytes` to send at once, so that a slow way moves steadily and a change of hour counts soon."""
        limit = self._limit()
        return wanted_bytes if limit is None else min(wanted_bytes, max(limit // _PIECES_A_SECOND, _LEAST_PIECE_BYTES))

    async def take(self, count_bytes: int) -> None:
        """Wait until so many bytes may be sent."""
        limit = self._limit()
        if limit is not None:
            wait_s = self._bucket.take(count_bytes, limit, self._clock.monotonic())
            if wait_s > 0:
                await self._clock.sleep(wait_s)
