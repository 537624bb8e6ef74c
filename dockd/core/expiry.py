"""Which of the copies that the archive has proved leave the spool: those whose time is over, and others where room is short.

A copy that waits for the archive is never among them: whoever asks names proved ones alone. The clock decides only when a copy
goes that is not needed any more; set wrong, it keeps one for too long or lets one go too early, and nothing is lost by either.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Keep:
    """How long the spool keeps what the archive has proved.

    Attributes:
        days: from the proof on; 0 is not at all.
        low_water_bytes: while less than this is free, copies go before their time.
    """

    days: int = 0
    low_water_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ProvedCopy:
    """A copy in the spool that the archive has proved, and that no order keeps.

    Attributes:
        recording: its id.
        size_bytes: room that it takes.
        proved: when the archive said so first.
    """

    recording: str
    size_bytes: int
    proved: datetime


def due(copies: Iterable[ProvedCopy], keep: Keep, now: datetime, *, free_bytes: int, wanted_bytes: int) -> list[str]:
    """The ids of those that go now, the first proved first.

    Args:
        copies: all that are there.
        keep: what the site says.
        now: the wall clock's time.
        free_bytes: room that may be promised.
        wanted_bytes: room that a camera waits for.
    """
    short_bytes = max(keep.low_water_bytes, wanted_bytes) - free_bytes
    going = []
    for each in sorted(copies, key=lambda copy: (copy.proved, copy.recording)):
        if short_bytes > 0 or now - each.proved >= timedelta(days=keep.days):
            going.append(each.recording)
            short_bytes -= each.size_bytes
    return going
