"""How a bay's lamp says its state: a rhythm that everybody tells apart, and a colour that the colour-blind do.

Take it is steady, leave it swells slowly, get help blinks fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dockd.core.readiness import Lamp


class Rhythm(StrEnum):
    """What a lamp does; told apart by everybody."""

    OFF = "off"
    STEADY = "steady"
    SWELLING = "swelling"
    BLINKING = "blinking"


RHYTHMS: Mapping[Lamp, Rhythm] = {Lamp.TAKE: Rhythm.STEADY, Lamp.LEAVE: Rhythm.SWELLING, Lamp.HELP: Rhythm.BLINKING}

COLOURS: Mapping[Lamp, tuple[int, int, int]] = {Lamp.TAKE: (0, 158, 115), Lamp.LEAVE: (230, 159, 0), Lamp.HELP: (213, 94, 0)}
"""Red, green, blue, 0 to 255: the page's bluish green, orange and vermilion of Okabe and Ito, which the colour-blind can tell."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The LEDs of one bay's lamp, by their names in the kernel's LED class.

    Attributes:
        single: one that shows all three states, of one colour or of several; empty if there are three.
        by_lamp: one for each state.
    """

    single: str = ""
    by_lamp: Mapping[Lamp, str] | None = None

    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.single,) if self.single else tuple((self.by_lamp or {}).values())
