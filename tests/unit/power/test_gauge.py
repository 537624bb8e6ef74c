"""What is known of a battery as time passes."""

from dockd.core.battery import UNKNOWN, Curve, Quality, Reading
from dockd.power.gauge import LONGEST_S, Gauge

CURVE = Curve(((0, 0), (100, 200)))
REPORT = Reading(Quality.REPORTED, 40, "the camera when it was docked", "t")


def test_a_report_is_a_report_until_time_has_passed() -> None:
    """Then it is an estimate, and never less than what was reported."""
    gauge = Gauge()
    gauge.reported("A", REPORT, 100.0)
    assert gauge.reading("A", CURVE, 130.0, "u") is REPORT
    later = gauge.reading("A", CURVE, 100.0 + 20 * 60, "u")
    assert (later.quality, later.percent, later.time) == (Quality.ESTIMATED, 50, "u")


def test_without_a_curve_nobody_knows_after_some_hours() -> None:
    """So that a camera is not kept for ever for a report that nobody renews."""
    gauge = Gauge()
    gauge.reported("A", REPORT, 0.0)
    assert gauge.reading("A", None, LONGEST_S, "u") is REPORT
    assert gauge.news_at_s("A", None, 0.0) == LONGEST_S + 1
    assert gauge.reading("A", None, LONGEST_S + 1, "u") is UNKNOWN
    assert gauge.news_at_s("A", None, LONGEST_S + 1) is None
    assert gauge.news_at_s("B", None, 0.0) is None


def test_what_was_reached_is_kept_without_power_and_forgotten_with_the_camera() -> None:
    """Time without power charges nothing."""
    gauge = Gauge()
    gauge.powered("A", 0.0)
    reached = gauge.reading("A", CURVE, 40 * 60, "u")
    assert reached.percent == 20
    gauge.cut("A", reached, 40 * 60)
    gauge.powered("A", 100 * 60)
    assert gauge.reading("A", CURVE, 100 * 60, "u").percent == 20
    assert gauge.reading("A", CURVE, 120 * 60, "u").percent == 30
    gauge.forget("A")
    assert gauge.reading("A", CURVE, 120 * 60, "u").percent == 0


def test_the_next_news_is_the_next_step_of_five() -> None:
    """Each is news once, and a full battery has none."""
    gauge = Gauge()
    gauge.reported("A", REPORT, 0.0)
    now_s, seen = 0.0, []
    while (then_s := gauge.news_at_s("A", CURVE, now_s)) is not None:
        assert then_s > now_s
        now_s = then_s
        seen.append(gauge.reading("A", CURVE, now_s, "u").percent)
    assert seen == list(range(45, 101, 5))
    gauge.reported("A", Reading(Quality.REPORTED, 100, "x", "t"), now_s)
    assert gauge.news_at_s("A", CURVE, now_s) is None
    assert gauge.reading("A", CURVE, now_s + 7200, "u").percent == 100
