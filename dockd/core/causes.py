"""Why a camera is not ready yet: is everything on it copied, charged, and in the archive?

These three are what people wait for at a dock. They are told apart on the screen so that nobody has to guess which one it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dockd.core.recording import State

_UNCOPIED = (State.SEEN, State.COPYING)
_UNPROVED = (State.VERIFIED, State.UPLOADING)


class Cause(StrEnum):
    """How one of the three stands."""

    DONE = "done"
    BUSY = "busy"
    STUCK = "stuck"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Causes:
    """The three causes."""

    copied: Cause
    charged: Cause
    archived: Cause


@dataclass(frozen=True, slots=True)
class Charge:
    """A battery: how full it is, None if nobody knows, how full it should be, and whether its port has power, None likewise."""

    percent: int | None
    wanted: int
    powered: bool | None = True

    def cause(self) -> Cause:
        """How it stands."""
        if self.percent is None:
            return Cause.UNKNOWN
        if self.percent >= self.wanted:
            return Cause.DONE
        return {True: Cause.BUSY, False: Cause.STUCK, None: Cause.UNKNOWN}[self.powered]


def causes(states: Mapping[State, int], *, scanned: bool, failed: bool, archive_answers: bool, charge: Charge) -> Causes:
    """The three causes of one camera.

    Args:
        states: how many of its recordings are in each state.
        scanned: whether the dock has seen everything on it in this docking.
        failed: whether the docking cannot go on without a person.
        archive_answers: whether the archive answered when it was last asked.
        charge: its battery.
    """
    if not scanned:
        return Causes(Cause.STUCK if failed else Cause.UNKNOWN, charge.cause(), Cause.UNKNOWN)
    uncopied = sum(states.get(each, 0) for each in _UNCOPIED)
    unproved = sum(states.get(each, 0) for each in _UNPROVED)
    refused = states.get(State.REFUSED, 0)
    copied, archived = Cause.DONE, Cause.DONE
    if refused or (failed and uncopied):
        copied = archived = Cause.STUCK
    elif uncopied:
        copied = archived = Cause.BUSY
    elif unproved:
        archived = Cause.BUSY if archive_answers else Cause.STUCK
    return Causes(copied, charge.cause(), archived)
