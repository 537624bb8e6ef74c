"""A dock without processes: real journal and spool in a folder, an archive in memory, and no bays' workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from dockd.clock import Clock, SystemClock
from dockd.core import custody, life
from dockd.core.recording import Recording
from dockd.delivery.recovery import open_journal
from dockd.dock.board import Board
from dockd.dock.live import Live, Orders
from dockd.dock.outbox import Outbox
from dockd.dock.parts import Dock
from dockd.offload.spool import Ledger, Spool
from tests.sim.archive import SimArchive
from tests.sim.evidence import seen, verified


@asynccontextmanager
async def dock_in(
    root: Path, archive: SimArchive | None = None, *, bays: tuple[str, ...] = ("1", "2"), clock: Clock | None = None
) -> AsyncIterator[Dock]:
    """The parts of one dock, built as `app` builds them."""
    clock = clock or SystemClock()
    spool = Spool(root / "spool")
    spool.prepare()
    journal = await open_journal(spool, clock)
    archive = archive or SimArchive()
    try:
        yield Dock(
            name="dock-1",
            journal=journal,
            spool=spool,
            ledger=Ledger(spool.directory, keep_free_bytes=0),
            archive=archive,
            board=Board(clock, bays),
            outbox=Outbox(),
            clock=clock,
            live=Live(Orders(may_erase=True, may_erase_usb=True)),
            pinned_keys=(archive.key.public_text,),
        )
    finally:
        await journal.close()


async def docked(dock: Dock, camera: str = "C1", docking: str = "d1") -> None:
    """Record that a camera is there, so that its recordings have a docking."""
    await dock.journal.record(custody.CameraDocked(docking, camera, "dcf", "1", None))


async def spooled(
    dock: Dock, recording_id: str, content: bytes, *, camera: str = "C1", docking: str = "d1", at: str | None = None
) -> Recording:
    """A recording that is verified: in the journal, first seen `at` (RFC 3339), and its bytes in the spool."""
    recording = seen(recording_id, camera=camera, docking=docking, size_bytes=len(content), path=recording_id.encode())
    recording = recording if at is None else replace(recording, seen=at)
    dock.spool.path_of(recording_id).write_bytes(content)
    await dock.journal.record(
        custody.RecordingSeen(recording),
        custody.Stepped(recording_id, life.CopyStarted()),
        custody.Stepped(recording_id, life.CopyVerified(verified(recording_id, content))),
    )
    return await dock.journal.recording(recording_id)
