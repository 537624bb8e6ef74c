"""A dock inside the test's own process: every real part, but bays that the test speaks for and an archive that it bends.

The bays' workers run in threads instead of processes, so that what they do is seen by coverage and can be reached by a test;
what must be killable (a stalled camera, a stop, a crash) is tested with `dock_process` instead.
"""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from dockd.archive.protocol import Archive
from dockd.archive.retrying import Retrying
from dockd.bays.protocol import BayEvent, Changed, Inserted, Removed
from dockd.clock import Clock, SystemClock
from dockd.config.profile import load_profiles
from dockd.core import custody
from dockd.core.profile import Profile
from dockd.core.readiness import Needs, Readiness
from dockd.core.recording import Recording, State
from dockd.core.usb import UsbSource
from dockd.delivery.recovery import open_journal, recover
from dockd.delivery.sending import Delivery
from dockd.dock.board import BayBoard, Board
from dockd.dock.live import Live, Orders
from dockd.dock.outbox import Outbox
from dockd.dock.parts import Dock
from dockd.docking.attendant import Attendant
from dockd.docking.worker import Worker
from dockd.errors import ArchiveError
from dockd.offload import messages
from dockd.offload.spool import Ledger, Spool
from dockd.offload.workers import BayWorker, Workers
from tests.sim.archive import SimArchive

DEADLINE_S = 60.0


def dcf() -> Profile:
    """The profile for DCF cameras that ships with dockd."""
    return next(profile for profile in load_profiles() if profile.name == "dcf")


class ThreadWorkers(Workers):
    """Workers that are threads; each ends when its conversation does."""

    def __init__(self) -> None:
        self.started = 0
        self.one_was_dropped = asyncio.Event()

    @asynccontextmanager
    async def worker(self, bay: str, *, stall_after_s: float) -> AsyncIterator[BayWorker]:
        """A new worker for one docking."""
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=_serve, args=(theirs,), name=f"worker of bay {bay}")
        thread.start()
        self.started += 1
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            yield BayWorker(bay, reader, writer, stall_after_s)
        finally:
            self.one_was_dropped.set()
            writer.transport.abort()
            await asyncio.shield(asyncio.to_thread(thread.join, DEADLINE_S))


class _ThreadWorker(Worker):
    """Its process would have been killed in the middle; a thread goes on to its end, and nobody listens."""

    def _emit(self, report: messages.Report) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            super()._emit(report)


def _serve(conversation: socket.socket) -> None:
    with conversation, suppress(ConnectionResetError):
        _ThreadWorker(conversation).serve()


class ScriptedBay:
    """Implements `bays.protocol.Bay`: the test says what happens in it."""

    def __init__(self, bay_id: str) -> None:
        self.bay_id = bay_id
        self._told: asyncio.Queue[BayEvent] = asyncio.Queue()

    def tell(self, event: BayEvent) -> None:
        """This happens now."""
        self._told.put_nowait(event)

    async def events(self) -> AsyncGenerator[BayEvent]:
        """As the protocol says, but that the bay's first word is the test's."""
        while True:
            yield await self._told.get()


