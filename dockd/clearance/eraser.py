"""Erase recordings from a camera, trusting nobody.

The eraser makes the nonce, walks and re-hashes the camera itself, past the page cache, checks every signed statement itself
under the pinned keys, and mints its own permit. Only then does it unlink, each file by the identity that was re-hashed, and
walks again to see that it is gone. Whoever asks (the daemon, or something that took its place) can withhold an erasing, but
not cause a wrong one.
"""

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from dockd.camera.tree import identity_of, opened_file, opened_folder, unreadable, walk
from dockd.core.clearance import (
    CameraScan,
    Claim,
    ClearancePermit,
    Covered,
    Identity,
    NoClearanceError,
    OverwritePermit,
    Rehash,
    permit_clear,
    permit_delete,
)
from dockd.core.holds import Holds
from dockd.core.names import basename, parent, shown
from dockd.core.proof import SignatureVerifier, StatementError, StatementKind, accept_statement, recall_observation
from dockd.core.recording import StoredObject
from dockd.crashpoint import passing
from dockd.errors import CameraError, CameraGoneError, ClearanceRefusedError, EraseFailedError, ProofRefusedError
from dockd.medium import Lanes, measure

_READS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Demand:
    """A recording that someone wants erased, with the archive's statement as it came, unchecked."""

    recording_id: str
    path: bytes
    stored: StoredObject
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Examination:
    """What the eraser itself saw of one camera: the ground of its permit.

    Attributes:
        nonce: 32 hexadecimal digits; every holding statement must repeat it.
        scan: a walk made now.
        rehashes: by path, read from the device.
    """

    scan: CameraScan
    rehashes: Mapping[bytes, Rehash]
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))


def examine(root: int, scan: CameraScan, paths: Iterable[bytes], moved: Callable[[bytes, int], None]) -> Examination:
    """Re-hash `paths` from the device. A file that cannot be read has no re-hash, and so is never covered.

    Args:
        root: descriptor of the camera's root.
        scan: a walk made just before.
        paths: what is wanted erased.
        moved: told path and bytes as they are read.

    Raises:
        CameraGoneError: the camera was pulled.
    """
    files = {file.path: file for file in scan.files}
    rehashes: dict[bytes, Rehash] = {}
    lanes = Lanes(_READS_AHEAD, _READS_AHEAD + 1)
    try:
        for path in paths:
            identity = files[path].identity if path in files and not files[path].problem else None
            if identity is None:
                continue
            try:
                with opened_file(root, path, identity, direct=True) as source:
                    measured = measure(source, lanes, partial(moved, path))
                    if identity_of(os.fstat(source)) == identity:
                        rehashes[path] = Rehash(measured, identity)
            except OSError as exc:
                error = unreadable(root, path, exc)
                if isinstance(error, CameraGoneError):
                    raise error from exc
            except CameraGoneError:
                raise
            except CameraError:
                continue  # no re-hash, so the file is left and named by the permit
    finally:
        lanes.close()
    return Examination(scan, rehashes)


def permit(
    examination: Examination, demands: Iterable[Demand], keys: SignatureVerifier | None, *, dock: str, docking: str, holds: Holds
) -> ClearancePermit:
    """Check every statement and mint the permit for deleting.

    Args:
        examination: what was just seen.
        demands: what is to go, with what the archive says of it.
        keys: the archive's; None where it signs nothing, and the site file takes the daemon's word for what it found there.
        dock: its id, which each statement names.
        docking: the daemon's word for this docking.
        holds: in force now.

    Raises:
        ProofRefusedError: a statement proves nothing; nothing at all is erased then, for someone is lying.
        ClearanceRefusedError: nothing may be erased.
    """
    with _refusing():
        return permit_delete(
            camera=examination.scan.serial,
            docking=docking,
            nonce=examination.nonce,
            scan=examination.scan,
            rehashes=examination.rehashes,
            claims=_claims(examination, demands, keys, dock),
            holds=holds,
            unsigned=keys is None,
        )


