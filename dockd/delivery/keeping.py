"""What leaves the spool: copies that the archive has proved, unless an order keeps them.

A hold keeps the dock's own copy as well as the camera's: what may not be erased is not expired either. When an order is lifted,
what it kept goes.
"""

import asyncio
from collections.abc import Iterable

import structlog

from dockd.core.recording import State
from dockd.dock.parts import Dock

_log = structlog.get_logger(__name__)


class Keeper:
    """Removes from the spool what was proved.

    Args:
        dock: whose spool and journal.
    """

    def __init__(self, dock: Dock) -> None:
        self._dock = dock
        self._proved: asyncio.Queue[str] = asyncio.Queue()

    def proved(self, recording_id: str) -> None:
        """Its copy is needed no longer; what a stop leaves, the next start removes."""
        self._proved.put_nowait(recording_id)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._make_room(), name="removal of what was proved")
            group.create_task(self._let_go(), name="removal of what is held no longer")

    async def _make_room(self) -> None:
        while True:
            if await discard_proved(self._dock, [await self._proved.get()]):
                self._dock.board.tell()  # room was made

    async def _let_go(self) -> None:
        ordered = self._dock.journal.next_order()
        while True:
            await ordered.wait()
            ordered = self._dock.journal.next_order()  # taken before looking: what is lifted meanwhile is seen next
            if await discard_proved(self._dock, await asyncio.to_thread(self._dock.spool.recording_ids)):
                self._dock.board.tell()


async def discard_proved(dock: Dock, lying_there: Iterable[str]) -> int:
    """Remove of these copies what the archive proved and no order keeps; what the journal does not know stays, and is named."""
    discarded, ids = 0, sorted(lying_there)
    held = await dock.journal.held(ids)
    for recording_id in ids:
        try:
            recording = await dock.journal.recording(recording_id)
        except KeyError:
            _log.warning("unknown recording in the spool", recording=recording_id)
            continue
        if recording.state in {State.ARCHIVED, State.ERASED} and recording_id not in held:
            await asyncio.to_thread(dock.spool.discard, recording_id)
            discarded += 1
    return discarded
