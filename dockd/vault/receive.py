"""Brings one request body to the medium: received, written and synced at the same time, in bounded memory.

Bytes are gathered in one of two page-aligned buffers while a worker writes the other: a slow link writes small batches soon,
a fast one large ones. Whole blocks are written past the page cache (open(2), O_DIRECT): an archive's disk is faster than the copy
into a cache from which nobody will read, and the re-reading finds nothing left to flush. Only a start or an end within a block
goes through the cache.

Every `CHECKPOINT_BYTES` a worker syncs what is written and the ledger moves, without holding up the rest, so that a crash costs a
fast upload a fraction of a second. A body with an announced checksum has no checkpoints: it is kept whole or not at all.
"""

import asyncio
import hashlib
import mmap
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from dockd import crashpoint
from dockd.vault import store
from dockd.vault.refusal import RefusedError
from dockd.vault.tus import BodyChecksum

BATCH_BYTES = 1024 * 1024
BATCH_LIMIT_BYTES = 4 * 1024 * 1024
CHECKPOINT_BYTES = 64 * 1024 * 1024
CHECKPOINT_S = 5.0
STALL_S = 120.0
_BLOCK_BYTES = 4096
_NOTHING = memoryview(b"")


class Body(Protocol):
    """The bytes of one request."""

    async def read(self) -> bytes:
        """A piece that has arrived; empty at the end."""
        ...


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> object: ...

    def digest(self) -> bytes: ...


class _Buffer:
    """Bytes on their way to one place in a file, aligned in memory as they are there."""

    def __init__(self) -> None:
        self._view = memoryview(mmap.mmap(-1, BATCH_LIMIT_BYTES + _BLOCK_BYTES))
        self._start = self._end = 0

    def begin(self, position_bytes: int) -> None:
        """Be empty; the next byte belongs at `position_bytes` of the file."""
        self._start = self._end = position_bytes % _BLOCK_BYTES

    @property
    def size_bytes(self) -> int:
        """How much is in it."""
        return self._end - self._start

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return self._end == len(self._view)

    def add(self, data: memoryview) -> memoryview:
        """Take what fits of `data` and return the rest."""
        taken = min(len(data), len(self._view) - self._end)
        self._view[self._end : self._end + taken] = data[:taken]
        self._end += taken
        return data[taken:]

    def split(self, *, everything: bool) -> tuple[memoryview, memoryview]:
        """What is to be written now, and what is kept back so that the next write begins with a block."""
        end = self._end if everything else max(self._end - self._end % _BLOCK_BYTES, self._start)
        return self._view[self._start : end], self._view[end : self._end]


class Landing:
    """The part of an upload's file that one body fills. Its methods block and may be called from any thread."""

    def __init__(self, path: Path, offset_bytes: int, length_bytes: int, checksum: BodyChecksum | None) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._direct = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_NOFOLLOW | os.O_CLOEXEC)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._lock = threading.Lock()
        self._closed = False
        self._start_bytes = offset_bytes
        self._length_bytes = length_bytes
        self._checksum = checksum
        self._hash = None if checksum is None else _hash(checksum.algorithm)
        self.position_bytes = offset_bytes

    @property
    def whole_or_nothing(self) -> bool:
        """Whether a checksum was announced for this body."""
        return self._checksum is not None

    @property
    def room_bytes(self) -> int:
        """How much of the upload is still missing."""
        return self._length_bytes - self.position_bytes

    def write(self, data: memoryview) -> None:
        """Append `data`, which is aligned in memory as it will be in the file."""
        with self._lock:
            if self._closed:
                return  # the request was cancelled; nothing that it wrote later would be counted
            if self._hash is not None:
                self._hash.update(data)
            head = min(-self.position_bytes % _BLOCK_BYTES, len(data))
            tail = len(data) - (len(data) - head) % _BLOCK_BYTES
            self._write(self._descriptor, data[:head])
            self._write(self._direct, data[head:tail])
            self._write(self._descriptor, data[tail:])
            crashpoint.passing("vault.batch-written")

    def sync(self) -> int:
        """Bring what is written to the medium and say how far it goes."""
        position = self.position_bytes
        crashpoint.passing("vault.data-syncing")
        os.fdatasync(self._descriptor)
        crashpoint.passing("vault.data-synced")
        return position

    def matches(self) -> bool:
        """Whether what was written hashes to what was announced."""
        return self._hash is None or self._checksum is None or self._hash.digest() == self._checksum.digest

    def undo(self) -> None:
        """Take back everything that this body wrote; the room stays claimed."""
        with self._lock:
            crashpoint.passing("vault.body-undoing")
            os.ftruncate(self._descriptor, self._start_bytes)
            store.reserve(self._descriptor, self._length_bytes)
            self.position_bytes = self._start_bytes
            crashpoint.passing("vault.body-undone")

    def close(self) -> None:
        """Give the file back, after a write that is under way."""
        with self._lock:
            self._closed = True
            os.close(self._descriptor)
            os.close(self._direct)

    def _write(self, descriptor: int, data: memoryview) -> None:
        while data:
            written = os.pwrite(descriptor, data, self.position_bytes)
            self.position_bytes += written
            data = data[written:]


