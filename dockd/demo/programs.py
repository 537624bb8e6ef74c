"""Runs programs that are not ours: they must be there, they must succeed, and they never outlive the demo."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockd.errors import DockError

PACKAGES = {"ffmpeg": "ffmpeg", "ffprobe": "ffmpeg", "b3sum": "b3sum", "sha256sum": "coreutils"}
"""Debian's package for each program that the demo runs."""

_ARGUMENTS_BYTES = 100_000
_LAST_WORDS_BYTES = 2000


def require(*names: str) -> None:
    """Refuse to begin without the programs of these names.

    Raises:
        DockError: naming what is missing and the command that installs it.
    """
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
        msg = f"the demo needs {' and '.join(missing)}, and this machine has not got that"
        raise DockError(msg, hint=f"Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends {packages}")


async def output_of(*command: str | bytes | Path, cwd: Path | None = None) -> bytes:
    """Run a program to its end and return what it wrote to standard output.

    Raises:
        DockError: it failed; with its last words.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        words = err[-_LAST_WORDS_BYTES:].decode(errors="backslashreplace").strip()
        msg = f"{os.fsdecode(command[0])} failed with status {process.returncode}: {words}"
        raise DockError(msg)
    return out


async def digest_lines(program: str, paths: Sequence[bytes], cwd: Path) -> list[bytes]:
    """What `b3sum` or `sha256sum` prints of these files, a line for each, in their order.

    Raises:
        DockError: a file cannot be read.
    """
    lines: list[bytes] = []
    for batch in _batches(paths):
        # Not splitlines: a carriage return in a name is no end of a line to them.
        printed = (await output_of(program, *batch, cwd=cwd)).removesuffix(b"\n").split(b"\n")
        if len(printed) != len(batch):
            msg = f"{program} printed {len(printed)} lines for {len(batch)} files"
            raise DockError(msg)
        lines += printed
    return lines


def digest_in(line: bytes) -> str:
    """The digest in a line of theirs; a backslash before it says only that the name after it is escaped."""
    return line.removeprefix(b"\\")[:64].decode("ascii")


def _batches(paths: Sequence[bytes]) -> Iterator[list[bytes]]:
    """As many at once as fit into one command; a leading ./ keeps a name from being an option."""
    batch: list[bytes] = []
    size_bytes = 0
    for path in paths:
        word = path if path.startswith(b"/") else b"./" + path
        if batch and size_bytes + len(word) > _ARGUMENTS_BYTES:
            yield batch
            batch, size_bytes = [], 0
        batch.append(word)
        size_bytes += len(word) + 8
    if batch:
        yield batch
