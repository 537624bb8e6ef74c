"""Read finished copies back from the medium, then make them part of the spool.

It works in a thread of its own, so that one file is read back while the next is being read from the camera. Several small
files share one fsync of the folder; each is durable before it is reported.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Thread
from typing import Self

from dockd.core.manifest import Manifest
from dockd.core.names import shown
from dockd.core.recording import Measured, MediumReading
from dockd.crashpoint import passing
from dockd.errors import SpoolError, SpoolMismatchError
from dockd.medium import Lanes, read_back
from dockd.offload import durable
from dockd.offload.messages import Copied, CopyEvidence, CopyJob, Moved, Report, Skipped
from dockd.offload.spool import disk_error, manifest_name, part_name, steps_name

_BATCH_FILES = 64
_BATCH_BYTES = 64 << 20
_IDLE_S = 0.1
_AHEAD = 16
_READS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A copy that is complete but not yet read back; `descriptor` is of its `.part` and holds its lock."""

    job: CopyJob
    descriptor: int
    measured: Measured


class Verifier:
    """Takes finished copies; leaving its `with` block waits until each is verified and durable, or reported.

    Args:
        folder: descriptor of the spool's `recordings` folder.
        emit: takes each report; called from the verifier's thread.
    """

    def __init__(self, folder: int, emit: Callable[[Report], None]) -> None:
        self._folder, self._emit = folder, emit
        self._inbox: Queue[Written | None] = Queue(_AHEAD)
        self._failure: SpoolError | None = None
        self._thread = Thread(target=self._run, name="verify")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._inbox.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    @property
    def failed(self) -> bool:
        """Whether the spool's disk failed, so that no further copy makes sense."""
        return self._failure is not None

    def take(self, written: Written) -> None:
        """Hand over a finished copy; waits while too many are ahead."""
        self._inbox.put(written)

    def _run(self) -> None:
        lanes = Lanes(_READS_AHEAD, _READS_AHEAD + 1)
        batch: list[tuple[Written, MediumReading]] = []
        more = True
        while more:
            try:
                item = self._inbox.get(timeout=_IDLE_S)
            except Empty:
                self._publish(batch)
                continue
            more = item is not None
            if item is not None:
                self._verify(item, lanes, batch)
            size = sum(written.measured.size_bytes for written, _ in batch)
            if not more or len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
                self._publish(batch)
        lanes.close()

    def _verify(self, written: Written, lanes: Lanes, batch: list[tuple[Written, MediumReading]]) -> None:
        """fdatasync, read back, compare, and write the manifest; a copy that differs is thrown away."""
        job, measured = written.job, written.measured
        try:
            os.fdatasync(written.descriptor)
            passing("offload.synced")
            reading = read_back(written.descriptor, lanes, lambda count: self._emit(Moved(job.path, count, reading=False)))
            if (reading.size_bytes, reading.blake3) != (measured.size_bytes, measured.digests.blake3):
                self._throw_away(written)
                return
            durable.write_synced(self._folder, manifest_name(job.recording_id), _manifest(job, measured).encode())
            passing("offload.manifest")
        except OSError as exc:
            os.close(written.descriptor)
            self._failure = self._failure or disk_error(exc, measured.size_bytes)
        else:
            batch.append((written, reading))

    def _throw_away(self, written: Written) -> None:
        job = written.job
        for name in (part_name(job.recording_id), steps_name(job.recording_id)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._folder)
        os.close(written.descriptor)
        error = SpoolMismatchError(f"the dock's disk gave back other bytes of {shown(job.path)} than were written")
        self._emit(Skipped(job.path, error.code, error.message, error.hint, error.transient))

    def _publish(self, batch: list[tuple[Written, MediumReading]]) -> None:
        """Final names, one fsync of the folder, then the report."""
        if not batch:
            return
        passing("offload.renaming")
        try:
            for written, _ in batch:
                recording_id = written.job.recording_id
                durable.rename(self._folder, part_name(recording_id), recording_id)
                passing("offload.renamed")
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(steps_name(recording_id), dir_fd=self._folder)
            durable.sync_folder(self._folder)
        except OSError as exc:
            self._failure = self._failure or disk_error(exc, 0)
        else:
            passing("offload.published")
            self._emit(Copied([CopyEvidence(each.job.recording_id, each.measured, reading) for each, reading in batch]))
        for written, _ in batch:
            os.close(written.descriptor)
        batch.clear()


def _manifest(job: CopyJob, measured: Measured) -> Manifest:
    return Manifest(
        recording_id=job.recording_id,
        dock=job.dock,
        camera=job.camera,
        docking=job.docking,
        path=job.path,
        modified_ns=job.identity.modified_ns,
        sidecar_of=job.sidecar_of,
        priority=job.priority,
        seen=job.seen,
        measured=measured,
    )
