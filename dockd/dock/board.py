"""What is going on right now: who is in which bay, how far, and whether the archive answers.

In memory only, derived, never a proof. The dockings and the delivery write it, the status reads it, and whoever waits for
something to change waits for its news.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from dockd.clock import Clock, rfc3339
from dockd.core.battery import UNKNOWN, Appetite, Quality, Reading
from dockd.core.charging import Resting, Why
from dockd.core.checkout import Reserved
from dockd.core.clearance import FileKind
from dockd.core.queue import is_critical
from dockd.core.readiness import BayEvidence, Lamp, Least, Needs, Readiness, readiness, unpowered
from dockd.core.recording import Recording, Refusal, State
from dockd.dock.meter import Meter
from dockd.tasks import first_of

TAKEN_LASTS_S = 12 * 3600.0
"""How long a camera that was taken out too early is remembered for: a shift, after which its officer is back."""
_SAFE_LASTS_S = 600.0
_MOST_TAKEN = 64
_UNCOPIED = frozenset({State.SEEN, State.COPYING})


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
    UNPOWERED = "unpowered"
    FAILED = "failed"


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
        battery: how full the camera's battery is, and how surely that is known.
        charges: the bay is a port, which gives power; a folder's camera has what it came with.
        appetite: what its kind of camera draws.
        hot: its battery is too hot to charge, and its port's power cannot be cut.
        idle: everything is done and nobody has the camera open: its port may be switched off.
        resting: its port is without power; what is in the bay nobody can see.
        free_bytes: room on the camera, None if nobody knows.
        reserved: for whom it was checked out, while it was not taken yet.
        least: what the site asks of a camera besides its recordings.
        present: by recording id, everything on the camera that goes to the archive.
        problems: by path, what will never be read, and why.
        reading: by path, bytes read of a recording that is not copied yet.
        erasing: the camera is being written to.
        hurried: a person said of something on it, since its copying was ordered, that it waits for no other.
    """

    bay: str
    meter: Meter
    phase: Phase = Phase.EMPTY
    docking: str | None = None
    camera: str | None = None
    officer: str | None = None
    battery: Reading = UNKNOWN
    charges: bool = False
    appetite: Appetite = field(default_factory=Appetite)
    hot: bool = False
    idle: bool = False
    resting: Resting | None = None
    free_bytes: int | None = None
    least: Least = field(default_factory=Least)
    reserved: Reserved | None = None
    scanned: bool = False
    present: dict[str, Presence] = field(default_factory=dict)
    problems: dict[bytes, str] = field(default_factory=dict)
    failure: Refusal | None = None
    waiting: Refusal | None = None
    kept: str | None = None
    held: bool = False
    erasing: bool = False
    hurried: bool = False
    current: bytes = b""
    reading: dict[bytes, int] = field(default_factory=dict)

    def clear(self) -> None:
        """The bay is empty."""
        fresh = BayBoard(self.bay, self.meter, least=self.least)
        for name in BayBoard.__slots__:
            setattr(self, name, getattr(fresh, name))

    def rest(self) -> None:
        """The camera left because its port has no power: nothing is known of it any more but what it was."""
        resting = self.resting
        self.clear()
        self.resting, self.phase = resting, Phase.UNPOWERED

    @property
    def shown_camera(self) -> str | None:
        """Whose the bay is: the camera that is docked, or rests in it without power."""
        return self.camera or (self.resting.camera if self.resting is not None else None)

    @property
    def shown_officer(self) -> str | None:
        """As `shown_camera`."""
        if self.reserved is not None:
            return self.reserved.officer
        return self.officer or (self.resting.officer if self.resting is not None else None)

    @property
    def shown_battery(self) -> Reading:
        """As `shown_camera`; of a camera without power it is as old as its time says."""
        return self.battery if self.resting is None else self.resting.battery

    @property
    def battery_percent(self) -> int | None:
        """What was reported, by the camera or by the kernel; None for an estimate."""
        battery = self.shown_battery
        return battery.percent if battery.quality is Quality.REPORTED else None

    def lamp(self, needs: Needs) -> Readiness | None:
        """What the lamp shows, None over an empty bay."""
        if self.phase is Phase.EMPTY:
            return None
        if self.resting is not None:
            return unpowered(self.resting.battery.percent, hot=self.resting.why is Why.HOT)
        states = tuple(_shown_state(each) for each in self.present.values())
        failure = self.failure
        if failure is None and self.problems and not _UNCOPIED & set(states):
            count, (path, reason) = len(self.problems), next(iter(self.problems.items()))
            one = "One file on the camera" if path else "Something on the camera"
            what = one if count == 1 else f"{count} files on the camera"
            failure = Refusal("not-a-recording", f"{what} cannot be taken: {reason}.", "Call your admin.")
        light = readiness(
            BayEvidence(
                camera=self.camera,
                scanned=self.scanned,
                states=states,
                failure=failure,
                waiting=self.waiting,
                held=self.held,
                kept=self.kept,
                erasing=self.erasing,
                percent=self.battery.percent if self.charges else None,
                charges_min=self.charges_min(),
                free_bytes=self.free_bytes,
                hot=self.hot,
                assigned=self.officer is not None or self.reserved is not None,
            ),
            needs,
            self.least,
        )
        return light if self.reserved is None else self.reserved.over(light)

    def charges_min(self) -> float | None:
        """Minutes until the camera has the charge that the site asks for, None if nobody knows."""
        curve, percent, wanted = self.appetite.curve, self.battery.percent, self.least.percent
        return None if curve is None or percent is None or wanted is None else curve.minutes_between(percent, wanted)


