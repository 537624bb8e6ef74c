"""Lamps of the kernel's LED class: `/sys/class/leds`, in one colour or several.

The kernel's own triggers do the rhythm: no program wakes up for it, and none that is busy breaks it.

Sources: Documentation/ABI/testing/sysfs-class-led, -led-multicolor, -led-trigger-pattern; Documentation/leds/leds-class.rst.
"""

import os
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
        rhythm = Rhythm.OFF if lamp is None else RHYTHMS[lamp]
        if wiring.single:
            self._set(wiring.single, rhythm, None if lamp is None else COLOURS[lamp])
            return
        for state, name in (wiring.by_lamp or {}).items():
            self._set(name, rhythm if state is lamp else Rhythm.OFF, None)

    def check(self, wiring: Wiring) -> None:
        """See that every LED is there and can do what will be asked of it.

        Raises:
            LampError: one cannot.
        """
        for name in wiring.names():
            offered = self._triggers(name)
            if not {"timer", "pattern"} & offered:
                raise _cannot_blink(name)

    def _set(self, name: str, rhythm: Rhythm, colour: tuple[int, int, int] | None) -> None:
        led = self._folder / name
        try:
            offered = self._triggers(name)
            most = int((led / "max_brightness").read_text("ascii"))
            _write(led / "trigger", "none")
            if colour is not None and (led / "multi_intensity").exists():
                _write(led / "multi_intensity", _intensity(led, colour))
            match rhythm:
                case Rhythm.OFF:
                    _write(led / "brightness", "0")
                case Rhythm.STEADY:
                    _write(led / "brightness", str(most))
                case Rhythm.SWELLING if "pattern" in offered:
                    _write(led / "trigger", "pattern")
                    _write(led / "repeat", "-1")
                    _write(led / "pattern", f"{most // 10} {_SWELL_MS} {most} {_SWELL_MS}")
                case Rhythm.SWELLING:
                    self._time(name, offered, most, _SWELL_MS)
                case Rhythm.BLINKING:
                    self._time(name, offered, most, _BLINK_MS)
        except (OSError, ValueError) as exc:
            msg = f"the lamp {name} cannot be set: {exc}"
            raise LampError(msg) from exc

    def _time(self, name: str, offered: frozenset[str], most: int, each_ms: int) -> None:
        """On and off in turn: by the trigger made for it, or by the pattern trigger with hard edges."""
        led = self._folder / name
        if "timer" in offered:
            _write(led / "brightness", str(most))
            _write(led / "trigger", "timer")
            _write(led / "delay_on", str(each_ms))
            _write(led / "delay_off", str(each_ms))
        elif "pattern" in offered:
            _write(led / "trigger", "pattern")
            _write(led / "repeat", "-1")
            _write(led / "pattern", f"{most} {each_ms} {most} 0 0 {each_ms} 0 0")
        else:
            _write(led / "brightness", str(most))
            raise _cannot_blink(name)

    def _triggers(self, name: str) -> frozenset[str]:
        """What the LED can do by itself; the one in force stands in brackets."""
        try:
            return frozenset((self._folder / name / "trigger").read_text("ascii").replace("[", "").replace("]", "").split())
        except OSError as exc:
            msg = f"there is no lamp {name}: {exc.strerror}"
            raise LampError(msg) from exc


def _intensity(led: Path, colour: tuple[int, int, int]) -> str:
    """The colour in the LED's own order; a colour that it has and we do not name stays dark."""
    wanted = dict(zip(("red", "green", "blue"), colour, strict=True))
    return " ".join(str(wanted.get(each, 0)) for each in (led / "multi_index").read_text("ascii").split())


def _cannot_blink(name: str) -> LampError:
    return LampError(f"the lamp {name} cannot blink by itself", hint="Admins: modprobe ledtrig-timer ledtrig-pattern")


def _write(file: Path, value: str) -> None:
    """One write, as sysfs wants it; a file that is not there is never made."""
    descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
