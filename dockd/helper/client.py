"""The client's side of the helper's conversation: for the daemon, which never waits in place, and for a worker, which may."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from typing import NoReturn, Self

from dockd.core.clearance import CameraScan, Rehash, ScannedFile
from dockd.core.erasure import Method
from dockd.core.readiness import Lamp
from dockd.core.usb import Volume
from dockd.errors import (
    CameraGoneError,
    CameraUnknownError,
    ClearanceRefusedError,
    DockError,
    EraseFailedError,
    LampError,
    ProofRefusedError,
    WorkerError,
)
from dockd.helper import wire
from dockd.helper.told import Examined, UnfinishedClearError

_BATCH_BYTES, _BATCH_PATHS = wire.FRAME_LIMIT_BYTES - 1024, 1024
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


class LampLine:
    """The lamps of the dock's bays. Made by `lamps`."""

    def __init__(self, line: "_Line") -> None:
        self._line = line

    async def show(self, states: Mapping[str, Lamp | None]) -> None:
        """Show these states, by bay; None is dark.

        Raises:
            LampError: a lamp cannot show it; the others do.
            CameraUnknownError: a bay has no lamp in the helper's site file.
            WorkerError: the helper cannot be asked.
        """
        reply = await self._line.asked(
            wire.ShowLamps({bay: "off" if lamp is None else lamp.value for bay, lamp in states.items()})
        )
        if not isinstance(reply, wire.Noted):
            raise _unexpected(reply)

    async def lost(self) -> None:
        """Wait until the helper is gone, which is an error; not while anything is being shown.

        Raises:
            WorkerError: it is gone.
        """
        await self._line.ended()


@asynccontextmanager
async def lamps(path: str) -> AsyncIterator[LampLine]:
    """The lamps; those that are lit when the block ends, however it ends, ask for help.

    Raises:
        WorkerError: the helper cannot be reached.
    """
    async with _line(path) as line:
        yield LampLine(line)


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

    async def ended(self) -> NoReturn:
        try:
            await self._reader.read(1)  # it never speaks unasked
        except OSError as exc:
            raise _unreachable(exc) from exc
        raise _unreachable(EOFError("it hung up"))


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


Scope = wire.Scope


def place_hold(scope: Scope, subject: str, by: str, reason: str, *, case: str = "", path: str = wire.SOCKET) -> None:
    """Have the helper refuse, from now on, to erase anything that an order names, as `core.holds` has them. Blocks.

    Args:
        scope: what `subject` names.
        subject: a serial, an id, a name or a span.
        by: who says so, for the record.
        reason: why, for the record.
        case: the name under which it is placed.
        path: of the helper's socket.

    Raises:
        WorkerError: the helper cannot be asked, or could not write it down.
    """
    _told(path, wire.PlaceHold(scope, subject, by, reason, case))


def lift_hold(scope: Scope, subject: str, by: str, reason: str, *, case: str = "", path: str = wire.SOCKET) -> None:
    """Have the helper forget a hold; it obeys root alone, whatever the daemon says. As `place_hold`."""
    _told(path, wire.LiftHold(scope, subject, by, reason, case))


def list_holds(*, path: str = wire.SOCKET) -> tuple[wire.Held, ...]:
    """The holds that the helper knows. Blocks; raises as `place_hold`."""
    return tuple(each for each in _told(path, wire.ListHolds()) if isinstance(each, wire.Held))


def _told(path: str, request: wire.AnyRequest) -> list[wire.AnyReply]:
    with closing(Session.connect(path)) as session:
        return list(session.answers(request))


