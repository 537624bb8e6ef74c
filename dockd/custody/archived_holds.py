"""Has the archive itself hold what is on hold here, also when the order came after the recording was archived.

What is sent while it is on hold is sent so. Of the rest the archive is told whenever an order is placed, at the start, and every
day; as often as it takes. It is never told that a hold was lifted: that is for the archive's own admins, so that nobody who took
over a dock can have evidence deleted there.
"""

import asyncio

import structlog

from dockd.core.custody import Noted
from dockd.core.recording import Recording
from dockd.dock.parts import Dock
from dockd.errors import ArchiveError

_log = structlog.get_logger(__name__)

TOLD = "hold.told"
EVERY_S = 24 * 3600.0
AGAIN_S = 60.0


class ArchivedHolds:
    """Tells the archive of one dock, for as long as it runs.

    Args:
        dock: whose orders they are.
        every_s: between two looks, where no order comes.
        again_s: the same where the archive did not take all.
    """

    def __init__(self, dock: Dock, *, every_s: float = EVERY_S, again_s: float = AGAIN_S) -> None:
        self._dock, self._every_s, self._again_s = dock, every_s, again_s
        self._told: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            ordered = self._dock.journal.next_order()
            complete = await self.once()
            try:
                async with asyncio.timeout(self._every_s if complete else self._again_s):
                    await ordered.wait()
            except TimeoutError:
                if complete:
                    self._told.clear()  # its admins may have lifted what an order here still wants

    async def once(self) -> bool:
        """Tell it of everything on hold that it was not told of yet; whether it took all of that."""
        journal, kept, complete = self._dock.journal, 0, True
        for recording_id in sorted(await journal.held() - self._told):
            recording = await journal.recording(recording_id)
            if recording.stored is None:
                continue
            try:
                kept += await self._dock.archive.keep(recording.stored, held=True, retain_days=0)
            except ArchiveError as exc:
                complete = False
                self._refused(recording, exc)
            else:
                self._told.add(recording_id)
        if kept:
            archive = await journal.archive_of_last_proof()
            await journal.record(Noted(TOLD, {"archive": archive, "recordings": kept}))
            _log.info("archive holds", recordings=kept)
        return complete

    def _refused(self, recording: Recording, error: ArchiveError) -> None:
        _log.error("archive not told of a hold", recording=recording.recording_id, why=error.message, hint=error.hint)
