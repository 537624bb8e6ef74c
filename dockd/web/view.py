"""The status document: what the dock says of itself, as `dockd status --json` prints it.

Field names are a published interface, described one by one in docs/status.md; units are in the names. Fields are added, never
renamed, so readers skip what they do not know; what people send is checked to the letter. Bytes and counts are whole numbers,
times are RFC 3339 in UTC, names of files are `core.names.shown`.
"""

from typing import Annotated

import msgspec

from dockd.core.battery import Quality
from dockd.core.names import shown
from dockd.core.queue import is_critical
from dockd.core.readiness import Lamp
from dockd.core.recording import Recording, State

LAMPS = {
    Lamp.TAKE: ("\N{BLACK CIRCLE}", "#009E73"),
    Lamp.LEAVE: ("\N{BLACK UP-POINTING TRIANGLE}", "#E69F00"),
    Lamp.HELP: ("\N{BLACK SQUARE}", "#D55E00"),
}
"""A lamp's shape and colour on every screen: Okabe and Ito's palette, which the colour-blind tell apart; the shape and the word
beside it say the same again."""


class Problem(msgspec.Struct, frozen=True):
    """One file that needs a person.

    Attributes:
        path: its name on the camera.
        reason: why, as one sentence.
    """

    path: str
    reason: str


class BatteryView(msgspec.Struct, frozen=True):
    """How full a camera's battery is, and how surely that is known.

    Attributes:
        quality: reported by the camera or the kernel, estimated from the time under power and the profile's curve, or unknown.
        percent: 0 to 100, null if unknown.
        source: who says so, or from what it is estimated.
        time: when that was, null if unknown.
        celsius: its temperature, null where none is reported.
    """

    quality: Quality = Quality.UNKNOWN
    percent: int | None = None
    source: str = ""
    time: str | None = None
    celsius: float | None = None


class BayView(msgspec.Struct, frozen=True):
    """One bay.

    Attributes:
        bay: its id in the site file.
        camera: serial of the camera in it, null if none was identified.
        officer: whom the camera names, else to whom the site file assigns it, null if neither.
        battery_percent: as the camera reported it, null if it did not.
        lamp: what the light says, null for an empty bay.
        reason: why the light says so, as one sentence.
        next_step: what a person should do now.
        phase: what the dock is doing with it, one word.
        files_total: recordings and sidecars found on the camera in this docking.
        files_copied: of these, those whose copy is verified, or that needed no copy.
        files_archived: of these, those that the archive proved.
        files_erased: of these, those that were erased from the camera.
        bytes_total: size of all that is to be copied in this docking.
        bytes_done: of these, copied.
        rate_bytes_s: of copying now.
        remaining_s: until everything is copied, null if not known.
        current: the file that is being copied, null if none.
        problems: files that need a person.
        battery: the charge with its source, time and quality; an estimate where nothing is reported.
        ready_in_s: until it may be taken, or can be cleared where cameras are cleared first, null if not known.
    """

    bay: str
    camera: str | None = None
    officer: str | None = None
    battery_percent: int | None = None
    lamp: Lamp | None = None
    reason: str = ""
    next_step: str = ""
    phase: str = "empty"
    files_total: int = 0
    files_copied: int = 0
    files_archived: int = 0
    files_erased: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    rate_bytes_s: int = 0
    remaining_s: int | None = None
    current: str | None = None
    problems: tuple[Problem, ...] = ()
    battery: BatteryView = BatteryView()
    ready_in_s: int | None = None


class ArchiveView(msgspec.Struct, frozen=True):
    """The way to the archive.

    Attributes:
        reachable: whether the last attempt got an answer.
        message: why not, as one sentence; empty if reachable.
        since: when that began, null before the first attempt.
    """

    reachable: bool
    message: str = ""
    since: str | None = None


class CustodyView(msgspec.Struct, frozen=True):
    """The custody log.

    Attributes:
        witnessed: entries in the last checkpoint that the archive cosigned, 0 before the first.
        since: when it did, null before the first of this start.
        alarm: why the archive refuses this log, as one sentence; empty if it does not.
    """

    witnessed: int = 0
    since: str | None = None
    alarm: str = ""


class SpoolView(msgspec.Struct, frozen=True):
    """The dock's own store.

    Attributes:
        free_bytes: room on its disk.
        used_bytes: what the recordings in it occupy.
        reserved_bytes: room promised to copies that are under way.
        encrypted: whether everything in it reaches its disk through dm-crypt.
        sealed: whether its file system seals verified recordings (fs-verity), so that nobody can write to them.
    """

    free_bytes: int
    used_bytes: int
    reserved_bytes: int
    encrypted: bool = False
    sealed: bool = False


class QueueView(msgspec.Struct, frozen=True):
    """What waits for the archive.

    Attributes:
        files: recordings and sidecars that are verified and not yet proved.
        bytes: their size together.
        rate_bytes_s: of uploading now.
        drain_s: until the queue is empty at that rate, null if not known.
        critical: files of a critical incident that the archive does not have, also those that are not copied yet; they go first.
        critical_by: when the archive should have the first of those, null if there are none or the site file sets no time.
    """

    files: int
    bytes: int
    rate_bytes_s: int
    drain_s: int | None = None
    critical: int = 0
    critical_by: str | None = None


