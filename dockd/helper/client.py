"""The client's side of the helper's conversation: for the daemon, which never waits in place, and for a worker, which may."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from dockd.core.usb import Volume
from dockd.errors import CameraGoneError, CameraUnknownError, DockError, WorkerError
from dockd.helper import wire

_HINT = "Admins: systemctl status dockd-helper.socket dockd-helper.service"


async def authorise(path: str, bay: str) -> str:
    """Have the camera in a bay let in; the name of the profile that recognised it.

    Raises:
        CameraUnknownError: it is no camera; the words say what it is.
        CameraGoneError: it left.
        WorkerError: the helper cannot be asked.
    """
    reply = await _asked(path, wire.Authorise(bay))
    if not isinstance(reply, wire.Authorised):
        raise _unexpected(reply)
    return reply.profile


async def bays(path: str) -> tuple[str, ...]:
    """The bays that the helper guards; asking starts it, and with it the guard.

    Raises:
        WorkerError: it cannot be asked.
    """
    reply = await _asked(path, wire.Hello())
    if not isinstance(reply, wire.Welcome):
        raise _unexpected(reply)
    return reply.bays


class PortPower:
    """The power of one bay's port, for whoever charges cameras. Made by `port_power`."""

    def __init__(self, bay: str, line: "_Line") -> None:
        self._bay, self._line = bay, line

    async def switch(self, *, on: bool) -> bool:
        """Switch it; whether the hub says that it did.

        A camera at a port that is switched off leaves the machine, and comes back as one that was just plugged in.

        Raises:
            CameraUnknownError: the port cannot be switched, or the camera is in use: release it first.
            CameraGoneError: the camera or its hub left meanwhile.
            WorkerError: the helper cannot be asked.
        """
        reply = await self._line.asked(wire.SwitchPower(self._bay, on))
        if not isinstance(reply, wire.Switched):
            raise _unexpected(reply)
        return reply.obeyed


@asynccontextmanager
async def port_power(path: str, bay: str) -> AsyncIterator[PortPower]:
    """The power of a bay's port. It is on again when the block ends, however it ends, and when this process does.

    Raises:
        WorkerError: the helper cannot be reached.
    """
    async with _line(path) as line:
        yield PortPower(bay, line)


class _Line:
    """A conversation with the helper."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def asked(self, request: wire.AnyRequest) -> wire.AnyReply:
        try:
            self._writer.write(wire.frame(request))
            header = await self._reader.readexactly(wire.HEADER_BYTES)
            reply = wire.reply(await self._reader.readexactly(wire.body_bytes(header)))
        except (OSError, EOFError, wire.ProtocolError) as exc:
            raise _unreachable(exc) from exc
        if isinstance(reply, wire.Refused):
            raise _refusal(reply)
        return reply


@asynccontextmanager
async def _line(path: str) -> AsyncIterator[_Line]:
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as exc:
        raise _unreachable(exc) from exc
    try:
        yield _Line(reader, writer)
    finally:
        writer.transport.abort()


async def _asked(path: str, request: wire.AnyRequest) -> wire.AnyReply:
    async with _line(path) as line:
        return await line.asked(request)


class Session:
    """A worker's session: one volume at a time, mounted until the session is closed or its process ends."""

    def __init__(self, conversation: socket.socket) -> None:
        self._conversation = conversation

    @classmethod
    def connect(cls, path: str) -> Self:
        """Begin a session.

        Raises:
            WorkerError: the helper cannot be reached.
        """
        conversation = socket.socket(socket.AF_UNIX)
        try:
            conversation.connect(path)
        except OSError as exc:
            conversation.close()
            raise _unreachable(exc) from exc
        return cls(conversation)

    def open(self, bay: str, volume: Volume) -> int:
        """The descriptor of a volume's root folder.

        Raises:
            CameraUnknownError: it cannot be mounted; the words say why.
            CameraGoneError: the disk is not there any more.
            WorkerError: the helper cannot be asked.
        """
        reply, root = self._asked(wire.Open(bay, volume.diskseq, volume.partition))
        if not isinstance(reply, wire.Opened) or root < 0:
            raise _unexpected(reply)
        return root

    def release(self) -> None:
        """Have the volume unmounted, now that every descriptor of it is closed; raises as `open`."""
        reply, _ = self._asked(wire.Release())
        if not isinstance(reply, wire.Released):
            raise _unexpected(reply)

    def close(self) -> None:
        """End the session."""
        self._conversation.close()

    def _asked(self, request: wire.AnyRequest) -> tuple[wire.AnyReply, int]:
        try:
            self._conversation.sendall(wire.frame(request))
            reply, descriptor = wire.next_reply(self._conversation)
        except (OSError, wire.ProtocolError) as exc:
            raise _unreachable(exc) from exc
        if isinstance(reply, wire.Refused):
            if descriptor >= 0:
                os.close(descriptor)
            raise _refusal(reply)
        return reply, descriptor


def _refusal(reply: wire.Refused) -> DockError:
    kinds = {"unknown": CameraUnknownError, "gone": CameraGoneError, "failed": WorkerError}
    return kinds[reply.kind](reply.message, hint=reply.hint)


def _unreachable(error: Exception) -> WorkerError:
    return WorkerError(f"the helper that opens cameras cannot be asked: {error}", hint=_HINT)


def _unexpected(reply: wire.AnyReply) -> WorkerError:
    return WorkerError(f"the helper that opens cameras answered with {type(reply).__name__}", hint=_HINT)
