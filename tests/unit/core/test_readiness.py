"""What the lamp says, and that it never says *take it* too early."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.readiness import CODES, BayEvidence, Lamp, Least, Needs, readiness, unpowered
from dockd.core.recording import Refusal, State

STATES = st.lists(st.sampled_from(list(State)), max_size=6).map(tuple)
REFUSALS = st.none() | st.just(Refusal("code", "What failed.", "What to do."))
EVIDENCE = st.builds(
    BayEvidence,
    camera=st.none() | st.just("C1"),
    scanned=st.booleans(),
    states=STATES,
    failure=REFUSALS,
    waiting=REFUSALS,
    held=st.booleans(),
    kept=st.none() | st.just("Something stays."),
)
REACHED = {
    Needs.VERIFIED: {State.VERIFIED, State.UPLOADING, State.ARCHIVED, State.ERASED},
    Needs.ARCHIVED: {State.ARCHIVED, State.ERASED},
    Needs.ERASED: {State.ERASED},
}


@given(EVIDENCE, st.sampled_from(Needs))
def test_green_only_when_everything_reached_what_the_site_asks(evidence: BayEvidence, needs: Needs) -> None:
    """*Take it* means: identified, scanned, nothing failed or waiting, and no recording short of what is needed."""
    if readiness(evidence, needs).lamp is Lamp.TAKE:
        assert evidence.camera is not None
        assert evidence.scanned
        assert evidence.failure is None
        assert evidence.waiting is None
        assert set(evidence.states) <= REACHED[needs]


@given(EVIDENCE, st.sampled_from(Needs), st.sampled_from([State.SEEN, State.COPYING, State.REFUSED]))
def test_never_green_while_the_camera_holds_the_only_copy(evidence: BayEvidence, needs: Needs, state: State) -> None:
    """One recording that is nowhere else, whatever else is so: not *take it*."""
    states = (*evidence.states, state)
    short = BayEvidence("C1", scanned=True, states=states, failure=evidence.failure, held=evidence.held, kept=evidence.kept)
    assert readiness(short, needs).lamp is not Lamp.TAKE


@given(EVIDENCE, st.sampled_from(Needs))
def test_what_needs_a_person_calls_for_help(evidence: BayEvidence, needs: Needs) -> None:
    """A failure and a refused recording are never hidden behind anything else."""
    if evidence.failure is not None or State.REFUSED in evidence.states:
        assert readiness(evidence, needs).lamp is Lamp.HELP


@given(EVIDENCE, st.sampled_from(Needs))
def test_the_lamp_always_says_why_and_what_next(evidence: BayEvidence, needs: Needs) -> None:
    """No light without a sentence, and none that is not one."""
    shown = readiness(evidence, needs)
    assert shown.reason.endswith(".")
    assert shown.code in {*CODES, "code"}
    assert shown.next_step


def bay(
    *states: State, scanned: bool = True, camera: str | None = "C1", held: bool = False, kept: str | None = None
) -> BayEvidence:
    """What is known of a bay where nothing failed."""
    return BayEvidence(camera, scanned=scanned, states=states, held=held, kept=kept)


@pytest.mark.parametrize(
    ("evidence", "needs", "lamp", "words"),
    [
        (bay(scanned=False), Needs.ERASED, Lamp.LEAVE, "looking at the camera"),
        (bay(camera=None), Needs.ERASED, Lamp.LEAVE, "looking at the camera"),
        (bay(), Needs.ERASED, Lamp.TAKE, "the camera is empty"),
        (bay(State.SEEN), Needs.ERASED, Lamp.LEAVE, "1 file still to be copied"),
        (bay(State.SEEN, State.COPYING, State.VERIFIED), Needs.ERASED, Lamp.LEAVE, "2 files still to be copied"),
        (bay(State.VERIFIED), Needs.VERIFIED, Lamp.TAKE, "copied and checked"),
        (bay(State.UPLOADING), Needs.ARCHIVED, Lamp.LEAVE, "1 file on the way to the archive"),
        (bay(State.ARCHIVED, State.ERASED), Needs.ARCHIVED, Lamp.TAKE, "in the archive"),
        (bay(State.ARCHIVED), Needs.ERASED, Lamp.LEAVE, "being cleared"),
        (bay(State.ARCHIVED, kept="It changed."), Needs.ERASED, Lamp.HELP, "It changed."),
        (bay(State.ARCHIVED, State.VERIFIED, kept="It changed."), Needs.ERASED, Lamp.LEAVE, "on the way"),
        (bay(State.ARCHIVED, held=True), Needs.ERASED, Lamp.HELP, "on hold"),
        (bay(State.ARCHIVED, held=True), Needs.ARCHIVED, Lamp.HELP, "on hold"),
        (bay(held=True), Needs.VERIFIED, Lamp.HELP, "on hold"),
        (bay(State.ERASED), Needs.ERASED, Lamp.TAKE, "the camera is empty"),
        (bay(State.REFUSED, State.SEEN), Needs.ERASED, Lamp.HELP, "1 file could not be taken"),
    ],
)
def test_the_table_of_the_lamp(evidence: BayEvidence, needs: Needs, lamp: Lamp, words: str) -> None:
    """Each line as an officer meets it."""
    shown = readiness(evidence, needs)
    assert shown.lamp is lamp
    assert words in shown.reason


def test_a_failure_and_a_wait_are_shown_in_their_own_words() -> None:
    """The sentence and the next step are those of the error."""
    refusal = Refusal("spool-full", "No room.", "Wait.")
    waiting = readiness(BayEvidence("C1", scanned=True, states=(State.SEEN,), waiting=refusal), Needs.ERASED)
    assert (waiting.lamp, waiting.reason, waiting.next_step) == (Lamp.LEAVE, "No room.", "Wait.")
    failed = readiness(BayEvidence(None, scanned=False, states=(), failure=refusal), Needs.ERASED)
    assert (failed.lamp, failed.reason, failed.next_step) == (Lamp.HELP, "No room.", "Wait.")


def charged(
    percent: int | None = None, minutes: float | None = None, free_bytes: int | None = None, *, assigned: bool = True
) -> BayEvidence:
    """A camera with nothing on it that the archive has not."""
    return BayEvidence(
        "C1",
        scanned=True,
        states=(State.ARCHIVED,),
        percent=percent,
        charges_min=minutes,
        free_bytes=free_bytes,
        assigned=assigned,
    )


LEAST = Least(percent=80, free_bytes=16 * 10**9, assigned=True)


@pytest.mark.parametrize(
    ("evidence", "lamp", "code", "words"),
    [
        (charged(80), Lamp.TAKE, "done-archived", "Everything is in the archive."),
        (charged(79), Lamp.LEAVE, "charging", "Charged 79 %; it may be taken at 80 %."),
        (charged(40, 35.2), Lamp.LEAVE, "charging", "Charged 40 %; it may be taken at 80 %, in about 36 minutes."),
        (charged(79, 0.4), Lamp.LEAVE, "charging", "Charged 79 %; it may be taken at 80 %, in about 1 minute."),
        (charged(None), Lamp.TAKE, "done-archived", "Everything is in the archive. How full its battery is nobody knows."),
        (charged(99, free_bytes=10**9), Lamp.HELP, "no-room", "There is room for 1.0 GB on the camera, and 16.0 GB are needed."),
        (charged(99, free_bytes=16 * 10**9), Lamp.TAKE, "done-archived", "Everything is in the archive."),
        (
            replace(charged(79), hot=True),
            Lamp.HELP,
            "hot",
            "Its battery is too hot to charge, and this bay's power cannot be cut.",
        ),
        (charged(99, assigned=False), Lamp.HELP, "not-assigned", "This camera is assigned to nobody."),
    ],
)
def test_a_camera_must_be_of_use_besides(evidence: BayEvidence, lamp: Lamp, code: str, words: str) -> None:
    """One sentence says what is missing, and how long that takes where it is known; what nobody knows keeps no camera."""
    shown = readiness(evidence, Needs.ARCHIVED, LEAST)
    assert (shown.lamp, shown.code, shown.reason) == (lamp, code, words)
    assert (readiness(evidence, Needs.ARCHIVED).lamp is Lamp.TAKE) == (not evidence.hot)


@given(EVIDENCE, st.sampled_from(Needs), st.none() | st.integers(0, 100), st.none() | st.integers(0, 10**11), st.booleans())
def test_what_is_asked_besides_makes_no_lamp_greener(
    evidence: BayEvidence, needs: Needs, percent: int | None, free_bytes: int | None, assigned: bool
) -> None:
    """A full battery excuses nothing."""
    more = replace(evidence, percent=percent, free_bytes=free_bytes, assigned=assigned)
    if readiness(more, needs, LEAST).lamp is Lamp.TAKE:
        assert readiness(evidence, needs).lamp is Lamp.TAKE
        assert assigned
        assert percent is None or percent >= 80
        assert free_bytes is None or free_bytes >= 16 * 10**9


@pytest.mark.parametrize(
    ("percent", "hot", "code", "words"),
    [
        (62, False, "resting", "Resting while other cameras charge; it was charged 62 % when last asked."),
        (None, False, "resting", "Resting while other cameras charge."),
        (62, True, "too-hot", "Too hot to charge: it has no power until it has cooled down."),
    ],
)
def test_a_port_without_power_is_never_green(percent: int | None, hot: bool, code: str, words: str) -> None:
    """Whatever its camera was before."""
    shown = unpowered(percent, hot=hot)
    assert (shown.lamp, shown.code, shown.reason) == (Lamp.LEAVE, code, words)
