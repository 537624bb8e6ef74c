"""How many uploads at once: halved when the link does not bear it, one more when it does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.concurrency import Concurrency


def test_failures_halve_and_success_adds_one() -> None:
    """Down from eight to one; up again by one for each full round."""
    uploads = Concurrency(8)
    seen = [uploads.allowed]
    for _ in range(4):
        uploads.failed()
        seen.append(uploads.allowed)
    assert seen == [8, 4, 2, 1, 1]
    rounds = []
    for _ in range(1 + 2 + 3):
        uploads.went_well()
        rounds.append(uploads.allowed)
    assert rounds == [2, 2, 3, 3, 3, 4]


@pytest.mark.parametrize("bears", [1, 3, 8])
def test_it_settles_around_what_the_link_bears(bears: int) -> None:
    """A link that breaks whenever more than so many are on their way: between half of that and one more, and never stuck."""
    uploads, seen = Concurrency(16), []
    for _ in range(500):
        if uploads.allowed > bears:
            uploads.failed()
        else:
            uploads.went_well()
        seen.append(uploads.allowed)
    later = seen[50:]
    assert max(later) == bears + 1
    assert min(later) >= (bears + 1) // 2


@given(st.integers(1, 32), st.lists(st.booleans()))
def test_it_is_never_none_and_never_more_than_the_most(most: int, outcomes: list[bool]) -> None:
    """Whatever happens."""
    uploads = Concurrency(most)
    for well in outcomes:
        if well:
            uploads.went_well()
        else:
            uploads.failed()
        assert 1 <= uploads.allowed <= most


def test_none_at_once_is_refused() -> None:
    """It would never send anything."""
    with pytest.raises(ValueError, match="never"):
        Concurrency(0)


def test_what_is_patient_wants_more_to_go_well() -> None:
    """With four rounds, four times as many as are allowed go well before there is one more."""
    parts = Concurrency(3, rounds=4)
    parts.failed()
    seen = []
    for _ in range(4 + 8):
        parts.went_well()
        seen.append(parts.allowed)
    assert seen == [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3]
