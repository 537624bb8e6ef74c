"""The recordings that wait for the archive, most urgent first, cameras in turns."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from dockd.core.queue import UNDELIVERED, Turns, is_critical, upload_rank
from dockd.core.recording import Recording

_Line = tuple[int, bool, str]
"""Urgency, whether not begun, camera: of these the one that was discovered first goes first, whenever its copy was ready."""


@dataclass(slots=True)
class _Item:
    """One recording that waits or is on its way.

    Attributes:
        left_bytes: what the archive has not been sent of it.
        urgency, place: its place among the turns of that urgency, which it keeps while that is its urgency.
        line: in which it waits; None while a courier has it.
    """

    left_bytes: int = 0
    urgency: int | None = None
    place: int = 0
    line: _Line | None = None


class Outbox:
    """What was verified and is not yet archived, in memory; the journal's states fill it again at start."""

    def __init__(self) -> None:
        self._turn: asyncio.PriorityQueue[tuple[int, bool, int, str]] = asyncio.PriorityQueue()
        self._lines: defaultdict[_Line, list[tuple[int, str]]] = defaultdict(list)
        self._turns: defaultdict[int, Turns] = defaultdict(Turns)
        self._items: dict[str, _Item] = {}
        self._hurried: dict[str, int] = {}
        self._critical: dict[str, str] = {}
        self._untaken: set[str] = set()
        self._news_of_critical = asyncio.Event()

    @property
    def critical(self) -> Mapping[str, str]:
        """By id, when each recording of a critical incident that waits or is on its way was seen first, RFC 3339."""
        return self._critical

    @property
    def critical_untaken(self) -> int:
        """How many of them no courier has taken."""
        return len(self._untaken)

    async def critical_came(self) -> None:
        """Wait until one was put here since this was asked last."""
        await self._news_of_critical.wait()
        self._news_of_critical.clear()

    @property
    def files(self) -> int:
        """How many wait or are on their way."""
        return len(self._items)

    @property
    def left_bytes(self) -> int:
        """What the archive has not been sent of them."""
        return sum(each.left_bytes for each in self._items.values())

    def left_bytes_of(self, recording_ids: Iterable[str]) -> int:
        """What the archive has not been sent of these."""
        return sum(self._items[each].left_bytes for each in recording_ids if each in self._items)

    def put(self, recording: Recording) -> None:
        """Add a recording, or put one back that could not be delivered this time."""
        item = self._items.setdefault(recording.recording_id, _Item())
        item.left_bytes = recording.size_bytes
        self._line_up(recording, item)

    def hurry(self, recording: Recording) -> None:
        """A person said how urgent it is; that counts whether it waits here, is on its way, or only comes."""
        if recording.state not in UNDELIVERED:
            return
        self._hurried[recording.recording_id] = recording.priority
        item = self._items.get(recording.recording_id)
        if item is None:
            return
        if item.line is not None:
            self._line_up(recording, item)
        elif is_critical(recording):
            self._critical[recording.recording_id] = recording.seen

    def is_critical(self, recording: Recording) -> bool:
        """Whether it waits for no other, by what was said of it since as well."""
        return is_critical(recording) or recording.recording_id in self._critical

    def _line_up(self, recording: Recording, item: _Item) -> None:
        """Where it belongs; a place that it had before counts no more."""
        urgency = min(recording.priority, self._hurried.get(recording.recording_id, recording.priority))
        recording = replace(recording, priority=urgency)
        _, fresh, sequence = upload_rank(recording)
        if item.urgency != urgency:
            item.urgency, item.place = urgency, self._turns[urgency].place(recording.camera, recording.size_bytes)
        line = (urgency, fresh, recording.camera)
        if item.line == line:
            return  # one turn for each: a second one would be taken by another recording of its camera
        item.line = line
        heappush(self._lines[item.line], (sequence, recording.recording_id))
        self._turn.put_nowait((urgency, fresh, item.place, recording.camera))
        if is_critical(recording):
            self._critical[recording.recording_id] = recording.seen
            self._untaken.add(recording.recording_id)
            self._news_of_critical.set()

    async def take(self) -> str:
        """The most urgent recording's id; waits while there is none. It counts as waiting until it is `done`."""
        while True:
            urgency, fresh, place, camera = await self._turn.get()
            recording_id = self._first((urgency, fresh, camera))
            if recording_id is not None:
                self._turns[urgency].reached(place)
                self._untaken.discard(recording_id)
                return recording_id

    def _first(self, line: _Line) -> str | None:
        """Whoever was discovered first of a camera's line; none if the one whose turn it is went elsewhere since."""
        waiting = self._lines[line]
        while waiting:
            _, recording_id = heappop(waiting)
            item = self._items.get(recording_id)
            if item is not None and item.line == line:
                item.line = None
                return recording_id
        del self._lines[line]
        return None

    def sent(self, recording_id: str, left_bytes: int) -> None:
        """So much of it is still to be sent."""
        if (item := self._items.get(recording_id)) is not None:
            item.left_bytes = left_bytes

    def done(self, recording_id: str) -> None:
        """It is archived or refused."""
        self._items.pop(recording_id, None)
        self._critical.pop(recording_id, None)
        self._hurried.pop(recording_id, None)
