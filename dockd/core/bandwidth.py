"""How fast the dock may send: by the hour of the office's wall clock, held by a bucket that is filled at that rate.

A window counts by what the office's clock shows, so summer time needs no rule of its own: where an hour is left out, nothing of a
window falls into it; where one comes twice, the window holds in both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As `datetime.weekday` counts them."""

_DAY_MINUTES = 24 * 60
_BURST_S = 0.2
"""What may be sent at once after nothing was sent, or after a busy machine was late: two per cent of ten seconds."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours in which the dock sends no faster than `limit_bytes_s`.

    Attributes:
        days: those on which it begins, as `datetime.weekday` counts them.
        begins_min, ends_min: minutes since midnight by the office's clock. One that ends no later than it begins goes on into
            the next day.
        limit_bytes_s: for all uploads together.
    """

    days: frozenset[int]
    begins_min: int
    ends_min: int
    limit_bytes_s: int

    def holds(self, local: datetime) -> bool:
        """Whether it is now, where the office's clock shows `local`."""
        minute = local.hour * 60 + local.minute
        length_min = (self.ends_min - self.begins_min - 1) % _DAY_MINUTES + 1
        since_min = (minute - self.begins_min) % _DAY_MINUTES
        began = local.date() if minute >= self.begins_min else local.date() - timedelta(days=1)
        return since_min < length_min and began.weekday() in self.days


@dataclass(frozen=True, slots=True)
class Timetable:
    """The windows of an office, by its own clock."""

    windows: Sequence[Window] = ()
    zone: tzinfo = UTC

    def at(self, now: datetime) -> int | None:
        """What may be sent in a second, by the first window that holds; None for as fast as it goes."""
        local = now.astimezone(self.zone)
        return next((window.limit_bytes_s for window in self.windows if window.holds(local)), None)


@dataclass(slots=True)
class Bucket:
    """Holds a rate that may change at any time; whoever takes more than there is waits until it is there.

    Attributes:
        level_bytes: what may be sent at once; below zero while somebody waits for what was taken.
        at_s: when that was so.
    """

    level_bytes: float = 0.0
    at_s: float = field(default=float("-inf"))

    def take(self, count_bytes: int, rate_bytes_s: int, now_s: float) -> float:
        """Take so many bytes, and say in how many seconds they may be sent."""
        filled = self.level_bytes + (now_s - self.at_s) * rate_bytes_s
        self.level_bytes = min(filled, rate_bytes_s * _BURST_S) - count_bytes
        self.at_s = now_s
        return max(0.0, -self.level_bytes / rate_bytes_s)
