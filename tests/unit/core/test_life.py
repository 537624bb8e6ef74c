"""Every step of a recording's life, legal and not."""

from dataclasses import replace

import pytest

from dockd.core import life
from dockd.core.recording import Recording, Refusal, ResumePoint, State
from tests.sim.evidence import Notary, archived, measure, seen, stored, verified

CONTENT = b"content"
NOTARY = Notary()
RECORDING = replace(seen("r1"), sequence=1)
STORED = stored(RECORDING, CONTENT)
RECEIPT = NOTARY.receipt(STORED)
HOLDING = NOTARY.holding(STORED, "cd" * 16)
PERMIT = NOTARY.permit([(archived(RECORDING, CONTENT), CONTENT)])
REFUSAL = Refusal("code", "message", "hint")

STEPS: dict[str, life.Step] = {
    "CopyStarted": life.CopyStarted(),
    "CopyVerified": life.CopyVerified(verified("r1", CONTENT)),
    "Recognised": life.Recognised(HOLDING, STORED),
    "UploadStarted": life.UploadStarted(),
    "UploadProved": life.UploadProved(RECEIPT, STORED),
    "ProofLost": life.ProofLost("gone"),
    "Erased": life.Erased(PERMIT),
    "FoundGone": life.FoundGone("d2"),
    "Refused": life.Refused(REFUSAL),
    "Retried, spooled": life.Retried("admin", spooled=True),
    "Retried, not spooled": life.Retried("admin", spooled=False),
}
LEGAL: dict[tuple[State, str], State] = {
    (State.SEEN, "CopyStarted"): State.COPYING,
    (State.COPYING, "CopyStarted"): State.COPYING,
    (State.COPYING, "CopyVerified"): State.VERIFIED,
    (State.SEEN, "Recognised"): State.ARCHIVED,
    (State.COPYING, "Recognised"): State.ARCHIVED,
    (State.VERIFIED, "UploadStarted"): State.UPLOADING,
    (State.UPLOADING, "UploadStarted"): State.UPLOADING,
    (State.UPLOADING, "UploadProved"): State.ARCHIVED,
    (State.ARCHIVED, "ProofLost"): State.SEEN,
    (State.ARCHIVED, "Erased"): State.ERASED,
    (State.ARCHIVED, "FoundGone"): State.ERASED,
    (State.SEEN, "Refused"): State.REFUSED,
    (State.COPYING, "Refused"): State.REFUSED,
    (State.VERIFIED, "Refused"): State.REFUSED,
    (State.UPLOADING, "Refused"): State.REFUSED,
    (State.REFUSED, "Retried, spooled"): State.VERIFIED,
    (State.REFUSED, "Retried, not spooled"): State.SEEN,
}


def in_state(state: State) -> Recording:
    """The recording as it may be in `state`."""
    measured = replace(RECORDING, state=state, measured=measure(CONTENT))
    match state:
        case State.SEEN | State.COPYING:
            return replace(RECORDING, state=state)
        case State.VERIFIED:
            return measured
        case State.UPLOADING:
            return replace(measured, resume=ResumePoint("url", "ab"))
        case State.ARCHIVED | State.ERASED:
            return replace(measured, stored=STORED, clearing=True)
        case State.REFUSED:
            return replace(measured, refusal=REFUSAL, resume=ResumePoint("url", "ab"))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", list(State))
def test_each_step_in_each_state(state: State, step: str) -> None:
    """What the table does not allow is a programming error; what it allows leads where it says."""
    before = in_state(state)
    if (state, step) in LEGAL:
        assert life.take(before, STEPS[step]).state is LEGAL[state, step]
    else:
        with pytest.raises(RuntimeError, match="is illegal for recording r1"):
            life.take(before, STEPS[step])


@pytest.mark.parametrize(("state", "step"), LEGAL)
def test_what_a_state_promises_is_there(state: State, step: str) -> None:
    """Verified or later has digests, archived has its object, refused has its reason and nothing else has one."""
    after = life.take(in_state(state), STEPS[step])
    if after.state in {State.VERIFIED, State.UPLOADING, State.ARCHIVED, State.ERASED}:
        assert after.measured == measure(CONTENT)
    assert (after.stored is not None) == (after.state in {State.ARCHIVED, State.ERASED})
    assert (after.refusal is not None) == (after.state is State.REFUSED)


