"""What the agency's policy makes of a recording."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.core.clearance import FileKind, ScannedFile
from dockd.core.policy import UNCATEGORISED, URGENT, Category, Policy, ranked, used_by_another
from dockd.core.profile import CRITICAL, ROUTINE

SEEN = datetime(2026, 11, 28, 4, tzinfo=UTC)
POLICY = Policy(
    categories=(
        Category("at-large-arrest", 1095, frozenset({"ARREST"}), urgent=True),
        Category("public-contact", 180),
    ),
    retain_days=90,
    within_hours=48,
    critical_within_hours=4,
)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("at-large-arrest", "at-large-arrest"),
        ("At Large Arrest", "at-large-arrest"),
        ("arrest", "at-large-arrest"),
        ("PUBLIC_CONTACT", "public-contact"),
        ("arrests", None),
        (UNCATEGORISED, None),
        ("", None),
        ("--", None),
        (None, None),
    ],
)
def test_cameras_have_their_own_words_for_a_category(word: str | None, name: str | None) -> None:
    """Case, spaces and hyphens make no difference, and nothing is guessed."""
    found = POLICY.known(word)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("word", "days"), [("arrest", 1095), ("public-contact", 180), ("something", 1095), (None, 1095), (UNCATEGORISED, 1095)]
)
def test_what_nobody_named_is_kept_longest(word: str | None, days: int) -> None:
    """Never the shortest."""
    assert POLICY.retained_days(word) == days


def test_first_amendment_activity_is_kept_longest_whatever_it_was_called() -> None:
    """The dock does not judge it."""
    assert POLICY.retained_days("public-contact", first_amendment=True) == 1095


def test_sites_own_time_is_the_least_for_all() -> None:
    """It is for every recording."""
    assert Policy((Category("a", 10),), retain_days=90).retained_days("a") == 90
    assert Policy().retained_days("a") == 0


def test_urgent_category_goes_before_routine_and_never_before_critical() -> None:
    """The more urgent of both counts."""
    assert POLICY.priority("arrest") == URGENT
    assert POLICY.priority("arrest", CRITICAL) == CRITICAL
    assert POLICY.priority("public-contact") == POLICY.priority(None) == ROUTINE


def test_critical_incident_has_the_earlier_deadline() -> None:
    """And none where the site sets none."""
    assert POLICY.deadline(SEEN, ROUTINE) == SEEN + timedelta(hours=48)
    assert POLICY.deadline(SEEN, CRITICAL) == SEEN + timedelta(hours=4)
    assert Policy(within_hours=2, critical_within_hours=4).deadline(SEEN, CRITICAL) == SEEN + timedelta(hours=2)
    assert Policy(critical_within_hours=4).deadline(SEEN, ROUTINE) is None
    assert Policy().deadline(SEEN, CRITICAL) is None


def test_scan_is_ranked_by_category() -> None:
    """Sidecars go with their recording."""
    clip = ScannedFile(b"A.MP4", FileKind.RECORDING, None, category="arrest")
    sidecar = ScannedFile(b"A.XML", FileKind.SIDECAR, None, b"A.MP4", category="arrest")
    other = ScannedFile(b"B.MP4", FileKind.RECORDING, None)
    assert [each.priority for each in ranked([clip, sidecar, other], POLICY)] == [URGENT, URGENT, ROUTINE]


names = st.sampled_from(["a", "b", "c", "d"])
policies = st.builds(
    Policy,
    categories=st.lists(st.builds(Category, names, st.integers(1, 5000)), max_size=4, unique_by=lambda each: each.name).map(
        tuple
    ),
    retain_days=st.integers(0, 5000),
)


@settings(deadline=None)
@given(policy=policies, word=st.none() | names | st.text(max_size=5))
def test_no_recording_is_kept_longer_than_one_that_nobody_named(policy: Policy, word: str | None) -> None:
    """And none is kept for less than the site says."""
    days = policy.retained_days(word)
    assert policy.retain_days <= days <= policy.retained_days(None)
    assert policy.retained_days(word, first_amendment=True) == policy.retained_days(None)


@pytest.mark.parametrize(
    ("assigned", "officer", "another"),
    [("A. Smith", "B. Jones", True), ("A. Smith", "a smith", False), (None, "B. Jones", False), ("A. Smith", None, False)],
)
def test_camera_that_names_somebody_else_is_used_by_another(assigned: str | None, officer: str | None, *, another: bool) -> None:
    """Spelling makes nobody another person, and of a name that is missing nothing is said."""
    assert used_by_another(assigned, officer) is another
