"""The simplest client that can lose nothing: it sends, asks where it stands after every failure, and never gives up."""

import base64
import hashlib
import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from blake3 import blake3

from dockd.core.proof import ArchiveProof, StatementKind, accept_statement
from dockd.core.recording import Digests, Measured, StoredObject
from dockd.dsse import PinnedKeys
from tests.sim.vault_process import VaultProcess

BODY_TYPE = "application/offset+octet-stream"
Revive = Callable[[], None]
_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the vault answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Sent:
    """One recording on its way, and what came of it."""

    data: bytes
    recording_id: str
    nonce: str
    sha256: str
    upload_path: str = ""
    receipt: bytes = b""
    refusal: str = ""


@dataclass(slots=True)
class SimpleDock:
    """One dock.

    Args:
        vault: where it sends.
        dock: its name.
        revive: called after every broken connection; starts the vault again if it is dead.
        random: makes nonces, ids and piece sizes.
        earlier_keys: under which the vault signed before.
    """

    vault: VaultProcess
    dock: str
    revive: Revive
    random: Random
    token: str = ""
    camera: str = "CAM-1"
    sent: list[Sent] = field(default_factory=list)
    earlier_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.token = self.token or self.vault.token(self.dock)

    def new(self, data: bytes, *, wrong_sha256: bool = False) -> Sent:
        """A recording that is about to be sent, with a wrong digest if asked."""
        sha256 = hashlib.sha256(data + b"!" * wrong_sha256).hexdigest()
        recording = Sent(data, self.random.randbytes(16).hex(), self.random.randbytes(16).hex(), sha256)
        self.sent.append(recording)
        return recording

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Reply:
        """One request on a connection of its own.

        Raises:
            OSError, http.client.HTTPException: the vault died.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.vault.port, timeout=_DEADLINE_S)
        try:
            common = {"Authorization": f"Bearer {self.token}", "Tus-Resumable": "1.0.0"}
            connection.request(method, path, body=body, headers=common | dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def insist(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Reply:
        """Repeat a request that may be repeated until it is answered."""
        while True:
            try:
                return self.ask(method, path, headers, body)
            except (OSError, http.client.HTTPException):
                self.revive()

    def deliver(self, recording: Sent, *, piece_bytes: int = 0, checksum: bool = False) -> None:
        """Send a recording to its end and fetch its receipt, or the words with which it is rejected."""
        self.send(recording, piece_bytes=piece_bytes, checksum=checksum)
        self.fetch_receipt(recording)

    def place(self, recording: Sent) -> None:
        """Create the upload."""
        headers = {"Upload-Length": str(len(recording.data)), "Upload-Metadata": self.metadata(recording)}
        reply = self.insist("POST", "/files/", headers)
        assert reply.status == 201, reply
        recording.upload_path = "/files/" + reply.headers["Location"].rpartition("/")[2]

    def send(self, recording: Sent, *, piece_bytes: int = 0, checksum: bool = False) -> None:
        """Send every byte, from wherever the vault says that it stands."""
        if not recording.upload_path:
            self.place(recording)
        offset = self.offset(recording)
        while offset < len(recording.data):
            piece = recording.data[offset : offset + piece_bytes if piece_bytes else None]
            headers = {"Upload-Offset": str(offset), "Content-Type": BODY_TYPE}
            if checksum:
                headers["Upload-Checksum"] = "sha256 " + base64.b64encode(hashlib.sha256(piece).digest()).decode()
            try:
                reply = self.ask("PATCH", recording.upload_path, headers, piece)
            except (OSError, http.client.HTTPException):
                self.revive()
            else:
                assert reply.status in {204, 409}, reply
            offset = self.offset(recording)

    def offset(self, recording: Sent) -> int:
        """Where the vault stands."""
        reply = self.insist("HEAD", recording.upload_path)
        assert reply.status == 200, reply
        return int(reply.headers["Upload-Offset"])

    def fetch_receipt(self, recording: Sent) -> None:
        """Ask until the vault has decided."""
        while True:
            reply = self.insist("GET", f"{recording.upload_path}/receipt")
            if reply.status == 200:
                recording.receipt = reply.body
                return
            if reply.status == 422:
                recording.refusal = reply.body.decode()
                return
            assert reply.status == 202, reply

    def proof(self, recording: Sent) -> ArchiveProof:
        """The receipt, accepted as the dock accepts it."""
        return self._accept(recording, recording.receipt, StatementKind.RECEIPT, recording.nonce)

    def proof_again(self, recording: Sent, retain_until: str | None = None) -> ArchiveProof:
        """A fresh holding statement, asked for and accepted; the object is to be kept at least until then."""
        nonce = self.random.randbytes(16).hex()
        question = {"nonce": nonce} | ({} if retain_until is None else {"retain_until": retain_until})
        reply = self.insist("POST", f"{recording.upload_path}/holding", body=json.dumps(question).encode())
        assert reply.status == 200, reply
        return self._accept(recording, reply.body, StatementKind.HOLDING, nonce)

    def metadata(self, recording: Sent) -> str:
        """The Upload-Metadata header."""
        members = {
            "recording": recording.recording_id,
            "dock": self.dock,
            "camera": self.camera,
            "size": str(len(recording.data)),
            "blake3": blake3(recording.data).hexdigest(),
            "sha256": recording.sha256,
            "nonce": recording.nonce,
        }
        return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in members.items())

    def _accept(self, recording: Sent, envelope: bytes, kind: StatementKind, nonce: str) -> ArchiveProof:
        object_id = recording.upload_path.rpartition("/")[2]
        measured = Measured(len(recording.data), Digests.from_hex(blake3(recording.data).hexdigest(), recording.sha256))
        stored = StoredObject(
            archive=self.vault.archive_id,
            object_id=object_id,
            url=f"{self.vault.url}{recording.upload_path}",
            nonce=recording.nonce,
            recording_id=recording.recording_id,
            measured=measured,
        )
        keys = PinnedKeys(self.vault.public_key, *self.earlier_keys)
        return accept_statement(envelope, keys, kind=kind, stored=stored, nonce=nonce, dock=self.dock, camera=self.camera)
