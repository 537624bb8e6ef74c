"""The three causes are told apart, and nothing is said of them that is not known."""

import pytest

from dockd.core.causes import Cause, Charge, causes
from dockd.core.recording import State

DONE, BUSY, STUCK, UNKNOWN = Cause.DONE, Cause.BUSY, Cause.STUCK, Cause.UNKNOWN
NOTHING = Charge(None, 100)


@pytest.mark.parametrize(
    ("states", "scanned", "failed", "archive_answers", "copied", "archived"),
    [
        ({}, False, False, True, UNKNOWN, UNKNOWN),
        ({}, False, True, True, STUCK, UNKNOWN),
        ({}, True, False, True, DONE, DONE),
        ({State.SEEN: 2, State.ARCHIVED: 1}, True, False, True, BUSY, BUSY),
        ({State.COPYING: 1}, True, True, True, STUCK, STUCK),
        ({State.VERIFIED: 1, State.ERASED: 4}, True, False, True, DONE, BUSY),
        ({State.UPLOADING: 1}, True, False, False, DONE, STUCK),
        ({State.REFUSED: 1, State.ARCHIVED: 3}, True, False, True, STUCK, STUCK),
        ({State.ARCHIVED: 3}, True, True, False, DONE, DONE),
    ],
)
def test_each_cause_stands_for_itself(
    states: dict[State, int], scanned: bool, failed: bool, archive_answers: bool, copied: Cause, archived: Cause
) -> None:
    """What is copied is not therefore archived, and an archive that is away holds up only what waits for it."""
    found = causes(states, scanned=scanned, failed=failed, archive_answers=archive_answers, charge=NOTHING)
    assert (found.copied, found.archived) == (copied, archived)


@pytest.mark.parametrize("scanned", [True, False])
@pytest.mark.parametrize(
    ("charge", "cause"),
    [
        (NOTHING, UNKNOWN),
        (Charge(79, 80), BUSY),
        (Charge(80, 80), DONE),
        (Charge(79, 80, powered=False), STUCK),
        (Charge(80, 80, powered=False), DONE),
        (Charge(None, 80, powered=False), UNKNOWN),
        (Charge(79, 80, powered=None), UNKNOWN),
        (Charge(80, 80, powered=None), DONE),
    ],
)
def test_the_battery_is_a_cause_of_its_own(scanned: bool, charge: Charge, cause: Cause) -> None:
    """Nothing is claimed of one that nobody knows; without power it does not charge."""
    assert causes({}, scanned=scanned, failed=False, archive_answers=True, charge=charge).charged is cause
