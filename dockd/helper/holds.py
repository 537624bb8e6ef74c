"""The holds that the helper itself knows, whatever the daemon says: placed by whoever may ask, lifted by root alone.

What is written here and cannot be understood keeps every camera: a hold that nobody can read is still a hold.
"""

import hashlib
from pathlib import Path

import msgspec

from dockd.core.clearance import Holds
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
            ControlError: it could not be made durable, or too many stand.
        """
        try:
            if len(list(self._kept.all())) >= MOST:
                msg = f"{MOST} holds stand already"
                raise ControlError(msg, hint="Lift those that are no longer needed: dockd release, as root.")
            self._kept.write(_name(hold.scope, hold.subject), msgspec.json.encode(hold))
        except OSError as exc:
            msg = f"the hold could not be written down: {exc.strerror}"
            raise ControlError(msg, hint="Have the dock's disk examined; until then take the camera out of the bay.") from exc

    def lift(self, scope: str, subject: str) -> None:
        """It no longer stands.

        Raises:
            ControlError: it does not stand, or that could not be made durable.
        """
        if all((each.scope, each.subject) != (scope, subject) for each in self.all()):
            msg = f"{scope} {subject} is not on hold"
            raise ControlError(msg, hint="Nothing to do.")
        try:
            self._kept.remove(_name(scope, subject))
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

    def standing(self) -> Holds:
        """The same, as a permit wants it."""
        every = self.all()
        return Holds(
            frozenset(each.subject for each in every if each.scope == "camera"),
            frozenset(each.subject for each in every if each.scope == "recording"),
        )


def _name(scope: str, subject: str) -> str:
    """A file's name for it, whatever it is called."""
    return f"{scope}-{hashlib.sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()}.json"
