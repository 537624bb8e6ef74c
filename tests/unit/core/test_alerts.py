"""When a person has to be told, and when no longer."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.core.alerts import (
    Alert,
    Kind,
    Presence,
    Rules,
    Shift,
    Waiting,
    changes,
    gaps,
    next_due,
    numbering_alert,
    past_deadline,
    undocked,
)
from dockd.core.policy import Policy
from dockd.core.profile import CRITICAL, ROUTINE

NEW_YORK = ZoneInfo("America/New_York")
RULES = Rules(4, NEW_YORK, {"X1": Shift(time(18), "A. Smith"), "X2": Shift(time(2))})
NUMBER = re.compile("CLIP([0-9]+)")


def at(hour: int, day: int = 27, minute: int = 0) -> datetime:
    """A time in the office."""
    return datetime(2026, 11, day, hour, minute, tzinfo=NEW_YORK)


def missed(present: dict[str, Presence], now: datetime, rules: Rules = RULES) -> list[str]:
    """Who is missed."""
    return [each.subject for each in undocked(rules, present, now.astimezone(UTC))]


HOME = {"X2": Presence(at(0), None)}


@pytest.mark.parametrize(
    ("x1", "now", "subjects"),
    [
        (Presence(at(7), at(8)), at(21, minute=59), []),
        (Presence(at(7), at(8)), at(22), ["X1"]),
        (Presence(at(7), at(8)), at(9, day=28), ["X1"]),
        (Presence(at(7), None), at(22), []),
        (Presence(at(17), at(18)), at(22), []),
        (Presence(at(7), at(14)), at(22), []),
        (Presence(at(7), at(13, minute=59)), at(22), ["X1"]),
        (Presence(at(23), None), at(23), []),
    ],
)
def test_a_camera_is_missed_hours_after_its_shift(x1: Presence, now: datetime, subjects: list[str]) -> None:
    """Unless it is there, or was there when the shift ended or soon before."""
    assert missed(HOME | {"X1": x1}, now) == subjects


def test_a_camera_that_was_never_docked_is_missed() -> None:
    """Night shifts end in the morning; nothing is missed where the site file says nothing."""
    assert missed({}, at(7, day=28)) == ["X1", "X2"]
    assert missed({}, at(7, day=28), Rules()) == []
    assert missed({}, at(7, day=28), Rules(4)) == []
    (alert, _) = undocked(RULES, {}, at(7, day=28))
    assert alert.message == "camera X1 of A. Smith was not docked after its shift ended at 2026-11-27 18:00"


def test_clocks_that_change_at_night_move_no_shift() -> None:
    """18:00 is 18:00 before and after the end of summer time."""
    assert missed({}, datetime(2026, 10, 31, 22, 0, tzinfo=NEW_YORK))[0] == "X1"
    assert missed(HOME | {"X1": Presence(at(7, day=1), at(8, day=1))}, datetime(2026, 11, 1, 22, 0, tzinfo=NEW_YORK)) == ["X1"]


POLICY = Policy(within_hours=48, critical_within_hours=4)


def test_recordings_past_their_deadline_are_told_once_for_each_camera() -> None:
    """The earliest deadline counts."""
    waiting = [
        Waiting("X1", ROUTINE, 3, at(10, day=25)),
        Waiting("X1", CRITICAL, 1, at(5)),
        Waiting("X2", ROUTINE, 9, at(10)),
    ]
    (alert,) = past_deadline(POLICY, waiting, at(12))
    assert (alert.kind, alert.subject) == (Kind.PAST_DEADLINE, "X1")
    assert alert.message == "the archive should have a recording of camera X1 since 2026-11-27 14:00 UTC; 4 of its files wait"
    assert past_deadline(POLICY, waiting[2:], at(12)) == []
    assert past_deadline(Policy(), waiting, at(12)) == []


def test_the_next_time_is_known_when_something_can_become_due() -> None:
    """So that nobody looks in vain."""
    waiting = [Waiting("X1", ROUTINE, 3, at(10)), Waiting("X1", CRITICAL, 1, at(5))]
    assert next_due(RULES, POLICY, waiting, at(12)) == at(22)
    assert next_due(RULES, POLICY, waiting, at(23)) == at(6, day=28)
    assert next_due(Rules(), POLICY, waiting, at(12)) == at(10, day=29)
    assert next_due(Rules(), Policy(), waiting, at(12)) is None
    assert next_due(Rules(4), Policy(), [], at(12)) is None


one, other = Alert(Kind.UNDOCKED, "X1", "as it began"), Alert(Kind.PAST_DEADLINE, "X1", "late")


def test_what_stands_already_does_not_begin_again() -> None:
    """Whatever its words are by now."""
    again = Alert(Kind.UNDOCKED, "X1", "other words")
    assert changes([one], [again, other]) == ([other], [])
    assert changes([one, other], [again]) == ([], [other])


@pytest.mark.parametrize(
    ("before", "new", "missing"),
    [
        ([], [], []),
        ([], [5, 6, 7], []),
        ([], [5, 8, 9, 11], [(6, 7), (10, 10)]),
        ([1, 2, 3], [4, 5], []),
        ([1, 2, 3], [5], [(4, 4)]),
        ([1, 2, 3], [1, 2, 4], []),
        ([9998, 9999], [1, 2], []),
        ([9998, 9999], [1, 3], [(2, 2)]),
        ([7], [8, 1], []),
    ],
)
def test_a_gap_is_found_and_a_new_count_is_none(before: list[int], new: list[int], missing: list[tuple[int, int]]) -> None:
    """Before the new recordings and between them."""
    assert (
        gaps([b"DCIM/CLIP%04d.MP4" % each for each in before], [b"DCIM/CLIP%04d.MP4" % each for each in new], NUMBER) == missing
    )


def test_names_without_a_number_are_not_counted() -> None:
    """Whatever the expression makes of them."""
    assert gaps([b"CLIP1.MP4", b"CLIPX.MP4"], [b"CLIP2.MP4", b"OTHER9.MP4"], NUMBER) == []
    assert gaps([], [b"CLIP1", b"CLIPx", b"CLIP"], re.compile("CLIP(.*)")) == []
    assert gaps([], [b"A1", b"A\xb2", b"B"], re.compile("A(.)|B")) == []


@settings(deadline=None)
@given(numbers=st.sets(st.integers(0, 50)))
def test_gaps_and_numbers_together_have_no_gap(numbers: set[int]) -> None:
    """Each missing number once, none that is there."""
    found = gaps([], [b"CLIP%d" % each for each in numbers], NUMBER)
    missing = {number for first, last in found for number in range(first, last + 1)}
    assert missing == (set(range(min(numbers), max(numbers) + 1)) - numbers if numbers else set())


@pytest.mark.parametrize(
    ("missing", "words"),
    [([(4, 4)], "numbering, 4"), ([(4, 6)], "numbering, 4 to 6"), ([(4, 6), (9, 9)], "numbering, 4 to 6 and others, 4 in all")],
)
def test_the_alert_names_what_is_missing(missing: list[tuple[int, int]], words: str) -> None:
    """As far as a sentence holds it."""
    assert numbering_alert("X1", missing).message.endswith(words)


def test_an_hour_is_an_hour() -> None:
    """A deadline does not depend on a zone."""
    assert POLICY.deadline(at(10), ROUTINE) == at(10) + timedelta(hours=48)
