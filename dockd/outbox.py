"""The recordings that wait for the archive, most urgent first, cameras in turns."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from dockd.core.queue import Turns, is_critical, upload_rank
from dockd.core.recording import Recording


class Outbox:
    """What was verified and is not yet archived, in memory; the journal's states fill it again at start."""

    def __init__(self) -> None:
        self._queue: asyncio.PriorityQueue[tuple[int, bool, int, int, str]] = asyncio.PriorityQueue()
        self._turns: defaultdict[int, Turns] = defaultdict(Turns)
        self._places: dict[str, int] = {}
        self._left_bytes: dict[str, int] = {}
        self._critical: dict[str, str] = {}
        self._untaken: set[str] = set()
        self._news_of_critical = asyncio.Event()

    @property
    def critical(self) -> tuple[str, ...]:
        """When each recording of a critical incident that waits or is on its way was seen first, RFC 3339."""
        return tuple(self._critical.values())

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
        priority, fresh, sequence = upload_rank(recording)
        place = self._places.get(recording.recording_id)
        if place is None:
            place = self._places[recording.recording_id] = self._turns[priority].place(recording.camera, recording.size_bytes)
        self._queue.put_nowait((priority, fresh, place, sequence, recording.recording_id))
        if is_critical(recording):
            self._critical[recording.recording_id] = recording.seen
            self._untaken.add(recording.recording_id)
            self._news_of_critical.set()

    async def take(self) -> str:
        """The most urgent recording's id; waits while there is none. It counts as waiting until it is `done`."""
        priority, _, place, _, recording_id = await self._queue.get()
        self._turns[priority].reached(place)
        self._untaken.discard(recording_id)
        return recording_id

    def sent(self, recording_id: str, left_bytes: int) -> None:
        """So much of it is still to be sent."""
        self._left_bytes[recording_id] = left_bytes

    def done(self, recording_id: str) -> None:
        """It is archived or refused."""
        self._left_bytes.pop(recording_id, None)
        self._places.pop(recording_id, None)
        self._critical.pop(recording_id, None)
