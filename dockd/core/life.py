"""A recording's life, and every step that is legal.

    seen -> copying -> verified -> uploading -> archived -> erased

    CopyStarted     seen, copying            -> copying     a pull or crash leaves it copying, and the copy starts or continues
    CopyVerified    copying                  -> verified    takes a VerifiedRecording
    Recognised      seen, copying            -> archived    its digests are those of an object that the archive proved again now
    UploadStarted   verified, uploading      -> uploading
    UploadProved    uploading                -> archived    takes the ArchiveProof of its own object
    ProofLost       archived                 -> seen        the archive no longer proves it: it is copied again from the camera
    Erased          archived                 -> erased      takes the ClearancePermit that covers it
    FoundGone       archived                 -> erased      only if an erasing had begun under a permit, it was not seen since,
                                                            and a new scan misses it
    Refused         any but archived, erased -> refused     keeps its first reason
    Retried         refused                  -> seen, or verified if the spool has its bytes; a person's decision, so a refused
                                                            upload is not resumed but begun again

Invariants: whatever is verified or later has digests; whatever is archived has a stored object and was proved; erased is final.
A step that is not in this table is a programming error: RuntimeError.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from dockd.core.clearance import ClearancePermit
from dockd.core.proof import ArchiveProof
from dockd.core.recording import Recording, Refusal, State, StoredObject, VerifiedRecording


@dataclass(frozen=True, slots=True)
class CopyStarted:
    """Its bytes begin to be read."""


@dataclass(frozen=True, slots=True)
class CopyVerified:
    """The spool holds it, read back from the medium."""

    verified: VerifiedRecording


@dataclass(frozen=True, slots=True)
class Recognised:
    """The camera's bytes are those of `stored`, which the archive proved again just now."""

    proof: ArchiveProof
    stored: StoredObject


@dataclass(frozen=True, slots=True)
class UploadStarted:
    """It is on its way to the archive."""


@dataclass(frozen=True, slots=True)
class UploadProved:
    """The archive proved that it holds it."""

    proof: ArchiveProof
    stored: StoredObject


@dataclass(frozen=True, slots=True)
class ProofLost:
    """The archive was asked again and no longer proves it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Erased:
    """It was deleted from the camera and is no longer found there."""

    permit: ClearancePermit


@dataclass(frozen=True, slots=True)
class FoundGone:
    """Power or daemon failed between an erasing and its record; the next scan of the camera no longer finds the file."""

    docking: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It does not go on until a person acts."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Retried:
    """A person said: try again."""

    by: str
    spooled: bool


Step = CopyStarted | CopyVerified | Recognised | UploadStarted | UploadProved | ProofLost | Erased | FoundGone | Refused | Retried

_FROM: dict[type[Step], frozenset[State]] = {
    CopyStarted: frozenset({State.SEEN, State.COPYING}),
    CopyVerified: frozenset({State.COPYING}),
    Recognised: frozenset({State.SEEN, State.COPYING}),
    UploadStarted: frozenset({State.VERIFIED, State.UPLOADING}),
    UploadProved: frozenset({State.UPLOADING}),
    ProofLost: frozenset({State.ARCHIVED}),
    Erased: frozenset({State.ARCHIVED}),
    FoundGone: frozenset({State.ARCHIVED}),
    Refused: frozenset({State.SEEN, State.COPYING, State.VERIFIED, State.UPLOADING}),
    Retried: frozenset({State.REFUSED}),
}


def take(recording: Recording, step: Step) -> Recording:
    """`recording` after `step`.

    Raises:
        RuntimeError: the step is illegal in this state, or its evidence is about something else.
    """
    if recording.state not in _FROM[type(step)]:
        msg = f"{type(step).__name__} is illegal for recording {recording.recording_id} in state {recording.state}"
        raise RuntimeError(msg)
    match step:
        case CopyStarted():
            return replace(recording, state=State.COPYING)
        case CopyVerified(verified):
            _same("recording", verified.recording_id, recording.recording_id)
            return replace(recording, state=State.VERIFIED, measured=verified.measured)
        case Recognised(proof, stored) | UploadProved(proof, stored):
            _same("camera", proof.statement.camera, recording.camera)
            _same("object", (proof.statement.object_id, proof.statement.measured), (stored.object_id, stored.measured))
            if isinstance(step, UploadProved):
                _same("recording", proof.statement.recording_id, recording.recording_id)
                _same("bytes", proof.statement.measured, recording.measured)
            return replace(recording, state=State.ARCHIVED, measured=stored.measured, stored=stored)
        case UploadStarted():
            return replace(recording, state=State.UPLOADING)
        case ProofLost():
            return replace(recording, state=State.SEEN, measured=None, resume=None, stored=None, clearing=False)
        case Erased(permit):
            _covered(recording, permit)
            return replace(recording, state=State.ERASED)
        case FoundGone():
            if not recording.clearing:
                msg = f"no erasing of recording {recording.recording_id} was ever begun"
                raise RuntimeError(msg)
            return replace(recording, state=State.ERASED)
        case Refused(refusal):
            return replace(recording, state=State.REFUSED, refusal=refusal)
        case Retried(spooled=spooled):
            back = State.VERIFIED if spooled and recording.measured is not None else State.SEEN
            return replace(recording, state=back, resume=None, refusal=None)
        case _:  # pragma: no cover - the type checker proves that this is never reached
            assert_never(step)


def met(recording: Recording, path: bytes) -> Recording:
    """`recording` after it was seen again on its camera, under `path`.

    Whatever erasing was begun did not erase it, so one who misses it later cannot take that for this erasing's work.
    """
    return replace(recording, path=path, clearing=False)


def erasing(recording: Recording) -> Recording:
    """`recording` after an erasing of it was begun under a permit."""
    return replace(recording, clearing=True)


def _same(what: str, said: object, wanted: object) -> None:
    if said != wanted:
        msg = f"the evidence is about {what} {said}, not {wanted}"
        raise RuntimeError(msg)


def _covered(recording: Recording, permit: ClearancePermit) -> None:
    for covered in permit.covered:
        if covered.recording_id == recording.recording_id:
            _same("camera", permit.camera, recording.camera)
            _same("bytes", covered.holding.statement.measured, recording.measured)
            return
    msg = f"the permit does not cover recording {recording.recording_id}"
    raise RuntimeError(msg)
