"""What the spool lets go, and when."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dockd.core.expiry import Keep, ProvedCopy, due

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def copies(*days_ago: int, size_bytes: int = 10) -> list[ProvedCopy]:
    """A copy for each of these days, named by it."""
    return [ProvedCopy(f"r{days}", size_bytes, NOW - timedelta(days=days)) for days in days_ago]


def test_without_a_time_everything_proved_goes_at_once() -> None:
    """Which is what a site gets that says nothing."""
    assert due(copies(0, 3), Keep(), NOW, free_bytes=100, wanted_bytes=0) == ["r3", "r0"]


def test_a_copy_stays_for_as_long_as_the_site_says() -> None:
    """To the day."""
    assert due(copies(6, 7, 8), Keep(days=7), NOW, free_bytes=100, wanted_bytes=0) == ["r8", "r7"]


def test_below_the_low_water_mark_the_oldest_go_until_there_is_room() -> None:
    """And no more of them than that takes."""
    keep = Keep(days=30, low_water_bytes=100)
    assert due(copies(1, 2, 3, 4), keep, NOW, free_bytes=85, wanted_bytes=0) == ["r4", "r3"]
    assert due(copies(1, 2, 3, 4), keep, NOW, free_bytes=100, wanted_bytes=0) == []


def test_a_camera_that_waits_for_room_gets_it() -> None:
    """Whatever the mark is."""
    assert due(copies(1, 2, 3), Keep(days=30), NOW, free_bytes=5, wanted_bytes=20) == ["r3", "r2"]


def test_a_clock_that_was_put_back_keeps_them() -> None:
    """A copy of tomorrow is kept, and goes where room is short."""
    assert due(copies(-1), Keep(days=1), NOW, free_bytes=5, wanted_bytes=0) == []
    assert due(copies(-1), Keep(days=1), NOW, free_bytes=5, wanted_bytes=6) == ["r-1"]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 50)), max_size=20),
    st.integers(1, 40),
    st.integers(0, 200),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_it_makes_room_or_has_let_everything_go(
    held: list[tuple[int, int]], days: int, mark: int, free: int, wanted: int
) -> None:
    """And lets no copy go before its time while an older one stays, or while there is room."""
    there = [ProvedCopy(f"{number}", size, NOW - timedelta(days=age)) for number, (age, size) in enumerate(held)]
    going = due(there, Keep(days, mark), NOW, free_bytes=free, wanted_bytes=wanted)
    sizes = {each.recording: each.size_bytes for each in there}
    made = free + sum(sizes[each] for each in going)
    assert made >= max(mark, wanted) or len(going) == len(there)
    early = [each for each in there if each.recording in going and NOW - each.proved < timedelta(days=days)]
    if early:
        assert made - sizes[going[-1]] < max(mark, wanted)
        stays = [each for each in there if each.recording not in going]
        assert all(each.proved >= max(copy.proved for copy in early) for each in stays)
