"""How fast bytes move, now and over a stretch of work."""

from collections import deque

from dockd.clock import Clock
from dockd.core.estimate import Pace

_RATE_WINDOW_S = 5.0
_PACE_WINDOW_S = 20
_STRETCH_ENDS_S = 30.0


class Meter:
    """Bytes per second over the last few seconds, and over a stretch of work, which ends where nothing moves for a while."""

    def __init__(self, clock: Clock) -> None:
        self.total_bytes = 0
        self._clock = clock
        self._marks: list[tuple[float, int]] = []
        # Of the stretch: when it began, when something moved last, and how far it was, second by second.
        self._began_s = self._moved_s = float("-inf")
        self._moved_bytes = 0
        self._steps: deque[tuple[float, int]] = deque(maxlen=_PACE_WINDOW_S)

    def add(self, count: int) -> None:
        """`count` more bytes, now."""
        self.total_bytes += count
        now = self._clock.monotonic()
        if self._marks and now - self._marks[-1][0] < _RATE_WINDOW_S / 50:
            self._marks[-1] = (self._marks[-1][0], self._marks[-1][1] + count)
        else:
            self._marks.append((now, count))
        self._forget(now)
        if now - self._moved_s > _STRETCH_ENDS_S:
            # What came just now moved before anything was measured.
            self._began_s, self._moved_bytes = now, 0
            self._steps.clear()
        else:
            self._moved_bytes += count
        self._moved_s = now
        if not self._steps or now - self._steps[-1][0] >= 1:
            self._steps.append((now, self._moved_bytes))

    def pace(self) -> Pace:
        """What a time left can be told from."""
        now = self._clock.monotonic()
        if now - self._moved_s > _STRETCH_ENDS_S:
            return Pace()
        then_s, then_bytes = self._steps[0]
        return Pace(self._moved_bytes - then_bytes, now - then_s, self._moved_bytes, now - self._began_s)

    def rate_bytes_s(self) -> float:
        """The present rate, 0 when nothing moved."""
        now = self._clock.monotonic()
        self._forget(now)
        if not self._marks:
            return 0.0
        return sum(count for _, count in self._marks) / max(now - self._marks[0][0], 0.5)

    def _forget(self, now: float) -> None:
        while self._marks and now - self._marks[0][0] > _RATE_WINDOW_S:
            del self._marks[0]
