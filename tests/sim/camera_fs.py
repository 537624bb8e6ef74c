"""A camera's file system that fails on command: a FUSE mirror of a folder, in its own process, with knobs.

`CameraFs` mounts BACKING over MOUNT and unmounts it whatever happens in between; its methods turn the knobs while it is
mounted. Reads never touch the kernel's page cache, so a second read truly asks the device again, and O_DIRECT works. A
stalled access is uninterruptible for the process that waits in it, as with a real device: only `release`, `close` or the end
of the mount lets it go.

The server (`python -m tests.sim.camera_fs BACKING MOUNT --control SOCKET`) takes one JSON object a line and answers each with
one; it ends, and unmounts, when its standard input does, so that a killed test run leaves no mount.
"""

import asyncio
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.sim import camera_mirror

EVERY = "*"
_READY_S = 20.0
_ANSWER_S = 30.0


def fuse_missing() -> str:
    """Why FUSE cannot be used here, empty if it can."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened"
    return "" if shutil.which("fusermount3") else "fusermount3 is not installed (Debian: fuse3)"


def is_mounted(mount: Path) -> bool:
    """Whether something is mounted exactly there; never touches the mounted file system itself."""
    wanted = os.fsencode(mount.parent.resolve() / mount.name)
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        if line.split()[4].decode("unicode_escape").encode("latin-1") == wanted:
            return True
    return False


class CameraFs:
    """A mounted camera; a context manager, sync or async.

    Paths are relative to the camera's root, as str with surrogateescape or as bytes; `"*"` means every path.

    Args:
        backing: what the camera holds.
        mount: where it is seen, made if absent; by default beside `backing`.
        rate_bytes_s: line rate shared by all reads, 0 for none.
        burst_bytes: what the line may catch up when its reader was late (a real device reads ahead).
    """

    def __init__(self, backing: Path, mount: Path | None = None, *, rate_bytes_s: int = 0, burst_bytes: int = 256 << 10) -> None:
        self.backing = backing
        self.mount = backing.with_name(backing.name + ".mounted") if mount is None else mount
        self._rate = (rate_bytes_s, burst_bytes)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def open(self) -> None:
        """Mount.

        Raises:
            RuntimeError: it could not be mounted, in the server's words.
        """
        if not self.backing.is_dir():
            msg = f"{self.backing} is not a folder"
            raise RuntimeError(msg)
        self.mount.mkdir(parents=True, exist_ok=True)
        # Socket paths are limited to 107 bytes, and pytest's own folders are not.
        self._folder = Path(tempfile.mkdtemp(prefix="camera-fs-"))
        words = self._folder / "stderr"
        ready, ready_here = os.pipe()
        try:
            with words.open("wb") as stderr:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.sim.camera_fs", os.fspath(self.backing), os.fspath(self.mount), "--control",
                     os.fspath(self._folder / "control"), "--ready-fd", str(ready_here), "--rate-bytes-s", str(self._rate[0]),
                     "--burst-bytes", str(self._rate[1])],
                    cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stderr=stderr, pass_fds=(ready_here,),
                    # Crash tests kill whole process groups; the camera outlives the daemon.
                    start_new_session=True, env={**os.environ, "FUSE_LIBRARY_NAME": "fuse3"},
                )  # fmt: skip
            os.close(ready_here)
            ready_here = -1
            readable, _, _ = select.select([ready], [], [], _READY_S)
            if not readable or not os.read(ready, 1):
                msg = f"the camera did not mount: {words.read_text(errors='replace')}"
                raise RuntimeError(msg)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(ready)
            if ready_here >= 0:
                os.close(ready_here)

    def close(self) -> None:
        """Unmount, end the server and let every stalled access go; may be called twice."""
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process is not None:
            if is_mounted(self.mount):
                _fusermount(self.mount, "-uz")
            # Killing it closes /dev/fuse, which aborts the connection: whoever still waits for an answer gets an error.
            process.kill()
            process.wait(_READY_S)
            if process.stdin is not None:
                process.stdin.close()
        if is_mounted(self.mount):
            _fusermount(self.mount, "-uz")
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def unmount(self) -> None:
        """Unmount as an orderly person would.

        Raises:
            subprocess.CalledProcessError: it is busy.
        """
        subprocess.run(["fusermount3", "-u", os.fspath(self.mount)], check=True, capture_output=True, timeout=_READY_S)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.open)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await asyncio.to_thread(self.close)

    def pull(self, *, error: str = "EIO") -> None:
        """The cable is out: every access from now on fails with `error`."""
        self._ask("pull", error=error)

    def pull_at(self, path: str | bytes, byte: int, *, error: str = "EIO") -> None:
        """The cable comes out at byte `byte` of `path`; with `"*"`, once that many bytes of any files were read from now on."""
        self._ask("pull_at", path=path, byte=byte, error=error)

    def restore(self) -> None:
        """The cable is in again and every knob is as at the start; stalled accesses go on."""
        self._ask("restore")

    def stall_at(self, path: str | bytes, byte: int = 0) -> None:
        """A read that covers or lies beyond byte `byte` of `path` never returns until `release`."""
        self._ask("stall", kind="read", path=path, byte=byte)

    def stall_on_open(self, path: str | bytes = EVERY) -> None:
        """Opening `path` never returns until `release`."""
        self._ask("stall", kind="open", path=path)

    def stall_on_readdir(self, path: str | bytes = EVERY) -> None:
        """Listing the folder `path` (the root is empty) never returns until `release`."""
        self._ask("stall", kind="readdir", path=path)

    def stall_on_stat(self, path: str | bytes = EVERY) -> None:
        """Looking up `path` (the root is empty) never returns until `release`."""
        self._ask("stall", kind="stat", path=path)

    def release(self) -> None:
        """Every stalled access goes on, and none stalls any more."""
        self._ask("release")

    def wait_stalled(self, count: int = 1) -> None:
        """Return when `count` accesses stand still; blocks, so call it in a thread where a loop runs."""
        self._ask("wait_stalled", count=count)

    def wait_read(self, path: str | bytes, size_bytes: int) -> None:
        """Return when `size_bytes` bytes of `path` (or of any) were read since the mount; blocks."""
        self._ask("wait_read", path=path, byte=size_bytes)

    def flip_bit(self, path: str | bytes, offset: int, *, first_reads_only: int = -1, bit: int = 0) -> None:
        """A bit of the byte at `offset` reads wrong in the first `first_reads_only` reads that cover it (always, if negative)."""
        self._ask("flip_bit", path=path, byte=offset, count=first_reads_only, bit=bit)

    def unreadable(self, path: str | bytes, from_byte: int = 0) -> None:
        """Reads of `path` that reach `from_byte` fail with EIO, as over a bad sector."""
        self._ask("unreadable", path=path, byte=from_byte)

    def grow(self, path: str | bytes, *, every_read: int) -> None:
        """`path` becomes `every_read` bytes longer after each read: it is still being recorded."""
        self._ask("grow", path=path, byte=every_read)

    def rate(self, rate_bytes_s: int, burst_bytes: int = 256 << 10) -> None:
        """Change the line rate."""
        self._ask("rate", byte=rate_bytes_s, count=burst_bytes)

    def disk_full(self, full: bool = True) -> None:
        """Whatever needs room on the camera fails with ENOSPC."""
        self._ask("disk_full", count=int(full))

    def refuse_unlink(self, path: str | bytes = EVERY, *, error: str = "EACCES") -> None:
        """Removing `path` fails with `error`."""
        self._ask("refuse_unlink", path=path, error=error)

    def unlink_lies(self, path: str | bytes = EVERY) -> None:
        """Removing `path` reports success, and it is still there."""
        self._ask("unlink_lies", path=path)

    def bytes_read(self, path: str | bytes = EVERY) -> int:
        """Bytes of `path`, or of all, read since the mount."""
        return int(self._ask("bytes_read", path=path)["answer"])

    def _ask(self, knob: str, **words: str | bytes | int) -> dict[str, Any]:
        if self._folder is None:
            msg = "the camera is not mounted"
            raise RuntimeError(msg)
        texts = {key: os.fsdecode(word) if isinstance(word, bytes) else word for key, word in words.items()}
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_ANSWER_S)
            line.connect(os.fspath(self._folder / "control"))
            line.sendall(json.dumps({"knob": knob, **texts}).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        if "error" in answer:
            msg = f"{knob}: {answer['error']}"
            raise RuntimeError(msg)
        return answer


def _fusermount(mount: Path, how: str) -> None:
    subprocess.run(["fusermount3", how, "-q", os.fspath(mount)], check=False, timeout=_READY_S)


if __name__ == "__main__":
    camera_mirror.main()
