"""Has the archive keep recordings as long as the policy asks for, when that was said after they were archived.

What a recording is called decides how long the archive is asked to keep it, and a person may say so when it is there already; and
the policy itself may change. What is owed is derived, never stored: what the archive promised last is compared with the policy
of now. After each mark that is done of what was marked; at the start, after each change of the policy, and every day of all that
is archived, page by page. One that nobody named is owed the longest of the policy's times. The archive is asked with a fresh
holding statement, which says what it promises now; it never shortens. Where it does not promise it, a person is told.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from dockd.archive.retrying import PATIENCE_S
from dockd.clock import parse_rfc3339
from dockd.core import custody
from dockd.core.alerts import Kind
from dockd.core.policy import Policy
from dockd.custody.promises import kept_longer
from dockd.dock.parts import Dock
from dockd.errors import ArchiveError
from dockd.journal.gaps import Kept

_log = structlog.get_logger(__name__)

EVERY_S = 24 * 3600.0
_PAGE = 200
_SLACK = timedelta(days=1)
"""Retention is counted in days; a promise is not short for the minutes of an upload."""


class Retention:
    """Watches one dock for as long as it runs.

    Args:
        dock: whose recordings and archive it compares.
        every_s: between two looks, where nobody says anything.
        patience_s: how long an answer about one is waited for.
    """

    def __init__(self, dock: Dock, *, every_s: float = EVERY_S, patience_s: float = PATIENCE_S) -> None:
        self._dock, self._every_s, self._patience_s = dock, every_s, patience_s

    async def run(self) -> None:
        """Until cancelled."""
        journal, due = self._dock.journal, self._dock.retention_due
        compared: Policy | None = None
        after = 0
        due.set()
        while True:
            if due.is_set():
                due.clear()
                await self.once()
            if compared != self._dock.live.now.policy:
                compared, after = self._dock.live.now.policy, 0
            page, last = await journal.archived_page(after=after, most=_PAGE)
            if last is not None:
                after = await self._compare(page, last)
                continue
            try:
                async with asyncio.timeout(self._every_s):
                    await due.wait()
            except TimeoutError:
                compared = None
                due.set()

    async def once(self) -> None:
        """Ask for everything that is owed of what somebody named, and let alerts begin and end."""
        await self._compare(await self._dock.journal.marked_and_archived(), None)

    async def _compare(self, looked_at: Sequence[Kept], last: int | None) -> int:
        """Ask for what is owed of these, and let alerts begin and end; up to which number that is done.

        Asking for a whole page may take an hour: where `last` is given, whatever somebody names meanwhile goes first.
        """
        journal = self._dock.journal
        owed = short(looked_at, self._dock.live.now.policy)
        told = {each.subject for each in await journal.alerts() if each.ended is None and each.kind == Kind.KEPT_SHORT}
        wanting = {kept.recording.recording_id for kept, _ in owed}
        over = told & {kept.recording.recording_id for kept in looked_at} - wanting
        await journal.record(*(custody.AlertEnded(Kind.KEPT_SHORT, each) for each in sorted(over)))
        for kept, until in owed:
            if last is not None and self._dock.retention_due.is_set():
                return kept.recording.sequence - 1
            await self._ask(kept, until, told=kept.recording.recording_id in told)
        return last or 0

    async def _ask(self, kept: Kept, until: datetime, *, told: bool) -> None:
        recording = kept.recording
        if recording.stored is None:
            msg = f"recording {recording.recording_id} is {recording.state}, and nowhere"
            raise RuntimeError(msg)
        changes: list[custody.Change] = []
        try:
            promised = await kept_longer(self._dock, kept, recording.stored, until, self._patience_s)
        except ArchiveError as exc:
            why = exc.message
        else:
            why = "" if promised + _SLACK >= until else f"it keeps it until {promised:%Y-%m-%d}"
        if why and not told:
            message = f"the archive should keep recording {recording.recording_id} until {until:%Y-%m-%d}: {why}"
            changes.append(custody.AlertBegun(Kind.KEPT_SHORT, recording.recording_id, message))
        elif told and not why:
            changes.append(custody.AlertEnded(Kind.KEPT_SHORT, recording.recording_id))
        await self._dock.journal.record(*changes)
        self._dock.board.tell()
        _log.info("retention asked for", recording=recording.recording_id, until=f"{until:%Y-%m-%d}", why=why)


def short(archived: Iterable[Kept], policy: Policy) -> list[tuple[Kept, datetime]]:
    """Those that the archive promised to keep shorter than the policy asks for, and until when it should.

    An archive that promised nothing at first, because it promises nothing to anybody, is not asked.
    """
    owed = []
    for each in archived:
        proved, promised = parse_rfc3339(each.archived), parse_rfc3339(each.until)
        recording = each.recording
        until = policy.retained_until(proved, recording.category, first_amendment=recording.first_amendment)
        if promised > proved and promised + _SLACK < until:
            owed.append((each, until))
    return owed
