"""The dock's durable store of recordings that the archive has not yet proved.

    <spool>/journal.sqlite          the journal, with its -wal, -shm and .lock
    <spool>/recordings/verified/<id>  the bytes of a verified recording; nothing of dockd's ever writes to a file that lies there,
                                      and where the file system has fs-verity nobody can
    <spool>/recordings/<id>.json      its manifest (core.manifest), durable before the recording has its final name
    <spool>/recordings/<id>.part      a copy that is under way or was broken off
    <spool>/recordings/<id>.steps     how far that copy is proved: lines of offset and BLAKE3 of the bytes before it
    <spool>/set-aside/<id>.<n>        bytes that are no longer those that were verified; nobody but a person removes them

A name is the recording's random id, never anything that a camera said. Only the worker of one bay writes a recording's files, and
holds a lock on its `.part` while it does. Room is reserved in the `Ledger` before a copy starts.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from dockd import durable, verity
from dockd.core.manifest import Manifest, ManifestError
from dockd.core.recording import MediumReading
from dockd.errors import SpoolBrokenError, SpoolFullError
from dockd.medium import Lanes, NotDirectError, open_direct, read_back

JOURNAL_NAME = "journal.sqlite"
VERIFIED = "verified"
"""The folder, among the copies, of those that are verified."""

_FILE_OVERHEAD_BYTES = 16 * 1024

_NOT_SYNCED_WHOLE = ("fuse", "nfs", "cifs", "smb", "9p", "ceph", "afs", "virtiofs")
"""File systems whose syncfs(2) may return before everything is on a disk: their server need not be told, or is elsewhere."""


def verified_name(recording_id: str) -> str:
    """Name of a verified recording, from the folder in which it was copied."""
    return f"{VERIFIED}/{recording_id}"


def part_name(recording_id: str) -> str:
    """Name of a copy that is not finished."""
    return f"{recording_id}.part"


def steps_name(recording_id: str) -> str:
    """Name of the file that tells how far an unfinished copy is proved."""
    return f"{recording_id}.steps"


def manifest_name(recording_id: str) -> str:
    """Name of a recording's manifest."""
    return f"{recording_id}.json"


@dataclass(slots=True)
class Ledger:
    """What is promised to copies under way, in bytes, so that two bays never count on the same room.

    Attributes:
        path: on the spool's file system.
        keep_free_bytes: never promised.
        wanted_bytes: what a copy needs that found no room, until somebody has seen to it.
    """

    path: Path
    keep_free_bytes: int
    wanted_bytes: int = 0
    _promised: dict[object, int] = field(default_factory=dict)

    @property
    def promised_bytes(self) -> int:
        """Reserved and not given back."""
        return sum(self._promised.values())

    def free_bytes(self) -> int:
        """What could be reserved now. A statvfs of the dock's own disk, which is answered from memory."""
        status = os.statvfs(self.path)
        return max(0, status.f_bavail * status.f_frsize - self.keep_free_bytes - self.promised_bytes)

    @staticmethod
    def needed_bytes(size_bytes: int) -> int:
        """Room for one recording of that size, with its manifest and its share of the folder."""
        return size_bytes + _FILE_OVERHEAD_BYTES

    @contextmanager
    def reserved(self, needed: int) -> Iterator[None]:
        """`needed` bytes of room, until the block ends.

        Raises:
            SpoolFullError: there is not that much; nothing was touched.
        """
        free = self.free_bytes()
        if needed > free:
            msg = f"the dock's disk is full: {needed} bytes are needed and {free} are free"
            raise SpoolFullError(msg, needed_bytes=needed, free_bytes=free)
        key = object()
        self._promised[key] = needed
        try:
            yield
        finally:
            del self._promised[key]


