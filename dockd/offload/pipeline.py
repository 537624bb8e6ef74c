"""Move one file from the camera to the spool: read once, feed BLAKE3 and SHA-256, write past the page cache.

Three stages run at the same time, each in its own thread, over a ring of a few aligned buffers: the caller reads, the second
stage updates BLAKE3 and writes, the third updates SHA-256. All three release the interpreter lock for their work, and memory
is the ring.
"""

import hashlib
import mmap
import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from blake3 import blake3

from dockd.core.recording import Digests, Measured
from dockd.medium import ALIGNMENT_BYTES, PIECE_BYTES, buffer

RING = 4
STEP_BYTES = 32 * PIECE_BYTES
"""How often the proved length of an unfinished copy is written down, and pages of the source are given back."""


class Hashes:
    """The running digests of the bytes so far, and how many they are."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.fast = blake3()
        self.standard = hashlib.sha256()

    def update(self, piece: memoryview) -> None:
        """Take in the next bytes."""
        self.fast.update(piece)
        self.standard.update(piece)
        self.size_bytes += len(piece)

    def copy(self) -> "Hashes":
        """An independent state after the same bytes."""
        twin = Hashes()
        twin.size_bytes, twin.fast, twin.standard = self.size_bytes, self.fast.copy(), self.standard.copy()
        return twin

    def measured(self) -> Measured:
        """What the bytes so far measure."""
        return Measured(self.size_bytes, Digests(self.fast.digest(), self.standard.digest()))


class Ring:
    """The aligned buffers of one worker, used again for every file."""

    def __init__(self) -> None:
        self._buffers = [buffer() for _ in range(RING)]
        self.free: SimpleQueue[mmap.mmap] = SimpleQueue()
        for each in self._buffers:
            self.free.put(each)


class SourceError(Exception):
    """The camera gave an error; `__cause__` is the OSError. What was read before is in the spool."""


def stream(
    source: int, target: int, hashes: Hashes, ring: Ring, *, moved: Callable[[int], None], step: Callable[[int, bytes], None]
) -> None:
    """Copy from `hashes.size_bytes` to the end of `source`.

    Args:
        source: positioned anywhere; read with positioned reads.
        target: opened with O_DIRECT; its length may end up rounded to the alignment.
        hashes: of the bytes before, a multiple of 4096, which `target` already holds; afterwards of the whole file.
        ring: of this worker.
        moved: told the bytes of each piece that was read.
        step: told now and then that `target` holds the first n bytes and their BLAKE3.

    Raises:
        SourceError: the camera's error.
        OSError: the spool's error.
    """
    lane = _Lane(target, hashes, ring, step)
    lane.start()
    try:
        offset = hashes.size_bytes
        while not lane.failures:
            memory = ring.free.get()
            try:
                count = _fill(source, memory, offset)
            except OSError as exc:
                ring.free.put(memory)
                raise SourceError from exc
            if not count:
                ring.free.put(memory)
                break
            lane.to_write.put((memory, count, offset))
            offset += count
            moved(count)
            if offset % STEP_BYTES == 0:
                os.posix_fadvise(source, offset - STEP_BYTES, STEP_BYTES, os.POSIX_FADV_DONTNEED)
            if count < PIECE_BYTES:
                break
    finally:
        lane.finish()
    if lane.failures:
        raise lane.failures[0]


def _fill(source: int, memory: mmap.mmap, offset: int) -> int:
    """Read until the buffer is full or the file ends; only the last piece of a file is short, so writes stay aligned."""
    filled = 0
    with memoryview(memory) as view:
        while filled < PIECE_BYTES:
            count = os.preadv(source, [view[filled:]], offset + filled)
            if not count:
                break
            filled += count
    return filled


class _Lane:
    """The second and third stage for one file."""

    def __init__(self, target: int, hashes: Hashes, ring: Ring, step: Callable[[int, bytes], None]) -> None:
        self.to_write: SimpleQueue[tuple[mmap.mmap, int, int] | None] = SimpleQueue()
        self.failures: list[Exception] = []
        self._to_digest: SimpleQueue[tuple[mmap.mmap, int] | None] = SimpleQueue()
        self._target, self._hashes, self._ring, self._step = target, hashes, ring, step
        self._threads = (Thread(target=self._write, name="write"), Thread(target=self._digest, name="digest"))

    def start(self) -> None:
        """Begin to take pieces."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Wait until every piece went through; afterwards the hashes and the target agree."""
        self.to_write.put(None)
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        while (item := self.to_write.get()) is not None:
            memory, count, offset = item
            try:
                if not self.failures:
                    with memoryview(memory) as view:
                        self._hashes.fast.update(view[:count])
                        write_aligned(self._target, view, count, offset)
                    self._hashes.size_bytes = offset + count
                    if self._hashes.size_bytes % STEP_BYTES == 0:
                        self._step(self._hashes.size_bytes, self._hashes.fast.digest())
            except OSError as exc:  # handed to the reader, which raises it
                self.failures.append(exc)
            self._to_digest.put((memory, count))
        self._to_digest.put(None)

    def _digest(self) -> None:
        while (item := self._to_digest.get()) is not None:
            memory, count = item
            with memoryview(memory) as view:
                self._hashes.standard.update(view[:count])
            self._ring.free.put(memory)


def write_aligned(target: int, view: memoryview, count: int, offset: int) -> None:
    """Write `count` bytes past the page cache, then zeros up to the alignment; the caller cuts the file to its length."""
    padded = -(-count // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    view[count:padded] = bytes(padded - count)
    written = 0
    while written < padded:
        written += os.pwrite(target, view[written:padded], offset + written)
