"""Spool bytes on their way out: read and hashed once more, in a thread of their own, one piece ahead of the network.

One open file is one descriptor and one thread. What must happen in order (read, read, close) is queued to that thread, so that a
stuck disk never blocks the event loop, and no descriptor is closed under a read. Reading and hashing release the GIL.

Where the disk can, the page cache is passed by: nothing that was just sent is read again, and filling the cache costs more
processor time than hashing does. That proves nothing here, so a file system that cannot is read through the cache.
"""

import asyncio
import contextlib
import mmap
import os
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1, sha256
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from blake3 import blake3

from dockd import verity
from dockd.core.recording import VerifiedRecording
from dockd.errors import SpoolBrokenError, SpoolMismatchError
from dockd.medium import ALIGNMENT_BYTES, NotDirectError, open_direct

PIECE_BYTES = 2 * 1024 * 1024
"""Read ahead at once; two are held for each upload. Smaller ones cost more in going to and fro between threads than they save."""

_STRIDE_BYTES = 1024 * 1024
"""Read and hashed at once. The disk does not read ahead of a direct read, so that smaller ones wait for it more often."""

_PRIMING_BYTES = 64 * 1024 * 1024
"""Of a prefix, hashed in one go: a stop never waits for much more than this."""

_BEHIND = 10
"""How much nicer reading for an upload is than the daemon, and so than the bays' workers (`offload.workers`)."""

_T = TypeVar("_T")


class Hasher(Protocol):
    """What `hashlib` and `blake3` have in common."""

    def update(self, data: memoryview, /) -> object:
        """Take more bytes."""
        ...

    def digest(self) -> bytes:
        """The digest of all bytes so far."""
        ...


def _sha1() -> Hasher:
    """SHA-1 as tus's checksum of a piece in transit: it guards against accidents, and nothing is proved by it."""
    return sha1(usedforsecurity=False)


HASHERS: dict[str, Callable[[], Hasher]] = {"blake3": blake3, "sha256": sha256, "sha1": _sha1}
"""By their names in tus, best first."""


def stand_back() -> None:
    """Let copies from cameras go first.

    At the disk, whose priorities follow niceness (ioprio_set(2)), and at the processor where the kernel shares that out within
    one control group, as under systemd.
    """
    thread = threading.get_native_id()
    with contextlib.suppress(PermissionError):  # a sandbox that forbids it costs the precedence, and no upload
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _BEHIND)


