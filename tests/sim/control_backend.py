"""A daemon's backend behind the control API that remembers what it was asked, and may fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from dockd.core.fitness import Grade
from dockd.core.readiness import Lamp
from dockd.core.recording import State
from dockd.web.hold import HoldOrder, ReleaseOrder
from dockd.web.lists import (
    BackupOrder,
    CameraOrder,
    CamerasView,
    CameraView,
    CheckoutOrder,
    CheckoutView,
    CheckView,
    CustodyPage,
    CustodyWanted,
    EntryView,
    HoldsView,
    HoldView,
    KeyBackupOrder,
    LampsView,
    MarkOrder,
    SelftestView,
    StatusWanted,
)
from dockd.web.routes import JournalCopy
from dockd.web.view import (
    ArchiveView,
    BayView,
    ConfigurationView,
    DaemonView,
    QueueView,
    RecordingCounts,
    RecordingsView,
    RecordingView,
    SpoolView,
    StatusView,
    Wanted,
)

RECORDING = "0123456789abcdef" * 2

STATUS = StatusView(
    dock="balt-ero-01",
    time="2026-11-24T20:00:00.000Z",
    archive=ArchiveView(reachable=True, since="2026-11-24T19:00:00.000Z"),
    spool=SpoolView(free_bytes=10, used_bytes=20, reserved_bytes=30),
    queue=QueueView(files=1, bytes=5, rate_bytes_s=1, drain_s=5),
    bays=(BayView("1", camera="X1", lamp=Lamp.LEAVE, reason="1 file still to be copied."), BayView("2")),
    recordings=RecordingCounts(seen=1),
    daemon=DaemonView(version="0.1.0", pid=1, started="2026-11-24T19:00:00.000Z", rss_bytes=1),
)
ONE = RecordingView(RECORDING, "X1", "d1", "DCIM/A.MP4", 5, State.VERIFIED, "2026-11-24T19:00:00.000Z")


@dataclass
class FakeBackend:
    """A daemon that remembers what it was asked, and may fail."""

    error: Exception | None = None
    asked: list[object] = field(default_factory=list)
    standing: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def status(self) -> StatusView:
        """A fixed status."""
        if self.standing is not None:
            self.entered.set()
            await self.standing.wait()
        if self.error is not None:
            raise self.error
        return STATUS

    async def recordings(self, wanted: Wanted) -> RecordingsView:
        """One recording."""
        self.asked.append(wanted)
        return RecordingsView((ONE,), next_after=7)

    async def retry(self, recording: str, by: str) -> RecordingView:
        """Remember, or fail."""
        if self.error is not None:
            raise self.error
        self.asked.append(("retry", recording, by))
        return ONE

    async def mark(self, order: MarkOrder, by: str) -> RecordingView:
        """Remember."""
        self.asked.append(("mark", order, by))
        return ONE

    async def hold(self, order: HoldOrder, by: str) -> None:
        """Remember."""
        self.asked.append(("hold", order, by))

    async def release(self, order: ReleaseOrder, by: str) -> None:
        """Remember."""
        self.asked.append(("release", order, by))

    async def status_after(self, wanted: StatusWanted) -> StatusView:
        """Remember, and never wait."""
        self.asked.append(wanted)
        return await self.status()

    async def holds(self) -> HoldsView:
        """One hold."""
        return HoldsView((HoldView("camera", "X1", "", "anna (uid 7)", "case 12", STATUS.time),))

    async def cameras(self) -> CamerasView:
        """One camera."""
        return CamerasView((CameraView("X1", held=True, docked=True, bay="1"),))

    async def enroll(self, order: CameraOrder, by: str) -> None:
        """Remember."""
        self.asked.append(("enroll", order, by))

    async def refuse(self, order: CameraOrder, by: str) -> None:
        """Remember."""
        self.asked.append(("refuse", order, by))

    async def custody(self, wanted: CustodyWanted) -> CustodyPage:
        """One entry."""
        self.asked.append(wanted)
        return CustodyPage((EntryView("ab" * 32, msgspec.Raw(b'{"event":"daemon.started","seq":1,"v":1}')),), 1)

    async def selftest(self) -> SelftestView:
        """A dock that is fit."""
        return SelftestView("balt-ero-01", STATUS.time, fit=True, checks=(CheckView("bays", Grade.GOOD, "2 bays."),))

    async def reload(self, by: str) -> ConfigurationView:
        """Remember."""
        self.asked.append(("reload", by))
        return ConfigurationView(restart_for=("dock",))

    async def check_out(self, order: CheckoutOrder, by: str) -> CheckoutView:
        """Remember, or fail."""
        if self.error is not None:
            raise self.error
        self.asked.append(("check out", order, by))
        return CheckoutView("1", "X1", order.officer, STATUS.time)

    async def test_lamps(self, by: str) -> LampsView:
        """Remember."""
        self.asked.append(("test lamps", by))
        return LampsView(("2",), 2.0)

    @asynccontextmanager
    async def journal_copy(self) -> AsyncIterator[JournalCopy]:
        """This very file."""
        yield JournalCopy(Path(__file__), 1, "cd" * 32)

    async def backed_up(self, order: BackupOrder, by: str) -> None:
        """Remember."""
        self.asked.append(("backed up", order, by))

    async def key_backed_up(self, order: KeyBackupOrder, by: str) -> None:
        """Remember."""
        self.asked.append(("key backed up", order, by))
