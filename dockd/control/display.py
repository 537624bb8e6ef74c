"""What the dock's own screen shows: the board, in the facts that the kiosk page makes its words of."""

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from dockd.clock import parse_rfc3339
from dockd.control.views import until_ready_s
from dockd.core.battery import FULL
from dockd.core.causes import Charge, causes
from dockd.core.estimate import Left, said, time_left_s
from dockd.core.names import shown
from dockd.core.readiness import CODES, Lamp, Needs
from dockd.core.recording import Recording, State
from dockd.dock.board import BayBoard, Phase, Taken
from dockd.dock.parts import Dock
from dockd.web.screen import Header, Notice, Screen, Tile, Trouble

_COPIED = frozenset({State.VERIFIED, State.UPLOADING, State.ARCHIVED, State.ERASED})
_ARCHIVED = frozenset({State.ARCHIVED, State.ERASED})
_WAITING = frozenset({State.VERIFIED, State.UPLOADING})
_MOVING = frozenset({Phase.COPYING, Phase.RECOGNISING, Phase.CLEARING})
_TROUBLES = 5
_NIGHT_FROM, _NIGHT_TO = 19, 6
_STEP_BYTES = 100_000_000


class Display:
    """Implements `web.kiosk.Source`.

    Args:
        dock: whose state it shows.
        site: the office where it stands.
        time_zone: of the office.
    """

    def __init__(self, dock: Dock, site: str, time_zone: str) -> None:
        self._dock, self._site, self._zone = dock, site, ZoneInfo(time_zone)

    @property
    def change(self) -> int:
        """Counts the news."""
        return self._dock.board.change

    async def news(self, since: int) -> None:
        """Wait until something changes after `change` was `since`."""
        await self._dock.board.news(since)

    def screen(self) -> Screen:
        """Everything as it is now."""
        board, outbox = self._dock.board, self._dock.outbox
        bays = list(board.bays.values())
        busy = any(each.phase in _MOVING for each in bays) or (outbox.files > 0 and board.archive.reachable is not False)
        return Screen(
            header=self._header(full=any(each.waiting is not None for each in bays)),
            tiles=tuple(self._tile(each) for each in bays),
            notices=tuple(self._notice(each) for each in board.taken()),
            busy=busy,
        )

    def _header(self, *, full: bool) -> Header:
        board, outbox, now = self._dock.board, self._dock.outbox, self._dock.clock.now().astimezone(self._zone)
        link = board.archive
        away = link.reachable is False
        left_bytes = outbox.left_bytes
        due = self._dock.critical_by()
        return Header(
            dock=self._dock.name,
            site=self._site,
            time=_clock_time(now),
            night=now.hour >= _NIGHT_FROM or now.hour < _NIGHT_TO,
            archive="unknown" if link.reachable is None else "away" if away else "answers",
            away_since=self._local(link.since) if away else "",
            archive_detail=_text(link.message) if away else "",
            free_bytes=self._dock.ledger.free_bytes() // _STEP_BYTES * _STEP_BYTES,
            full=full,
            site_file="error" if board.configuration.error else "pending" if board.configuration.pending else "",
            queue_files=outbox.files,
            queue_bytes=left_bytes,
            left=said(time_left_s(left_bytes, board.sent.pace())) if outbox.files and not away else None,
            critical=len(self._dock.critical()),
            critical_by="" if due is None else _day_time(due.astimezone(self._zone), now),
            critical_late=due is not None and due < now,
        )

    def _local(self, moment: str) -> str:
        return _clock_time(parse_rfc3339(moment).astimezone(self._zone))

    def _notice(self, taken: Taken) -> Notice:
        if not taken.looked_through:
            kind = "unseen"
        elif taken.refused_files:
            kind = "help"
        else:
            kind = "back" if taken.uncopied_files else "safe"
        return Notice(
            camera=taken.camera,
            officer=taken.officer,
            bay=taken.bay,
            kind=kind,
            files=taken.uncopied_files or taken.refused_files,
            bytes=taken.uncopied_bytes,
            time=_clock_time(taken.when.astimezone(self._zone)),
        )

    def _tile(self, bay: BayBoard) -> Tile:
        light = bay.lamp(self._dock.board.needs)
        if light is None:
            return Tile(bay.bay, bay.phase.value)
        recordings = [each.recording for each in bay.present.values()]
        states = Counter(each.state for each in recordings)
        refused = [each for each in recordings if each.refusal is not None] if states[State.REFUSED] else []
        problems = [Trouble(shown(path) or "/", _text(reason)) for path, reason in list(bay.problems.items())[:_TROUBLES]]
        troubles = [
            *problems,
            *(Trouble(shown(each.path), _text(each.refusal.message)) for each in refused[:_TROUBLES] if each.refusal),
        ]
        archive = self._dock.board.archive.reachable
        found = causes(
            states,
            scanned=bay.scanned,
            failed=light.lamp is Lamp.HELP,
            archive_answers=archive is not False,
            charge=Charge(
                bay.shown_battery.percent,
                bay.least.percent or FULL,
                powered=bay.resting is None if bay.charges or bay.resting is not None else None,
            ),
        )
        tile = Tile(
            bay=bay.bay,
            phase=bay.phase.value,
            camera=bay.shown_camera,
            officer=bay.shown_officer,
            battery_percent=bay.shown_battery.percent,
            battery=bay.shown_battery.quality,
            battery_old=bay.resting is not None,
            lamp=light.lamp,
            why=light.code,
            files=light.files,
            until=bay.reserved.until if bay.reserved is not None else "",
            detail="" if light.code in CODES and light.code != "kept" else _text(light.reason),
            total=len(recordings),
            copied=sum(states[state] for state in _COPIED),
            archived=sum(states[state] for state in _ARCHIVED),
            causes=(found.copied, found.charged, found.archived),
            troubles=tuple(troubles[:_TROUBLES]),
            more_troubles=max(0, len(bay.problems) + len(refused) - _TROUBLES),
            ready=said(until_ready_s(self._dock, bay, light)),
            clears=self._dock.board.needs is Needs.ERASED,
        )
        return self._with_bar(tile, bay, recordings, states)

    def _with_bar(self, tile: Tile, bay: BayBoard, recordings: list[Recording], states: Counter[State]) -> Tile:
        """The bar is about copying while anything is uncopied, then about the archive, then about the battery."""
        if not bay.scanned or tile.lamp is not Lamp.LEAVE:
            return tile
        total = sum(each.size_bytes for each in recordings)
        if states[State.SEEN] or states[State.COPYING]:
            copied = sum(each.size_bytes for each in recordings if each.state in _COPIED)
            done = min(total, copied + sum(bay.reading.values()))
            left = said(time_left_s(total - done, bay.meter.pace())) if bay.waiting is None else None
            return _barred(tile, "copy", done, total, left)
        waiting = [each.recording_id for each in recordings if each.state in _WAITING]
        if not waiting and tile.why == "charging":
            minutes = bay.charges_min()
            wanted = bay.least.percent
            left = None if minutes is None else said(60 * minutes)
            return msgspec.structs.replace(_barred(tile, "charge", bay.battery.percent or 0, FULL, left), wanted_percent=wanted)
        if not waiting:
            return tile
        done = max(0, total - self._dock.outbox.left_bytes_of(waiting))
        # Others' recordings may go first, so this camera's last one may have to wait for all of them.
        whole_s = time_left_s(self._dock.outbox.left_bytes, self._dock.board.sent.pace())
        return _barred(tile, "archive", done, total, said(whole_s) if self._dock.board.archive.reachable is not False else None)


def _barred(tile: Tile, stage: str, done_bytes: int, total_bytes: int, left: Left | None) -> Tile:
    """A bar is full only when everything is done."""
    permille = 1000 * done_bytes // total_bytes if total_bytes else 0
    return msgspec.structs.replace(tile, stage=stage, permille=min(permille, 999), left=left)


def _text(words: str) -> str:
    """What can be sent: the system's own words may quote a name that is no text."""
    return words.encode("utf-8", "backslashreplace").decode()


def _clock_time(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def _day_time(moment: datetime, now: datetime) -> str:
    """With its date where that is not today's."""
    return _clock_time(moment) if moment.date() == now.date() else f"{moment:%Y-%m-%d} {_clock_time(moment)}"
