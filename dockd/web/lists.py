"""What the control API says besides the status, and the orders that it takes.

The same rules as in `view`: field names are a published interface, units are in the names, times are RFC 3339 in UTC; what people
send is checked to the letter.
"""

from datetime import datetime
from typing import Annotated

import msgspec

from dockd.core.fitness import Grade

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Serial = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
WaitS = Annotated[int, msgspec.Meta(ge=0, le=30)]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No query, or no body."""


class StatusWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which status is asked for.

    Attributes:
        after: answer as soon as the status is another than the one with this `change`.
        wait_s: but no later than this, in seconds.
    """

    after: Annotated[int, msgspec.Meta(ge=0)] | msgspec.UnsetType = msgspec.UNSET
    wait_s: WaitS = 0


class CheckoutOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Assign a camera of the pool.

    Attributes:
        officer: to whom.
        camera: this one; without it the readiest.
        until: until when, with a zone; without it as long as the site file says.
    """

    officer: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
    camera: Serial | msgspec.UnsetType = msgspec.UNSET
    until: Annotated[datetime, msgspec.Meta(tz=True)] | msgspec.UnsetType = msgspec.UNSET


class CheckoutView(msgspec.Struct, frozen=True):
    """A camera that was checked out.

    Attributes:
        bay: where it is.
        camera: serial.
        officer: to whom.
        until: until when.
    """

    bay: str
    camera: str
    officer: str
    until: str


class LampsView(msgspec.Struct, frozen=True):
    """A lamp test that has begun.

    Attributes:
        bays: whose lamps show all they can: those that are empty.
        each_s: how long each state is shown, in seconds.
    """

    bays: tuple[str, ...]
    each_s: float


class HoldView(msgspec.Struct, frozen=True):
    """One hold: nothing of its subject is erased while it stands.

    Attributes:
        scope: camera, recording, officer or time.
        subject: the camera's serial, the recording's id, the officer's name, or the span as in ISO 8601, .. for an open end.
        case: the name under which it was placed, empty if under none.
        by: who placed it.
        reason: why.
        placed: when.
    """

    scope: str
    subject: str
    case: str
    by: str
    reason: str
    placed: str


class HoldsView(msgspec.Struct, frozen=True):
    """Every hold that stands.

    Attributes:
        holds: oldest first.
    """

    holds: tuple[HoldView, ...]


class CameraOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Enroll or refuse a camera.

    Attributes:
        camera: serial.
        reason: why, for the custody log.
    """

    camera: Serial
    reason: Reason


class MarkOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say what a recording is; at least one of category, critical and first_amendment is said.

    Attributes:
        recording: id.
        reason: why, for the custody log.
        category: of the agency's policy, by its name or one of its words.
        critical: of a critical incident: first in every queue.
        first_amendment: recorded solely of First Amendment activity: held for a supervisor.
    """

    recording: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    reason: Reason
    category: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | msgspec.UnsetType = msgspec.UNSET
    critical: bool = False
    first_amendment: bool = False

    def __post_init__(self) -> None:
        if self.category is msgspec.UNSET and not self.critical and not self.first_amendment:
            msg = "expected a category, critical or first_amendment"
            raise ValueError(msg)


class BackupOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say that a copy of the journal, as `/journal` gave it, reached its place.

    Attributes:
        sha256: of the copy, hexadecimal.
        to: where it lies now, for the custody log.
    """

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    to: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class KeyBackupOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say that a copy of the dock's signing key reached its place. The key itself never goes this way.

    Attributes:
        key: its public half.
        to: where the copy lies now, for the custody log.
    """

    key: Annotated[str, msgspec.Meta(pattern="^ed25519:[A-Za-z0-9+/]{43}=$")]
    to: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class CameraView(msgspec.Struct, frozen=True):
    """One camera that was docked here, or of which an admin said something.

    Attributes:
        camera: serial.
        verdict: enrolled or barred, as an admin said; null if nobody said anything.
        verdict_by: who said so, null if nobody.
        verdict_reason: why, null if nobody.
        held: whether a hold on it stands.
        docked: whether it is in a bay now.
        bay: of its last docking, null if it was never docked.
        officer: whom it named then, null if nobody.
        last_docked: when its last docking began, null if it was never docked.
        files_waiting: files of it that are not in the archive yet.
        files_archived: files of it that the archive proved and that were on it still.
        files_erased: files of it that were erased from it.
        files_refused: files of it that need a person.
    """

    camera: str
    verdict: str | None = None
    verdict_by: str | None = None
    verdict_reason: str | None = None
    held: bool = False
    docked: bool = False
    bay: str | None = None
    officer: str | None = None
    last_docked: str | None = None
    files_waiting: int = 0
    files_archived: int = 0
    files_erased: int = 0
    files_refused: int = 0


class CamerasView(msgspec.Struct, frozen=True):
    """Every camera that this dock knows.

    Attributes:
        cameras: by serial.
    """

    cameras: tuple[CameraView, ...]


class CustodyWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which custody entries are asked for.

    Attributes:
        first: from this number on.
        limit: at most so many.
        wait_s: if there is none yet, wait so long for one, in seconds.
    """

    first: Annotated[int, msgspec.Meta(ge=1, le=2**62)] = 1
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    wait_s: WaitS = 0


class EntryView(msgspec.Struct, frozen=True):
    """One custody entry.

    Attributes:
        leaf: its RFC 6962 leaf hash, hexadecimal.
        entry: what was recorded: its number, time, event, and the members of the event, in the very bytes that were hashed.
    """

    leaf: str
    entry: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]


class CustodyPage(msgspec.Struct, frozen=True):
    """Some custody entries, in their order.

    Attributes:
        entries: of the numbers that were asked for.
        head: the number of the newest entry of all.
    """

    entries: tuple[EntryView, ...]
    head: int


class CheckView(msgspec.Struct, frozen=True):
    """One line of the self-test.

    Attributes:
        part: what was looked at.
        grade: good; look (it works, but somebody should look); or bad (not fit for tonight).
        reason: what was found, as one sentence.
        cure: what an admin should do, empty where all is good.
    """

    part: str
    grade: Grade
    reason: str
    cure: str = ""


class SelftestView(msgspec.Struct, frozen=True):
    """Whether the dock is fit for tonight.

    Attributes:
        dock: its id in the site file.
        time: when it was looked at.
        fit: whether nothing is bad.
        checks: one for each part.
    """

    dock: str
    time: str
    fit: bool
    checks: tuple[CheckView, ...]


class Totals(msgspec.Struct, frozen=True):
    """What only grows, for the metrics.

    Attributes:
        copied_bytes: read from cameras since the daemon started.
        sent_bytes: handed to the archive since the daemon started.
        entries: of the custody log, since it began.
    """

    copied_bytes: int
    sent_bytes: int
    entries: int


class ProblemView(msgspec.Struct, frozen=True):
    """Why a request was not done: problem details as RFC 9457 has them, with two members of dockd's own.

    Attributes:
        type: a URN that names the kind of problem.
        title: the kind, in words.
        status: of HTTP.
        detail: what failed, as one sentence.
        code: the stable word of dockd's error for programs, as in docs/runbook.md.
        hint: what a person should do, empty if there is nothing to do.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str = ""
