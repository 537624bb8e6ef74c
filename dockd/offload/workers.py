"""The daemon's side of the bays' worker processes: fork them, ask them, notice a stall, kill them."""

import asyncio
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn, Protocol, Self, TypeVar

import msgspec

from dockd import errors
from dockd.core.clearance import CameraScan
from dockd.core.profile import Profile
from dockd.core.usb import UsbSource
from dockd.logs import logger
from dockd.offload import messages

_log = logger(__name__)

WORKER, OUTPOST = b"w", b"o"
"""What a forked process is for: one docking's I/O, or watching all bays."""

_KILL_WAIT_S = 1.0

_NICER_BY = 5
"""Where the kernel shares out the cores by control groups, as under systemd, this does what the session does elsewhere."""

_R = TypeVar("_R", bound=messages.Report)


class Zygote(Protocol):
    """What `Workers` must know of the process that it forks from."""

    pid: int

    def wait(self, timeout: float) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it did not come.
        """
        ...

    def kill(self) -> None:
        """End it."""
        ...


class _Forked:
    """A child of ours that runs no other program; as `subprocess.Popen` for what is needed of it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self._pidfd = os.pidfd_open(pid)

    def wait(self, timeout: float) -> int:
        if not select.select([self._pidfd], [], [], timeout)[0]:
            name = "zygote"
            raise subprocess.TimeoutExpired(name, timeout)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._pidfd)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def kill(self) -> None:
        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)


class Workers:
    """Owner of the zygote that every worker is forked from."""

    def __init__(self, control: socket.socket, process: Zygote) -> None:
        self._control, self._process = control, process

    @classmethod
    def start(cls) -> Self:
        """Start the zygote as a program of its own. Call it before the event loop is busy: Python takes a while to start."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "dockd.docking.worker", str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)  # noqa: S603 - our own module
        return cls(ours, process)

    @classmethod
    def fork(cls, zygote: Callable[[socket.socket], None]) -> Self:
        """Fork the zygote from this process, which must have one thread and should have loaded little but the workers' code.

        What both need is in memory once then: the interpreter, asyncio, the cryptography.

        Args:
            zygote: runs in the child until its socket is closed; what it returns or raises ends the child and whatever it forked.
        """
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        gc.freeze()  # a collection would write to every page of what is shared, and so copy it
        pid = os.fork()
        if pid == 0:
            ours.close()
            _end_with(zygote, theirs)
        theirs.close()
        return cls(ours, _Forked(pid))

    def close(self) -> None:
        """End the zygote; workers that still run are killed by the kernel with it."""
        self._control.close()
        try:
            self._process.wait(_KILL_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_KILL_WAIT_S)

    @asynccontextmanager
    async def worker(self, bay: str, *, stall_after_s: float) -> AsyncIterator["BayWorker"]:
        """A new worker for one docking, killed when the block ends.

        Raises:
            WorkerError: it could not be started.
        """
        async with self.process(WORKER, f"bay {bay}", start_within_s=stall_after_s) as (reader, writer):
            yield BayWorker(bay, reader, writer, stall_after_s)

    @asynccontextmanager
    async def process(
        self, role: bytes, name: str, *, start_within_s: float
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A new process forked from the zygote, killed when the block ends; what it is told and says.

        Args:
            role: `WORKER` or `OUTPOST`; one byte.
            name: for the log.
            start_within_s: it is given up after that.

        Raises:
            WorkerError: it could not be started.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
        try:
            with theirs:
                socket.send_fds(self._control, [role], [theirs.fileno()])
            async with asyncio.timeout(start_within_s):
                pidfd = await _receive_descriptor(ours)
            reader, writer = await asyncio.open_connection(sock=ours)
        except (OSError, TimeoutError) as exc:
            ours.close()
            msg = f"{name}: no process could be started: {exc}"
            raise errors.WorkerError(msg) from exc
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            await _end(name, pidfd)


def _end_with(zygote: Callable[[socket.socket], None], control: socket.socket) -> NoReturn:
    """Be the zygote, or a worker that it forked; nothing of the process that this one was copied from ever goes on here."""
    status = 1
    try:
        # A session of its own: Ctrl-C at a terminal reaches only the daemon, which ends its workers in order; and where the
        # kernel shares out the cores by sessions (autogroups, sched(7)), eight bays that hash do not keep the daemon waiting.
        os.setsid()
        os.nice(_NICER_BY)
        with control:
            zygote(control)
        status = 0
    except SystemExit as leave:
        status = 0 if leave.code in {0, None} else 1
    except BaseException:  # noqa: BLE001 - there is nobody above to tell
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


async def _readable(file: socket.socket | int) -> None:
    """Wait until the kernel says that `file` can be read, or for a pidfd that its process ended."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(file, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(file)


