"""What the host does inside a machine: commands with their exit status and output, files, and waiting for what will come."""

import asyncio
import base64
import contextlib
import io
import itertools
import json
import os
import socket
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.rig.image import RigError

# Under TCG a program starts ten times slower than it should.
COMMAND_S = 300.0
# What is broken on purpose never comes; all else does, also where a host is several times slower.
_COMES_S = 90.0 if os.environ.get("RIG_BREAK") else 900.0
_LONGEST_LINE_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Result:
    """How one command ended."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class File:
    """A file to be made in the machine."""

    path: str
    content: bytes
    mode: int = 0o644
    owner: str = "root"


class Guest:
    """The other end of `tests.rig.agent`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def over(cls, line: socket.socket) -> "Guest":
        """Take the line to a machine's agent; what is asked before it runs is answered when it does."""
        reader, writer = await asyncio.open_connection(sock=line, limit=_LONGEST_LINE_BYTES)
        guest = cls(reader, writer)
        guest._listening = asyncio.create_task(guest._listen())
        return guest

    async def call(self, *argv: str, stdin: bytes = b"", timeout_s: float = COMMAND_S) -> Result:
        """Run a program as root and return how it ended.

        Raises:
            RigError: the machine ended, or does not answer.
        """
        return await self._order({"argv": argv, "stdin": base64.b64encode(stdin).decode(), "timeout_s": timeout_s})

    async def http(self, socket_path: str, method: str, path: str) -> str:
        """Ask over HTTP at a Unix socket and return the answer's body.

        Raises:
            RigError: nobody is there, or the answer is a refusal.
        """
        done = await self._order({"socket": socket_path, "method": method, "path": path, "timeout_s": COMMAND_S})
        if done.status != 0:
            msg = f"in the machine, {method} {path} at {socket_path}: {done.status} {done.stderr}"
            raise RigError(msg)
        return done.stdout

    async def _order(self, order: dict[str, Any]) -> Result:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        order |= {"id": number}
        self._writer.write(json.dumps(order).encode() + b"\n")
        try:
            async with asyncio.timeout(order["timeout_s"] + 60):
                said = await answer
        except TimeoutError as exc:
            msg = f"the machine does not answer to {order}"
            raise RigError(msg) from exc
        finally:
            self._waiting.pop(number, None)
        texts = [base64.b64decode(said[name]).decode(errors="replace") for name in ("stdout", "stderr")]
        return Result(said["status"], *texts)

    async def sh(self, script: str, *, stdin: bytes = b"", timeout_s: float = COMMAND_S) -> str:
        """Run a script of `sh -eu`, which must succeed, and return its output.

        Raises:
            RigError: it failed, with what it said.
        """
        done = await self.call("/bin/sh", "-euc", script, stdin=stdin, timeout_s=timeout_s)
        if done.status != 0:
            msg = f"in the machine, status {done.status} of: {script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            raise RigError(msg)
        return done.stdout

    async def write(self, path: str, content: str | bytes, *, mode: str = "0644", owner: str = "root") -> None:
        """Make a file."""
        data = content.encode() if isinstance(content, str) else content
        await self.sh(f"install -D -m {mode} -o {owner} /dev/stdin {path}", stdin=data)

    async def write_all(self, files: Iterable[File]) -> None:
        """Make several files at once, with the folders that they need."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for each in files:
                entry = tarfile.TarInfo(each.path.lstrip("/"))
                entry.size, entry.mode, entry.uname, entry.gname = len(each.content), each.mode, each.owner, each.owner
                archive.addfile(entry, io.BytesIO(each.content))
        await self.sh("tar -C / --no-overwrite-dir -xf -", stdin=packed.getvalue())

    async def read(self, script: str) -> bytes:
        """What a script, which must succeed, writes to its output, byte for byte.

        Raises:
            RigError: it failed, with what it said.
        """
        return base64.b64decode(await self.sh(f"({script}\n) >/var/tmp/read; base64 -w 0 /var/tmp/read; rm /var/tmp/read"))

    async def until(self, script: str, *, deadline_s: float = _COMES_S) -> str:
        """Run `script` again and again, in the machine, until it succeeds; its output.

        Raises:
            RigError: it still failed at the deadline, with what it said last.
        """
        loop = (
            f"end=$(($(cut -d. -f1 /proc/uptime) + {int(deadline_s)})); "
            f"while said=$( ( {script}\n ) 2>&1 ); [ $? -ne 0 ]; do "
            '[ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ] || { printf %s "$said"; exit 1; }; sleep 0.3; done; printf %s "$said"'
        )
        done = await self.call("/bin/bash", "-uc", loop, timeout_s=deadline_s + 60)
        if done.status != 0:
            msg = f"in the machine, not within {deadline_s:.0f} s: {script}\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
            raise RigError(msg)
        return done.stdout

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
                said = json.loads(line)
                answer = self._waiting.get(said["id"])
                if answer is not None and not answer.done():
                    answer.set_result(said)
        for answer in self._waiting.values():
            if not answer.done():
                msg = "the machine ended"
                answer.set_exception(RigError(msg))
