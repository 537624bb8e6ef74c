"""The daemon's status as its control socket tells it, again and again: what the demo sees, and what it waits for."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from dockd.clock import Clock
from dockd.errors import ControlError, DockError
from dockd.web.view import RecordingsView, RecordingView, StatusView

_EVERY_S, _OFTEN_S = 0.06, 0.01
_STILL_S = 300.0

_T = TypeVar("_T")


class Watch:
    """Asks one daemon. `run` must be running while somebody waits.

    Attributes:
        status: the last answer, None before the first.
        closely: ask very often, to catch what is soon over.
    """

    def __init__(self, socket: Path, clock: Clock) -> None:
        self.socket = socket
        self.status: StatusView | None = None
        self.closely = False
        self._clock = clock
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            ControlError: the daemon does not answer.
            DockError: it answers, but nothing has moved for minutes.
        """
        before: object = None
        moved_s = self._clock.monotonic()
        async with self._session() as session:
            while True:
                status = msgspec.json.decode(await _ask(session, "status", {}), type=StatusView)
                moving = status.bays, status.queue.files, status.queue.bytes, status.recordings
                if moving != before:
                    before, moved_s = moving, self._clock.monotonic()
                elif self._clock.monotonic() - moved_s > _STILL_S:
                    msg = f"nothing has moved for {_STILL_S:.0f} s"
                    raise DockError(msg, hint="The logs in the work folder say what dock and vault were doing.")
                async with self._news:
                    self.status = status
                    self._news.notify_all()
                await self._clock.sleep(_OFTEN_S if self.closely else _EVERY_S)

    async def until(self, find: Callable[[StatusView], _T | None]) -> _T:
        """Wait until `find` finds something in a status, and return it."""
        async with self._news:
            while self.status is None or (found := find(self.status)) is None:
                await self._news.wait()
        return found

    async def when(self, come: Callable[[StatusView], bool]) -> None:
        """Wait for a status of which `come` is true."""
        await self.until(lambda status: come(status) or None)

    async def recordings(self, camera: str, state: str) -> tuple[RecordingView, ...]:
        """The camera's recordings in that state.

        Raises:
            ControlError: the daemon does not answer.
        """
        async with self._session() as session:
            answer = await _ask(session, "recordings", {"camera": camera, "state": state})
        return msgspec.json.decode(answer, type=RecordingsView).recordings

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(self.socket)), timeout=aiohttp.ClientTimeout(total=30.0)
        )  # fmt: skip


async def _ask(session: aiohttp.ClientSession, what: str, query: dict[str, str]) -> bytes:
    try:
        async with session.get(f"http://dockd/api/v1/{what}", params=query) as answer:
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError) as exc:
        msg = f"the dock does not say how it is: {exc!r}"
        raise ControlError(msg) from exc
    if answer.status != 200:  # noqa: PLR2004 - OK
        msg = f"the dock does not say how it is: {body.decode(errors='replace')}"
        raise ControlError(msg)
    return body
