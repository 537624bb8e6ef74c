"""Read finished copies back from the medium, then make them part of the spool.

It works in a thread of its own, so that one file is read back while the next is being read from the camera. Several small
files share one fsync of the folder; each is durable before it is reported.
"""

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, Queue
from threading import Thread
from typing import Self

from dockd import durable
from dockd.core.names import shown
from dockd.core.recording import MediumReading
from dockd.crashpoint import passing
from dockd.errors import SpoolMismatchError
from dockd.medium import Lanes, read_back
from dockd.offload.ends import Written, manifest_of
from dockd.offload.handful import Buffers, read_small_back
from dockd.offload.messages import Copied, CopyEvidence, Moved, Report, Skipped
from dockd.offload.spool import VERIFIED, disk_error, manifest_name, part_name, steps_name, verified_name
from dockd.offload.turns import Turns

_BATCH_FILES = 64
_BATCH_BYTES = 64 << 20
_IDLE_S = 0.1
_AHEAD = 2
"""Not more: a handful holds many descriptors, and every copy reported late hides a camera that hangs for as long."""

_READS_AHEAD = 3
_HANDFUL_THREADS = 4


class Verifier:
    """Takes finished copies; leaving its `with` block waits until each is verified and durable, or reported.

    Args:
        folder: descriptor of the spool's `recordings` folder.
        emit: takes each report; called from the verifier's thread.
        turns: told while the dock's own disk is waited for.
    """

    def __init__(self, folder: int, emit: Callable[[Report], None], turns: Turns) -> None:
        self._folder, self._emit, self._turns = folder, emit, turns
        self._inbox: Queue[list[Written] | Written | None] = Queue(_AHEAD)
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="verify")
        self._lanes = Lanes(_READS_AHEAD, _READS_AHEAD + 1)
        self._handful_threads = ThreadPoolExecutor(_HANDFUL_THREADS, "read-back")
        self._buffers = Buffers()
        self._batch: list[tuple[Written, MediumReading]] = []
        self._open: set[int] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._inbox.put(None)
        self._thread.join()
        self._lanes.close()
        self._handful_threads.shutdown()
        if self._failure is not None:
            raise self._failure

    @property
    def failed(self) -> bool:
        """Whether the spool's disk failed, so that no further copy makes sense."""
        return self._failure is not None

    def take(self, written: Written) -> None:
        """Hand over a finished copy; waits while too many are ahead."""
        with self._turns.disk():
            self._inbox.put(written)

    def take_handful(self, several: list[Written]) -> None:
        """Hand over small copies whose manifests are written and nothing of which is synced."""
        with self._turns.disk():
            self._inbox.put(several)

    def _run(self) -> None:
        """Until there is no more; after a failure what comes is only put away, so that nobody waits for room in the inbox."""
        more = True
        while more:
            try:
                item = self._inbox.get(timeout=_IDLE_S)
            except Empty:
                item = []
            more = item is not None
            self._open |= {each.descriptor for each in (item if isinstance(item, list) else [item]) if each is not None}
            try:
                if self._failure is None:
                    with self._turns.disk():
                        self._obey(item)
            except BaseException as exc:  # noqa: BLE001 - it is raised again in the thread that waits for this one
                self._failure = exc
            if self._failure is not None:
                for descriptor in list(self._open):
                    self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        """Close a copy's descriptor, and give its lock back."""
        self._open.discard(descriptor)
        os.close(descriptor)

    def _obey(self, item: list[Written] | Written | None) -> None:
        """Verify what came; publish what is verified once it is enough, or nothing more has come for a moment."""
        if isinstance(item, Written):
            self._verify(item)
        elif item:
            self._verify_handful(item)
        size = sum(written.measured.size_bytes for written, _ in self._batch)
        if not item or len(self._batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            self._publish()

    def _verify(self, written: Written) -> None:
        """fdatasync, read back, compare, and write the manifest; a copy that differs is thrown away."""
        job, measured = written.job, written.measured
        try:
            os.fdatasync(written.descriptor)
            passing("offload.synced")
            reading = read_back(written.descriptor, self._lanes, partial(self._moved, job.path))
            if self._same(written, reading):
                durable.write_synced(self._folder, manifest_name(job.recording_id), manifest_of(job, measured).encode())
                passing("offload.manifest")
                self._batch.append((written, reading))
        except OSError as exc:
            raise disk_error(exc, measured.size_bytes) from exc

    def _verify_handful(self, several: list[Written]) -> None:
        """The same for many, with one sync of the file system for all; their manifests are written already."""
        try:
            durable.sync_file_system(self._folder)
            passing("offload.synced")
            readings = self._handful_threads.map(lambda each: read_small_back(each, self._buffers), several)
            for written, reading in zip(several, readings, strict=True):
                if self._same(written, reading):
                    self._batch.append((written, reading))
        except OSError as exc:
            raise disk_error(exc, sum(each.measured.size_bytes for each in several)) from exc

    def _moved(self, path: bytes, count: int) -> None:
        """A sign of life, unless it would hide that the camera gives none; nobody counts these bytes."""
        if not self._turns.camera_hangs():
            self._emit(Moved(path, count, reading=False))

    def _same(self, written: Written, reading: MediumReading) -> bool:
        """Whether the medium gave back what was read from the camera; what differs is thrown away, and said so."""
        if reading.is_of(written.measured):
            return True
        self._throw_away(written)
        return False

    def _throw_away(self, written: Written) -> None:
        job = written.job
        for name in (part_name(job.recording_id), steps_name(job.recording_id), manifest_name(job.recording_id)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._folder)
        self._close(written.descriptor)
        error = SpoolMismatchError(f"the dock's disk gave back other bytes of {shown(job.path)} than were written")
        self._emit(Skipped(job.path, error.code, error.message, error.hint, error.transient))

    def _publish(self) -> None:
        """Final names, one fsync of each folder, then the report."""
        if not self._batch:
            return
        passing("offload.renaming")
        try:
            for written, _ in self._batch:
                recording_id = written.job.recording_id
                durable.rename(self._folder, part_name(recording_id), verified_name(recording_id))
                passing("offload.renamed")
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(steps_name(recording_id), dir_fd=self._folder)
            self._sync_verified()
            durable.sync_folder(self._folder)
        except OSError as exc:
            raise disk_error(exc, 0) from exc
        passing("offload.published")
        self._emit(Copied([CopyEvidence(each.job.recording_id, each.measured, reading) for each, reading in self._batch]))
        for written, _ in self._batch:
            self._close(written.descriptor)
        self._batch.clear()

    def _sync_verified(self) -> None:
        verified = os.open(VERIFIED, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            durable.sync_folder(verified)
        finally:
            os.close(verified)
