"""A long-running verb of dockd as a process of its own: its log is read and kept, and it never outlives the demo."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dockd.clock import Clock
from dockd.errors import DockError

_READY_S = 30.0
_STOP_S = 15.0
_LINE_LIMIT_BYTES = 1 << 20
_LAST_LINES = 8

Line = dict[str, Any]


def dockd_command() -> list[str]:
    """The console script of this interpreter, or the same by other words where it is not installed as one."""
    script = Path(sys.executable).with_name("dockd")
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-c", "from dockd.cli import main; main()"]


class Served:
    """One verb, running or not. Leaving the block stops it, and kills it if it does not stop.

    Args:
        arguments: of `dockd`, the verb first.
        ready: the event in its log that says that it serves.
        log: where its log is kept.
    """

    def __init__(self, arguments: Sequence[str], ready: str, log: Path, clock: Clock) -> None:
        self.lines: list[Line] = []
        self._arguments, self._ready, self._log, self._clock = list(arguments), ready, log, clock
        self._news = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ours, self._ended = True, False

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it, or at least see it dead."""
        try:
            await self.stop()
        except DockError:
            if error is None:
                raise
        finally:
            self._signal(signal.SIGKILL)

    async def start(self) -> Line:
        """Start it, wait until it serves, and return the line that says so.

        Raises:
            DockError: it ended instead; with its last words.
        """
        seen = len(self.lines)
        command = dockd_command() + self._arguments
        if (wrapper := shutil.which("setpriv")) is not None:
            # Even SIGKILL of the demo, which nothing can clean up after, ends it.
            command = [wrapper, "--pdeathsig", "TERM", *command]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_LINE_LIMIT_BYTES,
        )
        self._ours = self._ended = False
        self._reader = asyncio.create_task(self._read(self._process), name=f"log of dockd {self._arguments[0]}")
        try:
            async with asyncio.timeout(_READY_S):
                return await self.said(self._ready, after=seen)
        except TimeoutError as exc:
            await self.kill()
            how = f"was not ready within {_READY_S:.0f} s"
            raise self._error(how) from exc
        except BaseException:
            # Whoever enters the block never leaves it if this fails or is cancelled.
            await self.kill()
            raise

    def listen_again_at(self, address: str) -> None:
        """From now on it is started with this for `--listen`."""
        self._arguments[self._arguments.index("--listen") + 1] = address

    async def said(self, event: str, *, after: int = 0, **members: object) -> Line:
        """Wait for a line of its log that says `event` with these members.

        Raises:
            DockError: it ended first.
        """
        async with self._news:
            while True:
                for line in self.lines[after:]:
                    if line.get("event") == event and all(line.get(name) == value for name, value in members.items()):
                        return line
                if self._reader is None or self._reader.done() or self._ended:
                    how = "ended"
                    raise self._error(how)
                await self._news.wait()

    async def guard(self) -> None:
        """Until it ends by itself, which it must not.

        Raises:
            DockError: it did.
        """
        async with self._news:
            await self._news.wait_for(lambda: self._ended and not self._ours)
        how = "ended"
        raise self._error(how)

    async def stop(self) -> float:
        """SIGTERM; wait for the end, and say how many seconds it took.

        Raises:
            DockError: it did not stop, or not well.
        """
        if self._process is None or self._ours:
            return 0.0
        began_s = self._clock.monotonic()
        status = await self._end(signal.SIGTERM)
        if status != 0:
            how = f"ended with status {status}"
            raise self._error(how)
        return self._clock.monotonic() - began_s

    async def kill(self) -> None:
        """SIGKILL, to it and whatever it started."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            msg = "it was never started"
            raise RuntimeError(msg)
        self._ours = True
        if number is signal.SIGKILL:
            self._signal(number)
        elif process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(_STOP_S):
                return await self._over(process)
        except TimeoutError as exc:
            self._signal(signal.SIGKILL)
            await self._over(process)
            how = f"did not stop within {_STOP_S:.0f} s"
            raise self._error(how) from exc

    async def _over(self, process: asyncio.subprocess.Process) -> int:
        """Wait for its end and for the last line of its log; its exit status."""
        status = await process.wait()
        if self._reader is not None:
            await self._reader
        return status

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        stream = process.stderr
        if stream is None:
            msg = "its log is not piped"
            raise RuntimeError(msg)
        with self._log.open("ab") as log:
            while text := await stream.readline():
                log.write(text)
                log.flush()
                try:
                    line = json.loads(text)
                except ValueError:
                    line = None
                async with self._news:
                    self.lines.append(line if isinstance(line, dict) else {"event": "", "text": text.decode(errors="replace")})
                    self._news.notify_all()
        await process.wait()
        async with self._news:
            self._ended = True  # and all that it said was heard: its last words are among an error's
            self._news.notify_all()

    def _error(self, how: str) -> DockError:
        words = [line.get("text") or f"{line.get('event')} {line.get('why', '')}" for line in self.lines[-_LAST_LINES:]]
        last = "; ".join(str(word).strip() for word in words if word)
        return DockError(f"dockd {self._arguments[0]} {how}. Its last words: {last or 'none'}", hint=f"Its log: {self._log}")
