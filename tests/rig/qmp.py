"""QEMU's machine protocol: orders to a machine, and what it reports by itself (qemu-qmp-ref(7))."""

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import Mapping
from typing import Any

from tests.rig.image import RigError

DEADLINE_S = 300.0
_LONGEST_LINE_BYTES = 1 << 22


class Qmp:
    """One conversation with one machine, ended by the machine's end or by `close`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._events: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def over(cls, line: socket.socket) -> "Qmp":
        """Greet the machine at the other end of `line`."""
        reader, writer = await asyncio.open_connection(sock=line, limit=_LONGEST_LINE_BYTES)
        qmp = cls(reader, writer)
        async with asyncio.timeout(DEADLINE_S):
            greeting = await reader.readline()
        if not greeting:
            msg = "the machine ended at once"
            raise RigError(msg)
        qmp._listening = asyncio.create_task(qmp._listen())
        await qmp.order("qmp_capabilities")
        return qmp

    async def order(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - as QEMU answers
        """Give one order and return its answer.

        Raises:
            RigError: the machine refuses, or ended.
        """
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        document = {"execute": command, "arguments": dict(arguments or {}), "id": number}
        self._writer.write(json.dumps(document).encode() + b"\n")
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await answer
        finally:
            self._waiting.pop(number, None)

    async def wait_for(self, event: str, **data: object) -> None:
        """Return when the machine has reported `event` with this data, now or before; each report is told once."""

        def told() -> bool:
            for each in self._events:
                if each["event"] == event and data.items() <= each.get("data", {}).items():
                    self._events.remove(each)
                    return True
            return False

        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(told)

    async def close(self) -> None:
        """Hang up."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionResetError):
            while line := await self._reader.readline():
                await self._hear(json.loads(line))
        for answer in self._waiting.values():
            if not answer.done():
                msg = "the machine ended"
                answer.set_exception(RigError(msg))

    async def _hear(self, document: dict[str, Any]) -> None:
        if "event" in document:
            async with self._news:
                self._events.append(document)
                self._news.notify_all()
            return
        answer = self._waiting.get(document.get("id", 0))
        if answer is None or answer.done():
            return
        if "error" in document:
            answer.set_exception(RigError(document["error"]["desc"]))
        else:
            answer.set_result(document["return"])
