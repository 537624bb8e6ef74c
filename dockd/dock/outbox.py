"""The recordings that wait for the archive, most urgent first, cameras in turns."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import heappop, heappush

from dockd.core.queue import UNDELIVERED, Turns, is_critical, upload_rank
from dockd.core.recording import Recording

_Line = tuple[int, bool, str]
"""Urgency, whether not begun, camera: of these the one that was discovered first goes first, whenever its copy was ready."""


class Outbox:
    """What was verified and is not yet archived, in memory; the journal's states fill it again at start."""

    def __init__(self) -> None:
        self._turn: asyncio.PriorityQueue[tuple[int, bool, int, str]] = asyncio.PriorityQueue()
        self._lines: defaultdict[_Line, list[tuple[int, str]]] = defaultdict(list)
        self._turns: defaultdict[int, Turns] = defaultdict(Turns)
        self._places: dict[str, tuple[int, int]] = {}
        self._waiting: dict[str, _Line] = {}
        self._left_bytes: dict[str, int] = {}
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
        return len(self._left_bytes)

    @property
    def left_bytes(self) -> int:
        """What the archive has not been sent of them."""
        return sum(self._left_bytes.values())

    def left_bytes_of(self, recording_ids: Iterable[str]) -> int:
        """What the archive has not been sent of these."""
        return sum(self._left_bytes.get(each, 0) for each in recording_ids)

    def put(self, recording: Recording) -> None:
        """Add a recording, or put one back that could not be delivered this time."""
        self._left_bytes[recording.recording_id] = recording.size_bytes
        self._line_up(recording)

    def hurry(self, recording: Recording) -> None:
        """A person said how urgent it is; that counts whether it waits here, is on its way, or only comes."""
        if recording.state not in UNDELIVERED:
            return
        self._hurried[recording.recording_id] = recording.priority
        if recording.recording_id in self._waiting:
            self._line_up(recording)
        elif recording.recording_id in self._left_bytes and is_critical(recording):
            self._critical[recording.recording_id] = recording.seen

    def is_critical(self, recording: Recording) -> bool:
        """Whether it waits for no other, by what was said of it since as well."""
        return is_critical(recording) or recording.recording_id in self._critical

    def _line_up(self, recording: Recording) -> None:
        """Where it belongs; a place that it had before counts no more."""
        urgency = min(recording.priority, self._hurried.get(recording.recording_id, recording.priority))
        recording = replace(recording, priority=urgency)
        _, fresh, sequence = upload_rank(recording)
        of, place = self._places.get(recording.recording_id, (None, 0))
        if of != urgency:
            place = self._turns[urgency].place(recording.camera, recording.size_bytes)
            self._places[recording.recording_id] = urgency, place
        line = (urgency, fresh, recording.camera)
        self._waiting[recording.recording_id] = line
        heappush(self._lines[line], (sequence, recording.recording_id))
        self._turn.put_nowait((urgency, fresh, place, recording.camera))
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
            if self._waiting.get(recording_id) == line:
                del self._waiting[recording_id]
                return recording_id
        del self._lines[line]
        return None

    def sent(self, recording_id: str, left_bytes: int) -> None:
        """So much of it is still to be sent."""
        self._left_bytes[recording_id] = left_bytes

    def done(self, recording_id: str) -> None:
        """It is archived or refused."""
        self._left_bytes.pop(recording_id, None)
        self._places.pop(recording_id, None)
        self._critical.pop(recording_id, None)
        self._hurried.pop(recording_id, None)