async def _receive_descriptor(conversation: socket.socket) -> int:
    await _readable(conversation)
    _, descriptors, _, _ = socket.recv_fds(conversation, 1, 1)
    if not descriptors:
        msg = "it ended at once"
        raise OSError(msg)
    return descriptors[0]


async def _end(name: str, pidfd: int) -> None:
    """Kill a worker; one that hangs in the kernel is abandoned and named."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        async with asyncio.timeout(_KILL_WAIT_S):
            await _readable(pidfd)
    except ProcessLookupError:
        pass  # it had ended by itself
    except TimeoutError:
        _log.warning("process abandoned", name=name, why="its device hangs in the kernel; it ends when the device answers")
    finally:
        os.close(pidfd)


class BayWorker:
    """A conversation with one worker: one command at a time."""

    def __init__(self, bay: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stall_after_s: float) -> None:
        self._bay, self._reader, self._writer, self._stall_after_s = bay, reader, writer, stall_after_s
        self.free_bytes: int | None = None  # room on the camera at its last scan

    async def ask(self, command: messages.Command) -> AsyncIterator[messages.Report]:
        """Send `command` and give every report until it is done.

        Raises:
            CameraStalledError: nothing was heard for the stall time.
            WorkerError: the process ended by itself.
            DockError: what the worker reports as the reason why it cannot go on.
        """
        self._writer.write(messages.frame(command))
        while True:
            report = await self._next()
            match report:
                case messages.Done():
                    return
                case messages.Failed():
                    raise _error(report)
                case _:
                    yield report

    def hasten(self) -> None:
        """Have the copy that is under way end early, for something more urgent; what it has read is kept."""
        self._writer.write(messages.frame(messages.GiveWay()))

    async def _next(self) -> messages.Report:
        try:
            async with asyncio.timeout(self._stall_after_s):
                header = await self._reader.readexactly(messages.HEADER_BYTES)
                return messages.report(await self._reader.readexactly(messages.body_bytes(header)))
        except TimeoutError:
            msg = f"the camera in bay {self._bay} has not answered for {self._stall_after_s:.0f} seconds"
            raise errors.CameraStalledError(msg) from None
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            msg = f"bay {self._bay}: the worker process ended"
            raise errors.WorkerError(msg) from exc
        except (ValueError, msgspec.MsgspecError) as exc:  # one bay's trouble, whatever it read; never the daemon's end
            msg = f"bay {self._bay}: the worker process said something that is no message: {exc}"
            raise errors.WorkerError(msg) from exc

    async def open(self, root: Path | UsbSource, profile: Profile) -> messages.Identified | messages.Unfinished:
        """Open the camera; raises as `ask`."""
        source = str(root) if isinstance(root, Path) else root
        reports = [report async for report in self.ask(messages.Open(source, profile))]
        return _one([each for each in reports if isinstance(each, messages.Identified | messages.Unfinished)], "Open")

    async def resume(self) -> messages.Resumed:
        """Finish the clear that `open` found broken off; raises as `ask`."""
        return await self._only(messages.Resume(), messages.Resumed)

    async def rest(self) -> None:
        """Let go of a camera at a USB port until it is opened again; raises as `ask`."""
        async for _ in self.ask(messages.Rest()):
            pass

    async def scan(self) -> CameraScan:
        """Walk the camera; raises as `ask`."""
        scanned = await self._only(messages.Scan(), messages.Scanned)
        self.free_bytes = scanned.free_bytes
        return scanned.scan

    async def _only(self, command: messages.Command, kind: type[_R]) -> _R:
        """The one report of that kind that the command is answered with."""
        return _one([report async for report in self.ask(command) if isinstance(report, kind)], type(command).__name__)


def _one(found: list[_R], command: str) -> _R:
    if len(found) != 1:
        msg = f"{command} was answered with {len(found)} reports of what it asks for"
        raise RuntimeError(msg)
    return found[0]


def _error(failed: messages.Failed) -> errors.DockError:
    """The error that the worker met, as the same class here."""
    kind = getattr(errors, failed.error, errors.WorkerError)
    if kind is errors.SpoolFullError:
        return errors.SpoolFullError(failed.message, needed_bytes=0, free_bytes=0, hint=failed.hint)
    error: errors.DockError = kind(failed.message, hint=failed.hint)
    return error
