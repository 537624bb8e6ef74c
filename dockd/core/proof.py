"""What counts as the archive's proof that it holds the bytes, and the only place that accepts one.

There are three kinds, named by `Basis`. A signed archive answers with a DSSE envelope (github.com/secure-systems-lab/dsse) over
canonical JSON, signed with Ed25519:

- a *receipt*, made once, after the archive re-read what it stored. Its nonce is the one that the dock sent with the upload.
- a *holding statement*, made now, after the archive re-read the object again. Its nonce is the one that was asked with.

`accept_statement` checks in this order: the envelope's form, the signature under the pinned key, the payload's type and form, and
then every field against what the dock itself measured. Anything wrong is a `StatementError` and proves nothing.
`ArchiveProof` can be made nowhere else.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dockd.core.canonical import Json, canonical
from dockd.core.observation import ReadBack, StoreChecksum
from dockd.core.recording import Digests, Measured, StoredObject

PAYLOAD_TYPE = "application/vnd.dockd.statement+json"
ENVELOPE_LIMIT_BYTES = 16 * 1024
OBSERVED_BY = "dock"
"""Stands as the key's id in what nobody signed."""

_SEAL = object()


class Basis(StrEnum):
    """What a proof rests on."""

    SIGNED = "signed"
    STORE_CHECKSUM = "store-checksum"
    READ_BACK = "read-back"


class StatementKind(StrEnum):
    """What a statement says, as its `type` member."""

    RECEIPT = "dockd/receipt/v1"
    HOLDING = "dockd/holding/v1"


class StatementError(ValueError):
    """This is no proof, and the message says at which check it failed."""


class SignatureVerifier(Protocol):
    """The pinned keys of one archive."""

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """Whether `signature` over `message` is good under the pinned key named `key_id`; False for any other key."""
        ...


@dataclass(frozen=True, slots=True)
class Statement:
    """What an archive says about one object; unproved until its envelope was verified.

    Attributes:
        kind: receipt or holding statement.
        archive: the archive's id.
        object_id: the archive's name for the object.
        measured: what the archive read from its own medium.
        dock, camera, recording_id: as the dock named them when it sent the object.
        time: the archive's clock, with zone.
        retain_until: the archive will not delete the object before this.
        nonce: hexadecimal, repeated from the dock.
        key_id: the signing key's id.
    """

    kind: StatementKind
    archive: str
    object_id: str
    measured: Measured
    dock: str
    camera: str
    recording_id: str
    time: datetime
    retain_until: datetime
    nonce: str
    key_id: str

    def payload(self) -> bytes:
        """The canonical JSON that is signed."""
        members: dict[str, Json] = {
            "archive": self.archive,
            "blake3": self.measured.digests.blake3.hex(),
            "camera": self.camera,
            "dock": self.dock,
            "key": self.key_id,
            "nonce": self.nonce,
            "object": self.object_id,
            "recording": self.recording_id,
            "retain_until": self.retain_until.isoformat(),
            "sha256": self.measured.digests.sha256.hex(),
            "size": str(self.measured.size_bytes),
            "time": self.time.isoformat(),
            "type": self.kind.value,
        }
        return canonical(members)


@dataclass(frozen=True, slots=True)
class ArchiveProof:
    """The archive proved, from the bytes it stored, that it holds exactly `statement.measured`.

    Attributes:
        statement: what was proved.
        envelope: the signed bytes, or the record of what the dock found; kept as evidence.
        basis: what it rests on.
    """

    statement: Statement
    envelope: bytes
    seal: object
    basis: Basis = Basis.SIGNED

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            msg = "only accept_statement, observe and recall_observation make an ArchiveProof"
            raise RuntimeError(msg)


