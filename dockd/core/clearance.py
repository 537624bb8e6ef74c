"""The one rule: nothing is erased before the archive has proved, from the bytes it stored, that it holds what the camera held.

Deleting takes a `ClearancePermit`, and only `permit_delete` mints one. It wants, all of this docking:

1. a fresh scan of the camera, showing the serial that was docked;
2. a re-hash of each file, read from the device itself, not from a cache;
3. for each file, a fresh holding statement of the archive over this docking's nonce, about exactly the bytes of the re-hash,
   signed by the archive unless the site file says that the daemon's own word for it is enough;
4. no hold on the camera, its officer, the recording, or the time in which it may have been made.

What fails a check is left on the camera and named with the reason; the rest may go, so that one junk file does not fill a
camera for ever. A recording and its sidecars go together or not at all. A permit that covers nothing is not made.

Overwriting a whole disk takes an `OverwritePermit`, and only `permit_clear` mints one. It wants all of the above for every file
that the profile does not let be, nothing on the camera that could not be read to its end or has no content, and nothing about the
camera that kept any part of it from being looked at.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dockd.core.holds import Holds
from dockd.core.names import shown
from dockd.core.proof import ArchiveProof, Basis, StatementKind
from dockd.core.recording import Measured

_SEAL = object()


class FileKind(StrEnum):
    """What a profile says about one entry of a camera's tree."""

    RECORDING = "recording"
    SIDECAR = "sidecar"
    IGNORABLE = "ignorable"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be the same of a file from the re-hash to the erasing.

    Attributes:
        device, inode: which file it is.
        size_bytes: its length.
        modified_ns, changed_ns: when its bytes and when its entry changed, nanoseconds since 1970.
    """

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """One entry of a camera's tree.

    Attributes:
        path: exact bytes relative to the camera's root.
        kind: what the profile says about it.
        identity: None for what is not a plain file or could not be looked at.
        sidecar_of: path of the recording that it belongs to.
        problem: why it will never be read, empty for files that can be.
        priority: of a recording, 0 most urgent; a sidecar has that of its recording.
        category: what the camera calls the recording, in its sidecars; None if it does not. A sidecar has that of its recording.
        first_amendment: the camera says that it was recorded solely of First Amendment activity.
    """

    path: bytes
    kind: FileKind
    identity: Identity | None
    sidecar_of: bytes | None = None
    problem: str = ""
    priority: int = 100
    category: str | None = None
    first_amendment: bool = False


@dataclass(frozen=True, slots=True)
class CameraScan:
    """Everything that was found on one camera in one walk.

    Attributes:
        serial: the camera's, as read in this same walk.
        files: in the order of their paths; folders are not listed.
        officers: whose camera it is: whom it names itself, and whom the roster does; either may be missing.
    """

    serial: str
    files: tuple[ScannedFile, ...]
    officers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rehash:
    """What reading one file from the device, past every cache, gave."""

    measured: Measured
    identity: Identity


@dataclass(frozen=True, slots=True)
class Claim:
    """A recording that someone wants erased, and the archive's fresh word for it."""

    recording_id: str
    path: bytes
    holding: ArchiveProof


@dataclass(frozen=True, slots=True)
class Covered:
    """One file that a permit covers: exactly this file, with exactly these bytes."""

    recording_id: str
    path: bytes
    identity: Identity
    holding: ArchiveProof


@dataclass(frozen=True, slots=True)
class Left:
    """One file that stays on the camera, and why, in plain words."""

    path: bytes
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.path) or '/'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ClearancePermit:
    """Leave to delete exactly what it covers from one camera in one docking.

    Attributes:
        camera: serial.
        docking: id.
        nonce: hexadecimal; the docking's own, repeated in every holding statement.
        covered: sidecars before the recordings that they belong to, so that a break never leaves a sidecar alone.
        left: what stays.
    """

    camera: str
    docking: str
    nonce: str
    covered: tuple[Covered, ...]
    left: tuple[Left, ...]
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            msg = "only permit_delete makes a ClearancePermit"
            raise RuntimeError(msg)


@dataclass(frozen=True, slots=True)
class OverwritePermit:
    """Leave to overwrite the whole disk of one camera in one docking.

    Attributes:
        clearance: covers every recording on it; leaves only what the profile lets be.
        ignored: what the profile lets be; it is overwritten too.
    """

    clearance: ClearancePermit
    ignored: tuple[bytes, ...]
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            msg = "only permit_clear makes an OverwritePermit"
            raise RuntimeError(msg)


class NoClearanceError(ValueError):
    """Nothing on this camera may be erased now; `left` says why for each file."""

    def __init__(self, message: str, left: tuple[Left, ...] = ()) -> None:
        super().__init__(message)
        self.left = left


