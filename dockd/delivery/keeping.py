"""What leaves the spool: copies that the archive proved, when their time is over or room is short, unless an order keeps them.

A hold keeps the dock's own copy as well as the camera's: what may not be erased is not expired either. When an order is lifted,
what it kept goes as any other does. A copy of what the archive was found not to prove any more stays too, until it does: it may
be the last one.
"""

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from dockd.clock import parse_rfc3339
from dockd.core import expiry
from dockd.core.recording import State
from dockd.dock.parts import Dock

_log = structlog.get_logger(__name__)

LOOK_S = 3600.0
"""Between two looks for copies whose time is over."""
_PROVED = frozenset({State.ARCHIVED, State.ERASED})


class Keeper:
    """Removes from the spool what was proved.

    Args:
        dock: whose spool and journal.
        look_s: between two looks, where room is not short.
    """

    def __init__(self, dock: Dock, look_s: float = LOOK_S) -> None:
        self._dock, self._look_s = dock, look_s
        self._proved: asyncio.Queue[str] = asyncio.Queue()

    def proved(self, recording_id: str) -> None:
        """The archive holds it; what a stop leaves, the next start removes."""
        self._proved.put_nowait(recording_id)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._make_room(), name="removal of what was proved")
            group.create_task(self._let_go(), name="removal of what is held no longer")
            group.create_task(self._expire(), name="removal of what was kept long enough")

    async def _make_room(self) -> None:
        while True:
            proved = await self._proved.get()
            if not self._dock.live.now.keep.days:
                await self._discard([proved])
            elif self._dock.ledger.free_bytes() < self._dock.live.now.keep.low_water_bytes:
                self._dock.room_due.set()

    async def _let_go(self) -> None:
        ordered = self._dock.journal.next_order()
        while True:
            await ordered.wait()
            ordered = self._dock.journal.next_order()  # taken before looking: what is lifted meanwhile is seen next
            self._dock.room_due.set()

    async def _expire(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._look_s):
                    await self._dock.room_due.wait()
            except TimeoutError:
                pass
            self._dock.room_due.clear()
            await self._discard(await asyncio.to_thread(self._dock.spool.recording_ids))

    async def _discard(self, lying_there: Iterable[str]) -> None:
        if await discard_proved(self._dock, lying_there):
            self._dock.board.tell()  # room was made


async def discard_proved(dock: Dock, lying_there: Iterable[str]) -> int:
    """Remove of these copies what the archive proved, what nothing binds, and what the site does not keep any longer.

    What the journal does not know stays, and is named. How many went.
    """
    ids = sorted(lying_there)
    bound = await dock.bound(ids)
    proved: list[str] = []
    for recording_id in ids:
        try:
            recording = await dock.journal.recording(recording_id)
        except KeyError:
            _log.warning("unknown recording in the spool", recording=recording_id)
            continue
        if recording.state in _PROVED and recording_id not in bound:
            proved.append(recording_id)
    gone = 0
    for recording_id in await _due(dock, proved) if dock.live.now.keep.days else proved:
        # Removing thousands takes minutes, in which an order may come, or the archive be found to have lost one.
        recording = await dock.journal.recording(recording_id)
        if recording.state in _PROVED and not await dock.bound([recording_id]):
            await asyncio.to_thread(dock.spool.discard, recording_id)
            gone += 1
    return gone


async def _due(dock: Dock, proved: Sequence[str]) -> list[str]:
    """Of copies that may go, those whose time is over, and as many of the others as room is short of."""
    ledger = dock.ledger
    wanted, ledger.wanted_bytes = ledger.wanted_bytes, 0
    copies = [
        expiry.ProvedCopy(each.recording.recording_id, each.recording.size_bytes, parse_rfc3339(each.archived))
        for each in await dock.journal.kept(proved)
    ]
    keep, now, free = dock.live.now.keep, dock.clock.now(), ledger.free_bytes()
    return expiry.due(copies, keep, now, free_bytes=free, wanted_bytes=wanted)
