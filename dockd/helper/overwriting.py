"""Overwrites every block of a disk with what is to be there afterwards, and reads back; the first block is the last one written.

From the last piece to the first, past the page cache. The first block holds the token until everything else was written and read
again: a disk that is not done is no file system, to a camera as little as to a computer.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import SystemRandom

from dockd.core.erasure import Erasure, Method, Overwritten, ReadBack
from dockd.errors import CameraGoneError, DockError, EraseFailedError
from dockd.helper.begun import Begun
from dockd.helper.mounting import HeldDisk

_BLKSSZGET, _BLKRRPART = 0x1268, 0x125F  # linux/fs.h

PIECE_BYTES = 1 << 20

_PATTERN = 0xFF  # the complement of the zeros that the last pass leaves
_SAMPLED_OF, _SAMPLES = 20, 2
"""A tenth of the disk: two pieces, drawn at random, of each twenty in a row (after NIST SP 800-88 revision 1, 4.7.3)."""


def overwrite(disk: HeldDisk, begun: Begun, alive: Callable[[int], None]) -> Erasure:
    """Overwrite the whole of `disk` and leave on it what `begun` says.

    Args:
        disk: held; nothing of it is mounted.
        begun: the leave.
        alive: told the bytes as they are written and read.

    Raises:
        CameraGoneError: it was pulled; what was begun is finished at its next docking.
        CameraUnknownError: somebody else uses it.
        EraseFailedError: it does not take what is written, or does not give it back.
    """
    claim = disk.claim()
    try:
        # What the kernel remembers of the partitions' content would survive the overwriting.
        disk.close_partitions()
        with _writing(disk) as descriptor:
            done = _Overwriting(descriptor, begun, alive).run()
    finally:
        os.close(claim)
    return Erasure(Method.CLEAR, begun.files, overwritten=done, restored=begun.restored)


def look_for_partitions(disk: HeldDisk) -> None:
    """Have the kernel read the partition table that was written.

    Raises:
        EraseFailedError: it does not.
    """
    try:
        fcntl.ioctl(disk.descriptor, _BLKRRPART)
    except OSError as exc:
        msg = f"the kernel does not read the camera's partition table: {exc.strerror}"
        raise EraseFailedError(msg) from exc


@contextmanager
def _writing(disk: HeldDisk) -> Iterator[int]:
    """A descriptor that writes past the page cache, while the disk lets it."""
    try:
        disk.let_write(let=True)
        descriptor = disk.writer()
        try:
            yield descriptor
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        if not disk.disk.path.exists():
            msg = "the camera left while it was being cleared; the dock finishes when it is back"
            raise CameraGoneError(msg) from exc
        msg = f"the camera's disk cannot be overwritten: {exc.strerror}"
        raise EraseFailedError(msg) from exc
    finally:
        _shut(disk)


def _shut(disk: HeldDisk) -> None:
    """Whatever happened; a disk that is gone needs no lock."""
    try:
        disk.let_write(let=False)
    except DockError:
        if disk.disk.path.exists():
            raise


class _Overwriting:
    """One run over one disk."""

    def __init__(self, descriptor: int, begun: Begun, alive: Callable[[int], None]) -> None:
        self._descriptor, self._begun, self._alive = descriptor, begun, alive
        self._size = begun.content.size_bytes
        (self._block,) = struct.unpack("=i", fcntl.ioctl(descriptor, _BLKSSZGET, bytes(4)))
        self._memory = mmap.mmap(-1, 2 * PIECE_BYTES)
        self._view = memoryview(self._memory)
        self._written = self._read = 0

    def run(self) -> Overwritten:
        """All of it; what was done."""
        self._write_first(self._begun.block(self._block))
        for number in range(self._begun.passes):
            self._pass(last=number == self._begun.passes - 1)
        os.fsync(self._descriptor)
        self._look(self._samples())
        first = self._expected(0, self._block, token=False)
        self._write_first(bytes(first))
        self._look([0], token=False)
        begun = self._begun
        return Overwritten(self._size, begun.passes, self._written, begun.read_back, self._read)

    def _pass(self, *, last: bool) -> None:
        for offset in reversed(range(0, self._size, PIECE_BYTES)):
            size = min(PIECE_BYTES, self._size - offset)
            if last:
                self._expected(offset, size, token=True)
            else:
                self._view[:size] = bytes([_PATTERN]) * size
                if not offset:
                    self._view[: self._block] = self._begun.block(self._block)
            self._write(self._view[:size], offset)
            self._written += size
            self._alive(size)

    def _expected(self, offset: int, size: int, *, token: bool) -> memoryview:
        """What is to be there, with the token still in its place or not."""
        view = self._view[:size]
        self._begun.content.fill(view, offset)
        if token and not offset:
            view[: self._block] = self._begun.block(self._block)
        return view

    def _samples(self) -> list[int]:
        """Numbers of the pieces that are read back."""
        count = -(-self._size // PIECE_BYTES)
        if self._begun.read_back is ReadBack.WHOLE:
            return list(range(count))
        drawn = SystemRandom()
        chosen = {0, count - 1}
        for begin in range(0, count, _SAMPLED_OF):
            members = range(begin, min(count, begin + _SAMPLED_OF))
            chosen |= set(drawn.sample(members, min(_SAMPLES, len(members))))
        # What the new file system consists of is few pieces, and the camera depends on each of them.
        chosen |= {number * 512 // PIECE_BYTES for number in self._begun.content.sectors}
        return sorted(chosen)

    def _look(self, pieces: list[int], *, token: bool = True) -> None:
        """Read pieces from the medium and compare.

        Raises:
            EraseFailedError: it holds something else.
        """
        for number in pieces:
            offset = number * PIECE_BYTES
            size = min(PIECE_BYTES, self._size - offset)
            expected = self._expected(offset, size, token=token)
            found = self._view[PIECE_BYTES : PIECE_BYTES + size]
            filled = 0
            while filled < size:
                count = os.preadv(self._descriptor, [found[filled:]], offset + filled)
                if not count:
                    break
                filled += count
            if filled != size or found != expected:
                msg = f"the camera's disk does not hold what was written at byte {offset}"
                raise EraseFailedError(msg)
            self._read += size
            self._alive(size)

    def _write_first(self, block: bytes) -> None:
        """The first block, by itself, and durably."""
        self._view[: len(block)] = block
        self._write(self._view[: len(block)], 0)
        os.fsync(self._descriptor)

    def _write(self, content: memoryview, offset: int) -> None:
        done = 0
        while done < len(content):
            done += os.pwrite(self._descriptor, content[done:], offset + done)
