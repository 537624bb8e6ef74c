"""The two ends of a copy: the camera's file, proved to be what the scan saw, and its locked unfinished copy in the spool."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from dockd.camera.tree import identity_of, opened_file, opened_folder, still_there, unreadable
from dockd.core.manifest import Manifest
from dockd.core.names import basename, parent, shown
from dockd.core.recording import Measured
from dockd.errors import NoDirectReadError, SourceChangedError
from dockd.medium import open_direct
from dockd.offload.messages import CopyJob
from dockd.offload.spool import disk_error, part_name


@dataclass(frozen=True, slots=True)
class Written:
    """A copy that is complete but not yet read back; `descriptor` is of its `.part` and holds its lock."""

    job: CopyJob
    descriptor: int
    measured: Measured


class Ends:
    """Opens both ends of each copy of one docking.

    Args:
        root: descriptor of the camera's root.
        folder: descriptor of the spool's `recordings` folder.
    """

    def __init__(self, root: int, folder: int) -> None:
        self.root, self.folder = root, folder
        self._direct = True

    @contextmanager
    def source(self, job: CopyJob, folder: int | None = None) -> Iterator[int]:
        """The camera's file, read past the page cache where that can be done: a tenth of the CPU time, and no memory grows.

        Args:
            job: that wants it.
            folder: a descriptor of the folder that it is in, if the caller has one.
        """
        with ExitStack() as stack:
            try:
                source = stack.enter_context(opened_file(self.root, job.path, job.identity, direct=self._direct, folder=folder))
            except NoDirectReadError:
                self._direct = False  # good enough to copy from; a clearance will refuse it
                source = stack.enter_context(opened_file(self.root, job.path, job.identity, direct=False, folder=folder))
            yield source

    def open_part(self, job: CopyJob, *, direct: bool) -> int:
        """A descriptor of the unfinished copy, locked against a worker that a dead daemon left behind.

        Raises:
            SourceChangedError: such a worker is still at it.
            SpoolError: the dock's disk is full or failed.
        """
        name, flags = part_name(job.recording_id), os.O_RDWR | os.O_CREAT
        try:
            if direct:
                part = open_direct(name, flags, dir_fd=self.folder)
            else:
                part = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self.folder)
        except OSError as exc:
            raise disk_error(exc, job.identity.size_bytes) from exc
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(part)
            msg = f"{shown(job.path)} is still being copied by another process of this dock"
            raise SourceChangedError(msg, hint="Nothing to do: the dock tries again by itself.") from exc
        return part

    def same_source(self, job: CopyJob, source: int, read_bytes: int, folder: int | None = None) -> None:
        """Fresh stats, through the descriptor and through the name, and the length that was read, are what the scan saw.

        Raises:
            SourceChangedError: they are not.
            CameraError: they cannot be had.
        """
        try:
            if folder is None:
                with opened_folder(self.root, parent(job.path)) as entered:
                    named = os.stat(basename(job.path), dir_fd=entered, follow_symlinks=False)
            else:
                named = os.stat(basename(job.path), dir_fd=folder, follow_symlinks=False)
            held = os.fstat(source)
        except FileNotFoundError as exc:
            raise still_there(self.root, job.path) from exc
        except OSError as exc:
            raise unreadable(self.root, job.path, exc) from exc
        if not identity_of(held) == identity_of(named) == job.identity or read_bytes != job.identity.size_bytes:
            msg = f"{shown(job.path)} changed while it was being copied"
            raise SourceChangedError(msg)


def manifest_of(job: CopyJob, measured: Measured) -> Manifest:
    """What a rebuild of the journal needs to know of a copy."""
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
