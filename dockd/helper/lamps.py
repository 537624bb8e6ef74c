"""The lamps of the dock's bays, and what they say when nobody is left who knows: get help."""

from collections.abc import Callable, Mapping
from pathlib import Path

from dockd.core.readiness import Lamp
from dockd.errors import CameraUnknownError, LampError
from dockd.helper.permitted import Permitted
from dockd.logs import logger
from dockd.power.leds import CLASS, Leds

_log = logger(__name__)

OFF = "off"


class Lamps:
    """The lamps that one session shows.

    Args:
        permitted: reads what the site permits.
        leds: the kernel's LED class.
    """

    def __init__(self, permitted: Callable[[], Permitted], leds: Path = CLASS) -> None:
        self._permitted, self._leds = permitted, Leds(leds)
        self._lit: set[str] = set()

    @property
    def lit(self) -> bool:
        """Whether this session has lit any."""
        return bool(self._lit)

    def show(self, lamps: Mapping[str, str]) -> None:
        """Show these states, by bay.

        Raises:
            CameraUnknownError: a bay has no lamp in the site file; nothing was shown.
            LampError: one of the lamps cannot; the others were shown.
        """
        wirings = self._permitted().lamps
        if unknown := sorted(lamps.keys() - wirings.keys()):
            msg = f"bay {unknown[0]} has no lamp in the helper's site file"
            raise CameraUnknownError(msg, hint="Compare the daemon's site file with the helper's, and restart both.")
        failed: LampError | None = None
        for bay, state in lamps.items():
            self._lit = self._lit - {bay} if state == OFF else self._lit | {bay}
            try:
                self._leds.show(wirings[bay], None if state == OFF else Lamp(state))
            except LampError as exc:
                failed = exc
        if failed is not None:
            raise failed

    def abandon(self) -> None:
        """Whoever knew what the lamps should say is gone: every one that is lit asks for help."""
        if not self._lit:
            return
        _log.warning("lamps ask for help", bays=sorted(self._lit), why="the daemon is gone")
        try:
            self.show(dict.fromkeys(self._lit, Lamp.HELP.value))
        except (CameraUnknownError, LampError) as exc:
            _log.error("a lamp may say what is no longer so", why=exc.message)
