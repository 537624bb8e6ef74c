"""What is known of a battery, and how surely."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.battery import UNKNOWN, Curve, Quality, Reading, estimate

CURVE = Curve(((0, 0), (80, 96), (100, 180)))


def test_curve_is_straight_between_its_points() -> None:
    """Minutes and percentages can be read off both ways, and nothing is fuller than full."""
    assert CURVE.minutes_at(40) == 48
    assert CURVE.minutes_at(90) == 138
    assert CURVE.percent_after(0, 48) == 40
    assert CURVE.percent_after(70, 54) == 90
    assert CURVE.percent_after(90, 1000) == 100
    assert CURVE.percent_after(100, 0) == 100


@given(st.floats(0, 100), st.floats(0, 300))
def test_charging_never_empties(percent: float, minutes: float) -> None:
    """More time under power never means less charge."""
    later = CURVE.percent_after(percent, minutes)
    assert percent - 1e-9 <= later <= 100
    assert later <= CURVE.percent_after(percent, minutes + 1)


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((0, 0),),
        ((0, 0), (90, 100)),
        ((1, 0), (100, 100)),
        ((0, 0), (50, 60), (40, 70), (100, 80)),
        ((0, 0), (50, 60), (100, 60)),
    ],
)
def test_curve_that_does_not_rise_is_none(points: tuple[tuple[int, float], ...]) -> None:
    """From empty to full, or it says nothing."""
    with pytest.raises(ValueError, match="charging curve"):
        Curve(points)


def test_guess_is_never_called_a_report() -> None:
    """An estimate begins at the last report, or at empty, and says what it rests on."""
    report = Reading(Quality.REPORTED, 70, "the camera", "2026-11-28T03:00:00+00:00", 31.5)
    later = estimate(CURVE, report, 54, "2026-11-28T03:54:00+00:00")
    assert later == Reading(Quality.ESTIMATED, 90, "54 minutes under power", "2026-11-28T03:54:00+00:00", 31.5)
    assert estimate(CURVE, UNKNOWN, 48, "t") == Reading(Quality.ESTIMATED, 40, "48 minutes under power", "t")


def test_without_a_curve_nothing_is_guessed() -> None:
    """What was last reported is all that is known."""
    report = Reading(Quality.REPORTED, 70, "the camera", "t")
    assert estimate(None, report, 60, "u") is report
    assert estimate(None, UNKNOWN, 60, "u") is UNKNOWN


@pytest.mark.parametrize(
    ("quality", "percent"),
    [(Quality.REPORTED, None), (Quality.ESTIMATED, None), (Quality.UNKNOWN, 5), (Quality.REPORTED, 101), (Quality.REPORTED, -1)],
)
def test_reading_is_known_or_unknown(quality: Quality, percent: int | None) -> None:
    """A percentage without a ground, or a ground without one, is a mistake of the program."""
    with pytest.raises(RuntimeError, match="cannot be"):
        Reading(quality, percent)
