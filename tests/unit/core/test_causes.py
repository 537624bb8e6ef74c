"""The three causes are told apart, and nothing is said of them that is not known."""

import pytest

from dockd.core.causes import Cause, causes
from dockd.core.recording import State

DONE, BUSY, STUCK, UNKNOWN = Cause.DONE, Cause.BUSY, Cause.STUCK, Cause.UNKNOWN


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
    found = causes(states, scanned=scanned, failed=failed, archive_answers=archive_answers)
    assert (found.copied, found.archived) == (copied, archived)


@pytest.mark.parametrize("scanned", [True, False])
def test_charge_is_not_known(scanned: bool) -> None:
    """Nothing measures a battery in a bay yet, so nothing is claimed of it."""
    assert causes({}, scanned=scanned, failed=False, archive_answers=True).charged is UNKNOWN
