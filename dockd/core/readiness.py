"""What the lamp shows for one bay, and the one sentence that says why.

    GET HELP    the docking failed, something on the camera needs a person, it is on hold, or it is nobody's
    LEAVE IT    something on the camera exists nowhere else yet, or the dock is not done with it, or it is not charged enough
    TAKE IT     everything on the camera reached what the site asks for, and nothing on it is the only copy

*Take it* is derived only from a scan of this docking in which every recording is accounted for. The site may ask for
`verified` (the dock's spool holds it), `archived` (the archive proved it) or `erased` (and it is gone from the camera); and for a
charge, for room and for an officer besides. A charge that nobody can tell keeps no camera: it would for ever.
"""

import math
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
        percent: its charge, None if nobody knows it.
        charges_min: minutes until it is charged enough, None if that is not known.
        free_bytes: room on it, None if nobody knows.
        assigned: whether it is somebody's.
        hot: its battery is too hot to charge, and nobody can cut its power but by taking it out.
    """

    camera: str | None
    scanned: bool
    states: tuple[State, ...]
    failure: Refusal | None = None
    waiting: Refusal | None = None
    held: bool = False
    kept: str | None = None
    erasing: bool = False
    percent: int | None = None
    charges_min: float | None = None
    free_bytes: int | None = None
    assigned: bool = True
    hot: bool = False


@dataclass(frozen=True, slots=True)
class Least:
    """What the site asks of a camera besides its recordings.

    Attributes:
        percent: its charge; None for any.
        free_bytes: room on it; None for any.
        assigned: it is somebody's.
    """

    percent: int | None = None
    free_bytes: int | None = None
    assigned: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """The lamp, why, and what a person should do next.

    Attributes:
        code: stable word for the reason; a failure's own code, or one of `CODES`.
        files: how many files the reason is about, 0 where it is not about a number of them.
    """

    lamp: Lamp
    reason: str
    next_step: str
    code: str
    files: int = 0


CODES = (
    "files-refused",
    "looking",
    "copying",
    "done-verified",
    "done-archived",
    "done-erased",
    "held",
    "archiving",
    "kept",
    "clearing",
    "resting",
    "too-hot",
    "hot",
    "charging",
    "no-room",
    "not-assigned",
    "checked-out",
)
"""Every reason that is not a failure's own code."""


_STAY = "Leave the camera in the bay."
_CLEARING = "The archive has everything; the camera is being cleared."


def readiness(evidence: BayEvidence, needs: Needs, least: Least | None = None) -> Readiness:
    """The lamp for one bay with a camera in it.

    Args:
        evidence: what is known of it.
        needs: how far everything on it must have come.
        least: what it must have besides; None for nothing.
    """
    counts = Counter(evidence.states)
    if evidence.failure is not None:
        return Readiness(Lamp.HELP, evidence.failure.message, evidence.failure.hint, evidence.failure.code)
    if evidence.erasing:
        return Readiness(Lamp.LEAVE, _CLEARING, _STAY, "clearing")
    if counts[State.REFUSED]:
        refused = counts[State.REFUSED]
        why = f"{_recordings(refused)} could not be taken."
        return Readiness(Lamp.HELP, why, "Call your admin; keep the camera.", "files-refused", refused)
    if evidence.camera is None or not evidence.scanned:
        return Readiness(Lamp.LEAVE, "The dock is looking at the camera.", "Wait a moment.", "looking")
    if evidence.waiting is not None:
        return Readiness(Lamp.LEAVE, evidence.waiting.message, evidence.waiting.hint, evidence.waiting.code)
    uncopied = _count(counts, (State.SEEN, State.COPYING))
    if uncopied:
        why = f"{_recordings(uncopied)} still to be copied."
        return Readiness(Lamp.LEAVE, why, _STAY, "copying", uncopied)
    if evidence.held:
        return Readiness(Lamp.HELP, "This camera is on hold: nothing on it may be erased.", "Ask your admin.", "held")
    if all(state in _REACHED[needs] for state in evidence.states):
        return _reached(evidence, needs, least or Least())
    unproved = _count(counts, (State.VERIFIED, State.UPLOADING))
    if unproved:
        why = f"{_recordings(unproved)} on the way to the archive."
        return Readiness(Lamp.LEAVE, why, _STAY, "archiving", unproved)
    if evidence.kept is not None:
        return Readiness(Lamp.HELP, evidence.kept, "Call your admin; the recordings are safe in the archive.", "kept")
    return Readiness(Lamp.LEAVE, _CLEARING, _STAY, "clearing")


def _reached(evidence: BayEvidence, needs: Needs, least: Least) -> Readiness:
    """Nothing on the camera is the only copy: can it be used?"""
    if evidence.hot:
        why = "Its battery is too hot to charge, and this bay's power cannot be cut."
        return Readiness(Lamp.HELP, why, "Take it out, let it cool down, and tell your admin; the recordings are safe.", "hot")
    if least.free_bytes is not None and evidence.free_bytes is not None and evidence.free_bytes < least.free_bytes:
        why = f"There is room for {_gigabytes(evidence.free_bytes)} on the camera, and {_gigabytes(least.free_bytes)} are needed."
        return Readiness(Lamp.HELP, why, "Call your admin; the recordings are safe.", "no-room")
    if least.percent is not None and evidence.percent is not None and evidence.percent < least.percent:
        takes = "" if evidence.charges_min is None else f", in {_minutes(evidence.charges_min)}"
        why = f"Charged {evidence.percent} %; it may be taken at {least.percent} %{takes}."
        return Readiness(Lamp.LEAVE, why, _STAY, "charging")
    if least.assigned and not evidence.assigned:
        why = "This camera is assigned to nobody."
        return Readiness(Lamp.HELP, why, "Have your admin check it out to you: dockd checkout.", "not-assigned")
    unknown = " How full its battery is nobody knows." if least.percent is not None and evidence.percent is None else ""
    return Readiness(Lamp.TAKE, _done(needs) + unknown, "Take the camera.", f"done-{needs}")


def unpowered(percent: int | None, *, hot: bool) -> Readiness:
    """The lamp for a bay whose port is without power, so that others charge or its battery cools: never green, whatever it was.

    Args:
        percent: how full the camera was when its port had power last, None if nobody knows.
        hot: whether it is for its own sake.
    """
    if hot:
        why = "Too hot to charge: it has no power until it has cooled down."
        return Readiness(Lamp.LEAVE, why, _STAY, "too-hot")
    charged = "" if percent is None else f"; it was charged {percent} % when last asked"
    return Readiness(Lamp.LEAVE, f"Resting while other cameras charge{charged}.", _STAY, "resting")


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


def _gigabytes(count_bytes: int) -> str:
    return f"{count_bytes / 10**9:.1f} GB"


def _minutes(minutes: float) -> str:
    whole = max(1, math.ceil(minutes))
    return "about 1 minute" if whole == 1 else f"about {whole} minutes"
