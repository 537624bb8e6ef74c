"""What the lamp shows for one bay, and the one sentence that says why.

    GET HELP    the docking failed, or something on the camera needs a person
    LEAVE IT    something on the camera exists nowhere else yet, or the dock is not done with it
    TAKE IT     everything on the camera reached what the site asks for, and nothing on it is the only copy

*Take it* is derived only from a scan of this docking in which every recording is accounted for. The site may ask for
`verified` (the dock's spool holds it), `archived` (the archive proved it) or `erased` (and it is gone from the camera).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dockd.core.recording import Refusal, State


class Lamp(StrEnum):
    """The three states of the light, as an officer reads them."""

    TAKE = "take it"
    LEAVE = "leave it"
    HELP = "get help"


class Needs(StrEnum):
    """How far everything on a camera must have come before it may be taken."""

    VERIFIED = "verified"
    ARCHIVED = "archived"
    ERASED = "erased"


_REACHED: dict[Needs, frozenset[State]] = {
    Needs.VERIFIED: frozenset({State.VERIFIED, State.UPLOADING, State.ARCHIVED, State.ERASED}),
    Needs.ARCHIVED: frozenset({State.ARCHIVED, State.ERASED}),
    Needs.ERASED: frozenset({State.ERASED}),
}


@dataclass(frozen=True, slots=True)
class BayEvidence:
    """What is known of the camera in one bay.

    Attributes:
        camera: serial, None before it was identified.
        scanned: whether this docking's scan is complete.
        states: of every recording and sidecar that the scan found.
        failure: the docking's first failure.
        waiting: why copying waits (a full spool), None if it does not.
        held: an order stands that nothing of it may be erased.
        kept: why clearing left something on the camera, None while it did not.
        erasing: the camera is being written to; taken out now, it may not start.
    """

    camera: str | None
    scanned: bool
    states: tuple[State, ...]
    failure: Refusal | None = None
    waiting: Refusal | None = None
    held: bool = False
    kept: str | None = None
    erasing: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """The lamp, why, and what a person should do next."""

    lamp: Lamp
    reason: str
    next_step: str


def readiness(evidence: BayEvidence, needs: Needs) -> Readiness:
    """The lamp for one bay with a camera in it."""
    counts = Counter(evidence.states)
    if evidence.failure is not None:
        return Readiness(Lamp.HELP, evidence.failure.message, evidence.failure.hint)
    if evidence.erasing:
        return Readiness(Lamp.LEAVE, "The archive has everything; the camera is being cleared.", "Leave the camera in the bay.")
    if counts[State.REFUSED]:
        return Readiness(
            Lamp.HELP, f"{_recordings(counts[State.REFUSED])} could not be taken.", "Call your admin; keep the camera."
        )
    if evidence.camera is None or not evidence.scanned:
        return Readiness(Lamp.LEAVE, "The dock is looking at the camera.", "Wait a moment.")
    if evidence.waiting is not None:
        return Readiness(Lamp.LEAVE, evidence.waiting.message, evidence.waiting.hint)
    uncopied = _count(counts, (State.SEEN, State.COPYING))
    if uncopied:
        return Readiness(Lamp.LEAVE, f"{_recordings(uncopied)} still to be copied.", "Leave the camera in the bay.")
    if all(state in _REACHED[needs] for state in evidence.states):
        return Readiness(Lamp.TAKE, _done(needs), "Take the camera.")
    if evidence.held:
        return Readiness(Lamp.HELP, "This camera is on hold: nothing on it may be erased.", "Ask your admin.")
    unproved = _count(counts, (State.VERIFIED, State.UPLOADING))
    if unproved:
        return Readiness(Lamp.LEAVE, f"{_recordings(unproved)} on the way to the archive.", "Leave the camera in the bay.")
    if evidence.kept is not None:
        return Readiness(Lamp.HELP, evidence.kept, "Call your admin; the recordings are safe in the archive.")
    return Readiness(Lamp.LEAVE, "The archive has everything; the camera is being cleared.", "Leave the camera in the bay.")


def _done(needs: Needs) -> str:
    return {
        Needs.VERIFIED: "Everything is copied and checked.",
        Needs.ARCHIVED: "Everything is in the archive.",
        Needs.ERASED: "Everything is in the archive and the camera is empty.",
    }[needs]


def _count(counts: Counter[State], states: Iterable[State]) -> int:
    return sum(counts[state] for state in states)


def _recordings(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
