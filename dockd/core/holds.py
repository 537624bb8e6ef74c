"""Orders that nothing may be erased, and what each of them keeps.

An order names a camera, a recording, an officer, or a span of time. What cannot be known is decided for keeping:

- an officer's are the cameras that name that person, or that the roster assigns to that person, and every recording that came
  from a camera while it named that person; names are compared without case, spaces and the like;
- a recording is of a span of time if it could have been made in it: no later than now, and no earlier than a day before the
  camera closed its file, for that is longer than any camera records. A camera's clock that is ahead of the dock's says nothing
  about how early a recording was made.

A case is no scope of its own, since no camera knows of cases: it is the name under which orders are placed, and lifted together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from dockd.core.names import plain

_LONGEST_NS = 24 * 3600 * 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN = ".."


class Scope(StrEnum):
    """What an order names."""

    CAMERA = "camera"
    RECORDING = "recording"
    OFFICER = "officer"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` to `until`, nanoseconds since 1970; None for one that is open on that side."""

    since: int | None
    until: int | None

    @classmethod
    def read(cls, text: str) -> Self:
        """A span in the form of ISO 8601: two times in UTC with a slash between, `..` for an open end.

        Raises:
            ValueError: it is none, is open on both sides, or ends before it begins.
        """
        parts = text.split("/")
        if len(parts) != 2:  # noqa: PLR2004 - a beginning and an end
            msg = f"{text!r} is no span of time"
            raise ValueError(msg)
        since, until = (None if part == _OPEN else _nanoseconds(part) for part in parts)
        if since is None and until is None:
            msg = "a span of time needs a beginning or an end"
            raise ValueError(msg)
        if since is not None and until is not None and until < since:
            msg = "the span of time ends before it begins"
            raise ValueError(msg)
        return cls(since, until)

    def may_hold(self, modified_ns: int, latest: int) -> bool:
        """Whether a recording that a camera closed at `modified_ns` by its own clock, and certainly by `latest`, may be of it."""
        if self.since is not None and self.since > latest:
            return False
        return self.until is None or modified_ns > latest or modified_ns - _LONGEST_NS <= self.until


@dataclass(frozen=True, slots=True)
class Holds:
    """All orders in force at one instant.

    Attributes:
        cameras: serials.
        recordings: ids.
        officers: as `plain` makes them.
        spans: of time.
        as_of_ns: that instant by the dock's clock; None where nobody knows it, so that any recording may be of any span.
    """

    cameras: frozenset[str] = frozenset()
    recordings: frozenset[str] = frozenset()
    officers: frozenset[str] = frozenset()
    spans: tuple[Span, ...] = ()
    as_of_ns: int | None = None

    @classmethod
    def of(cls, orders: Iterable[tuple[str, str]], now: datetime | None = None) -> Self:
        """What these orders, each a scope and a subject, keep at `now`.

        Raises:
            ValueError: one of them is not understood.
        """
        named: dict[Scope, set[str]] = {scope: set() for scope in Scope}
        for scope, subject in orders:
            named[Scope(scope)].add(subject)
        return cls(
            frozenset(named[Scope.CAMERA]),
            frozenset(named[Scope.RECORDING]),
            frozenset(plain(each) for each in named[Scope.OFFICER]),
            tuple(Span.read(each) for each in sorted(named[Scope.TIME])),
            None if now is None else nanoseconds(now),
        )

    def on_camera(self, serial: str, officers: Iterable[str | None] = ()) -> str:
        """Why nothing of this camera may be erased, which is that of `officers`; empty if no order says so."""
        if serial in self.cameras:
            return f"camera {serial} is on hold"
        held = next((each for each in officers if each and plain(each) in self.officers), None)
        return f"camera {serial} is on hold as {held}'s" if held else ""

    def on_recording(self, recording_id: str, modified_ns: int) -> str:
        """Why this recording may not be erased; empty if no order says so."""
        if recording_id in self.recordings:
            return "on hold"
        if any(self.as_of_ns is None or span.may_hold(modified_ns, self.as_of_ns) for span in self.spans):
            return "on hold: it may have been made in a span of time that is"
        return ""


def checked(scope: str, subject: str) -> None:
    """See that an order can be understood.

    Raises:
        ValueError: it keeps nothing that anybody could name.
    """
    if Scope(scope) is Scope.OFFICER and not plain(subject):
        msg = "an officer's name needs a letter or a digit"
        raise ValueError(msg)
    if scope == Scope.TIME:
        Span.read(subject)


def nanoseconds(time: datetime) -> int:
    """Since 1970, exactly."""
    passed = time - _EPOCH
    return ((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds) * 1000


def _nanoseconds(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        msg = f"{text!r} does not say of which time zone it is"
        raise ValueError(msg)
    return nanoseconds(time)
