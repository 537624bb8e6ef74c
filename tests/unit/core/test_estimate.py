"""A time left is promised only when it is known, and never too early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.estimate import Left, Pace, Unit, ready_s, said, time_left_s

MIB = 1 << 20
PACES = st.builds(
    Pace,
    recent_bytes=st.integers(0, 1 << 40),
    recent_s=st.floats(0, 60),
    whole_bytes=st.integers(0, 1 << 50),
    whole_s=st.floats(0, 1e6),
)
_SECONDS = {Unit.SOON: 60, Unit.MINUTES: 60, Unit.HOURS: 3600}


def test_steady_work_is_foretold() -> None:
    """So many bytes, at so many a second."""
    assert time_left_s(300 * MIB, Pace(100 * MIB, 10, 1000 * MIB, 100)) == 30


@pytest.mark.parametrize(
    "pace",
    [
        Pace(),
        Pace(50 * MIB, 2.0, 50 * MIB, 2.0),
        Pace(0, 20.0, 1000 * MIB, 100),
        Pace(10 * MIB, 20.0, 1000 * MIB, 100),
        Pace(900 * MIB, 20.0, 900 * MIB, 200),
        Pace(1, 0.0, 1, 10.0),
        Pace(1, 1.0, 0, 10.0),
    ],
    ids=["nothing", "just begun", "stands still", "slowed down", "sped up", "no time", "no bytes"],
)
def test_nothing_is_said_when_it_is_not_known(pace: Pace) -> None:
    """Too little was measured, nothing moves, or the last seconds are unlike the rest."""
    assert time_left_s(MIB, pace) is None


def test_nothing_left_takes_no_time() -> None:
    """Even before anything was measured."""
    assert time_left_s(0, Pace()) == 0


@given(st.integers(1, 1 << 50), PACES)
def test_of_two_guesses_the_later_is_said(left_bytes: int, pace: Pace) -> None:
    """Neither the last seconds nor the whole stretch would need longer."""
    left_s = time_left_s(left_bytes, pace)
    if left_s is not None:
        assert left_s * 1.001 >= left_bytes * pace.recent_s / pace.recent_bytes
        assert left_s * 1.001 >= left_bytes * pace.whole_s / pace.whole_bytes


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        (0, Left(Unit.SOON)),
        (59.9, Left(Unit.SOON)),
        (60, Left(Unit.MINUTES, 1)),
        (61, Left(Unit.MINUTES, 2)),
        (600, Left(Unit.MINUTES, 10)),
        (601, Left(Unit.MINUTES, 15)),
        (3300, Left(Unit.MINUTES, 55)),
        (3301, Left(Unit.HOURS, 1)),
        (3601, Left(Unit.HOURS, 2)),
        (48 * 3600, Left(Unit.HOURS, 48)),
        (48 * 3600 + 1, None),
        (None, None),
    ],
)
def test_a_wait_is_said_as_people_say_it(seconds: float | None, left: Left | None) -> None:
    """Minutes, from ten on by fives, then hours; beyond two days nobody knows."""
    assert said(seconds) == left


@given(st.floats(0, 48 * 3600))
def test_a_wait_is_never_said_to_be_shorter(seconds: float) -> None:
    """It is rounded up, whatever it is."""
    left = said(seconds)
    assert left is not None
    assert max(left.count, 1) * _SECONDS[left.unit] >= seconds


@pytest.mark.parametrize(
    ("copy_s", "archive_s", "charge_s", "whole_s"),
    [
        (60.0, 120.0, 30.0, 180.0),
        (60.0, 120.0, 900.0, 900.0),
        (0.0, 0.0, 0.0, 0.0),
        (None, 120.0, 900.0, None),
        (60.0, None, 900.0, None),
        (60.0, 120.0, None, None),
    ],
)
def test_a_camera_waits_for_copy_and_archive_and_charges_meanwhile(
    copy_s: float | None, archive_s: float | None, charge_s: float | None, whole_s: float | None
) -> None:
    """What takes an unknown time makes the whole unknown."""
    assert ready_s(copy_s, archive_s, charge_s) == whole_s
