"""How fast the dock may send: by the office's clock, and held by the bucket."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.bandwidth import DAYS, Bucket, Timetable, Window

NEW_YORK = ZoneInfo("America/New_York")
WEEKDAYS = frozenset(range(5))
OFFICE = Timetable((Window(WEEKDAYS, 8 * 60, 18 * 60, 1000),), NEW_YORK)


def windows() -> st.SearchStrategy[Window]:
    """Any window."""
    minutes = st.integers(0, 24 * 60 - 1)
    return st.builds(Window, st.frozensets(st.integers(0, 6), min_size=1), minutes, minutes, st.integers(8192, 10**9))


@pytest.mark.parametrize(
    ("utc", "limit"),
    [
        ("2026-11-25T12:59:59", None),  # Wednesday, 07:59 in winter
        ("2026-11-25T13:00:00", 1000),
        ("2026-11-25T22:59:59", 1000),
        ("2026-11-25T23:00:00", None),
        ("2026-11-28T15:00:00", None),  # Saturday
        ("2026-07-01T11:59:59", None),  # 07:59 in summer
        ("2026-07-01T12:00:00", 1000),
        ("2026-07-01T22:00:00", None),
    ],
)
def test_hours_are_those_of_the_offices_clock(utc: str, limit: int | None) -> None:
    """Summer and winter alike, from the first minute to the last."""
    assert OFFICE.at(datetime.fromisoformat(utc).replace(tzinfo=UTC)) == limit


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    """From 22:00 to 06:00 on Fridays is over at six on Saturday."""
    night = Timetable((Window(frozenset({4}), 22 * 60, 6 * 60, 1),))
    friday = datetime(2026, 11, 27, tzinfo=UTC)
    held = [hour for hour in range(72) if night.at(friday - timedelta(days=1) + timedelta(hours=hour)) is not None]
    assert held == list(range(46, 54))


def test_the_hour_that_comes_twice_holds_twice_and_the_one_left_out_never() -> None:
    """In New York from one to two: two hours long on 1 November 2026. From two to three: not at all on 8 March."""
    twice = Timetable((Window(frozenset(range(7)), 60, 120, 1),), NEW_YORK)
    begin = datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert sum(twice.at(begin + timedelta(minutes=minute)) is not None for minute in range(24 * 60)) == 120
    never = Timetable((Window(frozenset(range(7)), 120, 180, 1),), NEW_YORK)
    begin = datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert all(never.at(begin + timedelta(minutes=minute)) is None for minute in range(23 * 60))


def test_the_first_window_that_holds_counts() -> None:
    """So an exception stands above the rule, and a window from a time to itself is a whole day."""
    every = frozenset(range(7))
    both = Timetable((Window(every, 600, 660, 1), Window(every, 0, 0, 2)))
    day = datetime(2026, 11, 28, tzinfo=UTC)
    assert [both.at(day + timedelta(minutes=minute)) for minute in (0, 599, 600, 659, 660, 1439)] == [2, 2, 1, 1, 2, 2]
    assert Timetable().at(day) is None
    assert len(DAYS) == 7


@given(windows(), st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))  # noqa: DTZ001 - hypothesis wants them without zone
def test_a_week_of_a_window_is_as_long_as_its_days(window: Window, begin: datetime) -> None:
    """Where no clock is put forward or back: minute by minute, days times length."""
    length_min = (window.ends_min - window.begins_min) % 1440 or 1440
    start = begin.replace(second=0, microsecond=0)
    held = sum(window.holds(start + timedelta(minutes=minute)) for minute in range(7 * 1440))
    assert held == len(window.days) * length_min


@given(
    st.integers(8 * 1024, 10**9),
    st.lists(st.floats(0.001, 1), min_size=1, max_size=20),
    st.floats(0, 3600),
)
def test_the_rate_is_held_within_three_percent_over_ten_seconds(rate: int, pieces: list[float], idle_s: float) -> None:
    """Whatever the pieces, up to a twentieth of a second each, and however long nothing was sent before."""
    bucket, now_s, index = Bucket(), 1000.0, 0
    now_s += bucket.take(1, rate, now_s) + idle_s
    begin_s, sent = now_s, 0
    while True:
        count = max(1, int(rate / 20 * pieces[index % len(pieces)]))
        index += 1
        now_s += bucket.take(count, rate, now_s)
        if now_s > begin_s + 10:
            break
        sent += count
    assert 0.97 * rate * 10 <= sent <= 1.03 * rate * 10


def test_a_change_of_the_rate_counts_at_once() -> None:
    """What was taken under the old rate is waited for under the new one."""
    bucket = Bucket()
    bucket.take(10_000, 10_000, 0.0)
    bucket.take(10_000, 10_000, 1.0)
    slow_s = bucket.take(1000, 1000, 2.0)
    assert slow_s > 1
    assert bucket.take(10, 10**9, 2.0 + slow_s) == 0