class Spool:
    """The spool's folder, as the daemon sees it.

    Attributes:
        unsealed_why: why what is verified is not sealed here, in words; empty where it is.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.recordings = directory / "recordings"
        self.verified = self.recordings / VERIFIED
        self.journal = directory / JOURNAL_NAME
        self.altered = directory / "set-aside"
        self.unsealed_why = "it was not tried"

    def prepare(self) -> None:
        """Make the folders, show that the disk can be read past its cache, and see whether it can seal.

        Raises:
            SpoolBrokenError: it cannot be used as a spool, and why.
        """
        probe = f".probe-{secrets.token_hex(8)}"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.recordings.mkdir(mode=0o700, exist_ok=True)
            if (kind := file_system_of(self.recordings)).startswith(_NOT_SYNCED_WHOLE):
                msg = f"{self.recordings}: on {kind} the dock cannot make sure that its copies are on the disk"
                raise SpoolBrokenError(msg, hint="Put spool.directory on ext4 or xfs.")
            self.verified.mkdir(mode=0o700, exist_ok=True)
            self._move_in()
            folder = durable.open_folder(self.recordings)
            try:
                os.close(open_direct(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL, dir_fd=folder))
                self.unsealed_why = _unsealed_why(probe, folder)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(probe, dir_fd=folder)
                durable.sync_folder(folder)
                os.close(folder)
        except NotDirectError as exc:
            msg = f"{self.recordings}: this file system has no direct I/O, so no copy on it can be proved"
            raise SpoolBrokenError(msg, hint="Put spool.directory on ext4 or xfs.") from exc
        except OSError as exc:
            msg = f"{self.directory}: cannot be used as a spool: {exc.strerror}"
            raise SpoolBrokenError(msg) from exc

    def _move_in(self) -> None:
        """Put verified recordings where they belong that a dockd before 0.1 left among the unfinished ones."""
        with os.scandir(self.recordings) as listing:
            found = [entry.name for entry in listing if "." not in entry.name and entry.is_file(follow_symlinks=False)]
        for name in found:
            (self.recordings / name).rename(self.verified / name)
        if found:
            durable.sync_path(self.verified)

    def path_of(self, recording_id: str) -> Path:
        """Where a verified recording's bytes are."""
        return self.verified / recording_id

    def recording_ids(self) -> set[str]:
        """Every finished copy that lies there; that it is whole is for `examine` to say."""
        with os.scandir(self.verified) as listing:
            return {entry.name for entry in listing}

    def unsealed(self, recording_ids: Iterable[str]) -> set[str]:
        """Those of these copies that lie there and are not sealed. Blocks.

        Raises:
            OSError: the disk failed.
        """
        found = set()
        for recording_id in recording_ids:
            with contextlib.suppress(FileNotFoundError), self._reading(recording_id) as descriptor:
                if not verity.is_sealed(descriptor):
                    found.add(recording_id)
        return found

    def seal(self, recording_id: str) -> None:
        """Seal a finished copy; one that has left meanwhile needs none. Blocks while all of it is read.

        Raises:
            OSError: it cannot be sealed now.
        """
        with contextlib.suppress(FileNotFoundError), self._reading(recording_id) as descriptor:
            verity.seal(descriptor)

    @contextmanager
    def _reading(self, recording_id: str) -> Iterator[int]:
        descriptor = os.open(self.path_of(recording_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def unfinished_ids(self) -> set[str]:
        """Every copy that was begun and not finished."""
        with os.scandir(self.recordings) as listing:
            return {entry.name.removesuffix(".part") for entry in listing if entry.name.endswith(".part")}

    def begun_bytes(self, recording_id: str) -> int:
        """What an unfinished copy occupies, preallocated or written; 0 for one that was never begun."""
        try:
            return (self.recordings / part_name(recording_id)).stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            return 0

    def every_id(self) -> set[str]:
        """Every recording that anything lies there of: a discard that power cut short can leave a manifest alone."""
        with os.scandir(self.recordings) as listing:
            return ({entry.name.partition(".")[0] for entry in listing} - {"", VERIFIED}) | self.recording_ids()

    def used_bytes(self) -> int:
        """What the recordings occupy, finished or not."""
        with os.scandir(self.recordings) as begun, os.scandir(self.verified) as finished:
            return sum(map(_occupied_bytes, begun)) + sum(map(_occupied_bytes, finished))

    def manifests(self) -> Iterator[tuple[Path, Manifest | None]]:
        """Every manifest in the spool; None for one that cannot be read."""
        for path in sorted(self.recordings.glob("*.json")):
            try:
                yield path, Manifest.decode(path.read_bytes())
            except (ManifestError, OSError):
                yield path, None

    def manifest(self, recording_id: str) -> Manifest | None:
        """The manifest of one recording, None if it has none that can be read."""
        try:
            return Manifest.decode((self.recordings / manifest_name(recording_id)).read_bytes())
        except (ManifestError, OSError):
            return None

    def examine(self, recording_id: str) -> MediumReading | None:
        """What the medium gives back for a finished copy now, None if it gives an error. Blocks; call it in a thread."""
        lanes = Lanes(2, 3)
        try:
            descriptor = open_direct(os.fspath(self.path_of(recording_id)), os.O_RDONLY)
            try:
                verity.forget_cached(descriptor)
                return read_back(descriptor, lanes, lambda _: None)
            finally:
                os.close(descriptor)
        except OSError:
            return None
        finally:
            lanes.close()

    def set_aside(self, recording_id: str) -> Path:
        """Move bytes that are no longer what was verified out of the way of a new copy, and keep them; where they are now.

        Raises:
            SpoolBrokenError: the disk failed.
        """
        try:
            self.altered.mkdir(mode=0o700, exist_ok=True)
            place = next(path for n in count(1) if not (path := self.altered / f"{recording_id}.{n}").exists())
            self.path_of(recording_id).rename(place)
            for each in (self.altered, self.verified, self.directory):
                durable.sync_path(each)
        except OSError as exc:
            msg = f"{self.altered}: {exc.strerror}"
            raise SpoolBrokenError(msg) from exc
        return place

    def discard(self, recording_id: str) -> None:
        """Remove a recording that the archive has proved: bytes first, so that no manifest-less bytes are ever left.

        Raises:
            SpoolBrokenError: the disk failed.
        """
        folder = durable.open_folder(self.recordings)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(verified_name(recording_id), dir_fd=folder)
                durable.sync_path(self.verified)
            for name in (manifest_name(recording_id), part_name(recording_id), steps_name(recording_id)):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
            durable.sync_folder(folder)
        except OSError as exc:
            msg = f"{self.recordings}: {exc.strerror}"
            raise SpoolBrokenError(msg) from exc
        finally:
            os.close(folder)


def _unsealed_why(probe: str, folder: int) -> str:
    """Why the file `probe` cannot be sealed, in words; empty if it now is."""
    descriptor = os.open(probe, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        verity.seal(descriptor)
    except OSError as exc:
        return "its file system has no fs-verity" if exc.errno in verity.LACKING else os.strerror(exc.errno or 0)
    finally:
        os.close(descriptor)
    return ""


def _occupied_bytes(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0  # discarded in this instant


def file_system_of(folder: Path) -> str:
    """The kernel's name for the type of file system that `folder` is on.

    Raises:
        OSError: there is no such folder, or no /proc.
    """
    place = os.fsencode(folder.resolve(strict=True))
    best, kind = b"", b""
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        mounted, _, described = line.partition(b" - ")
        where = mounted.split()[4].decode("unicode_escape").encode("latin-1")  # proc(5): spaces and the like in octal
        if os.path.commonpath((place, where)) == where and len(where) >= len(best):  # of several on one place the last is seen
            best, kind = where, described.split()[0]
    return os.fsdecode(kind)


def disk_error(error: OSError, needed_bytes: int) -> SpoolFullError | SpoolBrokenError:
    """What an error of the spool's own disk means."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        msg = f"the dock's disk is full: {needed_bytes} bytes are needed"
        return SpoolFullError(msg, needed_bytes=needed_bytes, free_bytes=0)
    msg = f"the dock's disk failed: {error.strerror}"
    return SpoolBrokenError(msg)
