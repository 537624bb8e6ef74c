"""One upload has one owner at a time, and the newest request is it.

A dock whose connection died half (a NAT forgot it, a switch was pulled) comes back on a new one while the old request still waits
for bytes. Only that dock's token can address the upload, so the newer request is always right: the older is ended, what it
received is made durable, and only then does the newer one see the offset.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from dockd.vault.refusal import RefusedError, TakenOverError

HANDOVER_S = 10.0
_STREAMS_LIMIT = 256  # each holds a few MiB at most
_SUPERSEDED = "A newer request for this upload took over."
_STILL_WRITING = "An older request for this upload is still being written to disk."


class Stream(Protocol):
    """A request body that can be ended from outside."""

    def set_exception(self, exc: BaseException) -> None:
        """Make the pending and every later read raise `exc`."""
        ...


@dataclass(slots=True)
class _Seat:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    stream: Stream | None = None
    newest: int = 0
    users: int = 0


class Seats:
    """Who is busy with which upload.

    Attributes:
        closing: this process stops, and nobody gets a seat any more.
    """

    def __init__(self) -> None:
        self._seats: dict[str, _Seat] = {}
        self._streams = 0
        self.closing = False

    def busy(self, upload_id: str) -> bool:
        """Whether some request has the upload right now."""
        return upload_id in self._seats

    def close(self) -> None:
        """End every request that receives, and refuse new ones: this process stops."""
        self.closing = True
        for seat in self._seats.values():
            if seat.stream is not None:
                seat.stream.set_exception(TakenOverError(_stopping()))

    @asynccontextmanager
    async def take(self, upload_id: str, stream: Stream | None = None) -> AsyncIterator[None]:
        """Own the upload; an older request that receives bytes for it is ended first.

        Args:
            upload_id: which upload.
            stream: the body that this request is going to receive, None when it only asks or removes.

        Raises:
            RefusedError: 423 when the older request does not end in time or a newer one came meanwhile; 503 while stopping.
        """
        seat = self._seats.setdefault(upload_id, _Seat())
        seat.users += 1
        try:
            seat.newest += 1
            turn = seat.newest
            if seat.stream is not None:
                seat.stream.set_exception(TakenOverError(_locked(_SUPERSEDED)))
            try:
                async with asyncio.timeout(HANDOVER_S):
                    await seat.lock.acquire()
            except TimeoutError as exc:
                raise _locked(_STILL_WRITING) from exc
            try:
                if self.closing:
                    raise _stopping()
                if stream is None:
                    yield
                    return
                if turn != seat.newest:
                    raise _locked(_SUPERSEDED)
                with self._receiving(seat, stream):
                    yield
            finally:
                seat.lock.release()
        finally:
            seat.users -= 1
            if not seat.users:
                del self._seats[upload_id]

    @contextmanager
    def _receiving(self, seat: _Seat, stream: Stream) -> Iterator[None]:
        if self._streams >= _STREAMS_LIMIT:
            msg = f"{_STREAMS_LIMIT} uploads are running; come back later."
            raise RefusedError(503, msg, {"Retry-After": "5"})
        self._streams += 1
        seat.stream = stream
        try:
            yield
        finally:
            seat.stream = None
            self._streams -= 1


def _locked(message: str) -> RefusedError:
    return RefusedError(423, message, {"Retry-After": "1"})


def _stopping() -> RefusedError:
    return RefusedError(503, "The vault is stopping; come back later.", {"Retry-After": "5"})