def permit_delete(
    *,
    camera: str,
    docking: str,
    nonce: str,
    scan: CameraScan,
    rehashes: Mapping[bytes, Rehash],
    claims: Iterable[Claim],
    holds: Holds,
    unsigned: bool = False,
) -> ClearancePermit:
    """Mint the permit for what may be deleted.

    Args:
        camera: serial of the camera that was docked.
        docking: id of this docking.
        nonce: hexadecimal, made for this docking by whoever erases.
        scan: a walk made after the claims were collected.
        rehashes: by path, read from the device in this docking.
        claims: at most one for each path.
        holds: in force now.
        unsigned: whether the site file takes the daemon's word for what an archive without signatures holds.

    Raises:
        NoClearanceError: another camera than the one docked, a hold on it, or not one file passes.
        RuntimeError: two claims for one path, or an empty nonce.
    """
    if not nonce:
        msg = "a permit needs the docking's nonce"
        raise RuntimeError(msg)
    if scan.serial != camera:
        msg = f"camera {camera} was docked, but {scan.serial} is in the bay now"
        raise NoClearanceError(msg)
    if held := holds.on_camera(camera, scan.officers):
        raise NoClearanceError(held)
    by_path: dict[bytes, Claim] = {}
    for claim in claims:
        if claim.path in by_path:
            msg = f"two claims for {shown(claim.path)}"
            raise RuntimeError(msg)
        by_path[claim.path] = claim

    reasons: dict[bytes, str] = {}
    passed: dict[bytes, Covered] = {}
    for file in scan.files:
        claim_or_none, rehash = by_path.get(file.path), rehashes.get(file.path)
        reason = _why_not(file, claim_or_none, rehash, camera=camera, nonce=nonce, holds=holds, unsigned=unsigned)
        if reason or claim_or_none is None or rehash is None:
            reasons[file.path] = reason
        else:
            passed[file.path] = Covered(claim_or_none.recording_id, file.path, rehash.identity, claim_or_none.holding)
    _keep_families_together(scan, passed, reasons)
    left = tuple(Left(file.path, reasons[file.path]) for file in scan.files if file.path in reasons)
    if not passed:
        msg = f"nothing on camera {camera} may be erased"
        raise NoClearanceError(msg, left)
    sidecars_first = sorted(scan.files, key=lambda file: file.sidecar_of is None)
    covered = tuple(passed[file.path] for file in sidecars_first if file.path in passed)
    return ClearancePermit(camera, docking, nonce, covered, left, _SEAL)


def permit_clear(
    *,
    camera: str,
    docking: str,
    nonce: str,
    scan: CameraScan,
    rehashes: Mapping[bytes, Rehash],
    claims: Iterable[Claim],
    holds: Holds,
    obstacles: Iterable[str],
    unsigned: bool = False,
) -> OverwritePermit:
    """Mint the permit for overwriting everything.

    Args:
        camera: as for `permit_delete`, and so are the next six.
        docking: id.
        nonce: hexadecimal.
        scan: made now.
        rehashes: by path.
        claims: one for each recording and sidecar.
        holds: in force now.
        obstacles: what else stands against it: parts of the camera that were not scanned, a file system that was not closed.
        unsigned: as for `permit_delete`.

    Raises:
        NoClearanceError: as `permit_delete`; or anything at all on the camera would be lost that the archive does not hold.
        RuntimeError: as `permit_delete`.
    """
    standing = tuple(obstacles)
    if standing:
        msg = f"camera {camera} cannot be cleared as a whole: {'; '.join(standing)}"
        raise NoClearanceError(msg)
    clearance = permit_delete(
        camera=camera,
        docking=docking,
        nonce=nonce,
        scan=scan,
        rehashes=rehashes,
        claims=claims,
        holds=holds,
        unsigned=unsigned,
    )
    ignored = tuple(file.path for file in scan.files if file.kind is FileKind.IGNORABLE and not file.problem)
    staying = [left for left in clearance.left if left.path not in ignored]
    staying += [Left(each.path, "it has no content") for each in clearance.covered if not each.identity.size_bytes]
    if staying:
        msg = f"camera {camera} cannot be cleared as a whole"
        raise NoClearanceError(msg, tuple(staying))
    return OverwritePermit(clearance, ignored, _SEAL)


def _why_not(
    file: ScannedFile, claim: Claim | None, rehash: Rehash | None, *, camera: str, nonce: str, holds: Holds, unsigned: bool
) -> str:
    """Why `file` stays on the camera; empty if it may go."""
    if file.problem:
        return file.problem
    if file.kind not in {FileKind.RECORDING, FileKind.SIDECAR}:
        return {FileKind.IGNORABLE: "the profile lets it be"}.get(file.kind, "the profile does not know this file")
    if claim is None:
        return "not proved by the archive yet"
    if held := holds.on_recording(claim.recording_id, file.identity.modified_ns if file.identity is not None else 0):
        return held
    if rehash is None:
        return "could not be read again from the camera"
    if claim.holding.basis is not Basis.SIGNED and not unsigned:
        return "the archive signs nothing, and the site file does not say that the dock's own word is enough"
    said = claim.holding.statement
    if said.kind is not StatementKind.HOLDING or said.nonce != nonce:
        return "the archive's statement is not a fresh one of this docking"
    if said.camera != camera:
        return f"the archive's statement is about camera {said.camera}"
    if rehash.identity != file.identity:
        return "it changed while the camera was being examined"
    if rehash.measured != said.measured:
        return "the camera's bytes are not those that the archive holds"
    return ""


def _keep_families_together(scan: CameraScan, passed: dict[bytes, Covered], reasons: dict[bytes, str]) -> None:
    """A recording stays while one of its sidecars stays, and a sidecar stays while its recording does."""
    families: dict[bytes, list[bytes]] = {}
    for file in scan.files:
        if file.kind in {FileKind.RECORDING, FileKind.SIDECAR}:
            families.setdefault(file.sidecar_of or file.path, []).append(file.path)
    for members in families.values():
        staying = [path for path in members if path not in passed]
        if not staying:
            continue
        for path in members:
            if passed.pop(path, None) is not None:
                reasons[path] = f"{shown(staying[0])} belongs to it and stays"
