"""What people send to place and lift holds."""

from datetime import datetime
from typing import Annotated

import msgspec

from dockd.clock import rfc3339
from dockd.core.holds import Scope, checked
from dockd.errors import ControlError

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    camera: _Name | msgspec.UnsetType = msgspec.UNSET
    recording: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")] | msgspec.UnsetType = msgspec.UNSET
    officer: _Name | msgspec.UnsetType = msgspec.UNSET
    since: _Time | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="from")
    until: _Time | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="to")
    case: _Name | msgspec.UnsetType = msgspec.UNSET

    def subjects(self) -> list[tuple[str, str]]:
        """Scope and subject of what it names, as `core.holds` writes them.

        Raises:
            ControlError: it could keep nothing.
        """
        single = {Scope.CAMERA: self.camera, Scope.RECORDING: self.recording, Scope.OFFICER: self.officer}
        named = [(scope.value, subject) for scope, subject in single.items() if subject is not msgspec.UNSET]
        try:
            if self.since is not msgspec.UNSET or self.until is not msgspec.UNSET:
                named.append((Scope.TIME.value, f"{_end(self.since)}/{_end(self.until)}"))
            for scope, subject in named:
                checked(scope, subject)
        except (ValueError, OverflowError) as exc:
            raise ControlError(str(exc), hint="Name a camera, a recording, an officer or a span of time.") from exc
        return named

    def _count(self) -> int:
        spans = any(each is not msgspec.UNSET for each in (self.since, self.until))
        return sum(each is not msgspec.UNSET for each in (self.camera, self.recording, self.officer)) + spans


class HoldOrder(_Order, frozen=True, forbid_unknown_fields=True):
    """Place a hold on exactly one of camera, recording, officer and a span of time.

    Attributes:
        reason: why, for the custody log.
        camera: serial.
        recording: id.
        officer: a name, as cameras or the roster have it.
        from: beginning of a span, RFC 3339; without it the span has none.
        to: end of a span, RFC 3339; without it the span has none.
        case: the name under which it is placed; lifted with all others of that name, and by nothing else.
    """

    def __post_init__(self) -> None:
        if self._count() != 1:
            msg = "expected one of camera, recording, officer, and a span of time"
            raise ValueError(msg)


class ReleaseOrder(_Order, frozen=True, forbid_unknown_fields=True):
    """Lift one hold, named as it was placed; or all that were placed under the name of a case.

    Attributes:
        reason: why, for the custody log.
        camera: serial.
        recording: id.
        officer: a name.
        from: beginning of a span, RFC 3339.
        to: end of a span, RFC 3339.
        case: the name under which it was placed; with nothing else, all that were placed under it.
    """

    def __post_init__(self) -> None:
        if self._count() > 1 or not (self._count() or self.case):
            msg = "expected one of camera, recording, officer, and a span of time, or a case"
            raise ValueError(msg)


def _end(time: datetime | msgspec.UnsetType) -> str:
    return ".." if time is msgspec.UNSET else rfc3339(time)