class DockHere:
    """One running dock; make it with `dock_here`."""

    def __init__(self, dock: Dock, bays: Iterable[ScriptedBay], workers: ThreadWorkers) -> None:
        self.dock, self.workers = dock, workers
        self._bays = {bay.bay_id: bay for bay in bays}

    def insert(self, root: Path | UsbSource, bay: str = "1", profile: Profile | None = None) -> None:
        """A camera comes."""
        self._bays[bay].tell(Inserted(bay, root, profile or dcf()))

    def remove(self, bay: str = "1") -> None:
        """A camera leaves."""
        self._bays[bay].tell(Removed(bay))

    def change(self, bay: str = "1") -> None:
        """Something on the camera changed."""
        self._bays[bay].tell(Changed(bay))

    def tell(self, event: BayEvent) -> None:
        """Anything else."""
        self._bays[event.bay].tell(event)

    def bay(self, bay: str = "1") -> BayBoard:
        """What the board shows of a bay."""
        return self.dock.board.bays[bay]

    def lamp(self, bay: str = "1", needs: Needs = Needs.ERASED) -> Readiness:
        """What its lamp shows."""
        lamp = self.bay(bay).lamp(needs)
        assert lamp is not None, f"bay {bay} is empty"
        return lamp

    async def until(self, come: Callable[[], bool]) -> None:
        """Return as soon as the board shows what is waited for."""
        async with asyncio.timeout(DEADLINE_S):
            while not come():
                await self.dock.board.news()

    async def recordings(self, *states: State) -> list[Recording]:
        """What the journal holds."""
        return await self.dock.journal.recordings(states=states or None)

    async def states(self) -> dict[bytes, State]:
        """State by path, of the last recording of each path."""
        return {each.path: each.state for each in await self.recordings()}

    async def events(self, recording_id: str | None = None) -> list[str]:
        """What the custody log tells, of one recording or of all."""
        entries = [json.loads(each.entry) for each in await self.dock.journal.custody(limit=100_000)]
        return [entry["event"] for entry in entries if recording_id is None or entry.get("recording") == recording_id]

    async def entries(self, event: str) -> list[dict[str, Any]]:
        """The custody entries of one kind."""
        entries = [json.loads(each.entry) for each in await self.dock.journal.custody(limit=100_000)]
        return [entry for entry in entries if entry["event"] == event]

    async def hold(self, scope: str, subject: str) -> None:
        """Place a hold."""
        await self.dock.journal.record(custody.HoldPlaced(scope, subject, "uid 0", "a test"))


async def build(
    spool_folder: Path,
    archive: Archive,
    *,
    pinned_keys: tuple[str, ...],
    bays: int = 2,
    may_erase: bool = True,
    keep_free_bytes: int = 0,
    clock: Clock | None = None,
) -> Dock:
    """The parts of one dock, its journal open."""
    clock = clock or SystemClock()
    spool = Spool(spool_folder)
    spool.prepare()
    board = Board(clock, tuple(str(number) for number in range(1, bays + 1)))

    def report(error: ArchiveError, _: float) -> None:
        board.archive_failed(error.message)

    return Dock(
        name="dock-1",
        journal=await open_journal(spool, clock),
        spool=spool,
        ledger=Ledger(spool.directory, keep_free_bytes),
        archive=Retrying(archive, clock, report, first_s=0.01, most_s=0.05),
        board=board,
        outbox=Outbox(),
        clock=clock,
        live=Live(Orders(may_erase=may_erase, may_erase_usb=may_erase)),
        pinned_keys=pinned_keys,
    )


@asynccontextmanager
async def dock_here(
    spool_folder: Path,
    archive: SimArchive,
    *,
    bays: int = 2,
    may_erase: bool = True,
    keep_free_bytes: int = 0,
    clock: Clock | None = None,
    stall_after_s: float = 30,
    deliver: bool = True,
) -> AsyncIterator[DockHere]:
    """A dock that runs until the block ends; then it is stopped as `dockd run` is."""
    dock = await build(
        spool_folder,
        archive,
        pinned_keys=(archive.pinned_key,),
        bays=bays,
        may_erase=may_erase,
        keep_free_bytes=keep_free_bytes,
        clock=clock,
    )
    try:
        await recover(dock)
        scripted = [ScriptedBay(bay) for bay in dock.board.bays]
        workers = ThreadWorkers()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(Attendant(dock, bay, workers, stall_after_s=stall_after_s).run()) for bay in scripted]
            if deliver:
                tasks.append(group.create_task(Delivery(dock).run()))
            yield DockHere(dock, scripted, workers)
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group
    finally:
        await dock.journal.close()


def with_room(dock: DockHere, keep_free_bytes: int) -> None:
    """Change how much room the dock's disk has."""
    dock.dock.ledger.keep_free_bytes = keep_free_bytes
    dock.dock.board.tell()
