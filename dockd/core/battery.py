"""How full a camera's battery is, and how surely that is known.

A reading is *reported* by the camera or by the kernel, or *estimated* from the time that the camera's port had power and the
profile's charging curve, or *unknown*. An estimate begins at the last report, or at empty: it is the least that the battery
should have by now, and it is never shown as a report.
"""

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Quality(StrEnum):
    """How a reading came about."""

    REPORTED = "reported"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a battery.

    Attributes:
        quality: how it came about; without a percentage it is unknown.
        percent: 0 to 100.
        source: who says so, in words.
        time: when, RFC 3339.
        celsius: the battery's temperature where it is reported.
    """

    quality: Quality
    percent: int | None = None
    source: str = ""
    time: str = ""
    celsius: float | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) != (self.quality is Quality.UNKNOWN) or not 0 <= (self.percent or 0) <= FULL:
            msg = f"{self.percent} % cannot be {self.quality}"
            raise RuntimeError(msg)


FULL = 100

UNKNOWN = Reading(Quality.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Curve:
    """How a kind of camera charges at its full draw: minutes from empty to each percentage, both rising, straight in between.

    Attributes:
        points: percentage and minutes, from (0, 0) to (100, ...).
    """

    points: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        rising = all(low[0] < high[0] and low[1] < high[1] for low, high in pairwise(self.points))
        ends = [*self.points[:1], *self.points[-1:]]
        if [point[0] for point in ends] != [0, FULL] or ends[0][1] != 0 or not rising:
            msg = f"a charging curve rises from (0, 0) to ({FULL}, minutes), not {self.points}"
            raise ValueError(msg)

    def minutes_at(self, percent: float) -> float:
        """Minutes from empty to `percent`."""
        (low, early), (high, late) = self._around(percent, 0)
        return early + (late - early) * (percent - low) / (high - low)

    def percent_after(self, percent: float, minutes: float) -> float:
        """Where a battery at `percent` is after so many minutes of power."""
        at = self.minutes_at(percent) + minutes
        (low, early), (high, late) = self._around(at, 1)
        return min(float(FULL), low + (high - low) * (at - early) / (late - early))

    def minutes_between(self, percent: float, wanted: float) -> float:
        """Minutes of power from one percentage to another; 0 if it has that."""
        return max(0.0, self.minutes_at(wanted) - self.minutes_at(percent))

    def _around(self, value: float, axis: int) -> tuple[tuple[int, float], tuple[int, float]]:
        """The two points between which `value` lies; the last two for what lies beyond."""
        after = bisect_right(self.points, value, key=lambda point: point[axis])
        after = min(max(after, 1), len(self.points) - 1)
        return self.points[after - 1], self.points[after]


@dataclass(frozen=True, slots=True)
class Appetite:
    """What a kind of camera draws.

    Attributes:
        draw_ma, full_ma: while it charges, and when it is full.
        curve: how its battery fills, None if nobody has said.
    """

    draw_ma: int = 900
    full_ma: int = 50
    curve: Curve | None = None


def estimate(curve: Curve | None, last: Reading, powered_minutes: float, time: str) -> Reading:
    """What the battery should have by now.

    Args:
        curve: the profile's; None if it has none.
        last: the last report of this docking, or unknown.
        powered_minutes: time under power since then, or since it was docked.
        time: now.
    """
    if curve is None:
        return last
    percent = int(curve.percent_after(last.percent or 0, powered_minutes))
    source = f"{powered_minutes:.0f} minutes under power"
    return Reading(Quality.ESTIMATED, percent, source, time, last.celsius)
