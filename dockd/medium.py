"""Read files from their medium, past the page cache, and measure what came.

A read that the page cache answers proves nothing about the disk, so every proof in dockd reads with O_DIRECT. A file system that
cannot do that cannot be proved, and is refused rather than believed.
"""

import errno
import fcntl
import hashlib
import mmap
import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import LifoQueue
from typing import Self

from blake3 import blake3

from dockd.core.recording import Digests, Measured, MediumReading

ALIGNMENT_BYTES = 4096
"""What O_DIRECT wants of addresses, offsets and lengths on every disk in use; a page, and a multiple of any logical block."""

PIECE_BYTES = 512 << 10
"""Larger ones spare processor time in going to and fro between threads, but each of eight bays holds a dozen of them."""


class NotDirectError(OSError):
    """The file system does not support O_DIRECT."""


def open_direct(name: str | bytes, flags: int, *, dir_fd: int | None = None, mode: int = 0o600) -> int:
    """`os.open` with O_DIRECT, never following a link.

    Raises:
        NotDirectError: the file system refuses O_DIRECT.
        OSError: as `os.open`.
    """
    try:
        return os.open(name, flags | os.O_DIRECT | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=dir_fd)
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            raise NotDirectError(exc.errno, "this file system has no direct I/O", os.fsdecode(name)) from exc
        raise


def turn_direct(descriptor: int) -> None:
    """Let every further read and write of an open file go past the page cache.

    Raises:
        NotDirectError: the file system refuses O_DIRECT.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_DIRECT)
    except OSError as exc:
        raise NotDirectError(exc.errno, "this file system has no direct I/O") from exc


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file: `view[:count]`, read from `offset`, until the piece is given back to its `Lanes`."""

    view: memoryview
    count: int
    offset: int

    @property
    def content(self) -> memoryview:
        """Exactly the bytes that were read."""
        return self.view[: self.count]


class Lanes:
    """A few aligned buffers, and threads that keep several reads or writes of them under way.

    Without the page cache nobody reads ahead and nobody writes behind; a disk that is asked for one piece at a time idles in
    between. Buffers are handed out last in, first out, so that a slow camera touches only as much memory as it needs.

    Args:
        ahead: reads under way at once.
        buffers: all there are; what `ahead` leaves is for pieces that the caller still holds.
    """

    def __init__(self, ahead: int, buffers: int) -> None:
        self._ahead = ahead
        self._memory = [mmap.mmap(-1, PIECE_BYTES) for _ in range(buffers)]
        self._free: LifoQueue[memoryview] = LifoQueue()
        for each in self._memory:
            self._free.put(memoryview(each))
        self._threads = ThreadPoolExecutor(buffers, "lane")

    def close(self) -> None:
        """Wait for what is under way."""
        self._threads.shutdown()

    def pieces(self, descriptor: int, offset: int = 0, *, end: int | None = None) -> Generator[Piece]:
        """The file from `offset` to its end, or to the first piece that reaches `end`; give each piece back with `release`.

        Only the last piece is short. A file that shrinks while it is read simply ends.

        Raises:
            OSError: the medium's error, at the first piece that it holds back.
        """
        direct = bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)
        under_way: deque[tuple[Future[int], memoryview, int]] = deque()
        ended = False
        try:
            while not ended:
                while self._wants_more(len(under_way), offset, end):
                    view = self._free.get()
                    under_way.append((self._threads.submit(read_at, descriptor, view, offset, direct=direct), view, offset))
                    offset += PIECE_BYTES
                if not under_way:
                    return
                read, view, begin = under_way[0]
                piece = Piece(view, read.result(), begin)
                under_way.popleft()
                ended = piece.count < PIECE_BYTES
                if piece.count:
                    yield piece
                else:
                    self.release(piece)
        finally:
            for read, view, _ in under_way:
                read.exception()  # wait for it; nobody wants what it brings
                self._free.put(view)

    def _wants_more(self, under_way: int, offset: int, end: int | None) -> bool:
        """Whether another read should begin: never waiting for a buffer while a read that could free one is under way."""
        return under_way < self._ahead and not (under_way and self._free.empty()) and (end is None or offset < end)

    def release(self, piece: Piece) -> None:
        """The piece's bytes are no longer needed."""
        self._free.put(piece.view)

    def write(self, descriptor: int, piece: Piece) -> Future[None]:
        """Write a piece where it was read, in a thread, with zeros up to the alignment; the caller cuts the file to length."""
        return self._threads.submit(_write, descriptor, piece)


def read_at(descriptor: int, view: memoryview, offset: int, *, direct: bool) -> int:
    """Fill `view` from `offset`, or to the file's end; how many bytes came. `direct` wants all three aligned."""
    filled = 0
    while filled < len(view):
        count = os.preadv(descriptor, [view[filled:]], offset + filled)
        filled += count
        if not count or (direct and count % ALIGNMENT_BYTES):
            break  # a direct read that ends off the alignment has met the file's end
    return filled


def _write(descriptor: int, piece: Piece) -> None:
    padded = -(-piece.count // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    piece.view[piece.count : padded] = bytes(padded - piece.count)
    written = 0
    while written < padded:
        written += os.pwrite(descriptor, piece.view[written:padded], piece.offset + written)


class Hashes:
    """The running digests of the bytes so far, and how many they are."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.fast = blake3()
        self.standard = hashlib.sha256()

    def update(self, content: memoryview) -> None:
        """Take in the next bytes."""
        self.fast.update(content)
        self.standard.update(content)
        self.size_bytes += len(content)

    def copy(self) -> Self:
        """An independent state after the same bytes."""
        twin = type(self)()
        twin.size_bytes, twin.fast, twin.standard = self.size_bytes, self.fast.copy(), self.standard.copy()
        return twin

    def measured(self) -> Measured:
        """What the bytes so far measure."""
        return Measured(self.size_bytes, Digests(self.fast.digest(), self.standard.digest()))


def measure(descriptor: int, lanes: Lanes, moved: Callable[[int], None]) -> Measured:
    """Size and both digests of the file as the medium gives it.

    Args:
        descriptor: opened with `open_direct`.
        lanes: to read through.
        moved: told the bytes of each piece.

    Raises:
        OSError: the medium's error.
    """
    hashes = Hashes()
    for piece in lanes.pieces(descriptor):
        hashes.update(piece.content)
        lanes.release(piece)
        moved(piece.count)
    return hashes.measured()


def read_back(descriptor: int, lanes: Lanes, moved: Callable[[int], None]) -> MediumReading:
    """Size and BLAKE3 of the file as the medium gives it, to compare with what was written.

    Raises:
        OSError: the medium's error.
    """
    size_bytes, fast = 0, blake3()
    for piece in lanes.pieces(descriptor):
        fast.update(piece.content)
        lanes.release(piece)
        size_bytes += piece.count
        moved(piece.count)
    return MediumReading(size_bytes, fast.digest())
