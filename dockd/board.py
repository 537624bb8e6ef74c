"""What is going on right now: who is in which bay, how far, and whether the archive answers.

In memory only, derived, never a proof. The dockings and the delivery write it, the status reads it, and whoever waits for
something to change waits for its news.
"""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from dockd.clock import Clock, rfc3339
from dockd.core.clearance import FileKind
from dockd.core.readiness import BayEvidence, Needs, Readiness, readiness
from dockd.core.recording import Recording, Refusal, State

_RATE_WINDOW_S = 5.0


class Phase(StrEnum):
    """What a bay is doing."""

    EMPTY = "empty"
    IDENTIFYING = "identifying"
    SCANNING = "scanning"
    RECOGNISING = "recognising"
    COPYING = "copying"
    WAITING = "waiting for the archive"
    CLEARING = "clearing"
    RESTING = "resting"
    FAILED = "failed"


class Meter:
    """Bytes per second over the last few seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: list[tuple[float, int]] = []

    def add(self, count: int) -> None:
        """`count` more bytes, now."""
        now = self._clock.monotonic()
        if self._marks and now - self._marks[-1][0] < _RATE_WINDOW_S / 50:
            self._marks[-1] = (self._marks[-1][0], self._marks[-1][1] + count)
        else:
            self._marks.append((now, count))
        self._forget(now)

    def rate_bytes_s(self) -> float:
        """The present rate, 0 when nothing moved."""
        now = self._clock.monotonic()
        self._forget(now)
        if not self._marks:
            return 0.0
        return sum(count for _, count in self._marks) / max(now - self._marks[0][0], 0.5)

    def _forget(self, now: float) -> None:
        while self._marks and now - self._marks[0][0] > _RATE_WINDOW_S:
            del self._marks[0]


@dataclass(slots=True)
class Presence:
    """One file that this docking's scan found, and the recording that it is."""

    recording: Recording
    kind: FileKind


def _shown_state(presence: Presence) -> State:
    """A file that the profile does not know stays on the camera by design, so archived is as far as it goes."""
    state = presence.recording.state
    return State.ERASED if presence.kind is FileKind.UNKNOWN and state is State.ARCHIVED else state


@dataclass(slots=True)
class BayBoard:
    """One bay.

    Attributes:
        present: by recording id, everything on the camera that goes to the archive.
        problems: by path, what will never be read, and why.
        reading: by path, bytes read of a recording that is not copied yet.
        erasing: the camera is being written to.
    """

    bay: str
    meter: Meter
    phase: Phase = Phase.EMPTY
    docking: str | None = None
    camera: str | None = None
    officer: str | None = None
    battery_percent: int | None = None
    scanned: bool = False
    present: dict[str, Presence] = field(default_factory=dict)
    problems: dict[bytes, str] = field(default_factory=dict)
    failure: Refusal | None = None
    waiting: Refusal | None = None
    kept: str | None = None
    held: bool = False
    erasing: bool = False
    current: bytes = b""
    reading: dict[bytes, int] = field(default_factory=dict)

    def clear(self) -> None:
        """The bay is empty."""
        fresh = BayBoard(self.bay, self.meter)
        for name in BayBoard.__slots__:
            setattr(self, name, getattr(fresh, name))

    def lamp(self, needs: Needs) -> Readiness | None:
        """What the lamp shows, None over an empty bay."""
        if self.phase is Phase.EMPTY:
            return None
        states = tuple(_shown_state(each) for each in self.present.values())
        failure = self.failure
        if failure is None and self.problems and not {State.SEEN, State.COPYING} & set(states):
            count, reason = len(self.problems), next(iter(self.problems.values()))
            what = "One file on the camera" if count == 1 else f"{count} files on the camera"
            failure = Refusal("not-a-recording", f"{what} cannot be taken: {reason}.", "Call your admin.")
        return readiness(
            BayEvidence(
                camera=self.camera,
                scanned=self.scanned,
                states=states,
                failure=failure,
                waiting=self.waiting,
                held=self.held,
                kept=self.kept,
                erasing=self.erasing,
            ),
            needs,
        )


@dataclass(frozen=True, slots=True)
class ArchiveLink:
    """Whether the archive answers, None before it was first asked; `message` says why not, `since` when that began."""

    reachable: bool | None = None
    message: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """By what the dock runs.

    Attributes:
        accepted_by, accepted_at: whose acceptance stands, and since when.
        pending: what in the site file is not in force, because it weakens evidence and no admin has accepted it.
        accept_with: the command that accepts it.
        error: why the site file as it lies there now cannot be used; the last good one is in force then.
        restart_for: keys that changed in the site file and are in force only after a restart.
        spool_encrypted: everything in the spool reaches its disk through dm-crypt.
    """

    accepted_by: str = ""
    accepted_at: str = ""
    pending: tuple[str, ...] = ()
    accept_with: str = ""
    error: str = ""
    restart_for: tuple[str, ...] = ()
    spool_encrypted: bool = False


@dataclass(frozen=True, slots=True)
class LogLink:
    """How far the archive witnessed the custody log, and why not further.

    Attributes:
        size: entries in the last checkpoint that it cosigned, 0 before the first.
        time: when it did, RFC 3339 by its own clock, empty before the first.
        alarm: why it refuses this log, as one sentence; empty if it does not.
    """

    size: int = 0
    time: str = ""
    alarm: str = ""


class Board:
    """All bays and the archive link of one dock, and by what it runs.

    Attributes:
        change: counts the news; a reader that has seen this number has missed nothing.
    """

    def __init__(self, clock: Clock, bays: tuple[str, ...], configuration: Configuration | None = None) -> None:
        self.configuration = configuration or Configuration()
        self.bays = {bay: BayBoard(bay, Meter(clock)) for bay in bays}
        self.archive = ArchiveLink()
        self.log = LogLink()
        self.sent = Meter(clock)
        self.change = 0
        self._clock = clock
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Wake everyone who waits for news."""
        self.change += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def news(self) -> None:
        """Wait until something changes after this call."""
        await self._changed.wait()

    def stepped(self, recording: Recording) -> None:
        """Show a recording's new state in whichever bay its camera is."""
        for bay in self.bays.values():
            presence = bay.present.get(recording.recording_id)
            if presence is not None:
                presence.recording = recording
        self.tell()

    def archive_answers(self) -> None:
        """The archive took bytes or answered."""
        if self.archive.reachable is not True:
            self.archive = ArchiveLink(reachable=True, since=rfc3339(self._clock.now()))
            self.tell()

    def archive_failed(self, message: str) -> None:
        """The archive did not answer, or not as it should; the first reason stays until it answers."""
        if self.archive.reachable is not False:
            self.archive = ArchiveLink(reachable=False, message=message, since=rfc3339(self._clock.now()))
            self.tell()
