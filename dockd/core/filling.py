"""When the spool will be full, said while there is still time to do something.

It is asked only while the archive is more than a day behind, for what is sent within a day makes room for the next shift by
itself. Then nothing is hoped for: the estimate takes what came a day in the last week, and that the archive takes none of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from dockd.core.alerts import Alert, Kind

BEHIND = timedelta(days=1)
WEEK = timedelta(days=7)
_WARNED = timedelta(days=3)
_LONG_S = timedelta(days=3650).total_seconds()
_SUBJECT = "spool"


@dataclass(frozen=True, slots=True)
class Inflow:
    """What came lately.

    Attributes:
        behind_bytes: that the archive has not, although they were seen more than `BEHIND` ago.
        came_bytes: that were seen in the last `WEEK`.
        first: when the first of these was seen; None if none came.
    """

    behind_bytes: int = 0
    came_bytes: int = 0
    first: datetime | None = None


def full_at(inflow: Inflow, free_bytes: int, now: datetime) -> datetime | None:
    """When there will be no more room; None while the archive keeps up, or nothing comes.

    Args:
        inflow: of the last week.
        free_bytes: room for copies, beyond what is kept free; what proved copies would make way for included.
        now: by the same clock as the inflow's.
    """
    if not inflow.behind_bytes or not inflow.came_bytes or inflow.first is None:
        return None
    # A clock that was set back has first in the future: then, and on the first day, all of it came in one day.
    over = min(max(now - inflow.first, BEHIND), WEEK)
    return now + timedelta(seconds=min(over.total_seconds() * free_bytes / inflow.came_bytes, _LONG_S))


def filling(inflow: Inflow, free_bytes: int, now: datetime, zone: tzinfo) -> Sequence[Alert]:
    """The alert that it will be full within three days, if it will."""
    when = full_at(inflow, free_bytes, now)
    if when is None or when > now + _WARNED:
        return ()
    words = f"around {when.astimezone(zone):%A %Y-%m-%d %H}:00" if when > now else "now"
    hopeless = "if it takes nothing, and as much comes as in the last week"
    message = f"the archive is more than a day behind: {hopeless}, the dock's disk is full {words}"
    return (Alert(Kind.FILLING, _SUBJECT, message),)
