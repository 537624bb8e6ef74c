"""Real evidence about made-up bytes: measurements, proofs signed by a real key, and the permits that follow from them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from blake3 import blake3

from dockd.core.clearance import CameraScan, Claim, ClearancePermit, FileKind, Identity, Rehash, ScannedFile, permit_delete
from dockd.core.holds import Holds
from dockd.core.observation import ReadBack
from dockd.core.proof import ArchiveProof, Statement, StatementKind, accept_statement, observe
from dockd.core.recording import Digests, Measured, MediumReading, Recording, StoredObject, VerifiedRecording, verify_copy
from dockd.dsse import PinnedKeys, SigningKey

DOCK = "dock-1"
NOW = datetime(2026, 11, 24, 19, 10, tzinfo=UTC)


def measure(content: bytes) -> Measured:
    """What reading `content` to its end gives."""
    return Measured(len(content), Digests(blake3(content).digest(), hashlib.sha256(content).digest()))


def read_back(content: bytes) -> MediumReading:
    """What a medium that holds `content` gives back."""
    return MediumReading(len(content), blake3(content).digest())


def verified(recording_id: str, content: bytes) -> VerifiedRecording:
    """A recording whose copy is good."""
    return verify_copy(recording_id, from_camera=measure(content), from_medium=read_back(content))


def identity_of(path: bytes, content: bytes) -> Identity:
    """A file's identity, the same for the same path and length."""
    return Identity(
        device=1, inode=int.from_bytes(blake3(path).digest()[:4]), size_bytes=len(content), modified_ns=1, changed_ns=1
    )


def seen(
    recording_id: str, *, camera: str = "C1", docking: str = "d1", path: bytes = b"DCIM/1.MP4", size_bytes: int = 7
) -> Recording:
    """A recording that was just found on its camera."""
    return Recording(recording_id, 0, camera, docking, path, size_bytes, modified_ns=1_700_000_000_000_000_000)


@dataclass(slots=True)
class Notary:
    """An archive's key and the dock that pinned it."""

    key: SigningKey = field(default_factory=SigningKey.generate)

    def statement(self, stored: StoredObject, *, kind: StatementKind, nonce: str, camera: str = "C1") -> Statement:
        """A true statement about `stored`."""
        return Statement(
            kind=kind,
            archive=stored.archive,
            object_id=stored.object_id,
            measured=stored.measured,
            dock=DOCK,
            camera=camera,
            recording_id=stored.recording_id,
            time=NOW,
            retain_until=NOW + timedelta(days=365),
            nonce=nonce,
            key_id=self.key.key_id,
        )

    def accept(
        self, envelope: bytes, stored: StoredObject, *, kind: StatementKind, nonce: str, camera: str = "C1"
    ) -> ArchiveProof:
        """What the dock makes of `envelope`."""
        pinned = PinnedKeys(self.key.public_text)
        return accept_statement(envelope, verifier=pinned, kind=kind, stored=stored, nonce=nonce, dock=DOCK, camera=camera)

    def receipt(self, stored: StoredObject, *, camera: str = "C1") -> ArchiveProof:
        """The accepted receipt for `stored`."""
        envelope = self.key.envelope(self.statement(stored, kind=StatementKind.RECEIPT, nonce=stored.nonce, camera=camera))
        return self.accept(envelope, stored, kind=StatementKind.RECEIPT, nonce=stored.nonce, camera=camera)

    def holding(self, stored: StoredObject, nonce: str, *, camera: str = "C1") -> ArchiveProof:
        """The accepted holding statement for `stored` over `nonce`."""
        envelope = self.key.envelope(self.statement(stored, kind=StatementKind.HOLDING, nonce=nonce, camera=camera))
        return self.accept(envelope, stored, kind=StatementKind.HOLDING, nonce=nonce, camera=camera)

    def permit(
        self,
        recordings: Iterable[tuple[Recording, bytes]],
        *,
        docking: str = "d1",
        nonce: str = "aa" * 16,
        camera: str = "C1",
        unreadable: frozenset[bytes] = frozenset(),
    ) -> ClearancePermit:
        """Leave to delete archived `recordings`, each with its content, from their camera; `unreadable` ones stay."""
        files, rehashes, claims = [], {}, []
        for recording, content in recordings:
            if recording.stored is None:
                msg = f"{recording.recording_id} is not in the archive"
                raise RuntimeError(msg)
            identity = identity_of(recording.path, content)
            files.append(ScannedFile(recording.path, FileKind.RECORDING, identity))
            if recording.path not in unreadable:
                rehashes[recording.path] = Rehash(measure(content), identity)
            claims.append(Claim(recording.recording_id, recording.path, self.holding(recording.stored, nonce, camera=camera)))
        return permit_delete(
            camera=camera,
            docking=docking,
            nonce=nonce,
            scan=CameraScan(camera, tuple(files)),
            rehashes=rehashes,
            claims=claims,
            holds=Holds(),
        )


def looked_at(stored: StoredObject, nonce: str, *, camera: str = "C1", retain_until: datetime | None = None) -> bytes:
    """The record of what the dock itself found at an archive that signs nothing."""
    seen = ReadBack(stored.measured, retain_until)
    return observe(seen, kind=StatementKind.HOLDING, stored=stored, nonce=nonce, dock=DOCK, camera=camera, time=NOW).envelope


def stored(recording: Recording, content: bytes, *, object_id: str | None = None) -> StoredObject:
    """What the dock knows after it sent `content`."""
    name = object_id or f"object-{recording.recording_id}"
    return StoredObject("archive", name, f"http://127.0.0.1:1/files/{name}", "ab" * 16, recording.recording_id, measure(content))


def archived(recording: Recording, content: bytes) -> Recording:
    """`recording` as it is once the archive has it, without the way there."""
    at = stored(recording, content)
    return replace(recording, state=recording.state.ARCHIVED, measured=at.measured, stored=at)
