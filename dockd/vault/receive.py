"""Brings one request body to the medium: received, written and synced at the same time, in bounded memory.

While one batch is written by a worker thread, the next is gathered: a slow link writes small batches soon, a fast one large ones.
Every `CHECKPOINT_BYTES` a worker syncs what is written and the ledger moves, without holding up the rest, so that a crash costs a
fast upload a fraction of a second. A body with an announced checksum has no checkpoints: it is kept whole or not at all.
"""

import asyncio
import hashlib
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
_IOV_LIMIT = 1024


class Body(Protocol):
    """What of aiohttp's StreamReader is used."""

    async def readany(self) -> bytes:
        """Whatever has arrived, at least one byte; empty at the end."""
        ...


class _Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...

    def digest(self) -> bytes: ...


class Landing:
    """The part of an upload's file that one body fills. Its methods block and may be called from any thread."""

    def __init__(self, path: Path, offset_bytes: int, length_bytes: int, checksum: BodyChecksum | None) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
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

    def write(self, batch: list[bytes]) -> None:
        """Append `batch`."""
        with self._lock:
            if self._closed:
                return  # the request was cancelled; nothing that it wrote later would be counted
            if self._hash is not None:
                for piece in batch:
                    self._hash.update(piece)
            while batch:
                written = os.pwritev(self._descriptor, batch[:_IOV_LIMIT], self.position_bytes)
                self.position_bytes += written
                batch = _after(batch, written)
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


async def receive(body: Body, landing: Landing, *, executor: Executor, durable: Callable[[int], Awaitable[None]]) -> None:
    """Write `body` into `landing` to its end; `durable` is told, and awaited, how far the medium has it, now and then.

    When it raises, all batches that were gathered have been written; the caller syncs and counts them.

    Raises:
        RefusedError: 413, the body is longer than what is missing; 408, nothing came for STALL_S.
        OSError: the disk.
        anything that `body` raises.
    """
    loop = asyncio.get_running_loop()
    writing: asyncio.Future[None] | None = None
    syncing: asyncio.Future[int] | None = None
    synced_bytes, synced_s = landing.position_bytes, loop.time()
    room_bytes = landing.room_bytes
    ended = False
    try:
        while not ended:
            batch: list[bytes] = []
            try:
                ended = await _gather(body, batch, writing)
            finally:
                room_bytes -= sum(map(len, batch))
                if writing is not None:
                    await writing
                    writing = None
                if batch and room_bytes >= 0:
                    writing = loop.run_in_executor(executor, landing.write, batch)
            if room_bytes < 0:
                msg = "The body goes beyond the end of the upload."
                raise RefusedError(413, msg)
            if syncing is not None and syncing.done():
                await durable(syncing.result())
                synced_bytes, synced_s, syncing = syncing.result(), loop.time(), None
            due = landing.position_bytes - synced_bytes >= CHECKPOINT_BYTES or loop.time() - synced_s >= CHECKPOINT_S
            if due and syncing is None and not ended and not landing.whole_or_nothing:
                syncing = loop.run_in_executor(executor, landing.sync)
    finally:
        await _settle(writing, syncing)


async def _gather(body: Body, batch: list[bytes], writing: "asyncio.Future[None] | None") -> bool:
    """Append what arrives to `batch` until it is worth a write; True at the end of the body."""
    size_bytes = 0
    while size_bytes < BATCH_BYTES or (writing is not None and not writing.done() and size_bytes < BATCH_LIMIT_BYTES):
        try:
            async with asyncio.timeout(STALL_S):
                data = await body.readany()
        except TimeoutError as exc:
            msg = f"Nothing came for {STALL_S:.0f} s; what came before is kept."
            raise RefusedError(408, msg) from exc
        if not data:
            return True
        batch.append(data)
        size_bytes += len(data)
    return False


async def _settle(writing: "asyncio.Future[None] | None", syncing: "asyncio.Future[int] | None") -> None:
    """Wait for the workers; a failed write is raised, a failed checkpoint only if nothing else is (the final sync fails too)."""
    if syncing is not None:
        await asyncio.wait({syncing})
    if writing is not None:
        await writing
    if syncing is not None:
        syncing.result()


def _hash(algorithm: str) -> _Hash:
    return blake3() if algorithm == "blake3" else hashlib.new(algorithm, usedforsecurity=False)


def _after(batch: list[bytes], written: int) -> list[bytes]:
    """What is left of `batch` when `written` bytes of it are on their way."""
    for index, piece in enumerate(batch):
        if written < len(piece):
            return [piece[written:], *batch[index + 1 :]]
        written -= len(piece)
    return []
