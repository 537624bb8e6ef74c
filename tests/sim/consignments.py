"""Recordings in a spool on their way to an archive, and what a test can see of that way."""

import random
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dockd.archive.protocol import Consignment
from dockd.clock import SystemClock
from dockd.core.recording import ResumePoint
from tests.sim.evidence import DOCK, verified


def consign(folder: Path, content: bytes, *, camera: str = "C1", dock: str = DOCK) -> Consignment:
    """A verified recording with `content`, spooled in `folder`."""
    recording_id = secrets.token_hex(16)
    path = folder / recording_id
    path.write_bytes(content)
    return Consignment(
        verified=verified(recording_id, content),
        path=path,
        dock=dock,
        camera=camera,
        docking="docking-1",
        name="DCIM/100DOCKD/CLIP%F6.MP4",
        recorded="2026-11-24T18:00:00.000000000Z",
        seen="2026-11-24T19:10:00.000Z",
    )


def noise(size_bytes: int, seed: int = 1) -> bytes:
    """Bytes that look like nothing else, the same each time."""
    return random.Random(seed).randbytes(size_bytes)


@dataclass(slots=True)
class Watched:
    """Implements `dockd.archive.protocol.Progress` and remembers.

    Attributes:
        story: what happened, in order: "placed", "dropped", "sent".
        point: where the upload can be resumed, as a journal would have it.
    """

    story: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    point: ResumePoint | None = None

    async def placed(self, point: ResumePoint) -> None:
        """As the protocol says."""
        self.story.append("placed")
        self.point = point

    async def dropped(self, reason: str) -> None:
        """As the protocol says."""
        self.story.append("dropped")
        self.reasons.append(reason)
        self.point = None

    def sent(self, offset_bytes: int) -> None:
        """As the protocol says."""
        self.story.append("sent")
        self.offsets.append(offset_bytes)


@dataclass(slots=True)
class HurriedClock:
    """Implements `dockd.clock.Clock`: nobody waits, and how long they would have is written down."""

    slept_s: list[float] = field(default_factory=list)
    wall: datetime = datetime(2026, 11, 24, 19, 10, tzinfo=UTC)

    def now(self) -> datetime:
        """A wall clock that stands."""
        return self.wall

    def monotonic(self) -> float:
        """The machine's, for rates."""
        return SystemClock().monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let others run, no longer."""
        self.slept_s.append(seconds)
        await SystemClock().sleep(0)
