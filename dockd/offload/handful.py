"""Copy small recordings by the handful: what costs a large one little would cost ten thousand small ones minutes.

The order of each is that of `offload.copying`, but for this: a few threads read and write whole files, since one alone mostly
waits for the medium; nothing is preallocated, since one write takes all the room; the manifest is written at once; and one sync
of the spool's file system, in the verifier, stands for two for each file.
"""

import mmap
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event, local

from blake3 import blake3

from dockd import durable
from dockd.camera.tree import opened_folder, still_there, unreadable
from dockd.core.names import parent, shown
from dockd.core.recording import MediumReading
from dockd.crashpoint import passing
from dockd.errors import CameraError, CameraGoneError, DockError, SourceChangedError
from dockd.medium import ALIGNMENT_BYTES, Hashes, read_at, turn_direct
from dockd.offload.ends import Ends, Written, manifest_of
from dockd.offload.messages import CopyJob, Moved, Report, Skipped
from dockd.offload.spool import disk_error, manifest_name
from dockd.offload.turns import Turns

SMALL_BYTES = 256 << 10
"""A recording that is no larger is copied by the handful."""

HANDFUL = 128
"""So many at most share one sync; each holds a descriptor until it is published, and a process may have 1,024 of them."""

_THREADS = 4


@dataclass(slots=True)
class _Share:
    """What one thread brought."""

    written: list[Written] = field(default_factory=list)
    failure: DockError | None = None


class Buffers(local):
    """An aligned buffer for each thread."""

    def __init__(self) -> None:
        self._view = memoryview(mmap.mmap(-1, SMALL_BYTES + ALIGNMENT_BYTES))

    def room(self, size_bytes: int) -> memoryview:
        """For a small file, and to notice one byte too many. No more: the kernel fills with zeros what a direct read leaves."""
        return self._view[: -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES + ALIGNMENT_BYTES]


class Handfuls:
    """Copies small recordings of one camera.

    Args:
        ends: of this docking.
        emit: takes each report; called from several threads.
        turns: told who is waited for.
    """

    def __init__(self, ends: Ends, emit: Callable[[Report], None], turns: Turns) -> None:
        self._ends, self._emit, self._turns = ends, emit, turns
        self._threads = ThreadPoolExecutor(_THREADS, "handful")
        self._buffers = Buffers()

    def close(self) -> None:
        """Wait for what is under way."""
        self._threads.shutdown()

    def copy(self, jobs: Sequence[CopyJob], take: Callable[[list[Written]], None]) -> None:
        """Copy at most `HANDFUL` jobs, and hand over what was written.

        Raises:
            CameraGoneError: the camera was pulled; what was finished is handed over all the same.
            SpoolError: the dock's own disk is full or failed.
        """
        stop = Event()
        shares = list(self._threads.map(lambda mine: self._share(mine, stop), [jobs[n::_THREADS] for n in range(_THREADS)]))
        take([written for share in shares for written in share.written])
        for share in shares:
            if share.failure is not None:
                raise share.failure

    def _share(self, jobs: Sequence[CopyJob], stop: Event) -> _Share:
        """One thread's part; it ends with the first failure of any that is more than one file's."""
        share = _Share()
        folders: dict[bytes, int] = {}
        with self._turns.camera(), ExitStack() as opened:
            try:
                for job in jobs:
                    if stop.is_set():
                        break
                    try:
                        share.written.append(self._one(job, self._folder(job, folders, opened)))
                    except CameraGoneError:
                        raise
                    except CameraError as exc:
                        self._emit(Skipped(job.path, exc.code, exc.message, exc.hint, exc.transient))
            except DockError as exc:
                share.failure = exc
                stop.set()
            share.written = self._settled(share.written, folders)
        return share

    def _folder(self, job: CopyJob, folders: dict[bytes, int], opened: ExitStack) -> int:
        """A descriptor of the folder that a recording is in: entered once for a handful, not for each of its files."""
        name = parent(job.path)
        if name not in folders:
            try:
                folders[name] = opened.enter_context(opened_folder(self._ends.root, name))
            except FileNotFoundError as exc:
                raise still_there(self._ends.root, job.path) from exc
            except OSError as exc:
                raise unreadable(self._ends.root, job.path, exc) from exc
        return folders[name]

    def _one(self, job: CopyJob, folder: int) -> Written:
        ends, size = self._ends, job.identity.size_bytes
        with ends.source(job, folder) as source:
            hashes, view = Hashes(), self._buffers.room(size)
            try:
                count = read_at(source, view, 0, direct=True)  # a read that goes through the cache may be as aligned
            except OSError as exc:
                raise unreadable(ends.root, job.path, exc) from exc
            hashes.update(view[:count])
            measured = hashes.measured()
            self._emit(Moved(job.path, count, reading=True))
            with self._turns.disk():
                part = ends.open_part(job, direct=False)
            try:
                with self._turns.disk():
                    _write(part, view[:count])
                passing("offload.copied")
                ends.same_source(job, source, count, folder)
                with self._turns.disk():
                    durable.write(ends.folder, manifest_name(job.recording_id), manifest_of(job, measured).encode(), sync=False)
                passing("offload.manifest")
            except OSError as exc:
                os.close(part)
                raise disk_error(exc, size) from exc
            except BaseException:
                os.close(part)
                raise
            return Written(job, part, measured)

    def _settled(self, written: list[Written], folders: dict[bytes, int]) -> list[Written]:
        """What was written, without the files of folders whose name now belongs to another folder."""
        lost: dict[bytes, CameraError] = {}
        for name, folder in folders.items():
            try:
                with opened_folder(self._ends.root, name) as now:
                    same = os.path.sameopenfile(folder, now)
            except OSError as exc:
                lost[name] = unreadable(self._ends.root, name, exc)
            else:
                if not same:
                    lost[name] = SourceChangedError(f"the folder {shown(name)} changed while it was being copied")
        for each in written:
            if (error := lost.get(parent(each.job.path))) is not None:
                os.close(each.descriptor)
                self._emit(Skipped(each.job.path, error.code, error.message, error.hint, error.transient))
        return [each for each in written if parent(each.job.path) not in lost]


def _write(part: int, content: memoryview) -> None:
    """All of `content`, and no more, whatever an earlier try left."""
    written = 0
    while written < len(content):
        written += os.pwrite(part, content[written:], written)
    os.ftruncate(part, len(content))


def read_small_back(written: Written, buffers: Buffers) -> MediumReading:
    """What the medium gives back of a synced copy, past the page cache that it was written through.

    Raises:
        OSError: the medium's error.
    """
    turn_direct(written.descriptor)
    view = buffers.room(written.measured.size_bytes)
    count = read_at(written.descriptor, view, 0, direct=True)
    return MediumReading(count, blake3(view[:count]).digest())