class RecordingCounts(msgspec.Struct, frozen=True):
    """Every recording and sidecar in the journal, by state.

    Attributes:
        seen: found on a camera, not yet copied.
        copying: being copied, or a copy was interrupted.
        verified: in the spool, proved to be what the camera held.
        uploading: on the way to the archive.
        archived: the archive proved that it holds it.
        erased: archived, and erased from its camera.
        refused: needs a person.
    """

    seen: int = 0
    copying: int = 0
    verified: int = 0
    uploading: int = 0
    archived: int = 0
    erased: int = 0
    refused: int = 0


class DaemonView(msgspec.Struct, frozen=True):
    """The running daemon.

    Attributes:
        version: of dockd.
        pid: its process id.
        started: when.
        rss_bytes: its resident memory.
    """

    version: str
    pid: int
    started: str
    rss_bytes: int


class ConfigurationView(msgspec.Struct, frozen=True):
    """By what the dock runs.

    Attributes:
        accepted_by: who accepted what weakens evidence, as the system knows them.
        accepted_at: when.
        pending: what the site file asks for and is not in force, because it weakens evidence and no admin has accepted it.
        accept_with: the command that accepts it, empty if nothing is pending.
        error: why the site file as it lies there now cannot be used, empty if it can; the last good one is in force then.
        restart_for: keys that were changed and take effect only when the daemon is started anew.
    """

    accepted_by: str = ""
    accepted_at: str = ""
    pending: tuple[str, ...] = ()
    accept_with: str = ""
    error: str = ""
    restart_for: tuple[str, ...] = ()


class StatusView(msgspec.Struct, frozen=True):
    """The whole document.

    Attributes:
        dock: its id in the site file.
        time: when the document was made.
        archive: the way to the archive.
        spool: the dock's own store.
        queue: what waits for the archive.
        bays: in the order of the site file.
        recordings: counts by state.
        daemon: the running daemon.
        configuration: by what it runs, and what waits for an admin.
        custody: how far the archive has witnessed the custody log.
        change: counts what changed; a status with the same number says the same but for rates and free room.
    """

    dock: str
    time: str
    archive: ArchiveView
    spool: SpoolView
    queue: QueueView
    bays: tuple[BayView, ...]
    recordings: RecordingCounts
    daemon: DaemonView
    configuration: ConfigurationView = ConfigurationView()
    custody: CustodyView = CustodyView()
    change: int = 0


class RecordingView(msgspec.Struct, frozen=True):
    """One recording.

    Attributes:
        recording: its id.
        camera: serial.
        docking: that first saw it.
        path: its name on the camera.
        size_bytes: its length.
        state: where it is on its way.
        seen: when the dock first saw it.
        sidecar_of: the recording that it belongs to, null for a recording itself.
        blake3: hexadecimal, null before it was read.
        sha256: hexadecimal, null before it was read.
        object_id: the archive's name for it, null before it was stored.
        reason: why it was refused, empty otherwise.
        next_step: what a person should do about that.
        category: of the agency's policy, as its camera or a person named it, null if nobody did.
        critical: whether it is of a critical incident, and goes first.
        first_amendment: whether it is marked as recorded solely of First Amendment activity, and held for a supervisor.
        deadline: when the archive should have it, null if it has it, or if the site file sets no time.
    """

    recording: str
    camera: str
    docking: str
    path: str
    size_bytes: int
    state: State
    seen: str
    sidecar_of: str | None = None
    blake3: str | None = None
    sha256: str | None = None
    object_id: str | None = None
    reason: str = ""
    next_step: str = ""
    category: str | None = None
    critical: bool = False
    first_amendment: bool = False
    deadline: str | None = None


def viewed(recording: Recording, deadline: str | None) -> RecordingView:
    """A recording as it is told; `deadline` is until when the archive should have it."""
    digests = recording.measured.digests if recording.measured else None
    return RecordingView(
        recording=recording.recording_id,
        camera=recording.camera,
        docking=recording.docking,
        path=shown(recording.path),
        size_bytes=recording.size_bytes,
        state=recording.state,
        seen=recording.seen,
        sidecar_of=recording.sidecar_of,
        blake3=digests.blake3.hex() if digests else None,
        sha256=digests.sha256.hex() if digests else None,
        object_id=recording.stored.object_id if recording.stored else None,
        reason=recording.refusal.message if recording.refusal else "",
        next_step=recording.refusal.hint if recording.refusal else "",
        category=recording.category,
        critical=is_critical(recording),
        first_amendment=recording.first_amendment,
        deadline=deadline,
    )


class RecordingsView(msgspec.Struct, frozen=True):
    """One page of recordings.

    Attributes:
        recordings: in the order in which they were seen.
        next_after: ask for what comes after this, null on the last page.
    """

    recordings: tuple[RecordingView, ...]
    next_after: int | None = None


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which recordings are asked for; the query of `/api/v1/recordings`.

    Attributes:
        state: only these.
        camera: only of this camera.
        after: only what was seen after this place in the order.
        limit: at most so many.
    """

    state: State | msgspec.UnsetType = msgspec.UNSET  # not None, which would make the word null mean: any
    camera: str | msgspec.UnsetType = msgspec.UNSET
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
