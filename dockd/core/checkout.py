"""Which camera somebody gets who takes one from the pool: the readiest that is nobody's."""

from collections.abc import Iterable
from dataclasses import dataclass

from dockd.core.readiness import Lamp, Readiness

_HALF = 50
"""What an unknown charge counts as."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A camera that is somebody's until a time.

    Attributes:
        camera: serial.
        officer: as people name them.
        until: RFC 3339.
        taken: it was taken out since.
    """

    camera: str
    officer: str
    until: str
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Reserved:
    """For whom the camera in a bay is, and until when, as a time of day in the office."""

    officer: str
    until: str

    def over(self, light: Readiness) -> Readiness:
        """What the lamp says of it: as before, and for whom, where it may be taken."""
        if light.lamp is not Lamp.TAKE:
            return light
        return Readiness(light.lamp, f"It is for {self.officer}, until {self.until}.", light.next_step, "checked-out")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A camera in a bay.

    Attributes:
        bay: its id.
        camera: serial.
        light: what its lamp says.
        owner: whose it is already, None if nobody's.
        percent: its charge, None if nobody knows.
        free_bytes: room on it, None if nobody knows.
    """

    bay: str
    camera: str
    light: Readiness
    owner: str | None = None
    percent: int | None = None
    free_bytes: int | None = None

    @property
    def ready(self) -> bool:
        """It may be taken, or waits for nothing but somebody to be assigned to."""
        return self.light.lamp is Lamp.TAKE or self.light.code == "not-assigned"


def readiest(candidates: Iterable[Candidate]) -> Candidate | None:
    """The fullest battery first, then the most room, then the order of the bays; None where none may be taken."""
    free = [each for each in candidates if each.ready and each.owner is None]
    return max(free, key=lambda each: (_HALF if each.percent is None else each.percent, each.free_bytes or 0), default=None)