class _Pipe:
    """Two buffers: one is filled while the other is written."""

    def __init__(self, landing: Landing, executor: Executor) -> None:
        self._landing, self._executor = landing, executor
        self.filling, self._other = _Buffer(), _Buffer()
        self.filling.begin(landing.position_bytes)
        self._writing: asyncio.Future[None] | None = None

    @property
    def wants_more(self) -> bool:
        """Whether waiting for more is better than writing now."""
        busy = self._writing is not None and not self._writing.done()
        return not self.filling.full and (busy or self.filling.size_bytes < BATCH_BYTES)

    async def write(self, *, everything: bool) -> None:
        """Begin to write what was gathered, and go on with the other buffer.

        Raises:
            RefusedError: 413, it is more than the upload misses; none of it is written.
            OSError: the batch before could not be written.
        """
        await self.finish()
        if self.filling.size_bytes > self._landing.room_bytes:
            msg = "The body goes beyond the end of the upload."
            raise RefusedError(413, msg)
        data, rest = self.filling.split(everything=everything)
        self._other.begin(self._landing.position_bytes + len(data))
        self._other.add(rest)
        self.filling, self._other = self._other, self.filling
        if data:
            self._writing = asyncio.get_running_loop().run_in_executor(self._executor, self._landing.write, data)

    async def finish(self) -> None:
        """Wait until the batch that is under way is written."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing


async def receive(body: Body, landing: Landing, *, executor: Executor, durable: Callable[[int], Awaitable[None]]) -> None:
    """Write `body` into `landing` to its end; `durable` is told, and awaited, how far the medium has it, now and then.

    When it raises, all that was gathered has been written; the caller syncs and counts it.

    Raises:
        RefusedError: 413, the body is longer than what is missing; 408, nothing came for STALL_S.
        OSError: the disk.
        anything that `body` raises.
    """
    loop = asyncio.get_running_loop()
    pipe = _Pipe(landing, executor)
    syncing: asyncio.Future[int] | None = None
    synced_bytes, synced_s = landing.position_bytes, loop.time()
    rest: memoryview | None = _NOTHING
    try:
        while rest is not None:
            try:
                rest = await _gather(body, pipe, rest)
            except BaseException:
                await pipe.write(everything=True)
                raise
            await pipe.write(everything=rest is None)
            if syncing is not None and syncing.done():
                synced_bytes, synced_s = syncing.result(), loop.time()
                syncing = None
                await durable(synced_bytes)
            due = landing.position_bytes - synced_bytes >= CHECKPOINT_BYTES or loop.time() - synced_s >= CHECKPOINT_S
            if due and syncing is None and rest is not None and not landing.whole_or_nothing:
                syncing = loop.run_in_executor(executor, landing.sync)
    finally:
        if syncing is not None:
            await asyncio.wait({syncing})  # its failure is the final sync's too
            syncing.exception()
        await pipe.finish()


async def _gather(body: Body, pipe: _Pipe, rest: memoryview) -> memoryview | None:
    """Fill the pipe with `rest` and what arrives until it is worth a write; what did not fit, None at the body's end."""
    rest = pipe.filling.add(rest)
    while pipe.wants_more:
        try:
            async with asyncio.timeout(STALL_S):
                piece = await body.read()
        except TimeoutError as exc:
            msg = f"Nothing came for {STALL_S:.0f} s; what came before is kept."
            raise RefusedError(408, msg) from exc
        if not piece:
            return None
        rest = pipe.filling.add(memoryview(piece))
    return rest


def _hash(algorithm: str) -> _Hash:
    return blake3() if algorithm == "blake3" else hashlib.new(algorithm, usedforsecurity=False)
