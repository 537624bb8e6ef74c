"""What each order keeps, and that in doubt it keeps more."""

from datetime import UTC, datetime, timedelta

import pytest

from dockd.core.holds import Holds, Span, checked, nanoseconds

DAY_NS = 24 * 3600 * 1_000_000_000
NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
SPAN = "2026-11-20T18:00:00.000Z/2026-11-21T02:00:00.000Z"


def at(text: str) -> int:
    """Nanoseconds of a time in UTC."""
    return nanoseconds(datetime.fromisoformat(text + "+00:00"))


@pytest.mark.parametrize(
    ("modified", "held"),
    [
        ("2026-11-20T17:59:59", True),  # closed before, by a clock that may be slow; the dock saw it only now
        ("2026-11-20T20:00:00", True),
        ("2026-11-21T02:00:00", True),
        ("2026-11-22T02:00:00", True),  # closed a day after its end: it may have begun within
        ("2026-11-22T02:00:01", False),
        ("2026-11-28T08:59:59", False),
        ("2026-11-28T09:00:01", True),  # a clock that is ahead says nothing about how early it was made
        ("2000-01-01T00:00:00", True),  # a clock that was reset
    ],
)
def test_a_span_keeps_what_may_have_been_made_in_it(modified: str, *, held: bool) -> None:
    """By the camera's own clock, however wrong; only what cannot be of the span goes."""
    holds = Holds.of([("time", SPAN)], NOW)
    assert bool(holds.on_recording("r1", at(modified))) is held


def test_a_span_may_be_open_on_one_side() -> None:
    """From then on, or until then; what is to come keeps nothing of today."""
    until, since = Holds.of([("time", "../2026-11-20T00:00:00Z")], NOW), Holds.of([("time", "2026-11-20T00:00:00Z/..")], NOW)
    assert until.on_recording("r1", at("2026-11-19T00:00:00"))
    assert not until.on_recording("r1", at("2026-11-21T00:00:01"))
    assert since.on_recording("r1", at("2026-11-19T00:00:00"))
    assert not Holds.of([("time", "2026-11-29T00:00:00Z/..")], NOW).on_recording("r1", at("2026-11-28T08:00:00"))


def test_without_a_clock_any_span_keeps_everything() -> None:
    """Whoever does not know the time cannot say what was not made in it."""
    assert Holds.of([("time", SPAN)]).on_recording("r1", at("2026-11-28T08:00:00"))
    assert not Holds.of([("recording", "r2")]).on_recording("r1", 0)


def test_a_camera_is_kept_by_its_serial_or_its_officer() -> None:
    """Names are the same whatever their case, spaces and points."""
    holds = Holds.of([("camera", "C1"), ("officer", "A. Smith"), ("recording", "r1")], NOW)
    assert holds.on_camera("C1") == "camera C1 is on hold"
    assert holds.on_camera("C2", [None, "a smith"]) == "camera C2 is on hold as a smith's"
    assert holds.on_camera("C2", ["B. Smith", ""]) == ""
    assert holds.on_recording("r1", 0) == "on hold"


@pytest.mark.parametrize(
    ("scope", "subject", "words"),
    [
        ("officer", "--", "letter or a digit"),
        ("time", "yesterday", "no span"),
        ("time", "../..", "needs a beginning or an end"),
        ("time", "2026-11-21T00:00:00Z/2026-11-20T00:00:00Z", "ends before it begins"),
        ("time", "2026-11-21T00:00:00/..", "time zone"),
        ("time", "soon/..", "isoformat"),
        ("planet", "Mars", "planet"),
    ],
)
def test_an_order_that_means_nothing_is_none(scope: str, subject: str, words: str) -> None:
    """Neither placed nor, should it stand somewhere, passed over."""
    with pytest.raises(ValueError, match=words):
        checked(scope, subject)


def test_an_order_that_is_understood_is_one() -> None:
    """Of each kind; and every time comes back exactly."""
    for scope, subject in (("camera", "C1"), ("recording", "r1"), ("officer", "A"), ("time", SPAN)):
        checked(scope, subject)
    assert Span.read(SPAN) == Span(at("2026-11-20T18:00:00"), at("2026-11-21T02:00:00"))
    assert nanoseconds(NOW + timedelta(days=1)) - nanoseconds(NOW) == DAY_NS
