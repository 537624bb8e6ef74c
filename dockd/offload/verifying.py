"""Read finished copies back from the medium, then make them part of the spool.

It works in a thread of its own, so that one file is read back while the next is being read from the camera. Small files go
in batches: what is written together is made durable by few commits of the file system's journal, instead of by several for
each. Every file is durable, and its manifest as well, before it has its final name, and all that before it is reported.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
from dockd.offload.pipeline import STEP_BYTES
from dockd.offload.spool import disk_error, manifest_name, part_name, steps_name

_BATCH_FILES = 64
_BATCH_BYTES = 64 << 20
_IDLE_S = 0.1
_READS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A copy that is complete but not yet read back; `descriptor` is of its `.part` and holds its lock."""

    job: CopyJob
    descriptor: int
    measured: Measured


_Verified = tuple[Written, MediumReading]


class Verifier:
    """Takes finished copies; leaving its `with` block waits until each is verified and durable, or reported.

    Args:
        folder: descriptor of the spool's `recordings` folder.
        emit: takes each report; called from the verifier's thread.
    """

    def __init__(self, folder: int, emit: Callable[[Report], None]) -> None:
        self._folder, self._emit = folder, emit
        self._inbox: Queue[Written | None] = Queue(_BATCH_FILES)
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
        more = True
        while more:
            batch, more = self._batch()
            self._publish(self._explained(self._verified(batch, lanes)))
        lanes.close()

    def _batch(self) -> tuple[list[Written], bool]:
        """Finished copies as they come, until they are many or large, or none came for a while; and whether more may come."""
        batch: list[Written] = []
        size = 0
        while len(batch) < _BATCH_FILES and size < _BATCH_BYTES:
            try:
                item = self._inbox.get(timeout=_IDLE_S if batch else None)
            except Empty:
                break
            if item is None:
                return batch, False
            batch.append(item)
            size += item.measured.size_bytes
        return batch, True

    def _verified(self, batch: list[Written], lanes: Lanes) -> list[_Verified]:
        """fdatasync, read back, compare; a copy that differs is thrown away.

        The first fdatasync commits the file system's journal for all: they were all written before it.
        """
        verified: list[_Verified] = []
        for written in batch:
            try:
                os.fdatasync(written.descriptor)
                passing("offload.synced")
                moved = partial(self._moved, written.job.path)
                reading = read_back(written.descriptor, lanes, moved)
            except OSError as exc:
                self._fail(exc, written)
                continue
            measured = written.measured
            if (reading.size_bytes, reading.blake3) == (measured.size_bytes, measured.digests.blake3):
                verified.append((written, reading))
            else:
                self._throw_away(written)
        return verified

    def _moved(self, path: bytes, count: int) -> None:
        self._emit(Moved(path, count, reading=False))

    def _explained(self, verified: list[_Verified]) -> list[_Verified]:
        """Give each its manifest, durably: all are on their way to the disk before the first is waited for."""
        under_way: list[tuple[_Verified, int]] = []
        for each in verified:
            written, _ = each
            try:
                name, text = manifest_name(written.job.recording_id), _manifest(written.job, written.measured).encode()
                under_way.append((each, durable.write_begun(self._folder, name, text)))
            except OSError as exc:
                self._fail(exc, written)
        explained: list[_Verified] = []
        for each, manifest in under_way:
            try:
                os.fdatasync(manifest)
                passing("offload.manifest")
                explained.append(each)
            except OSError as exc:
                self._fail(exc, each[0])
            finally:
                os.close(manifest)
        return explained

    def _fail(self, error: OSError, written: Written) -> None:
        """The spool's disk failed at this copy; the first failure is the one that is reported."""
        os.close(written.descriptor)
        self._failure = self._failure or disk_error(error, written.measured.size_bytes)

    def _throw_away(self, written: Written) -> None:
        job = written.job
        for name in (part_name(job.recording_id), steps_name(job.recording_id)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._folder)
        os.close(written.descriptor)
        error = SpoolMismatchError(f"the dock's disk gave back other bytes of {shown(job.path)} than were written")
        self._emit(Skipped(job.path, error.code, error.message, error.hint, error.transient))

    def _publish(self, batch: list[_Verified]) -> None:
        """Final names, one fsync of the folder, then the report."""
        if not batch:
            return
        passing("offload.renaming")
        try:
            for written, _ in batch:
                recording_id = written.job.recording_id
                durable.rename(self._folder, part_name(recording_id), recording_id)
                passing("offload.renamed")
                if written.measured.size_bytes >= STEP_BYTES:
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
