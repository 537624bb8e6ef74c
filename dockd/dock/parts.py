"""What the journeys through one dock share: the parts that `app` built."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from dockd.archive.protocol import Archive
from dockd.clock import Clock, parse_rfc3339
from dockd.core.alerts import Kind
from dockd.core.concurrency import Concurrency
from dockd.core.profile import CRITICAL
from dockd.core.queue import UNDELIVERED, is_critical
from dockd.dock.board import Board
from dockd.dock.live import Live
from dockd.dock.outbox import Outbox
from dockd.journal import Journal
from dockd.offload.spool import Ledger, Spool


@dataclass(frozen=True, slots=True)
class Dock:
    """One dock.

    Attributes:
        name: the dock's id.
        archive: with its retry and limits around it.
        live: what of the site file may change while the dock runs.
        pinned_keys: the archive's, as texts, for the eraser's own check.
        uploads: how many recordings may be on their way at once, now.
        checkpoint_due: set when the custody log has something that the archive should witness soon.
        room_due: set when room in the spool is short, or when what the site keeps there has changed.
        sealing_due: set when a copy was finished that may be sealed.
        holding_due: set when something was archived on whose way somebody placed or lifted a hold.
        retention_due: set when somebody said what may have the archive keep recordings longer: of one, or in the policy.
    """

    name: str
    journal: Journal
    spool: Spool
    ledger: Ledger
    archive: Archive
    board: Board
    outbox: Outbox
    clock: Clock
    live: Live
    pinned_keys: tuple[str, ...]
    uploads: Concurrency = field(default_factory=lambda: Concurrency(2))
    checkpoint_due: asyncio.Event = field(default_factory=asyncio.Event)
    holding_due: asyncio.Event = field(default_factory=asyncio.Event)
    retention_due: asyncio.Event = field(default_factory=asyncio.Event)
    room_due: asyncio.Event = field(default_factory=asyncio.Event)
    sealing_due: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def may_erase(self) -> bool:
        """The site's policy lets cameras in directory bays be erased."""
        return self.live.now.may_erase

    @property
    def may_erase_usb(self) -> bool:
        """The same of USB bays, where the helper does it, and has the last word."""
        return self.live.now.may_erase_usb

    @property
    def unsigned(self) -> bool:
        """The archive signs nothing, and the site file takes the dock's own word for what it holds."""
        return self.live.now.unsigned and not self.pinned_keys

    async def bound(self, recording_ids: Collection[str]) -> set[str]:
        """Of these recordings, those whose copies stay: an order says so, or the archive does not prove them any more."""
        lost = {each.subject for each in await self.journal.alerts() if each.kind == Kind.UNPROVED and each.ended is None}
        return await self.journal.held(sorted(recording_ids)) | (lost & set(recording_ids))

    async def yielding_bytes(self) -> int:
        """Room that copies take which the archive has proved, and which go where room is short."""
        if not self.live.now.keep.days:
            return 0  # none stays
        there = await asyncio.to_thread(self.spool.recording_ids)
        free = there - await self.bound(there)
        return sum(each.recording.size_bytes for each in await self.journal.kept(sorted(free)))

    def critical(self) -> tuple[str, ...]:
        """When each recording of a critical incident that the archive does not have was first seen: in a bay, or in the queue."""
        seen = dict(self.outbox.critical)
        for bay in self.board.bays.values():
            present = (each.recording for each in bay.present.values())
            seen |= {each.recording_id: each.seen for each in present if is_critical(each) and each.state in UNDELIVERED}
        return tuple(seen.values())

    def critical_by(self) -> datetime | None:
        """When the archive should have the first of them; None if there is none, or the site file sets no time."""
        policy = self.live.now.policy
        times = [policy.deadline(parse_rfc3339(seen), CRITICAL) for seen in self.critical()]
        return min((each for each in times if each is not None), default=None)
