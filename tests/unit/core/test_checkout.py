"""Which camera of the pool somebody gets, and what a badge reader types."""

import pytest

from dockd.core.badge import Badges
from dockd.core.checkout import Candidate, Reserved, readiest
from dockd.core.readiness import Lamp, Readiness, unpowered

TAKE = Readiness(Lamp.TAKE, "Everything is in the archive.", "Take the camera.", "done-archived")
NOBODYS = Readiness(Lamp.HELP, "This camera is assigned to nobody.", "Ask.", "not-assigned")
LEAVE = unpowered(50, hot=False)


def test_the_readiest_is_the_fullest_then_the_emptiest_then_the_first() -> None:
    """A charge that nobody knows counts as half."""
    full, half = Candidate("3", "C", TAKE, percent=90), Candidate("2", "B", TAKE)
    low, roomy = Candidate("1", "A", TAKE, percent=49), Candidate("4", "D", NOBODYS, percent=90, free_bytes=10**9)
    assert readiest([low, half, full]) is full
    assert readiest([low, half]) is half
    assert readiest([full, roomy]) is roomy
    assert readiest([full, Candidate("9", "Z", TAKE, percent=90)]) is full


def test_what_may_not_be_taken_or_is_somebodys_is_never_given_out() -> None:
    """However full it is."""
    assert readiest([Candidate("1", "A", LEAVE, percent=100), Candidate("2", "B", TAKE, "A. Smith", 100)]) is None


def test_a_reserved_camera_says_for_whom_only_where_it_may_be_taken() -> None:
    """What it waits for goes first."""
    reserved = Reserved("A. Smith", "18:00")
    light = reserved.over(TAKE)
    assert (light.lamp, light.code, light.reason) == (Lamp.TAKE, "checked-out", "It is for A. Smith, until 18:00.")
    assert reserved.over(LEAVE) is LEAVE


def typed(*codes: int, kind: int = 1, value: int = 1) -> list[str]:
    """The badges that these keys make."""
    badges = Badges()
    return [badge for code in codes if (badge := badges.feed(kind, code, value)) is not None]


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        ((11, 11, 5, 8, 2, 2, 28), ["0047" + "11"]),
        ((75, 71, 96, 30, 12, 50, 28), ["47", "A-M"]),
        ((28,), []),
        ((42, 57, 2, 28), ["1"]),
        ((*([2] * 65), 28, 3, 28), ["2"]),
    ],
)
def test_keys_make_badges(codes: tuple[int, ...], found: list[str]) -> None:
    """Digits of both blocks, letters and a hyphen up to Enter; nothing, and what is too long for a badge, is none."""
    assert typed(*codes) == found


def test_only_what_is_pressed_counts() -> None:
    """A key that is released or held down types nothing more."""
    assert typed(2, 28, value=0) == []
    assert typed(2, 28, kind=4) == []
