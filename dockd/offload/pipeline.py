"""Move one file from the camera to the spool: read once, feed both digests, write past the page cache.

Reads and writes run in the worker's lanes, several at a time, while this thread takes the pieces in order and hashes them.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future

from dockd.medium import Hashes, Lanes, Piece
from dockd.offload.turns import Turns

STEP_BYTES = 64 << 20
"""How often the proved length of an unfinished copy is written down; a multiple of a piece."""

WRITES_BEHIND = 3


class SourceError(Exception):
    """The camera gave an error; `__cause__` is the OSError. What was read before is in the spool."""


def stream(
    source: int,
    target: int,
    hashes: Hashes,
    lanes: Lanes,
    turns: Turns,
    *,
    moved: Callable[[int], None],
    step: Callable[[int, bytes], None],
) -> None:
    """Copy from `hashes.size_bytes` to the end of `source`.

    Args:
        source: read with positioned reads.
        target: opened with O_DIRECT; its length may end up rounded to the alignment.
        hashes: of the bytes before, a multiple of the alignment, which `target` already holds; afterwards of the whole file.
        lanes: of this worker.
        turns: told while this waits for `target`; it is the camera's turn otherwise.
        moved: told the bytes of each piece that was read.
        step: told now and then that `target` holds the first n bytes and their BLAKE3.

    Raises:
        SourceError: the camera's error; all that was read before it is written.
        OSError: the spool's error.
    """
    behind: deque[tuple[Future[None], Piece]] = deque()
    pieces = lanes.pieces(source, hashes.size_bytes)
    try:
        while (piece := _next(pieces)) is not None:
            behind.append((lanes.write(target, piece), piece))
            hashes.update(piece.content)
            moved(piece.count)
            at_step = hashes.size_bytes % STEP_BYTES == 0
            with turns.disk():
                while len(behind) > (0 if at_step else WRITES_BEHIND):
                    _settle(behind, lanes)
                if at_step:
                    step(hashes.size_bytes, hashes.fast.digest())
    finally:
        pieces.close()
        with turns.disk():
            while behind:
                _settle(behind, lanes)


def _next(pieces: Generator[Piece]) -> Piece | None:
    try:
        return next(pieces, None)
    except OSError as exc:
        raise SourceError from exc


def _settle(behind: deque[tuple[Future[None], Piece]], lanes: Lanes) -> None:
    """Wait for the oldest write, and give its buffer back."""
    write, piece = behind.popleft()
    try:
        write.result()
    finally:
        lanes.release(piece)