@pytest.mark.parametrize(("state", "step"), LEGAL)
def test_who_and_what_it_is_never_changes(state: State, step: str) -> None:
    """No step touches the recording's identity."""
    before = in_state(state)
    after = life.take(before, STEPS[step])
    may_change = {each: getattr(before, each) for each in ("state", "measured", "resume", "stored", "clearing", "refusal")}
    assert replace(after, **may_change) == before


OTHER = replace(RECORDING, recording_id="r2")
OTHER_STORED = stored(OTHER, CONTENT)
OTHER_BYTES = stored(RECORDING, b"altered")
FOREIGN = replace(RECORDING, camera="C2")


@pytest.mark.parametrize(
    ("recording", "step"),
    [
        (in_state(State.COPYING), life.CopyVerified(verified("r2", CONTENT))),
        (in_state(State.SEEN), life.Recognised(NOTARY.holding(STORED, "cd" * 16, camera="C2"), STORED)),
        (in_state(State.SEEN), life.Recognised(HOLDING, OTHER_STORED)),
        (in_state(State.SEEN), life.Recognised(HOLDING, replace(STORED, measured=measure(b"altered")))),
        (in_state(State.UPLOADING), life.UploadProved(NOTARY.receipt(STORED, camera="C2"), STORED)),
        (in_state(State.UPLOADING), life.UploadProved(RECEIPT, OTHER_STORED)),
        (in_state(State.UPLOADING), life.UploadProved(NOTARY.receipt(OTHER_STORED), OTHER_STORED)),
        (in_state(State.UPLOADING), life.UploadProved(NOTARY.receipt(OTHER_BYTES), OTHER_BYTES)),
        (in_state(State.ARCHIVED), life.Erased(NOTARY.permit([(archived(OTHER, CONTENT), CONTENT)]))),
        (in_state(State.ARCHIVED), life.Erased(NOTARY.permit([(archived(RECORDING, b"altered"), b"altered")]))),
        (in_state(State.ARCHIVED), life.Erased(NOTARY.permit([(archived(FOREIGN, CONTENT), CONTENT)], camera="C2"))),
        (replace(in_state(State.ARCHIVED), clearing=False), life.FoundGone("d2")),
    ],
)
def test_evidence_about_something_else_is_refused(recording: Recording, step: life.Step) -> None:
    """Another recording's, camera's, object's or bytes' evidence never moves this one."""
    with pytest.raises(RuntimeError):
        life.take(recording, step)


def test_recognition_takes_over_what_the_archive_proved() -> None:
    """A recording known by its digests gets the earlier one's object, although that was stored under another id."""
    after = life.take(OTHER, life.Recognised(HOLDING, STORED))
    assert (after.stored, after.measured) == (STORED, STORED.measured)


def test_a_lost_proof_leads_back_to_the_camera() -> None:
    """Nothing of the copy or the upload is believed any more."""
    after = life.take(replace(in_state(State.ARCHIVED), resume=ResumePoint("url", "ab")), life.ProofLost("gone"))
    assert (after.measured, after.resume, after.stored) == (None, None, None)


def test_an_erasing_that_did_not_erase_does_not_count_for_a_later_absence() -> None:
    """Once the recording was seen again, or must be copied again, whoever removed its file later was not this dock."""
    begun = life.erasing(replace(in_state(State.ARCHIVED), clearing=False))
    assert life.take(begun, life.FoundGone("d2")).state is State.ERASED
    met = life.met(begun, b"DCIM/RENAMED.MP4")
    assert (met.path, met.clearing) == (b"DCIM/RENAMED.MP4", False)
    with pytest.raises(RuntimeError):
        life.take(met, life.FoundGone("d3"))
    assert not life.take(begun, life.ProofLost("gone")).clearing


def test_a_retry_does_not_resume_what_was_refused() -> None:
    """The archive refused that very upload; the next one begins at the first byte."""
    assert life.take(in_state(State.REFUSED), life.Retried("admin", spooled=True)).resume is None


def test_a_retry_goes_to_the_archive_only_with_digests() -> None:
    """Bytes in the spool that were never verified are copied again."""
    never_read = replace(in_state(State.REFUSED), measured=None)
    assert life.take(never_read, life.Retried("admin", spooled=True)).state is State.SEEN


def test_a_refused_recording_keeps_its_first_reason() -> None:
    """A second refusal is illegal, so nothing can cover up the first."""
    once = life.take(in_state(State.COPYING), life.Refused(REFUSAL))
    with pytest.raises(RuntimeError):
        life.take(once, life.Refused(Refusal("other", "later")))
    assert once.refusal == REFUSAL
