"""Tells people the same day what needs them: watches for alerts, keeps them in the journal, and tells each channel once.

What stands is derived from the journal and the clock whenever something may have become due or have ended. An alert and its end
are written down before anybody is told, and who was told is written down after: a dock that restarts tells nobody twice, but for
news that was taken in the very instant of a power cut.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from dockd.alerts.channel import Channel, News
from dockd.clock import parse_rfc3339, rfc3339
from dockd.core import alerts, custody
from dockd.core.alerts import Alert, Kind, Presence, Waiting
from dockd.core.filling import BEHIND, WEEK, Inflow, filling
from dockd.dock.parts import Dock
from dockd.errors import AlertError
from dockd.journal.alerts import AlertKept

_log = structlog.get_logger(__name__)

_GATHER_S = 10.0
"""Much happens while cameras are docked, and nobody is told sooner than this."""
_AGAIN_S = 60.0
_AT_MOST_S = 3600.0
"""A wall clock that was set is noticed after so long."""

_LOG = "journal"
_WATCHED = frozenset({Kind.UNDOCKED, Kind.PAST_DEADLINE, Kind.FILLING})
"""Those that stand or fall with the clock; others begin and end where they are found."""


class Alerting:
    """Watches one dock for as long as it runs.

    Args:
        dock: whose journal and orders it goes by.
        channels: those that the site file names now.
        place: where the dock stands, in words.
    """

    def __init__(self, dock: Dock, channels: Callable[[], Sequence[Channel]], place: str) -> None:
        self._dock, self._channels, self._place = dock, channels, place
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            seen = self._dock.board.change  # telling a channel takes as long as that does, and news may come meanwhile
            next_s = await self.once()
            try:
                async with asyncio.timeout(next_s):
                    await self._dock.board.news(seen)
            except TimeoutError:
                continue
            await self._dock.clock.sleep(_GATHER_S)

    async def once(self) -> float:
        """See what stands, write down what changed, and tell who is to be told; seconds until something can be due."""
        waiting = await self._watch()
        told = await self._tell()
        now = self._dock.clock.now()
        due = alerts.next_due(self._dock.live.now.alerts, self._dock.live.now.policy, waiting, now)
        next_s = _AT_MOST_S if due is None else min((due - now).total_seconds() + 1, _AT_MOST_S)
        return next_s if told else min(next_s, _AGAIN_S)

    async def _watch(self) -> list[Waiting]:
        dock, orders, now = self._dock, self._dock.live.now, self._dock.clock.now()
        present = {camera: _presence(*times) for camera, times in (await dock.journal.last_docked()).items()}
        waiting = [Waiting(*row[:3], parse_rfc3339(row[3])) for row in await dock.journal.waiting()]
        found = alerts.undocked(orders.alerts, present, now) + alerts.past_deadline(orders.policy, waiting, now)
        inflow = await self._inflow(now)
        yielding_bytes = await dock.yielding_bytes() if inflow.behind_bytes else 0
        found += filling(inflow, dock.ledger.free_bytes() + yielding_bytes, now, orders.alerts.zone)
        standing = [
            Alert(Kind(each.kind), each.subject, each.message)
            for each in await dock.journal.alerts()
            if each.ended is None and each.kind in _WATCHED
        ]
        begun, ended = alerts.changes(standing, found)
        await dock.journal.record(
            *(custody.AlertBegun(each.kind, each.subject, each.message) for each in begun),
            *(custody.AlertEnded(each.kind, each.subject) for each in ended),
        )
        return waiting

    async def _inflow(self, now: datetime) -> Inflow:
        before, since = rfc3339(now - BEHIND), rfc3339(now - WEEK)
        behind_bytes, came_bytes, first = await self._dock.journal.inflow(behind_since=before, came_since=since)
        return Inflow(behind_bytes, came_bytes, None if first is None else parse_rfc3339(first))

    async def _tell(self) -> bool:
        """Tell every channel what it does not know; whether all of them do by now."""
        everybody = True
        channels = self._channels()
        for alert in await self._dock.journal.alerts():
            for phase in ("begun",) if alert.ended is None else ("begun", "ended"):
                if (phase, _LOG) not in alert.told:
                    self._log(alert, phase)
                    await self._dock.journal.record(custody.AlertTold(alert.number, phase, _LOG))
                for channel in channels:
                    # Who never heard of its beginning needs no end.
                    heard = phase == "begun" or ("begun", channel.name) in alert.told
                    if heard and (phase, channel.name) not in alert.told and not (phase == "begun" and alert.ended):
                        everybody = await self._tell_one(channel, alert, phase) and everybody
        return everybody

    async def _tell_one(self, channel: Channel, alert: AlertKept, phase: str) -> bool:
        news = News(
            dock=self._dock.name,
            place=self._place,
            number=alert.number,
            phase=phase,
            kind=alert.kind,
            subject=alert.subject,
            message=alert.message,
            begun=alert.begun,
            ended=alert.ended,
        )
        try:
            await channel.tell(news)
        except AlertError as exc:
            if channel.name not in self._failing:
                _log.error("alert was not taken", channel=channel.name, why=exc.message)
            self._failing.add(channel.name)
            return False
        self._failing.discard(channel.name)
        await self._dock.journal.record(custody.AlertTold(alert.number, phase, channel.name))
        return True

    def _log(self, alert: AlertKept, phase: str) -> None:
        if phase == "begun":
            _log.error("alert", kind=alert.kind, subject=alert.subject, why=alert.message)
        else:
            _log.info("alert is over", kind=alert.kind, subject=alert.subject)


def _presence(since: str, until: str | None) -> Presence:
    return Presence(parse_rfc3339(since), None if until is None else parse_rfc3339(until))