class Session:
    """A worker's session: one volume at a time, mounted until the session is closed or its process ends."""

    def __init__(self, conversation: socket.socket) -> None:
        self._conversation = conversation
        self.opened = wire.Opened("", {})  # what was said of it, once something is open

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
            UnfinishedClearError: it was being cleared when it was pulled or the power failed.
            WorkerError: the helper cannot be asked.
        """
        return self._opened(wire.Open(bay, volume.diskseq, volume.partition))

    def _opened(self, request: wire.Open | wire.OpenSeveral) -> int:
        reply, root = self._asked(request)
        if isinstance(reply, wire.Unfinished) and isinstance(request, wire.Open):
            raise UnfinishedClearError(reply.camera, reply.docking, request.bay, request.diskseq)
        if not isinstance(reply, wire.Opened) or root < 0:
            raise _unexpected(reply)
        self.opened = reply
        return root

    def open_several(self, bay: str, volumes: Mapping[str, Volume]) -> int:
        """The descriptor of a root folder that has a folder for each of these volumes; raises as `open`."""
        parts = tuple(wire.Part(name, volume.diskseq, volume.partition) for name, volume in volumes.items())
        return self._opened(wire.OpenSeveral(bay, parts))

    def release(self) -> None:
        """Have the volume unmounted, now that every descriptor of it is closed; raises as `open`."""
        reply, _ = self._asked(wire.Release())
        if not isinstance(reply, wire.Released):
            raise _unexpected(reply)

    def examine(self, paths: Iterable[bytes], alive: Callable[[int], None]) -> Examined:
        """Have the camera mounted afresh, walked, and `paths` read again; every descriptor of it must be closed.

        Args:
            paths: what is wanted erased.
            alive: told as the work goes on.

        Raises:
            ClearanceRefusedError: this camera is not erased.
            DockError: as `open`.
        """
        for batch in _batches(paths):
            self._noted(wire.Want(batch))
        files: list[ScannedFile] = []
        rehashes: dict[bytes, Rehash] = {}
        for reply in self.answers(wire.Examine(), alive):
            match reply:
                case wire.Entry(file, rehash):
                    files.append(file)
                    if rehash is not None:
                        rehashes[file.path] = rehash
                case wire.Examined(serial, nonce, method, obstacles, officers):
                    return Examined(CameraScan(serial, tuple(files), officers), rehashes, nonce, method, obstacles)
                case _:
                    raise _unexpected(reply)
        raise _unexpected(wire.Noted())

    def erase(self, docking: str, method: Method, demands: Iterable[wire.Demand], alive: Callable[[int], None]) -> wire.Erased:
        """Have erased what the last examination saw and the archive's statements prove.

        Args:
            docking: id.
            method: how.
            demands: each recording with the archive's statement.
            alive: told as the work goes on.

        Raises:
            ProofRefusedError: a statement proves nothing to the helper.
            ClearanceRefusedError: it erases nothing.
            EraseFailedError: the camera did not do it.
            DockError: as `open`.
        """
        for demand in demands:
            self._noted(demand)
        return self._erased(wire.Erase(docking, method), alive)

    def resume(self, unfinished: UnfinishedClearError, alive: Callable[[int], None]) -> wire.Erased:
        """Have a clear finished that was broken off; raises as `erase`."""
        return self._erased(wire.Resume(unfinished.bay, unfinished.diskseq), alive)

    def _erased(self, request: wire.AnyRequest, alive: Callable[[int], None]) -> wire.Erased:
        for reply in self.answers(request, alive):
            if isinstance(reply, wire.Erased):
                return reply
            raise _unexpected(reply)
        raise _unexpected(wire.Noted())

    def _noted(self, request: wire.AnyRequest) -> None:
        for reply in self.answers(request):
            raise _unexpected(reply)

    def answers(self, request: wire.AnyRequest, alive: Callable[[int], None] | None = None) -> Iterator[wire.AnyReply]:
        """Everything that is answered to one request, but for the signs of life and the `Noted` that ends most of it.

        Raises:
            DockError: as what it is refused; or the helper cannot be asked.
        """
        reply, _ = self._asked(request)
        while True:
            match reply:
                case wire.Alive(count):
                    if alive is not None:
                        alive(count)
                case wire.Noted():
                    return
                case wire.Entry() | wire.Held():
                    yield reply
                case _:
                    yield reply
                    return
            reply, _ = self._answered()

    def close(self) -> None:
        """End the session."""
        self._conversation.close()

    def _asked(self, request: wire.AnyRequest) -> tuple[wire.AnyReply, int]:
        try:
            self._conversation.sendall(wire.frame(request))
        except (OSError, wire.ProtocolError) as exc:
            raise _unreachable(exc) from exc
        return self._answered()

    def _answered(self) -> tuple[wire.AnyReply, int]:
        try:
            reply, descriptor = wire.next_reply(self._conversation)
        except (OSError, wire.ProtocolError) as exc:
            raise _unreachable(exc) from exc
        if isinstance(reply, wire.Refused):
            if descriptor >= 0:
                os.close(descriptor)
            raise _refusal(reply)
        return reply, descriptor


def _batches(paths: Iterable[bytes]) -> Iterator[tuple[bytes, ...]]:
    """As many paths at a time as fit into a frame, whatever their lengths."""
    batch: list[bytes] = []
    room = _BATCH_BYTES
    for path in paths:
        if batch and (len(path) + 8 > room or len(batch) == _BATCH_PATHS):
            yield tuple(batch)
            batch, room = [], _BATCH_BYTES
        batch.append(path)
        room -= len(path) + 8
    if batch:
        yield tuple(batch)


def _refusal(reply: wire.Refused) -> DockError:
    kinds: dict[str, type[DockError]] = {
        "unknown": CameraUnknownError,
        "gone": CameraGoneError,
        "failed": WorkerError,
        "proof": ProofRefusedError,
        "kept": ClearanceRefusedError,
        "erase": EraseFailedError,
        "lamp": LampError,
    }
    return kinds[reply.kind](reply.message, hint=reply.hint)


def _unreachable(error: Exception) -> WorkerError:
    return WorkerError(f"the helper that opens cameras cannot be asked: {error}", hint=_HINT)


def _unexpected(reply: wire.AnyReply) -> WorkerError:
    return WorkerError(f"the helper that opens cameras answered with {type(reply).__name__}", hint=_HINT)