def buffer_for(count_bytes: int) -> memoryview:
    """Room for so many bytes from any offset, on the alignment that direct reading wants: whole pages, and one for the skew."""
    pages = -(-count_bytes // ALIGNMENT_BYTES) + 1
    return memoryview(mmap.mmap(-1, pages * ALIGNMENT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class SpoolFile:
    """A recording's bytes in the spool, open in a thread of its own.

    Raises:
        SpoolMismatchError: it has not the size that was verified.
        SpoolBrokenError: the spool's disk does not give it.
    """

    def __init__(self, path: Path, verified: VerifiedRecording) -> None:
        self.verified = verified
        self._path = path
        self._descriptor = -1
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool-file", initializer=stand_back)

    async def __aenter__(self) -> Self:
        try:
            await self.run(self._open)
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()

    def run(self, call: Callable[..., _T], *arguments: object) -> "asyncio.Future[_T]":
        """Queue a call to this file's thread."""
        return asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    def read_hashed(self, buffer: memoryview, offset_bytes: int, count_bytes: int, hasher: Hasher) -> memoryview:
        """Read `count_bytes` from `offset_bytes` on, and hash them; blocks.

        Args:
            buffer: made by `buffer_for`; what is asked for lies in it where the disk's alignment puts it.
            offset_bytes: of the recording.
            count_bytes: how many; all are read, or an error is raised.
            hasher: takes exactly these bytes.
        """
        begin = offset_bytes % ALIGNMENT_BYTES
        end = begin + count_bytes
        filled = 0
        while filled < end:
            stride = buffer[filled : min(filled + _STRIDE_BYTES, -(-end // ALIGNMENT_BYTES) * ALIGNMENT_BYTES)]
            at_bytes = offset_bytes - begin + filled
            try:
                count = os.preadv(self._descriptor, [stride], at_bytes)
            except OSError as exc:
                msg = f"the spool's disk cannot read {self._path}: {exc.strerror}"
                raise SpoolBrokenError(msg) from exc
            if filled + count < end and (count == 0 or count % ALIGNMENT_BYTES):  # only the file's end is off the alignment
                how = f"it ends at byte {at_bytes + count}"
                raise self.mismatch(how)
            hasher.update(buffer[max(filled, begin) : min(filled + count, end)])
            filled += count
        return buffer[begin:end]

    def digest_range(self, algorithm: str, start_bytes: int, count_bytes: int) -> bytes:
        """The digest of one range; blocks."""
        hasher = HASHERS[algorithm]()
        scratch = buffer_for(min(_STRIDE_BYTES, count_bytes))
        end_bytes = start_bytes + count_bytes
        for offset_bytes in range(start_bytes, end_bytes, _STRIDE_BYTES):
            self.read_hashed(scratch, offset_bytes, min(_STRIDE_BYTES, end_bytes - offset_bytes), hasher)
        return hasher.digest()

    def mismatch(self, how: str) -> SpoolMismatchError:
        """The error for bytes that are not those that were verified."""
        return SpoolMismatchError(f"the spool's copy {self._path} is no longer what was verified: {how}")

    def _open(self) -> None:
        try:
            try:
                self._descriptor = open_direct(os.fspath(self._path), os.O_RDONLY)
            except NotDirectError:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            size_bytes = os.fstat(self._descriptor).st_size
        except OSError as exc:
            msg = f"the spool's disk cannot open {self._path}: {exc.strerror}"
            raise SpoolBrokenError(msg) from exc
        if size_bytes != self.verified.measured.size_bytes:
            how = f"{size_bytes} bytes instead of {self.verified.measured.size_bytes}"
            raise self.mismatch(how)

    def _leave(self) -> None:
        """Close after whatever is still being read; nobody waits for a stuck disk."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        if self._descriptor >= 0:
            verity.forget_cached(self._descriptor)  # of a sealed file all that was sent is there, and nobody wants it again
            os.close(self._descriptor)
            self._descriptor = -1


class SpoolPass:
    """One pass over a recording's bytes, from its first to its last.

    The last piece is given only when all bytes were hashed and the hash is the one that was verified: whoever sends what a pass
    gives can never complete an upload of other bytes.
    """

    def __init__(self, file: SpoolFile) -> None:
        self.position_bytes = 0
        self._file = file
        self._measured = file.verified.measured
        self._whole: Hasher = blake3()
        self._buffers = [buffer_for(min(PIECE_BYTES, self._measured.size_bytes)) for _ in range(2)]
        if self._measured.size_bytes == 0:
            self._compare()

    async def skip_to(self, offset_bytes: int) -> None:
        """Hash, without giving them, the bytes that the archive already has.

        Raises:
            SpoolMismatchError, SpoolBrokenError: they cannot be had.
        """
        while self.position_bytes < offset_bytes:
            await self._file.run(self._skip, min(self.position_bytes + _PRIMING_BYTES, offset_bytes))

    async def pieces(self, count_bytes: int) -> AsyncGenerator[memoryview, None]:
        """The next `count_bytes` bytes, piece by piece; a view is overwritten once the next one was asked for.

        Raises:
            SpoolMismatchError: these are no longer the bytes that were verified.
            SpoolBrokenError: the spool's disk failed.
        """
        end_bytes = self.position_bytes + count_bytes
        this, other = self._buffers
        coming = self._file.run(self._fill, this, end_bytes)
        try:
            while True:
                view = await coming
                last = self.position_bytes == end_bytes
                if not last:
                    this, other = other, this
                    coming = self._file.run(self._fill, this, end_bytes)
                yield view
                if last:
                    return
        finally:
            coming.cancel()  # of a body that was broken off; what its thread still reads is for nobody

    def _skip(self, until_bytes: int) -> None:
        while self.position_bytes < until_bytes:
            self._fill(self._buffers[0], until_bytes)

    def _fill(self, buffer: memoryview, end_bytes: int) -> memoryview:
        """Read and hash the next piece; at the recording's end, judge the whole."""
        count_bytes = min(PIECE_BYTES, end_bytes - self.position_bytes)
        view = self._file.read_hashed(buffer, self.position_bytes, count_bytes, self._whole)
        self.position_bytes += len(view)
        if self.position_bytes == self._measured.size_bytes:
            self._compare()
        return view

    def _compare(self) -> None:
        found, verified = self._whole.digest(), self._measured.digests.blake3
        if found != verified:
            how = f"BLAKE3 {found.hex()} instead of {verified.hex()}"
            raise self._file.mismatch(how)
