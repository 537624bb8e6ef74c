"""Everything that the journal can record, one value for each thing that happened; `custody` says how each is written down."""

from collections.abc import Mapping
from dataclasses import dataclass

from dockd.core import life
from dockd.core.canonical import Json
from dockd.core.clearance import ClearancePermit
from dockd.core.erasure import Erasure, Method
from dockd.core.proof import ArchiveProof
from dockd.core.recording import Measured, Recording, ResumePoint


@dataclass(frozen=True, slots=True)
class Noted:
    """Something about the dock itself: start, stop, crash recovered, journal rebuilt, configuration accepted, device refused."""

    event: str
    details: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class CameraDocked:
    """A camera was recognised in a bay; a docking begins."""

    docking: str
    camera: str
    profile: str
    bay: str
    officer: str | None


@dataclass(frozen=True, slots=True)
class DockingRestored:
    """A rebuilt journal knows of this docking from the spool only: it is over, and where it was is not known."""

    docking: str
    camera: str


@dataclass(frozen=True, slots=True)
class DockingFailed:
    """A docking cannot go on; its first reason stays until a person acts."""

    docking: str
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class DockingEnded:
    """The camera left the bay, or the daemon found on start that it must have."""

    docking: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordingSeen:
    """A recording that was not known; `recording.sequence` is given by the journal and must be 0."""

    recording: Recording


@dataclass(frozen=True, slots=True)
class RecordingMet:
    """A known recording was met again on its camera, known by its digests, under `path`; unsets its `clearing`."""

    recording_id: str
    docking: str
    path: bytes
    measured: Measured


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step of a recording's life."""

    recording_id: str
    step: life.Step


@dataclass(frozen=True, slots=True)
class UploadPlaced:
    """The archive made room for a recording."""

    recording_id: str
    resume: ResumePoint


@dataclass(frozen=True, slots=True)
class UploadDropped:
    """The archive forgot the upload; the next one begins at the first byte."""

    recording_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClearanceBegun:
    """A permit was minted and its erasing begins; sets `clearing` of every recording that it covers.

    Attributes:
        ignored: files that are no evidence by the camera's profile and are overwritten with the rest.
    """

    permit: ClearancePermit
    method: Method
    ignored: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class CameraCleared:
    """A clearance ran to its end: what the permit covered is gone from the camera, what it left is still there."""

    permit: ClearancePermit
    erasure: Erasure


@dataclass(frozen=True, slots=True)
class ClearanceFinished:
    """A clear that was broken off in an earlier docking was done again from its beginning, and ran to its end.

    Attributes:
        begun: id of the docking whose permit it stands on.
    """

    camera: str
    bay: str
    begun: str
    erasure: Erasure


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    """Nothing of `subject` may be erased. `scope` is as in `holds`; `case` is the name under which the order was placed."""

    scope: str
    subject: str
    by: str
    reason: str
    case: str = ""


@dataclass(frozen=True, slots=True)
class HoldLifted:
    """The hold on `subject` that was placed under the name of `case` no longer stands; those of other cases do."""

    scope: str
    subject: str
    by: str
    reason: str
    case: str = ""


@dataclass(frozen=True, slots=True)
class CameraEnrolled:
    """A person says that this camera belongs here; lifts a bar."""

    camera: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class CameraBarred:
    """A person says that nothing of this camera is to be taken, and nothing erased, until it is enrolled again."""

    camera: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordingMarked:
    """Somebody said what a recording is: the camera, or the person `by`. All that is known of it from now on.

    Attributes:
        category: of the agency's policy, None for none.
        priority: as in `queue`.
        first_amendment: recorded solely of First Amendment activity; a hold goes with it.
    """

    recording_id: str
    category: str | None
    priority: int
    first_amendment: bool
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordingKeptLonger:
    """The archive promised to keep a recording longer than before, because its category asks for that now."""

    recording_id: str
    proof: ArchiveProof


@dataclass(frozen=True, slots=True)
class AlertBegun:
    """Something needs a person, who is told once."""

    kind: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class AlertEnded:
    """What an alert was about is over."""

    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class AlertTold:
    """A channel took the news of an alert's beginning or end; `number` is the journal's."""

    number: int
    phase: str
    channel: str


Change = (
    Noted
    | CameraDocked
    | DockingRestored
    | DockingFailed
    | DockingEnded
    | RecordingSeen
    | RecordingMet
    | Stepped
    | UploadPlaced
    | UploadDropped
    | ClearanceBegun
    | CameraCleared
    | ClearanceFinished
    | HoldPlaced
    | HoldLifted
    | CameraEnrolled
    | CameraBarred
    | RecordingMarked
    | RecordingKeptLonger
    | AlertBegun
    | AlertEnded
    | AlertTold
)
