"""Lamps of the kernel's LED class: `/sys/class/leds`, in one colour or several.

The kernel's own triggers do the rhythm: no program wakes up for it, and none that is busy breaks it.

Sources: Documentation/ABI/testing/sysfs-class-led, -led-multicolor, -led-trigger-pattern; Documentation/leds/leds-class.rst.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from dockd.core.lamp import COLOURS, RHYTHMS, Rhythm, Wiring
from dockd.core.readiness import Lamp
from dockd.errors import LampError

CLASS = Path("/sys/class/leds")

_SWELL_MS = 900
_BLINK_MS = 150


class Leds:
    """Shows lamps.

    Args:
        folder: the LED class.
    """

    def __init__(self, folder: Path = CLASS) -> None:
        self._folder = folder

    def show(self, wiring: Wiring, lamp: Lamp | None) -> None:
        """Show a state, None for nothing.

        Raises:
            LampError: an LED is not there, or cannot do its rhythm by itself.
        """
        for name, rhythm, colour in _wanted(wiring, lamp):
            self._set(name, rhythm, colour)

    def check(self, wiring: Wiring) -> None:
        """See that every LED is there and can do what will be asked of it.

        Raises:
            LampError: one cannot.
        """
        for name in wiring.names():
            offered = self._triggers(name)
            if not {"timer", "pattern"} & offered:
                raise _cannot_blink(name)

    def steps(self, wiring: Wiring, lamp: Lamp | None) -> list[tuple[Path, str]]:
        """What `show` would write, and where, in this order: for whoever may have to do it without this program.

        Raises:
            LampError: an LED is not there, or says nothing sensible.
        """
        return [step for name, rhythm, colour in _wanted(wiring, lamp) for step in self._steps(name, rhythm, colour)]

    def _set(self, name: str, rhythm: Rhythm, colour: tuple[int, int, int] | None) -> None:
        try:
            for file, value in self._steps(name, rhythm, colour):
                _write(file, value)
        except OSError as exc:
            raise _cannot_be_set(name, exc) from exc
        if rhythm in {Rhythm.SWELLING, Rhythm.BLINKING} and not {"timer", "pattern"} & self._triggers(name):
            raise _cannot_blink(name)  # it is lit

    def _steps(self, name: str, rhythm: Rhythm, colour: tuple[int, int, int] | None) -> list[tuple[Path, str]]:
        led, offered = self._folder / name, self._triggers(name)
        try:
            most = int((led / "max_brightness").read_text("ascii"))
            begin = [("trigger", "none")]
            if colour is not None and (led / "multi_intensity").exists():
                begin.append(("multi_intensity", _intensity(led, colour)))
        except (OSError, ValueError) as exc:
            raise _cannot_be_set(name, exc) from exc
        return [(led / file, value) for file, value in (*begin, *_rhythm(rhythm, offered, most))]

    def _triggers(self, name: str) -> frozenset[str]:
        """What the LED can do by itself; the one in force stands in brackets."""
        try:
            return frozenset((self._folder / name / "trigger").read_text("ascii").replace("[", "").replace("]", "").split())
        except OSError as exc:
            msg = f"there is no lamp {name}: {exc.strerror}"
            raise LampError(msg) from exc


def _wanted(wiring: Wiring, lamp: Lamp | None) -> Iterator[tuple[str, Rhythm, tuple[int, int, int] | None]]:
    """Each LED of a lamp, with its rhythm and, where one LED says everything, its colour."""
    rhythm = Rhythm.OFF if lamp is None else RHYTHMS[lamp]
    if wiring.single:
        yield wiring.single, rhythm, None if lamp is None else COLOURS[lamp]
        return
    for state, name in (wiring.by_lamp or {}).items():
        yield name, rhythm if state is lamp else Rhythm.OFF, None


def _rhythm(rhythm: Rhythm, offered: frozenset[str], most: int) -> list[tuple[str, str]]:
    """What makes an LED do it by itself; one that cannot is lit."""
    match rhythm:
        case Rhythm.OFF:
            return [("brightness", "0")]
        case Rhythm.STEADY:
            return [("brightness", str(most))]
        case Rhythm.SWELLING if "pattern" in offered:
            return [("trigger", "pattern"), ("repeat", "-1"), ("pattern", f"{most // 10} {_SWELL_MS} {most} {_SWELL_MS}")]
        case Rhythm.SWELLING:
            return _on_and_off(offered, most, _SWELL_MS)
        case Rhythm.BLINKING:
            return _on_and_off(offered, most, _BLINK_MS)


def _on_and_off(offered: frozenset[str], most: int, each_ms: int) -> list[tuple[str, str]]:
    """In turn: by the trigger made for it, or by the pattern trigger with hard edges."""
    if "timer" in offered:
        return [("brightness", str(most)), ("trigger", "timer"), ("delay_on", str(each_ms)), ("delay_off", str(each_ms))]
    if "pattern" in offered:
        return [("trigger", "pattern"), ("repeat", "-1"), ("pattern", f"{most} {each_ms} {most} 0 0 {each_ms} 0 0")]
    return [("brightness", str(most))]


def _intensity(led: Path, colour: tuple[int, int, int]) -> str:
    """The colour in the LED's own order; a colour that it has and we do not name stays dark."""
    wanted = dict(zip(("red", "green", "blue"), colour, strict=True))
    return " ".join(str(wanted.get(each, 0)) for each in (led / "multi_index").read_text("ascii").split())


def _cannot_be_set(name: str, why: Exception) -> LampError:
    return LampError(f"the lamp {name} cannot be set: {why}")


def _cannot_blink(name: str) -> LampError:
    return LampError(f"the lamp {name} cannot blink by itself", hint="Admins: modprobe ledtrig-timer ledtrig-pattern")


def _write(file: Path, value: str) -> None:
    """One write, as sysfs wants it; a file that is not there is never made."""
    descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
