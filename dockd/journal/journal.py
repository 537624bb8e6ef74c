"""The journal as the daemon uses it: every method may be awaited from the event loop, none blocks it.

One thread, and no other, owns the connection; calls run in it in the order in which they were made. A caller that is cancelled
is let go at once: what has not begun never happens, a transaction that runs is finished.
"""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from dockd.clock import Clock, rfc3339
from dockd.core.custody import Change, HoldLifted, HoldPlaced
from dockd.core.holds import Holds
from dockd.core.recording import Measured, Recording, State
from dockd.journal import alerts, gaps, holds, log, orders
from dockd.journal.alerts import AlertKept
from dockd.journal.examine import Examination
from dockd.journal.gaps import Kept
from dockd.journal.ledger import Ledger
from dockd.journal.log import CustodyTree, Head
from dockd.journal.orders import Admission, CameraKnown, HoldOrdered
from dockd.journal.rows import CustodyEntry, Docking

_T = TypeVar("_T")


class Journal:
    """All that the dock knows for certain. Make one with `open` or `create`; `close` it.

    Every method may raise JournalError (the disk is full or fails) and JournalCorruptError; a journal that raised the latter is
    to be closed and examined.
    """

    def __init__(self, path: Path, clock: Clock, thread: ThreadPoolExecutor, ledger: Ledger) -> None:
        self._path = path
        self._clock = clock
        self._thread = thread
        self._ledger = ledger
        self._closing: Future[None] | None = None
        self._recorded = asyncio.Event()
        self._ordered = asyncio.Event()
        self._tree: CustodyTree | None = None

    @classmethod
    async def open(cls, path: Path, clock: Clock) -> Self:
        """Own the existing journal in `path`, bringing its schema to the newest version.

        Raises:
            JournalBusyError: another process owns it.
            JournalForeignError: another program's, or a newer dockd's.
            JournalCorruptError: not a database, or damaged.
            JournalError: there is none, or the disk refuses. A new one is never begun here: that is the caller's decision.
        """
        return await cls._own(path, clock, new=False)

    @classmethod
    async def create(cls, path: Path, clock: Clock) -> Self:
        """Begin a new journal in `path`.

        Raises:
            JournalBusyError: another process owns it.
            JournalError: something is there already, or the disk refuses.
        """
        return await cls._own(path, clock, new=True)

    @classmethod
    async def _own(cls, path: Path, clock: Clock, *, new: bool) -> Self:
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        opening = thread.submit(Ledger.open, path, new=new)
        try:
            ledger = await asyncio.wrap_future(opening)
        except BaseException:
            # The caller may have been cancelled while the ledger opened: nobody else would ever close it.
            thread.submit(_discard, opening)
            thread.shutdown(wait=False)
            raise
        return cls(path, clock, thread, ledger)

    async def record(self, *changes: Change) -> None:
        """Make all of `changes` durable with their custody entries, or none.

        Raises:
            RuntimeError: an illegal step, an unknown recording or docking, or one that is known already; nothing was written.
            JournalError: the disk is full or fails; nothing was written.
        """
        if changes:
            now = rfc3339(self._clock.now())
            try:
                await self._run(lambda: self._ledger.record(changes, now))
            finally:
                recorded, self._recorded = self._recorded, asyncio.Event()
                recorded.set()
                if any(isinstance(each, HoldPlaced | HoldLifted) for each in changes):
                    ordered, self._ordered = self._ordered, asyncio.Event()
                    ordered.set()

    def next_record(self) -> asyncio.Event:
        """Set as soon as something is recorded after this call; take it before looking for what there is already."""
        return self._recorded

    def next_order(self) -> asyncio.Event:
        """Set as soon as a hold is placed or lifted after this call; otherwise as `next_record`."""
        return self._ordered

    async def recording(self, recording_id: str) -> Recording:
        """The recording of that id.

        Raises:
            KeyError: there is none.
        """
        return await self._run(lambda: self._ledger.recording(recording_id))

    async def recordings(
        self, *, camera: str | None = None, docking: str | None = None, states: Collection[State] | None = None
    ) -> list[Recording]:
        """Recordings of one camera, seen or met in one docking, in some states, or all of these; in order of discovery."""
        return await self._run(lambda: self._ledger.recordings(camera, docking, states))

    async def by_digests(self, measured: Measured) -> list[Recording]:
        """Every camera's recordings of exactly these bytes, in order of discovery."""
        return await self._run(lambda: self._ledger.by_digests(measured))

    async def docking(self, docking_id: str) -> Docking:
        """The docking of that id.

        Raises:
            KeyError: there is none.
        """
        return await self._run(lambda: self._ledger.docking(docking_id))

    async def open_dockings(self) -> list[Docking]:
        """Dockings whose camera has not left, oldest first."""
        return await self._run(self._ledger.open_dockings)

    async def holds(self) -> Holds:
        """Every hold that stands."""
        now = self._clock.now()
        return await self._read(lambda connection: holds.standing(connection, now))

    async def held(self, among: Collection[str] | None = None) -> set[str]:
        """The recordings that an order keeps, erased ones too; only of those in `among`, if that is given."""
        now = self._clock.now()
        return await self._read(lambda connection: holds.held(connection, now, among))

    async def hold_orders(self) -> list[HoldOrdered]:
        """Every hold that stands, with who placed it and why, oldest first."""
        return await self._read(orders.holds)

    async def admission(self, camera: str) -> Admission | None:
        """What an admin last said of a camera, None if nobody said anything."""
        return await self._read(lambda connection: orders.admission(connection, camera))

    async def admissions(self) -> list[Admission]:
        """Every camera of which an admin said anything, by serial."""
        return await self._read(orders.admissions)

    async def cameras(self) -> list[CameraKnown]:
        """Every camera that was ever docked, by serial."""
        return await self._read(orders.cameras)

    async def alerts(self) -> list[AlertKept]:
        """Every alert that stands, or of whose end somebody still has to be told, oldest first."""
        return await self._read(alerts.unfinished)

    async def stuck(self) -> list[Recording]:
        """Recordings that were found and not copied, or refused; in order of discovery."""
        return await self._read(lambda connection: gaps.stuck(connection, self._path))

    async def reconciled_to(self) -> int:
        """Up to which custody entry the last reconciliation went, 0 if there was none."""
        return await self._read(gaps.reconciled_to)

    async def proved(self, *, since: int, sample: int, also: Sequence[str]) -> tuple[list[Recording], dict[str, str], int | None]:
        """All that the archive proved after custody entry `since`, these, and some others; and until when it keeps each.

        Of very many the first ones, and up to which entry these were; None where they are all.
        """

        def question(connection: sqlite3.Connection) -> tuple[list[Recording], dict[str, str], int | None]:
            until = gaps.part_of(connection, since)
            found = gaps.proved(connection, self._path, since=since, sample=sample, also=also, until=until)
            return found, gaps.kept_until(connection, found), until

        return await self._read(question)

    async def marked_and_archived(self) -> list[Kept]:
        """Every archived recording of which somebody said what it is, with what the archive promised."""
        return await self._read(lambda connection: gaps.marked(connection, self._path))

    async def archived_page(self, *, after: int, most: int) -> tuple[list[Kept], int | None]:
        """The next archived recordings after number `after`, and the last one's number; None behind the last page."""
        return await self._read(lambda connection: gaps.archived_page(connection, self._path, after=after, most=most))

    async def kept(self, recordings: Sequence[str]) -> list[Kept]:
        """Those of these recordings that are archived, with what the archive promised; in order of discovery."""
        return await self._read(lambda connection: gaps.kept(connection, self._path, recordings))

    async def last_docked(self) -> dict[str, tuple[str, str | None]]:
        """When each camera's last docking began, and ended unless it stands in a bay; RFC 3339, by serial."""
        return await self._read(alerts.last_docked)

    async def waiting(self) -> list[tuple[str, int, int, str]]:
        """Camera, priority, how many recordings the archive does not have, and when the oldest of them was seen (RFC 3339)."""
        return await self._read(alerts.waiting)

    async def inflow(self, *, behind_since: str, came_since: str) -> tuple[int, int, str | None]:
        """As `journal.alerts.inflow`; times are RFC 3339."""
        return await self._read(lambda connection: alerts.inflow(connection, behind_since=behind_since, came_since=came_since))

    async def head(self) -> int:
        """The number of the newest custody entry, 0 in an empty log."""
        return await self._read(orders.head)

    async def last_note(self, *events: str) -> dict[str, Any] | None:
        """The members of the newest custody entry that notes one of these events, None if there is none."""
        number = await self._read(lambda connection: orders.last_note(connection, events))
        if number is None:
            return None
        members: dict[str, Any] = json.loads((await self.custody(number, 1))[0].entry)
        return members

    def counts(self) -> dict[State, int]:
        """How many recordings are in each state, as of the last commit; it waits for nothing."""
        return self._ledger.counts()

    async def custody(self, first: int = 1, limit: int = 1000) -> list[CustodyEntry]:
        """At most `limit` custody entries from number `first` on."""
        return await self._run(lambda: self._ledger.custody(first, limit))

    async def tree_head(self) -> Head | None:
        """Size and root of the custody log as it is now, None while it is empty."""
        while not await self._read(lambda connection: self._tree_over(connection).catch_up()):
            pass  # a log of years is taken in step by step: whoever records waits for one step at most
        return await self._read(lambda connection: self._tree_over(connection).head())

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the log of `new` entries begins with that of `old`, both up to the last `tree_head`."""
        return await self._read(lambda connection: self._tree_over(connection).consistency(old, new))

    async def keep_checkpoint(self, size: int, note: bytes) -> None:
        """Keep a checkpoint that the archive cosigned."""
        taken = rfc3339(self._clock.now())
        await self._run(lambda: self._ledger.keep_checkpoint(size, note, taken))

    async def checkpoint(self) -> tuple[int, bytes] | None:
        """Size and note of the last checkpoint that the archive cosigned, None if there is none."""
        return await self._read(log.newest)

    async def proof(self, recording_id: str) -> bytes | None:
        """The archive's statement that was last accepted for a recording, as it was signed; None if there was none yet.

        Raises:
            KeyError: there is no such recording.
        """
        return await self._run(lambda: self._ledger.proof(recording_id))

    async def archive_of_last_proof(self) -> str | None:
        """The archive that holds the recording that was archived last, None before the first."""
        return await self._read(orders.archive_of_last_proof)

    async def copy(self, to: Path) -> None:
        """Write the whole journal as it is at one instant into the new file `to`, while work goes on.

        Raises:
            JournalError: the journal cannot be read, or `to` not written.
        """
        await asyncio.to_thread(orders.copy, self._path, to)

    async def examine(self) -> None:
        """Read the whole journal through a second, read-only connection, while work goes on: minutes for a large one.

        Raises:
            JournalCorruptError: naming the first thing that is not as it was written.
        """
        examination = Examination(self._path)
        try:
            # A plain daemon thread, since one long look of SQLite's cannot be interrupted and must not hold up a stop.
            found: Future[None] = Future()
            threading.Thread(target=examination.run, args=(found,), name="journal-examination", daemon=True).start()
            await asyncio.wrap_future(found)
        finally:
            examination.stop()

    async def close(self) -> None:
        """Finish what was begun and give the journal back; calling it again changes nothing."""
        if self._closing is None:
            self._closing = self._thread.submit(self._ledger.close)
            self._thread.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closing))

    def _tree_over(self, connection: sqlite3.Connection) -> CustodyTree:
        if self._tree is None:
            self._tree = CustodyTree(connection)
        return self._tree

    async def _read(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        return await self._run(lambda: self._ledger.read(question))

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._closing is not None:
            msg = "the journal is closed"
            raise RuntimeError(msg)
        return await asyncio.wrap_future(self._thread.submit(work))


def _discard(opening: "Future[Ledger]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
