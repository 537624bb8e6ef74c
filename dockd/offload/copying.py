"""Copy recordings from one camera into the spool, always in this order.

    .part beside the final name -> preallocate -> read once, feeding both digests -> fresh stat of the source -> fdatasync
    -> read back past the page cache and compare -> manifest -> rename -> fsync of the folder -> (the daemon) journal commit

The read-back of one file runs while the next is being read from the camera; small files go by the handful (`offload.handful`).
A copy that was broken off continues at the last written step whose bytes the medium still gives back, whatever bay the camera
is in; what cannot be shown to belong to the camera's file is copied again from its first byte.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import groupby

from dockd.camera.tree import unreadable
from dockd.clock import Clock, SystemClock
from dockd.crashpoint import passing
from dockd.errors import CameraError, CameraGoneError
from dockd.medium import ALIGNMENT_BYTES, PIECE_BYTES, Hashes, Lanes
from dockd.offload.ends import Ends, Written
from dockd.offload.handful import HANDFUL, SMALL_BYTES, Handfuls
from dockd.offload.messages import CopyJob, Moved, Report, Skipped
from dockd.offload.pipeline import WRITES_BEHIND, SourceError, stream
from dockd.offload.spool import disk_error, steps_name
from dockd.offload.turns import Turns
from dockd.offload.verifying import Verifier

_AHEAD = 4


class _GaveWay(Exception):  # noqa: N818 - no error: something more urgent goes first
    """The recording that was being read stays a part, to be continued."""


def _never() -> bool:
    return False


class Copier:
    """Copies one list of recordings from one camera.

    Args:
        root: descriptor of the camera's root.
        folder: descriptor of the spool's `recordings` folder.
        emit: takes each report; called from several threads.
        clock: tells how long something has been waited for.
        overtaken: whether something more urgent waits for this list's end; asked at each piece, of a recording or a handful.
    """

    def __init__(
        self,
        root: int,
        folder: int,
        emit: Callable[[Report], None],
        clock: Clock | None = None,
        *,
        overtaken: Callable[[], bool] = _never,
    ) -> None:
        self._root, self._folder, self._emit, self._overtaken = root, folder, emit, overtaken
        self._current = b""
        self._turns = Turns(clock or SystemClock(), lambda: emit(Moved(self._current, 0, reading=False)))
        self._ends = Ends(root, folder)
        self._lanes = Lanes(_AHEAD, _AHEAD + WRITES_BEHIND + 1)
        self._verifier = Verifier(folder, emit, self._turns)

    def run(self, jobs: list[CopyJob]) -> None:
        """Copy in the order given; a file that cannot be taken is skipped and named. It ends early when it is overtaken.

        Raises:
            CameraGoneError: the camera was pulled; finished copies are reported all the same.
            SpoolError: the dock's own disk is full or failed.
        """
        handfuls = Handfuls(self._ends, self._emit, self._turns)
        with closing(self._lanes), closing(handfuls), self._turns, self._verifier:
            for small, several in grouped(jobs):
                if self._verifier.failed or self._overtaken():
                    break
                self._current = several[0].path
                if small:
                    handfuls.copy(several, self._verifier.take_handful)
                else:
                    self._copy_or_skip(several[0])

    def _copy_or_skip(self, job: CopyJob) -> None:
        try:
            with self._turns.camera():
                written = self._copy(job)
            self._verifier.take(written)
        except _GaveWay:
            return
        except CameraGoneError:
            raise
        except CameraError as exc:
            self._emit(Skipped(job.path, exc.code, exc.message, exc.hint, exc.transient))

    def _copy(self, job: CopyJob) -> Written:
        size = job.identity.size_bytes
        with self._ends.source(job) as source, self._part(job) as part:
            hashes = self._resume(job, source, part)
            try:
                with self._turns.disk():
                    os.posix_fallocate(part, 0, size)
                passing("offload.preallocated")
                self._stream(job, source, part, hashes)
                passing("offload.copied")
                with self._turns.disk():
                    os.ftruncate(part, size)
            except OSError as exc:
                raise disk_error(exc, size) from exc
            self._ends.same_source(job, source, hashes.size_bytes)
            return Written(job, os.dup(part), hashes.measured())

    @contextmanager
    def _part(self, job: CopyJob) -> Iterator[int]:
        with self._turns.disk():
            part = self._ends.open_part(job, direct=True)
        try:
            yield part
        finally:
            os.close(part)

    def _stream(self, job: CopyJob, source: int, part: int, hashes: Hashes) -> None:
        """The bytes themselves; a large recording's steps are written down on the way, and where it broke off."""
        moved = partial(self._moved, job.path)
        try:
            with self._steps_file(job) as steps:
                step = partial(_write_step, steps)
                try:
                    stream(source, part, hashes, self._lanes, self._turns, moved=moved, step=step)
                finally:
                    if hashes.size_bytes % ALIGNMENT_BYTES == 0:
                        step(hashes.size_bytes, hashes.fast.digest())
        except SourceError as exc:
            if not isinstance(exc.__cause__, OSError):
                raise
            raise unreadable(self._root, job.path, exc.__cause__) from exc

    def _moved(self, path: bytes, count: int) -> None:
        self._emit(Moved(path, count, reading=True))
        if self._overtaken():
            raise _GaveWay

    @contextmanager
    def _steps_file(self, job: CopyJob) -> Iterator[int]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        steps = os.open(steps_name(job.recording_id), flags, 0o600, dir_fd=self._folder)
        try:
            yield steps
        finally:
            os.close(steps)

    def _resume(self, job: CopyJob, source: int, part: int) -> Hashes:
        """The hashes of the longest prefix that the medium gives back as it was read, and that still fits the camera's file."""
        steps = self._steps(job.recording_id)
        best, running, last = Hashes(), Hashes(), max(steps, default=0)
        try:
            with self._turns.disk(), closing(self._lanes.pieces(part, end=last)) as pieces:
                for piece in pieces:
                    running.update(piece.content)
                    self._lanes.release(piece)
                    self._emit(Moved(job.path, 0, reading=False))
                    if steps.get(running.size_bytes) == running.fast.digest():
                        best = running.copy()
        except OSError:
            best = Hashes()  # the medium cannot give the prefix back: begin again
        if best.size_bytes > job.identity.size_bytes or not self._fits(job, source, part, best.size_bytes):
            return Hashes()
        if best.size_bytes:
            self._emit(Moved(job.path, best.size_bytes, reading=False))
        return best

    def _steps(self, recording_id: str) -> dict[int, bytes]:
        try:
            descriptor = os.open(steps_name(recording_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError:
            return {}
        with os.fdopen(descriptor, "rb") as file:
            steps = {}
            for line in file:
                offset, _, digest = line.partition(b" ")
                with contextlib.suppress(ValueError):  # the last line of a power cut may be torn
                    steps[int(offset)] = bytes.fromhex(digest.decode("ascii", "replace"))
            return steps

    def _fits(self, job: CopyJob, source: int, part: int, size_bytes: int) -> bool:
        """Whether the first and the last piece of the prefix are still what the camera holds there."""
        for offset in {0, max(0, size_bytes - PIECE_BYTES)} if size_bytes else set():
            theirs = self._piece(source, offset, job)
            ours = self._piece(part, offset, job)
            wanted = min(PIECE_BYTES, size_bytes - offset)
            if len(theirs) < wanted or theirs[:wanted] != ours[:wanted]:
                return False
        return True

    def _piece(self, descriptor: int, offset: int, job: CopyJob) -> bytes:
        with closing(self._lanes.pieces(descriptor, offset, end=offset + PIECE_BYTES)) as pieces:
            try:
                piece = next(pieces, None)
            except OSError as exc:
                raise unreadable(self._root, job.path, exc) from exc
            if piece is None:
                return b""
            content = bytes(piece.content)
            self._lanes.release(piece)
            return content


def grouped(jobs: Sequence[CopyJob]) -> Iterator[tuple[bool, Sequence[CopyJob]]]:
    """The jobs in their order: small ones that follow each other by the handful, each other one alone."""
    for small, several in groupby(jobs, lambda job: job.identity.size_bytes <= SMALL_BYTES):
        listed = list(several)
        step = HANDFUL if small else 1
        for start in range(0, len(listed), step):
            yield small, listed[start : start + step]


def _write_step(steps: int, size_bytes: int, blake3: bytes) -> None:
    os.write(steps, f"{size_bytes} {blake3.hex()}\n".encode())
