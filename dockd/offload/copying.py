"""Copy recordings from one camera into the spool, in DESIGN's order to the letter.

    .part beside the final name -> preallocate -> read once, feeding both digests -> fresh stat of the source -> fdatasync
    -> read back past the page cache and compare -> manifest -> rename -> fsync of the folder -> (the daemon) journal commit

The read-back of one file runs while the next is being read from the camera, and renames are made durable for several small
files at once. A copy that was broken off continues at the last written step whose bytes the medium still gives back, whatever
bay the camera is in; what cannot be shown to belong to the camera's file is copied again from its first byte.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

from dockd.camera.tree import identity_of, opened_file, opened_folder, still_there, unreadable
from dockd.core.names import basename, parent, shown
from dockd.crashpoint import passing
from dockd.errors import CameraError, CameraGoneError, NoDirectReadError, SourceChangedError
from dockd.medium import ALIGNMENT_BYTES, PIECE_BYTES, Hashes, Lanes, open_direct
from dockd.offload.messages import CopyJob, Moved, Report, Skipped
from dockd.offload.pipeline import WRITES_BEHIND, SourceError, stream
from dockd.offload.spool import disk_error, part_name, steps_name
from dockd.offload.verifying import Verifier, Written

_AHEAD = 4


class Copier:
    """Copies one list of recordings from one camera.

    Args:
        root: descriptor of the camera's root.
        folder: descriptor of the spool's `recordings` folder.
        emit: takes each report; called from two threads.
    """

    def __init__(self, root: int, folder: int, emit: Callable[[Report], None]) -> None:
        self._root, self._folder, self._emit = root, folder, emit
        self._lanes = Lanes(_AHEAD, _AHEAD + WRITES_BEHIND + 1)
        self._direct = True
        self._verifier = Verifier(folder, emit)

    def run(self, jobs: list[CopyJob]) -> None:
        """Copy in the order given; a file that cannot be taken is skipped and named.

        Raises:
            CameraGoneError: the camera was pulled; finished copies are reported all the same.
            SpoolError: the dock's own disk is full or failed.
        """
        with self._verifier:
            for job in jobs:
                if self._verifier.failed:
                    break
                self._copy_or_skip(job)
        self._lanes.close()

    def _copy_or_skip(self, job: CopyJob) -> None:
        try:
            self._verifier.take(self._copy(job))
        except CameraGoneError:
            raise
        except CameraError as exc:
            self._emit(Skipped(job.path, exc.code, exc.message, exc.hint, exc.transient))

    def _copy(self, job: CopyJob) -> Written:
        size = job.identity.size_bytes
        with self._source(job) as source, self._part(job) as part:
            hashes = self._resume(job, source, part)
            try:
                if size:
                    os.posix_fallocate(part, 0, size)
                passing("offload.preallocated")
                self._stream(job, source, part, hashes)
                passing("offload.copied")
                os.ftruncate(part, size)
            except OSError as exc:
                raise disk_error(exc, size) from exc
            self._same_source(job, source, hashes)
            return Written(job, os.dup(part), hashes.measured())

    @contextmanager
    def _source(self, job: CopyJob) -> Iterator[int]:
        """The camera's file, read past the page cache where that can be done: a tenth of the CPU time, and no memory grows."""
        with ExitStack() as stack:
            try:
                source = stack.enter_context(opened_file(self._root, job.path, job.identity, direct=self._direct))
            except NoDirectReadError:
                self._direct = False  # good enough to copy from; a clearance will refuse it
                source = stack.enter_context(opened_file(self._root, job.path, job.identity, direct=False))
            yield source

    def _stream(self, job: CopyJob, source: int, part: int, hashes: Hashes) -> None:
        """The bytes themselves; a large recording's steps are written down on the way, and where it broke off."""
        moved = partial(self._moved, job.path)
        try:
            if job.identity.size_bytes <= PIECE_BYTES:
                stream(source, part, hashes, self._lanes, moved=moved, step=lambda _size, _digest: None)
                return
            with self._steps_file(job) as steps:
                step = partial(_write_step, steps)
                try:
                    stream(source, part, hashes, self._lanes, moved=moved, step=step)
                finally:
                    if hashes.size_bytes % ALIGNMENT_BYTES == 0:
                        step(hashes.size_bytes, hashes.fast.digest())
        except SourceError as exc:
            if not isinstance(exc.__cause__, OSError):
                raise
            raise unreadable(self._root, job.path, exc.__cause__) from exc

    def _moved(self, path: bytes, count: int) -> None:
        self._emit(Moved(path, count, reading=True))

    @contextmanager
    def _steps_file(self, job: CopyJob) -> Iterator[int]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        steps = os.open(steps_name(job.recording_id), flags, 0o600, dir_fd=self._folder)
        try:
            yield steps
        finally:
            os.close(steps)

    @contextmanager
    def _part(self, job: CopyJob) -> Iterator[int]:
        """The unfinished copy, locked against a worker that a dead daemon left behind."""
        try:
            part = open_direct(part_name(job.recording_id), os.O_RDWR | os.O_CREAT, dir_fd=self._folder)
        except OSError as exc:
            raise disk_error(exc, job.identity.size_bytes) from exc
        try:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                msg = f"{shown(job.path)} is still being copied by another process of this dock"
                raise SourceChangedError(msg, hint="Nothing to do: the dock tries again by itself.") from exc
            yield part
        finally:
            os.close(part)

    def _resume(self, job: CopyJob, source: int, part: int) -> Hashes:
        """The hashes of the longest prefix that the medium gives back as it was read, and that still fits the camera's file."""
        steps = self._steps(job.recording_id)
        best = Hashes()
        if not steps:
            return best
        running = Hashes()
        try:
            for piece in self._lanes.pieces(part):
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
        with closing(self._lanes.pieces(descriptor, offset)) as pieces:
            try:
                piece = next(pieces, None)
            except OSError as exc:
                raise unreadable(self._root, job.path, exc) from exc
            if piece is None:
                return b""
            content = bytes(piece.content)
            self._lanes.release(piece)
            return content

    def _same_source(self, job: CopyJob, source: int, hashes: Hashes) -> None:
        """Fresh stats, through the descriptor and through the name, and the length that was read, are what the scan saw."""
        try:
            with opened_folder(self._root, parent(job.path)) as folder:
                named = os.stat(basename(job.path), dir_fd=folder, follow_symlinks=False)
            held = os.fstat(source)
        except FileNotFoundError as exc:
            raise still_there(self._root, job.path) from exc
        except OSError as exc:
            raise unreadable(self._root, job.path, exc) from exc
        if not identity_of(held) == identity_of(named) == job.identity or hashes.size_bytes != job.identity.size_bytes:
            msg = f"{shown(job.path)} changed while it was being copied"
            raise SourceChangedError(msg)


def _write_step(steps: int, size_bytes: int, blake3: bytes) -> None:
    os.write(steps, f"{size_bytes} {blake3.hex()}\n".encode())
