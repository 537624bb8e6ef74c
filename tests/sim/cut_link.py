"""A way to a server that breaks after so many bytes: TCP between client and server, byte for byte, until it is cut."""

import asyncio
import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class CutLink:
    """Forwards connections to a loopback port, inside `async with`.

    Attributes:
        cut_after_bytes: what clients may still send before their connection is cut, once; None for no end.
        hold_after_bytes: what clients may still send before nothing moves any more, once, until the server dies.
        cuts_all: whether the other connections break with it, as they do when the link itself fails.
        holding: set when that is so.
        port: where to connect.
        passed_bytes: sent by clients and forwarded so far.
        on_passed: told that after each piece.
    """

    def __init__(self, target_port: int) -> None:
        self.cut_after_bytes: int | None = None
        self.hold_after_bytes: int | None = None
        self.cuts_all = False
        self.holding = asyncio.Event()
        self.port = 0
        self.passed_bytes = 0
        self.on_passed: Callable[[int], object] = lambda _passed_bytes: None
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.wait_closed()

    def _cut(self) -> None:
        for link in self._links:
            link.cancel()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        far_writer: asyncio.StreamWriter | None = None
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(reader, far_writer, counted=True))
                group.create_task(self._forward(far_reader, writer, counted=False))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            ends = [end for end in (writer, far_writer) if end is not None]
            for end in ends:  # all of them before the first wait, which may be cancelled
                end.close()
            for end in ends:
                with contextlib.suppress(OSError):
                    await end.wait_closed()
            self._links.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        while data := await reader.read(65536):
            if counted:
                data, broken = await self._passed(data)
            else:
                broken = False
            writer.write(data)
            await writer.drain()
            if broken:
                if self.cuts_all:
                    self._cut()
                raise ConnectionResetError
        raise ConnectionResetError  # an end that closes takes the whole connection with it

    async def _passed(self, data: bytes) -> tuple[bytes, bool]:
        """What of `data` still goes through, and whether the connection breaks after it."""
        self.passed_bytes += len(data)
        self.on_passed(self.passed_bytes)
        if self.hold_after_bytes is not None:
            self.hold_after_bytes -= len(data)
            if self.hold_after_bytes <= 0:
                self.hold_after_bytes = None
                self.holding.set()
                await asyncio.Event().wait()  # until the far end's death cancels it
        if self.cut_after_bytes is None:
            return data, False
        data = data[: self.cut_after_bytes]
        self.cut_after_bytes -= len(data)
        if self.cut_after_bytes > 0:
            return data, False
        self.cut_after_bytes = None
        return data, True
