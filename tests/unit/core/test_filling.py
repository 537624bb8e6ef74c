"""When the spool is full is said early, from what came, and only while the archive does not keep up."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dockd.core.alerts import Kind
from dockd.core.filling import Inflow, filling, full_at

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GB = 10**9


def days(number: float) -> timedelta:
    """So many."""
    return timedelta(days=number)


@pytest.mark.parametrize(
    ("inflow", "free_bytes", "lasts"),
    [
        (Inflow(100 * GB, 700 * GB, NOW - days(7)), 200 * GB, days(2)),
        (Inflow(100 * GB, 700 * GB, NOW - days(90)), 200 * GB, days(2)),
        (Inflow(100 * GB, 200 * GB, NOW - days(2)), 200 * GB, days(2)),
        (Inflow(100 * GB, 100 * GB, NOW - days(0.1)), 200 * GB, days(2)),
        (Inflow(100 * GB, 100 * GB, NOW + days(3)), 200 * GB, days(2)),
        (Inflow(1, 1, NOW - days(2)), 10**18, days(3650)),
        (Inflow(100 * GB, 700 * GB, NOW - days(7)), 0, days(0)),
    ],
    ids=["a week", "a clock that jumped", "two days", "its first hours", "a clock that was set back", "for ever", "full"],
)
def test_it_lasts_as_long_as_what_came_says(inflow: Inflow, free_bytes: int, lasts: timedelta) -> None:
    """A day's worth is never less than what came in less than a day."""
    assert full_at(inflow, free_bytes, NOW) == NOW + lasts


@pytest.mark.parametrize(
    "inflow", [Inflow(), Inflow(0, GB, NOW - days(3)), Inflow(GB, 0, None)], ids=["nothing", "it keeps up", "nothing comes"]
)
def test_nothing_is_said_where_nothing_is_to_be_feared(inflow: Inflow) -> None:
    """An archive that takes each day's recordings within a day, and a dock to which nothing comes."""
    assert full_at(inflow, 1, NOW) is None
    assert filling(inflow, 1, NOW, UTC) == ()


def test_three_days_ahead_it_is_an_alert_in_the_offices_time() -> None:
    """And no sooner: whoever is warned of everything hears nothing."""
    inflow = Inflow(100 * GB, 700 * GB, NOW - days(7))
    assert filling(inflow, 301 * GB, NOW, UTC) == ()
    (alert,) = filling(inflow, 200 * GB, NOW, ZoneInfo("America/New_York"))
    assert (alert.kind, alert.subject) == (Kind.FILLING, "spool")
    assert alert.message.endswith("the dock's disk is full around Monday 2026-11-30 07:00")
    (alert,) = filling(inflow, 0, NOW, UTC)
    assert alert.message.endswith("is full now")
