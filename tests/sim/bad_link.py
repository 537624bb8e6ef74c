"""A way to a server that is slow, silent, somebody else's, or cut: TCP between client and server, with knobs."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from dockd.clock import Clock, SystemClock

_PAGE = b"<html>Welcome. Please accept our terms.</html>"
_PORTAL = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_PAGE), _PAGE)


class Way(StrEnum):
    """What becomes of what is sent."""

    OPEN = "open"
    SWALLOWED = "swallowed"  # taken, and never heard of again: half-open, or a stall without a reset
    PORTAL = "portal"  # answered 200 with a page by somebody on the way
    RESET = "reset"


@dataclass(slots=True)
class Knobs:
    """All may be turned while the link is in use.

    Attributes:
        way: see there; connections that stand are affected with their next bytes.
        latency_s: each way.
        turn_after_bytes: towards the server; then the way is `turns_to`, once.
        turns_to: see above.
    """

    way: Way = Way.OPEN
    latency_s: float = 0.0
    turn_after_bytes: int | None = None
    turns_to: Way = Way.OPEN


class BadLink:
    """Forwards connections to a loopback port, inside `async with`.

    Attributes:
        knobs: what is wrong with it.
        port: where to connect.
        passed_bytes: forwarded to the server so far.
    """

    def __init__(self, target_port: int, clock: Clock | None = None) -> None:
        self.knobs = Knobs()
        self.port = self.passed_bytes = 0
        self._target_port, self._clock = target_port, clock or SystemClock()
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.wait_closed()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        ends = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            ends.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(reader, self._outward(far_writer, writer)))
                group.create_task(self._forward(far_reader, self._homeward(writer)))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in ends:
                end.close()
            for end in ends:
                with contextlib.suppress(OSError):
                    await end.wait_closed()
            self._links.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, take: Callable[[bytes], Awaitable[None]]) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            data = b"."
            while data:
                data = await reader.read(4096)
                under_way.put_nowait((self._clock.monotonic() + self.knobs.latency_s, data))

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            while True:
                due_s, data = await under_way.get()
                await self._clock.sleep(max(0.0, due_s - self._clock.monotonic()))
                if self.knobs.way is Way.SWALLOWED:
                    continue  # nobody hears either that the other end is gone
                if not data:
                    raise ConnectionResetError
                await take(data)

    def _outward(self, far: asyncio.StreamWriter, near: asyncio.StreamWriter) -> Callable[[bytes], Awaitable[None]]:
        async def take(data: bytes) -> None:
            knobs = self.knobs
            if knobs.turn_after_bytes is not None:
                knobs.turn_after_bytes -= len(data)
                if knobs.turn_after_bytes <= 0:
                    knobs.turn_after_bytes, knobs.way = None, knobs.turns_to
            if knobs.way is Way.SWALLOWED:
                return
            if knobs.way is Way.PORTAL:
                near.write(_PORTAL)
                await near.drain()
                raise ConnectionResetError
            if knobs.way is Way.RESET:
                linger = struct.pack("ii", 1, 0)
                near.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                near.transport.abort()
                raise ConnectionResetError
            self.passed_bytes += len(data)
            far.write(data)
            await far.drain()

        return take

    @staticmethod
    def _homeward(near: asyncio.StreamWriter) -> Callable[[bytes], Awaitable[None]]:
        async def take(data: bytes) -> None:
            near.write(data)
            await near.drain()

        return take