def pre_authentication(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """DSSE's PAE: the bytes that a signature covers."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal_envelope(statement: Statement, signature: bytes) -> bytes:
    """The DSSE envelope, as canonical JSON, for a signature over `pre_authentication(statement.payload())`."""
    return seal_payload(statement.payload(), statement.key_id, signature, PAYLOAD_TYPE)


def seal_payload(payload: bytes, key_id: str, signature: bytes, payload_type: str) -> bytes:
    """The DSSE envelope, as canonical JSON, for a signature over `pre_authentication(payload, payload_type)`."""
    return canonical(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
        }
    )


def accept_statement(
    envelope: bytes,
    verifier: SignatureVerifier,
    *,
    kind: StatementKind,
    stored: StoredObject,
    nonce: str,
    dock: str,
    camera: str,
) -> ArchiveProof:
    """Accept the archive's statement about `stored` as proof.

    Args:
        envelope: the DSSE envelope as received.
        verifier: the pinned keys.
        kind: what was asked for; the other kind is refused.
        stored: the object and what the dock sent as its bytes.
        nonce: the word that the statement must repeat.
        dock: who sent it.
        camera: the serial that it was sent for.

    Raises:
        StatementError: it proves nothing.
    """
    payload, key_id, signature = _open_envelope(envelope)
    if not verifier.verify(key_id, pre_authentication(payload), signature):
        msg = f"the signature is not one of the pinned key (it names key {key_id!r})"
        raise StatementError(msg)
    statement = _parse(payload)
    _compare(statement, kind=kind, key_id=key_id, stored=stored, nonce=nonce, dock=dock, camera=camera)
    if statement.retain_until <= statement.time:
        msg = "it promises to keep the object no longer than it was signed"
        raise StatementError(msg)
    return ArchiveProof(statement, envelope, _SEAL)


def observe(
    seen: ReadBack | StoreChecksum,
    *,
    kind: StatementKind,
    stored: StoredObject,
    nonce: str,
    dock: str,
    camera: str,
    time: datetime,
) -> ArchiveProof:
    """Take what the dock found at an archive that signs nothing as proof.

    Args:
        seen: what was found, at `stored.object_id`.
        kind: what it is to stand for.
        stored: the object and what the dock sent as its bytes.
        nonce: for which it was looked at.
        dock: who looked.
        camera: the serial that it was sent for.
        time: when; the dock's clock, with zone.

    Raises:
        StatementError: it proves nothing.
    """
    reason = seen.why_not(stored, time)
    if reason:
        raise StatementError(reason)
    basis = Basis.STORE_CHECKSUM if isinstance(seen, StoreChecksum) else Basis.READ_BACK
    statement = Statement(
        kind=kind,
        archive=stored.archive,
        object_id=stored.object_id,
        measured=stored.measured,
        dock=dock,
        camera=camera,
        recording_id=stored.recording_id,
        time=time,
        retain_until=seen.retain_until or time,
        nonce=nonce,
        key_id=OBSERVED_BY,
    )
    record = canonical({"basis": basis.value, "evidence": dict(seen.evidence), "statement": statement.payload().decode()})
    return ArchiveProof(statement, record, _SEAL, basis)


def recall_observation(
    record: bytes, *, kind: StatementKind, stored: StoredObject, nonce: str, dock: str, camera: str
) -> ArchiveProof:
    """Take the record of an `observe` in another process for what it says: its word is all there is.

    Raises:
        StatementError: it is not such a record, or about something else.
    """
    try:
        match json.loads(record):
            case {"basis": str(name), "evidence": dict(), "statement": str(text)} if name != Basis.SIGNED:
                basis, payload = Basis(name), text.encode()
            case _:
                msg = "no basis, evidence and statement in it"
                raise ValueError(msg)
    except (ValueError, RecursionError) as exc:
        msg = f"it is not the record of an observation: {exc}"
        raise StatementError(msg) from exc
    statement = _parse(payload)
    _compare(statement, kind=kind, key_id=OBSERVED_BY, stored=stored, nonce=nonce, dock=dock, camera=camera)
    return ArchiveProof(statement, record, _SEAL, basis)


def _compare(
    statement: Statement, *, kind: StatementKind, key_id: str, stored: StoredObject, nonce: str, dock: str, camera: str
) -> None:
    """Every field against what the dock itself knows.

    Raises:
        StatementError: one differs.
    """
    expected = {
        "type": (statement.kind, kind),
        "key": (statement.key_id, key_id),
        "archive": (statement.archive, stored.archive),
        "object": (statement.object_id, stored.object_id),
        "size": (statement.measured.size_bytes, stored.measured.size_bytes),
        "blake3": (statement.measured.digests.blake3.hex(), stored.measured.digests.blake3.hex()),
        "sha256": (statement.measured.digests.sha256.hex(), stored.measured.digests.sha256.hex()),
        "dock": (statement.dock, dock),
        "camera": (statement.camera, camera),
        "recording": (statement.recording_id, stored.recording_id),
        "nonce": (statement.nonce, nonce),
    }
    for member, (said, wanted) in expected.items():
        if said != wanted:
            msg = f"its {member} is {said!r}, not {wanted!r}"
            raise StatementError(msg)


def _open_envelope(envelope: bytes) -> tuple[bytes, str, bytes]:
    """Payload, key id and signature of an envelope with exactly one signature."""
    if len(envelope) > ENVELOPE_LIMIT_BYTES:
        msg = f"an envelope of {len(envelope)} bytes"
        raise StatementError(msg)
    try:
        match json.loads(envelope):
            case {
                "payload": str(payload),
                "payloadType": "application/vnd.dockd.statement+json",
                "signatures": [{"keyid": str(key_id), "sig": str(signature)}],
            }:
                return base64.b64decode(payload, validate=True), key_id, base64.b64decode(signature, validate=True)
            case _:
                msg = "it is not a DSSE envelope with one signature over a dockd statement"
                raise StatementError(msg)
    except StatementError:
        raise
    except (ValueError, RecursionError) as exc:  # of base64 and JSON, each with several kinds
        msg = f"it is not a DSSE envelope: {exc}"
        raise StatementError(msg) from exc


def _parse(payload: bytes) -> Statement:
    """The statement in a payload whose signature was good; an archive can still write nonsense."""
    try:
        members = json.loads(payload)
        statement = Statement(
            kind=StatementKind(members["type"]),
            archive=members["archive"],
            object_id=members["object"],
            measured=Measured(int(members["size"]), Digests.from_hex(members["blake3"], members["sha256"])),
            dock=members["dock"],
            camera=members["camera"],
            recording_id=members["recording"],
            time=datetime.fromisoformat(members["time"]),
            retain_until=datetime.fromisoformat(members["retain_until"]),
            nonce=members["nonce"],
            key_id=members["key"],
        )
        if statement.time.tzinfo is None or statement.retain_until.tzinfo is None:
            msg = "a time without a zone"
            raise ValueError(msg)
        spelling = statement.payload()
    except (KeyError, TypeError, ValueError, RuntimeError, RecursionError) as exc:
        msg = f"its payload is not a statement: {exc!r}"
        raise StatementError(msg) from exc
    if spelling != payload:
        msg = "its payload is not in canonical form"
        raise StatementError(msg)
    return statement
