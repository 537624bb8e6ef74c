"""The control API as a table: what each request needs, takes and answers. Server and OpenAPI document are made of it."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from dockd.web.hold import HoldOrder, ReleaseOrder
from dockd.web.lists import (
    BackupOrder,
    CameraOrder,
    CamerasView,
    CheckoutOrder,
    CheckoutView,
    CustodyPage,
    CustodyWanted,
    HoldsView,
    KeyBackupOrder,
    LampsView,
    MarkOrder,
    Nothing,
    SelftestView,
    StatusWanted,
)
from dockd.web.peers import Peer, Right
from dockd.web.view import ConfigurationView, RecordingsView, RecordingView, StatusView, Wanted

PREFIX = "/api/v1"
RECORDING_ID = "[0-9a-f]{32}"

Q = TypeVar("Q", bound=msgspec.Struct)
B = TypeVar("B", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class JournalCopy:
    """A copy of the journal that can be sent.

    Attributes:
        path: where it lies.
        size_bytes: its length.
        sha256: hexadecimal.
    """

    path: Path
    size_bytes: int
    sha256: str


class Backend(Protocol):
    """What the API asks of the daemon. `by` is the user who acts, for the custody log.

    Each call raises DockError for what cannot be done, in words for whoever asked.
    """

    async def status(self) -> StatusView:
        """The state of the dock now."""
        ...

    async def status_after(self, wanted: StatusWanted) -> StatusView:
        """The state of the dock as soon as it is another than the one that was seen, or after so long."""
        ...

    async def recordings(self, wanted: Wanted) -> RecordingsView:
        """One page of recordings."""
        ...

    async def retry(self, recording: str, by: str) -> RecordingView:
        """Let a refused recording go on; it is answered as it is then."""
        ...

    async def reload(self, by: str) -> ConfigurationView:
        """Read the site file again; it is answered by what the dock runs then."""
        ...

    async def mark(self, order: MarkOrder, by: str) -> RecordingView:
        """Say what a recording is; it is answered as it is then."""
        ...

    async def holds(self) -> HoldsView:
        """Every hold that stands."""
        ...

    async def hold(self, order: HoldOrder, by: str) -> None:
        """From now on nothing of it may be erased."""
        ...

    async def release(self, order: ReleaseOrder, by: str) -> None:
        """Lift a hold, or all of a case."""
        ...

    async def cameras(self) -> CamerasView:
        """Every camera that is known."""
        ...

    async def enroll(self, order: CameraOrder, by: str) -> None:
        """This camera belongs here."""
        ...

    async def refuse(self, order: CameraOrder, by: str) -> None:
        """Nothing of this camera is taken until it is enrolled."""
        ...

    async def custody(self, wanted: CustodyWanted) -> CustodyPage:
        """Some custody entries."""
        ...

    async def check_out(self, order: CheckoutOrder, by: str) -> CheckoutView:
        """Assign a camera of the pool."""
        ...

    async def test_lamps(self, by: str) -> LampsView:
        """Have the lamps over empty bays show all that they can."""
        ...

    def journal_copy(self) -> AbstractAsyncContextManager[JournalCopy]:
        """A copy of the journal, to be sent; removed at the end."""
        ...

    async def backed_up(self, order: BackupOrder, by: str) -> None:
        """A copy of the journal reached its place."""
        ...

    async def key_backed_up(self, order: KeyBackupOrder, by: str) -> None:
        """A copy of the dock's signing key reached its place."""
        ...

    async def selftest(self) -> SelftestView:
        """Whether the dock is fit for tonight."""
        ...


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q, B]):
    """One request that was found to be well-formed and allowed.

    Attributes:
        who: asks.
        query: what stands behind the question mark.
        body: what was sent.
        recording: the id in the path, empty where the path has none.
    """

    who: Peer
    query: Q
    body: B
    recording: str


@dataclass(frozen=True, slots=True)
class Route(Generic[Q, B]):
    """One request of the API.

    Attributes:
        method, path: of HTTP, the path below PREFIX.
        name: of the operation in the document.
        summary: what it does, in a sentence.
        needs: the right that it takes.
        query, body: what it takes, `Nothing` where it takes none.
        answer: what it answers, None where there is nothing to say but that it was done.
        call: does it.
    """

    method: str
    path: str
    name: str
    summary: str
    needs: Right
    query: type[Q]
    body: type[B]
    answer: type[msgspec.Struct] | None
    call: Callable[[Backend, Asked[Q, B]], Awaitable[msgspec.Struct | None]]