@dataclass(frozen=True, slots=True)
class Taken:
    """A camera that was taken out before its lamp said so, and what was on it then.

    Attributes:
        bay: out of which.
        when: in wall time, to be read.
        looked_through: whether the dock had seen everything on it.
        uncopied_files: of them the camera holds the only copy.
        uncopied_bytes: their size.
        refused_files: those that could not be taken and need a person.
        from_s: from when on, by the monotonic clock, it is shown.
    """

    camera: str
    officer: str | None
    bay: str
    when: datetime
    looked_through: bool
    uncopied_files: int
    uncopied_bytes: int
    refused_files: int
    from_s: float

    @property
    def lasts_s(self) -> float:
        """How long it is shown, if the camera does not come back: a shift, or minutes where nothing depends on it."""
        return TAKEN_LASTS_S if self.uncopied_files or self.refused_files or not self.looked_through else _SAFE_LASTS_S


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
        rehearsed: what lamps over empty bays show while they are tested.
    """

    def __init__(
        self,
        clock: Clock,
        bays: tuple[str, ...],
        configuration: Configuration | None = None,
        needs: Needs = Needs.ARCHIVED,
        least: Least | None = None,
    ) -> None:
        self.configuration = configuration or Configuration()
        self.bays = {bay: BayBoard(bay, Meter(clock), least=least or Least()) for bay in bays}
        self.needs = needs
        self.archive = ArchiveLink()
        self.log = LogLink()
        self.sent = Meter(clock)
        self.change = 0
        self.rehearsed: Lamp | None = None
        self._clock = clock
        self._changed = asyncio.Event()
        self._taken: dict[str, Taken] = {}

    def tell(self) -> None:
        """Wake everyone who waits for news."""
        self.change += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def news(self, since: int | None = None) -> None:
        """Wait until something changes after this call, or after `change` was `since`."""
        if since is None or since == self.change:
            await self._changed.wait()

    async def news_by(self, since: int, at_s: float | None) -> None:
        """As `news`, but no longer than to a moment of the monotonic clock; None for as long as it takes."""
        if at_s is None:
            await self.news(since)
        else:
            await first_of(self.news(since), self._clock.sleep(max(0.0, at_s - self._clock.monotonic())))

    def left(self, bay: BayBoard) -> None:
        """The camera left that bay, which is still as it was then: remember what was on it, unless it might be taken."""
        lamp = bay.lamp(self.needs)
        if bay.camera is None or lamp is None or lamp.lamp is Lamp.TAKE:
            return
        recordings = [each.recording for each in bay.present.values()]
        uncopied = [each.size_bytes for each in recordings if each.state in _UNCOPIED]
        refused = sum(each.state is State.REFUSED for each in recordings)
        now, now_s = self._clock.now(), self._clock.monotonic()
        self.remember(
            Taken(bay.camera, bay.officer, bay.bay, now, bay.scanned, len(uncopied), sum(uncopied), refused, from_s=now_s)
        )

    def remember(self, taken: Taken) -> None:
        """Show it until the camera comes back, or its time is over."""
        self._taken.pop(taken.camera, None)
        self._taken[taken.camera] = taken
        while len(self._taken) > _MOST_TAKEN:  # a camera may call itself by a new name each time
            del self._taken[next(iter(self._taken))]
        self.tell()

    def came(self, camera: str) -> None:
        """It is docked again."""
        if self._taken.pop(camera, None) is not None:
            self.tell()

    def taken(self) -> list[Taken]:
        """Every camera that was taken out too early and has not come back, the latest first."""
        now_s = self._clock.monotonic()
        self._taken = {name: each for name, each in self._taken.items() if now_s - each.from_s < each.lasts_s}
        return [each for each in reversed(self._taken.values()) if each.from_s <= now_s]

    def stepped(self, recording: Recording) -> None:
        """Show a recording's new state in whichever bay its camera is."""
        for bay in self.bays.values():
            presence = bay.present.get(recording.recording_id)
            if presence is not None:
                if recording.state is State.ERASED is not presence.recording.state and bay.free_bytes is not None:
                    bay.free_bytes += recording.size_bytes  # as it was when the camera was scanned, and what was erased since
                presence.recording = recording
        self.tell()

    def marked(self, recordings: Iterable[Recording]) -> None:
        """A person said more of these; how far each has come is left as it is shown."""
        said = {each.recording_id: each for each in recordings}
        for bay in self.bays.values():
            for id_ in bay.present.keys() & said.keys():
                now, presence = said[id_], bay.present[id_]
                presence.recording = replace(
                    presence.recording, category=now.category, priority=now.priority, first_amendment=now.first_amendment
                )
                bay.hurried |= is_critical(now)
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
