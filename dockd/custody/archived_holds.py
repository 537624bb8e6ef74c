"""Has the archive itself hold what is on hold here, also when the order came after the recording was archived.

What is sent while it is on hold is sent so. Of the rest the archive is told whenever an order is placed, as soon as something
comes there that was put on hold on its way, at the start, and every day; as often as it takes. One that knows nothing of holds,
as the vault, which deletes nothing by itself, is asked to promise to keep it for some months more, again and again while the
hold stands: no promise ends before the order. It is never told that a hold was lifted: that is for the archive's own admins, so
that nobody who took over a dock can have evidence deleted there.
"""

import asyncio
from datetime import timedelta

import structlog

from dockd.archive.retrying import PATIENCE_S, answered
from dockd.clock import parse_rfc3339
from dockd.core.custody import Noted
from dockd.core.recording import Recording, StoredObject
from dockd.custody.promises import kept_longer
from dockd.dock.parts import Dock
from dockd.errors import ArchiveError
from dockd.journal.gaps import Kept
from dockd.tasks import first_of

_log = structlog.get_logger(__name__)

TOLD = "hold.told"
EVERY_S = 24 * 3600.0
AGAIN_S = 60.0
_PROMISED_FOR, _RENEWED_BEFORE = timedelta(days=90), timedelta(days=30)
"""A dock that is off for two months has let no promise end."""


class ArchivedHolds:
    """Tells the archive of one dock, for as long as it runs.

    Args:
        dock: whose orders they are.
        every_s: between two looks, where no order comes.
        again_s: the same where the archive did not take all.
        patience_s: how long an answer about one is waited for.
    """

    def __init__(self, dock: Dock, *, every_s: float = EVERY_S, again_s: float = AGAIN_S, patience_s: float = PATIENCE_S) -> None:
        self._dock, self._every_s, self._again_s, self._patience_s = dock, every_s, again_s, patience_s
        self._told: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            ordered = self._dock.journal.next_order()
            self._dock.holding_due.clear()
            complete = await self.once()
            try:
                async with asyncio.timeout(self._every_s if complete else self._again_s):
                    await first_of(ordered.wait(), self._dock.holding_due.wait())
            except TimeoutError:
                if complete:
                    self._told.clear()  # its admins may have lifted what an order here still wants

    async def once(self) -> bool:
        """Tell it of everything on hold that it was not told of yet; whether it took all of that."""
        journal, held, complete = self._dock.journal, 0, True
        for kept in await journal.kept(sorted(await journal.held() - self._told)):
            if (stored := kept.recording.stored) is None:
                continue
            try:
                if await answered(self._dock.archive.hold(stored), stored, self._patience_s):
                    held += 1
                else:
                    await self._renew(kept, stored)
            except ArchiveError as exc:
                complete = False
                self._refused(kept.recording, exc)
            else:
                self._told.add(kept.recording.recording_id)
        if held:
            archive = await journal.archive_of_last_proof()
            await journal.record(Noted(TOLD, {"archive": archive, "recordings": held}))
            _log.info("archive holds", recordings=held)
        return complete

    async def _renew(self, kept: Kept, stored: StoredObject) -> None:
        """Have the archive promise more than it did, where it promises at all and its promise is about to end, or has ended.

        Raises:
            ArchiveError: it does not.
        """
        now, promised = self._dock.clock.now(), parse_rfc3339(kept.until)
        if promised <= parse_rfc3339(kept.archived) or promised > now + _RENEWED_BEFORE:
            return
        await kept_longer(self._dock, kept, stored, now + _PROMISED_FOR, self._patience_s)

    def _refused(self, recording: Recording, error: ArchiveError) -> None:
        _log.error("archive not told of a hold", recording=recording.recording_id, why=error.message, hint=error.hint)