def _look(  # noqa: PLR0917 - a table's columns
    path: str,
    name: str,
    summary: str,
    query: type[Q],
    answer: type[msgspec.Struct],
    call: Callable[[Backend, Asked[Q, Nothing]], Awaitable[msgspec.Struct]],
) -> Route[Q, Nothing]:
    return Route("GET", path, name, summary, Right.LOOK, query, Nothing, answer, call)


def _act(
    path: str, name: str, summary: str, body: type[B], call: Callable[[Backend, Asked[Nothing, B]], Awaitable[None]]
) -> Route[Nothing, B]:
    return Route("POST", path, name, summary, Right.ACT, Nothing, body, None, call)


ROUTES: tuple[Route[Any, Any], ...] = (
    _look(
        "/status",
        "status",
        "The state of the dock; with `after`, as soon as it changed.",
        StatusWanted,
        StatusView,
        lambda backend, asked: backend.status_after(asked.query),
    ),
    _look(
        "/recordings",
        "recordings",
        "A page of recordings, in the order in which they were seen.",
        Wanted,
        RecordingsView,
        lambda backend, asked: backend.recordings(asked.query),
    ),
    Route(
        "POST",
        "/retry/{recording}",
        "retry",
        "Let a refused recording go on.",
        Right.ACT,
        Nothing,
        Nothing,
        RecordingView,
        lambda backend, asked: backend.retry(asked.recording, str(asked.who)),
    ),
    Route(
        "POST",
        "/mark",
        "mark",
        "Say what a recording is: its category, of a critical incident, solely of First Amendment activity.",
        Right.ACT,
        Nothing,
        MarkOrder,
        RecordingView,
        lambda backend, asked: backend.mark(asked.body, str(asked.who)),
    ),
    Route(
        "POST",
        "/reload",
        "reload",
        "Read the site file again, and say what the dock runs by then.",
        Right.ACT,
        Nothing,
        Nothing,
        ConfigurationView,
        lambda backend, asked: backend.reload(str(asked.who)),
    ),
    _look("/holds", "holds", "Every hold that stands.", Nothing, HoldsView, lambda backend, _: backend.holds()),
    _act(
        "/hold",
        "hold",
        "Place a hold: nothing of the camera, recording, officer or time is erased while it stands.",
        HoldOrder,
        lambda backend, asked: backend.hold(asked.body, str(asked.who)),
    ),
    _act(
        "/release",
        "release",
        "Lift a hold, or all that were placed under the name of a case.",
        ReleaseOrder,
        lambda backend, asked: backend.release(asked.body, str(asked.who)),
    ),
    _look(
        "/cameras", "cameras", "Every camera that this dock knows.", Nothing, CamerasView, lambda backend, _: backend.cameras()
    ),
    _act(
        "/enroll",
        "enroll",
        "Say that a camera belongs here; lifts a bar.",
        CameraOrder,
        lambda backend, asked: backend.enroll(asked.body, str(asked.who)),
    ),
    _act(
        "/refuse",
        "refuse",
        "Bar a camera: nothing of it is taken or erased until it is enrolled.",
        CameraOrder,
        lambda backend, asked: backend.refuse(asked.body, str(asked.who)),
    ),
    Route(
        "POST",
        "/checkout",
        "checkout",
        "Assign a camera of the pool to somebody, and say where it is.",
        Right.ACT,
        Nothing,
        CheckoutOrder,
        CheckoutView,
        lambda backend, asked: backend.check_out(asked.body, str(asked.who)),
    ),
    Route(
        "POST",
        "/lamps/test",
        "testLamps",
        "Have the lamps over empty bays show their states in turn.",
        Right.ACT,
        Nothing,
        Nothing,
        LampsView,
        lambda backend, asked: backend.test_lamps(str(asked.who)),
    ),
    _act(
        "/backed-up",
        "backedUp",
        "Say that a copy of the journal reached its place.",
        BackupOrder,
        lambda backend, asked: backend.backed_up(asked.body, str(asked.who)),
    ),
    _act(
        "/key-backed-up",
        "keyBackedUp",
        "Say that a copy of the dock's signing key reached its place.",
        KeyBackupOrder,
        lambda backend, asked: backend.key_backed_up(asked.body, str(asked.who)),
    ),
    _look(
        "/custody",
        "custody",
        "Some entries of the custody log; with `wait_s`, as soon as there is one.",
        CustodyWanted,
        CustodyPage,
        lambda backend, asked: backend.custody(asked.query),
    ),
    _look(
        "/selftest",
        "selftest",
        "Look at every part of the dock, the archive included.",
        Nothing,
        SelftestView,
        lambda backend, _: backend.selftest(),
    ),
)
