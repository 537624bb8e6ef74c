"""Has the archive keep recordings as long as their category asks for, when that was said after they were archived.

What a recording is called decides how long the archive is asked to keep it, and a person may say so when it is there already.
What is owed is derived, never stored: whatever was marked and is archived is compared with what the archive promised last, at the
start, after each mark, and every day. The archive is asked with a fresh holding statement, which says what it promises now; it
never shortens. Where it does not promise it, a person is told.
"""

import asyncio
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog

from dockd.clock import parse_rfc3339
from dockd.core import custody
from dockd.core.alerts import Kind
from dockd.core.policy import Policy
from dockd.dock.parts import Dock
from dockd.errors import ArchiveError
from dockd.journal.gaps import Kept

_log = structlog.get_logger(__name__)

EVERY_S = 24 * 3600.0
_SLACK = timedelta(days=1)
"""Retention is counted in days; a promise is not short for the minutes of an upload."""


class Retention:
    """Watches one dock for as long as it runs.

    Args:
        dock: whose recordings and archive it compares.
        every_s: between two looks, where nobody says anything.
    """

    def __init__(self, dock: Dock, *, every_s: float = EVERY_S) -> None:
        self._dock, self._every_s = dock, every_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._dock.retention_due.clear()
            await self.once()
            try:
                async with asyncio.timeout(self._every_s):
                    await self._dock.retention_due.wait()
            except TimeoutError:
                continue

    async def once(self) -> None:
        """Ask for everything that is owed now, and let alerts begin and end."""
        journal = self._dock.journal
        owed = short(await journal.marked_and_archived(), self._dock.live.now.policy)
        told = {each.subject for each in await journal.alerts() if each.ended is None and each.kind == Kind.KEPT_SHORT}
        wanting = {kept.recording.recording_id for kept, _ in owed}
        await journal.record(*(custody.AlertEnded(Kind.KEPT_SHORT, each) for each in sorted(told - wanting)))
        for kept, until in owed:
            await self._ask(kept, until, told=kept.recording.recording_id in told)

    async def _ask(self, kept: Kept, until: datetime, *, told: bool) -> None:
        recording = kept.recording
        if recording.stored is None:
            msg = f"recording {recording.recording_id} is {recording.state}, and nowhere"
            raise RuntimeError(msg)
        changes: list[custody.Change] = []
        try:
            nonce = secrets.token_hex(16)
            proof = await self._dock.archive.prove_again(recording.stored, nonce, camera=recording.camera, retain_until=until)
        except ArchiveError as exc:
            why = exc.message
        else:
            promised = proof.statement.retain_until
            if promised > parse_rfc3339(kept.until):
                changes.append(custody.RecordingKeptLonger(recording.recording_id, proof))
            why = "" if promised + _SLACK >= until else f"it keeps it until {promised:%Y-%m-%d}"
        if why and not told:
            message = f"the archive should keep recording {recording.recording_id} until {until:%Y-%m-%d}: {why}"
            changes.append(custody.AlertBegun(Kind.KEPT_SHORT, recording.recording_id, message))
        elif told and not why:
            changes.append(custody.AlertEnded(Kind.KEPT_SHORT, recording.recording_id))
        await self._dock.journal.record(*changes)
        self._dock.board.tell()
        _log.info("retention asked for", recording=recording.recording_id, until=f"{until:%Y-%m-%d}", why=why)


def short(marked: Iterable[Kept], policy: Policy) -> list[tuple[Kept, datetime]]:
    """Those that the archive promised to keep shorter than the policy asks for, and until when it should.

    An archive that promised nothing at first, because it promises nothing to anybody, is not asked.
    """
    owed = []
    for each in marked:
        archived, promised = parse_rfc3339(each.archived), parse_rfc3339(each.until)
        recording = each.recording
        until = policy.retained_until(archived, recording.category, first_amendment=recording.first_amendment)
        if promised > archived and promised + _SLACK < until:
            owed.append((each, until))
    return owed