def permit_whole(
    examination: Examination,
    demands: Iterable[Demand],
    keys: SignatureVerifier | None,
    *,
    dock: str,
    docking: str,
    holds: Holds,
    obstacles: Iterable[str],
) -> OverwritePermit:
    """Check every statement and mint the permit for overwriting the whole camera; raises as `permit`."""
    with _refusing():
        return permit_clear(
            camera=examination.scan.serial,
            docking=docking,
            nonce=examination.nonce,
            scan=examination.scan,
            rehashes=examination.rehashes,
            claims=_claims(examination, demands, keys, dock),
            holds=holds,
            obstacles=obstacles,
            unsigned=keys is None,
        )


def _claims(examination: Examination, demands: Iterable[Demand], keys: SignatureVerifier | None, dock: str) -> list[Claim]:
    """What the archive's statements prove, each checked in all its fields."""
    accept = recall_observation if keys is None else partial(accept_statement, verifier=keys)
    claims = []
    for demand in demands:
        try:
            holding = accept(
                demand.envelope,
                kind=StatementKind.HOLDING,
                stored=demand.stored,
                nonce=examination.nonce,
                dock=dock,
                camera=examination.scan.serial,
            )
        except StatementError as exc:
            msg = f"the archive's statement about {shown(demand.path)} proves nothing: {exc}"
            raise ProofRefusedError(msg) from exc
        claims.append(Claim(demand.recording_id, demand.path, holding))
    return claims


@contextmanager
def _refusing() -> Iterator[None]:
    """A permit that is not minted, as an error with the first reasons."""
    try:
        yield
    except NoClearanceError as exc:
        reasons = "; ".join(map(str, exc.left[:3]))
        msg = f"{exc}{': ' if reasons else ''}{reasons}"
        raise ClearanceRefusedError(msg) from exc


def erase(root: int, leave: ClearancePermit, moved: Callable[[int], None], *, remounted: bool = False) -> tuple[bytes, ...]:
    """Delete exactly what `leave` covers, and see that it is gone.

    Args:
        root: descriptor of the camera's root, the one that was examined.
        leave: the permit.
        moved: a sign of life.
        remounted: its file system was mounted anew since, while nobody else could write to the disk. FAT then numbers its files
            anew, so they are known by place, size and time; and whoever mounted it makes all of it durable at once.

    Returns:
        The paths that are no longer on the camera.

    Raises:
        EraseFailedError: the camera refused, or still shows a file that it said was deleted.
        CameraGoneError: pulled in between.
    """
    for covered in leave.covered:
        passing("clearance.erasing")
        _unlink(root, covered, remounted=remounted)
        passing("clearance.erased")
        moved(1)
    still = {found.path for found in walk(root, moved)} & {covered.path for covered in leave.covered}
    if still:
        msg = f"the camera still shows {len(still)} deleted files, {shown(min(still))} among them"
        raise EraseFailedError(msg)
    return tuple(covered.path for covered in leave.covered)


def _unlink(root: int, covered: Covered, *, remounted: bool) -> None:
    """Remove one file, if it is still the one that was re-hashed, and make that durable."""
    try:
        with opened_folder(root, parent(covered.path)) as folder:
            name = basename(covered.path)
            if not _same(os.stat(name, dir_fd=folder, follow_symlinks=False), covered.identity, remounted=remounted):
                msg = f"{shown(covered.path)} changed after it was examined; it stays on the camera"
                raise EraseFailedError(msg)
            os.unlink(name, dir_fd=folder)
            if not remounted:
                os.fsync(folder)
    except OSError as exc:
        error = unreadable(root, covered.path, exc)
        if isinstance(error, CameraGoneError):
            raise error from exc
        msg = f"the camera does not delete {shown(covered.path)}: {exc.strerror}"
        raise EraseFailedError(msg) from exc


def _same(status: os.stat_result, examined: Identity, *, remounted: bool) -> bool:
    found = identity_of(status)
    if not remounted:
        return found == examined
    return stat.S_ISREG(status.st_mode) and (found.size_bytes, found.modified_ns) == (examined.size_bytes, examined.modified_ns)
