"""How long something still takes, said only when it is known.

A number on a screen is a promise to somebody who is waiting. It is made from what was measured, never from what hardware should
do; it is the later of two honest guesses; and where the two are far apart, or nothing moved for a while, there is none.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

_MEASURED_S = 3.0
_FAR_APART = 4.0
_MINUTE_S = 60
_HOUR_S = 3600
_BY_FIVE_FROM = 10
_LONGEST_S = 48 * _HOUR_S


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured of bytes that move, in one unbroken stretch of work.

    Attributes:
        recent_bytes: moved in the last `recent_s` seconds, up to now.
        whole_bytes: moved in `whole_s` seconds, since the stretch began.
    """

    recent_bytes: int = 0
    recent_s: float = 0.0
    whole_bytes: int = 0
    whole_s: float = 0.0


class Unit(StrEnum):
    """In what a person counts a wait."""

    SOON = "soon"
    MINUTES = "minutes"
    HOURS = "hours"


@dataclass(frozen=True, slots=True)
class Left:
    """A wait as it is said: `count` of `unit`, rounded up; under a minute it is SOON and has no count."""

    unit: Unit
    count: int = 0


def time_left_s(left_bytes: int, pace: Pace) -> float | None:
    """Seconds until `left_bytes` have moved at that pace; None when that is not known."""
    if left_bytes <= 0:
        return 0.0
    if pace.whole_s < _MEASURED_S or pace.recent_s <= 0 or pace.recent_bytes <= 0 or pace.whole_bytes <= 0:
        return None
    guesses_s = sorted((left_bytes * pace.recent_s / pace.recent_bytes, left_bytes * pace.whole_s / pace.whole_bytes))
    return guesses_s[1] if guesses_s[1] <= _FAR_APART * guesses_s[0] else None


def ready_s(copy_s: float | None, archive_s: float | None, charge_s: float | None) -> float | None:
    """Seconds until a camera has everything that it waits for; None when one of them is not known.

    Copies are on their way to the archive while others are made, but the last one only after that: the sum is the later of two
    honest guesses. A battery charges meanwhile.
    """
    if copy_s is None or archive_s is None or charge_s is None:
        return None
    return max(copy_s + archive_s, charge_s)


def said(seconds: float | None) -> Left | None:
    """A wait as it is said to a person, rounded up; None when it is not known, or longer than two days."""
    if seconds is None or seconds > _LONGEST_S:
        return None
    if seconds < _MINUTE_S:
        return Left(Unit.SOON)
    minutes = math.ceil(seconds / _MINUTE_S)
    if minutes > _BY_FIVE_FROM:
        minutes = math.ceil(minutes / 5) * 5
    if minutes * _MINUTE_S < _HOUR_S:
        return Left(Unit.MINUTES, minutes)
    return Left(Unit.HOURS, math.ceil(seconds / _HOUR_S))
