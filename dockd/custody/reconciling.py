"""Compares, every day, what cameras listed with what the dock copied and with what the archive proves now, and raises alerts.

The archive is asked again for everything that it proved since the last time, and for some of what it proved ever, drawn at
random; what it does not have to keep any longer is not asked for. What is on hold is asked for every day, whatever the archive
promised. It reads each object from its own medium to answer: a loss
between an upload's acknowledgement and its store is seen within a day, and not when somebody needs the footage.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from dockd.archive.protocol import Archive
from dockd.archive.retrying import PATIENCE_S, answered
from dockd.clock import parse_rfc3339
from dockd.core import alerts, custody, gaps
from dockd.core.alerts import Alert, Kind
from dockd.core.recording import Recording
from dockd.dock.parts import Dock
from dockd.errors import ArchiveBusyError, ArchiveError, ArchiveRefusedError, ProofRefusedError, UploadLostError
from dockd.journal.gaps import RECONCILED

_log = structlog.get_logger(__name__)

EVERY_S = 24 * 3600.0
SAMPLE = 50
_HERE = gaps.KINDS - {Kind.UNPROVED}
"""What is seen without the archive."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the archive answered: how many it proved again, and which it did not, with its words; about some nothing."""

    proved: int
    lost: tuple[tuple[Recording, str], ...]
    silent: tuple[tuple[Recording, ArchiveBusyError], ...] = ()


class Reconciler:
    """Reconciles one dock for as long as it runs.

    Args:
        dock: whose journal, bays and archive it compares.
        every_s: between two.
        sample: how many of the older recordings are asked for each time.
        patience_s: how long an answer about one is waited for, beside what fetching it takes.
    """

    def __init__(self, dock: Dock, *, every_s: float = EVERY_S, sample: int = SAMPLE, patience_s: float = PATIENCE_S) -> None:
        self._dock, self._every_s, self._sample, self._patience_s = dock, every_s, sample, patience_s

    async def run(self) -> None:
        """Until cancelled. A dock that was off when a day was over does it at its start."""
        last = await self._dock.journal.last_note(RECONCILED)
        passed_s = self._every_s if last is None else (self._dock.clock.now() - parse_rfc3339(last["time"])).total_seconds()
        await self._dock.clock.sleep(min(max(self._every_s - passed_s, 0.0), self._every_s))
        while True:
            try:
                await self.once()
            except ArchiveError as exc:
                _log.error("not reconciled", code=exc.code, why=exc.message)
            await self._dock.clock.sleep(self._every_s)

    async def once(self) -> list[Alert]:
        """Compare now, write down what was found, and let alerts begin and end; all that is missing."""
        while True:
            found, complete = await self._part()
            if complete:
                return found

    async def _part(self) -> tuple[list[Alert], bool]:
        """As `once`, of as many new ones as are asked for at once; whether these were all."""
        journal, now = self._dock.journal, self._dock.clock.now()
        until, stuck = await journal.head(), await journal.stuck()
        docked = {bay.camera for bay in self._dock.board.bays.values() if bay.camera}
        here = gaps.uncopied(stuck, docked) + gaps.set_aside(stuck)
        await journal.record(*await self._changes(here, _HERE))  # at once: an archive that is away is asked for as long as it is
        self._dock.board.tell()
        held = await journal.held()
        also = {each.subject for each in await self._standing({Kind.UNPROVED})} | held
        since = await journal.reconciled_to()
        recordings, kept, part = await journal.proved(since=since, sample=self._sample, also=sorted(also))
        asked = await self._answers(due(recordings, kept, now, held))
        lost = gaps.unproved(asked.lost)
        found = here + lost
        note = {"until": until if part is None else part, "proved": asked.proved, "lost": len(asked.lost), "missing": len(found)}
        await journal.record(custody.Noted(RECONCILED, note), *await self._changes(lost, {Kind.UNPROVED}))
        self._dock.board.tell()
        _log.info("reconciled", proved=asked.proved, lost=len(asked.lost), missing=len(found))
        return found, part is None

    async def _answers(self, recordings: list[Recording]) -> Asked:
        """What the archive proves now; one that answers nothing at all is away, and is asked until it is back."""
        while True:
            try:
                return await ask_again(self._dock.archive, recordings, patience_s=self._patience_s)
            except ArchiveBusyError as exc:
                _log.warning("archive", of="reconciliation", code=exc.code, why=exc.message, next_try_s=0.0)

    async def _standing(self, kinds: Collection[Kind]) -> list[Alert]:
        """The alerts of these kinds."""
        standing = [each for each in await self._dock.journal.alerts() if each.ended is None and each.kind in kinds]
        return [Alert(Kind(each.kind), each.subject, each.message) for each in standing]

    async def _changes(self, found: list[Alert], kinds: Collection[Kind]) -> list[custody.Change]:
        """What makes the alerts of these kinds those that were found."""
        begun, ended = alerts.changes(await self._standing(kinds), found)
        changes: list[custody.Change] = [custody.AlertBegun(each.kind, each.subject, each.message) for each in begun]
        return changes + [custody.AlertEnded(each.kind, each.subject) for each in ended]


def due(recordings: Iterable[Recording], kept: Mapping[str, str], now: datetime, held: Collection[str] = ()) -> list[Recording]:
    """Those that the archive still has to hold: it promised to, or an order says so whatever it promised."""
    return [
        each
        for each in recordings
        if each.recording_id in held or ((until := kept.get(each.recording_id)) and parse_rfc3339(until) > now)
    ]


async def ask_again(archive: Archive, recordings: Iterable[Recording], *, patience_s: float | None = None) -> Asked:
    """Have the archive prove again that it holds each of these.

    One about which it gives no answer, while it answers about others, is not proved: its medium may give errors for it.

    Args:
        archive: one with its retry around it needs `patience_s`.
        recordings: archived.
        patience_s: how long an answer about one is waited for, beside what fetching it takes; None for as long as it takes.

    Raises:
        ArchiveError: it cannot be asked.
    """
    asked = await _asked(archive, recordings, patience_s)
    if asked.silent and not (asked.proved or asked.lost):
        raise asked.silent[0][1]
    again = await _asked(archive, [each for each, _ in asked.silent], patience_s)
    silent = tuple((each, exc.message) for each, exc in again.silent)
    return Asked(asked.proved + again.proved, (*asked.lost, *again.lost, *silent))


async def _asked(archive: Archive, recordings: Iterable[Recording], patience_s: float | None) -> Asked:
    proved = 0
    lost, silent = list[tuple[Recording, str]](), list[tuple[Recording, ArchiveBusyError]]()
    for each in recordings:
        if each.stored is None:
            continue
        asking = archive.prove_again(each.stored, secrets.token_hex(16), camera=each.camera)
        try:
            await (asking if patience_s is None else answered(asking, each.stored, patience_s))
        except ArchiveBusyError as exc:
            silent.append((each, exc))
        except (UploadLostError, ArchiveRefusedError, ProofRefusedError) as exc:
            lost.append((each, exc.message))
            _log.error("proof lost", recording=each.recording_id, why=exc.message)
        else:
            proved += 1
    return Asked(proved, tuple(lost), tuple(silent))
