"""The lamps of the dock's bays, and what they say when nobody is left who knows: get help.

Whose connection ends, however it ends, leaves the lamps that it lit asking for help. If this program itself dies first, systemd
lets them (packaging/systemd/leds-ask-for-help), from the notes: for each bay whose lamp is lit, what to write, and where.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from dockd.core.lamp import Wiring
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
        notes: a folder that is this helper's own; made when it is needed.
        leds: the kernel's LED class.
    """

    def __init__(self, permitted: Callable[[], Permitted], notes: Path, leds: Path = CLASS) -> None:
        self._permitted, self._notes, self._leds = permitted, notes, Leds(leds)
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
            try:
                if state != OFF:
                    self._lit.add(bay)
                    self._note(bay, wirings[bay], lit=True)
                self._leds.show(wirings[bay], None if state == OFF else Lamp(state))
                if state == OFF:  # only now: one that could not be darkened may say what is no longer so
                    self._note(bay, wirings[bay], lit=False)
                    self._lit.discard(bay)
            except LampError as exc:
                failed = exc
        if failed is not None:
            raise failed

    def _note(self, bay: str, wiring: Wiring, *, lit: bool) -> None:
        note = self._notes / bay
        try:
            if not lit:
                note.unlink(missing_ok=True)
                return
            self._notes.mkdir(mode=0o700, parents=True, exist_ok=True)
            unseen = note.with_name(f".{bay}")
            unseen.write_text("".join(f"{value}|{file}\n" for file, value in self._leds.steps(wiring, Lamp.HELP)), "utf-8")
            unseen.rename(note)
        except OSError as exc:
            _log.error("a lamp may stay as it is if the helper dies", bay=bay, why=str(exc))

    def abandon(self) -> None:
        """Whoever knew what the lamps should say is gone: every one that is lit asks for help."""
        if not self._lit:
            return
        _log.warning("lamps ask for help", bays=sorted(self._lit), why="the daemon is gone")
        try:
            self.show(dict.fromkeys(sorted(self._lit), Lamp.HELP.value))
        except (CameraUnknownError, LampError) as exc:
            _log.error("a lamp may say what is no longer so", why=exc.message)
