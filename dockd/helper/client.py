"""The client's side of the helper's conversation: for the daemon, which never waits in place, and for a worker, which may."""

import asyncio
import os
import socket
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


async def _asked(path: str, request: wire.AnyRequest) -> wire.AnyReply:
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as exc:
        raise _unreachable(exc) from exc
    try:
        writer.write(wire.frame(request))
        header = await reader.readexactly(wire.HEADER_BYTES)
        reply = wire.reply(await reader.readexactly(wire.body_bytes(header)))
    except (OSError, EOFError, wire.ProtocolError) as exc:
        raise _unreachable(exc) from exc
    finally:
        writer.transport.abort()
    if isinstance(reply, wire.Refused):
        raise _refusal(reply)
    return reply


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
