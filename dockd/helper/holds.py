"""The holds that the helper itself knows, whatever the daemon says: placed by whoever may ask, lifted by root alone.

What is written here and cannot be understood keeps every camera: a hold that nobody can read is still a hold.
"""

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec

from dockd.core.holds import Holds, checked
from dockd.errors import ClearanceRefusedError, ControlError
from dockd.helper.kept import Kept
from dockd.helper.wire import Held

MOST = 10_000
"""More than any dock has recordings on hold; a client that places more is not the daemon."""


class HoldBook:
    """All holds that stand here."""

    def __init__(self, state: Path) -> None:
        self._kept = Kept(state / "holds")

    def place(self, hold: Held) -> None:
        """From now on nothing of it is erased.

        Raises:
            ControlError: it means nothing, could not be made durable, or too many stand.
        """
        try:
            checked(hold.scope, hold.subject)
        except ValueError as exc:
            msg = f"a hold that keeps nothing: {exc}"
            raise ControlError(msg, hint="Name a camera, a recording, an officer or a span of time.") from exc
        try:
            if len(list(self._kept.all())) >= MOST:
                msg = f"{MOST} holds stand already"
                raise ControlError(msg, hint="Lift those that are no longer needed: dockd release, as root.")
            self._kept.write(_name(hold.scope, hold.subject, hold.case), msgspec.json.encode(hold))
        except OSError as exc:
            msg = f"the hold could not be written down: {exc.strerror}"
            raise ControlError(msg, hint="Have the dock's disk examined; until then take the camera out of the bay.") from exc

    def lift(self, scope: str, subject: str, case: str = "") -> None:
        """It no longer stands.

        Raises:
            ControlError: it does not stand, or that could not be made durable.
        """
        if all((each.scope, each.subject, each.case) != (scope, subject, case) for each in self.all()):
            msg = f"{scope} {subject} is not on hold" + (f" in case {case}" if case else "")
            raise ControlError(msg, hint="Nothing to do.")
        try:
            self._kept.remove(_name(scope, subject, case))
        except OSError as exc:
            msg = f"the hold could not be lifted: {exc.strerror}"
            raise ControlError(msg, hint="Have the dock's disk examined.") from exc

    def all(self) -> list[Held]:
        """Every hold that stands.

        Raises:
            ClearanceRefusedError: what is written down cannot be read.
        """
        try:
            return [msgspec.json.decode(content, type=Held) for _, content in self._kept.all()]
        except (OSError, msgspec.MsgspecError) as exc:
            msg = f"the helper cannot read its own holds, so nothing is erased: {exc}"
            raise ClearanceRefusedError(msg, hint="Call your admin: the dock's disk may be damaged.") from exc

    def standing(self, now: datetime) -> Holds:
        """What they keep at `now`, as a permit wants it; raises as `all`, and for one that is not understood."""
        try:
            return Holds.of([(each.scope, each.subject) for each in self.all()], now)
        except ValueError as exc:
            msg = f"the helper does not understand one of its own holds, so nothing is erased: {exc}"
            raise ClearanceRefusedError(msg, hint="Call your admin: a newer version may have written it.") from exc


def _name(scope: str, subject: str, case: str) -> str:
    """A file's name for it, whatever it is called."""
    known_by = f"{subject}\0{case}" if case else subject
    return f"{scope}-{hashlib.sha256(known_by.encode('utf-8', 'surrogatepass')).hexdigest()}.json"
