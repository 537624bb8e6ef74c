"""An archive in memory that obeys the production protocol, signs with a real key, and breaks or lies when told to."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from blake3 import blake3

from dockd.archive.protocol import Archive, Consignment, Progress
from dockd.clock import Clock, SystemClock
from dockd.core.proof import ArchiveProof, Statement, StatementError, StatementKind, accept_statement
from dockd.core.recording import Digests, Measured, ResumePoint, StoredObject
from dockd.dsse import PinnedKeys, SigningKey
from dockd.errors import (
    ArchiveBusyError,
    ArchiveDeniedError,
    ArchiveRefusedError,
    ArchiveUnreachableError,
    ProofRefusedError,
    SpoolMismatchError,
    UploadLostError,
)


class Lie(StrEnum):
    """What the archive's statements say that is not so."""

    NONE = "none"
    DIGEST = "digest"
    SIZE = "size"
    OBJECT = "object"
    ARCHIVE = "archive"
    SIGNATURE = "signature"
    NONCE = "nonce"
    CAMERA = "camera"
    DOCK = "dock"
    RECORDING = "recording"
    KIND = "kind"
    RETENTION = "retention"


@dataclass(slots=True)
class Faults:
    """What goes wrong next; every knob may be turned while the archive is in use.

    Attributes:
        fail_after_bytes: the connection breaks once, after this many more bytes have arrived.
        busy_times: how many further calls are answered with "come back later".
        busy_retry_after_s: what the archive then asks for.
        unreachable: nothing answers.
        denied: the dock's token is not accepted.
        lose_upload: forget every unfinished upload at the next store, once.
        lose_objects: forget every object at the next question, once.
        lie: what statements are wrong about.
        refuse: words with which every new recording is refused.
        reject: words with which every finished upload is found wrong by the archive itself.
        keeps_no_longer: it does not hear that it is asked to keep an object longer, as one that does not know of that.
        knows_no_holds: it says that only its admins could hold an object, as the vault does.
    """

    fail_after_bytes: int | None = None
    busy_times: int = 0
    busy_retry_after_s: float | None = 1.0
    unreachable: bool = False
    denied: bool = False
    lose_upload: bool = False
    lose_objects: bool = False
    lie: Lie = Lie.NONE
    refuse: str | None = None
    reject: str | None = None
    keeps_no_longer: bool = False
    knows_no_holds: bool = False


@dataclass(slots=True)
class SimObject:
    """One upload and, once whole, the object that it became."""

    consignment: Consignment
    nonce: str
    body: bytearray = field(default_factory=bytearray)
    retain_until: datetime | None = None

    @property
    def whole(self) -> bool:
        """Whether every announced byte has arrived."""
        return len(self.body) == self.consignment.verified.measured.size_bytes


class SimArchive:
    """Implements `dockd.archive.protocol.Archive`.

    Attributes:
        faults: the knobs.
        uploads: everything that ever began, by object id.
        held: ids of objects that were held after they were sent.
        calls: names of the methods called, in order.
        asked: ids of the recordings that it was asked to prove again, in order.
        gate: cleared by a test to hold every store before its next piece; set at first.
        waiting: set whenever a store waits at the gate.
    """

    def __init__(
        self,
        *,
        dock: str = "dock-1",
        archive_id: str = "sim",
        clock: Clock | None = None,
        key: SigningKey | None = None,
        piece_bytes: int = 64 * 1024,
        retain: timedelta = timedelta(days=365),
        faults: Faults | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.uploads: dict[str, SimObject] = {}
        self.held: set[str] = set()
        self.calls: list[str] = []
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        self.key = key or SigningKey.generate()
        self.closed = False
        self._dock, self._archive_id = dock, archive_id
        self._clock = clock or SystemClock()
        self._pinned = PinnedKeys(self.key.public_text)
        self._piece_bytes, self._retain = piece_bytes, retain

    @property
    def pinned_key(self) -> str:
        """What a site file would pin."""
        return self.key.public_text

    def objects(self) -> dict[str, bytes]:
        """The whole objects' bytes, by recording id; the archive is asked to hold nothing twice.

        Raises:
            AssertionError: one recording became two objects.
        """
        held: dict[str, bytes] = {}
        for upload in self.uploads.values():
            if upload.whole:
                recording_id = upload.consignment.verified.recording_id
                assert recording_id not in held, f"{recording_id} is stored twice"
                held[recording_id] = bytes(upload.body)
        return held

    def read_back(self, stored: StoredObject) -> bytes:
        """The bytes that the archive holds for `stored`."""
        return bytes(self.uploads[stored.object_id].body)

    def flip_bit(self, stored: StoredObject) -> None:
        """Damage an object on the archive's medium."""
        self.uploads[stored.object_id].body[0] ^= 1

    async def store(self, consignment: Consignment, resume: ResumePoint | None, progress: Progress) -> StoredObject:
        """As the protocol says."""
        self._answer("store")
        if self.faults.lose_upload:
            self.faults.lose_upload = False
            self.uploads = {name: upload for name, upload in self.uploads.items() if upload.whole}
        object_id = resume.url.removeprefix("sim:") if resume else ""
        if resume and object_id not in self.uploads:
            await progress.dropped(f"the archive does not know {resume.url}")
        if object_id not in self.uploads:
            if self.faults.refuse is not None:
                msg = f"the archive refuses {consignment.name}: {self.faults.refuse}"
                raise ArchiveRefusedError(msg)
            object_id = secrets.token_hex(16)
            upload = SimObject(consignment, secrets.token_hex(16))
            await progress.placed(ResumePoint(f"sim:{object_id}", upload.nonce))
            self.uploads[object_id] = upload
        upload = self.uploads[object_id]
        await self._receive(upload, await asyncio.to_thread(consignment.path.read_bytes), consignment, progress)
        return StoredObject(
            archive=self._archive_id,
            object_id=object_id,
            url=f"sim:{object_id}",
            nonce=upload.nonce,
            recording_id=consignment.verified.recording_id,
            measured=consignment.verified.measured,
        )

    async def prove(self, stored: StoredObject, *, camera: str) -> ArchiveProof:
        """As the protocol says."""
        self._answer("prove")
        return self._statement(StatementKind.RECEIPT, stored, stored.nonce, camera)

    async def prove_again(
        self, stored: StoredObject, nonce: str, *, camera: str, retain_until: datetime | None = None
    ) -> ArchiveProof:
        """As the protocol says."""
        self._answer("prove_again")
        self.asked.append(stored.recording_id)
        if retain_until is not None and stored.object_id in self.uploads and not self.faults.keeps_no_longer:
            upload = self.uploads[stored.object_id]
            upload.retain_until = max(retain_until, upload.retain_until or retain_until)
        return self._statement(StatementKind.HOLDING, stored, nonce, camera)

    async def hold(self, stored: StoredObject) -> bool:
        """As the protocol says."""
        self._answer("hold")
        if stored.object_id not in self.uploads:
            msg = f"the archive does not know {stored.url}"
            raise UploadLostError(msg)
        if self.faults.knows_no_holds:
            return False
        self.held.add(stored.object_id)
        return True

    async def close(self) -> None:
        """As the protocol says."""
        self.closed = True

    def _answer(self, call: str) -> None:
        """Record the call, and raise what the knobs say."""
        if self.closed:
            msg = "the archive was closed"
            raise RuntimeError(msg)
        self.calls.append(call)
        if self.faults.unreachable:
            msg = "the archive does not answer"
            raise ArchiveUnreachableError(msg)
        if self.faults.busy_times > 0:
            self.faults.busy_times -= 1
            msg = "the archive asks to come back later"
            raise ArchiveBusyError(msg, retry_after_s=self.faults.busy_retry_after_s)
        if self.faults.denied:
            msg = "the archive does not accept the dock's token"
            raise ArchiveDeniedError(msg)

    async def _receive(self, upload: SimObject, body: bytes, consignment: Consignment, progress: Progress) -> None:
        """Take the rest of `body` piece by piece, the last one only if all of it is what was verified."""
        measured = consignment.verified.measured
        if len(body) != measured.size_bytes or blake3(body).digest() != measured.digests.blake3:
            msg = f"the spool's bytes of {consignment.name} are no longer those that were verified"
            raise SpoolMismatchError(msg)
        while not upload.whole:
            if not self.gate.is_set():
                self.waiting.set()
                await self.gate.wait()
                self.waiting.clear()
            await asyncio.sleep(0)
            if self.faults.unreachable:
                msg = "the archive no longer answers"
                raise ArchiveUnreachableError(msg)
            piece = body[len(upload.body) : len(upload.body) + self._piece_bytes]
            budget = self.faults.fail_after_bytes
            upload.body += piece if budget is None else piece[:budget]
            progress.sent(len(upload.body))
            if budget is not None:
                self.faults.fail_after_bytes = budget - len(piece) if budget > len(piece) else None
                if budget <= len(piece):
                    msg = f"the connection broke at byte {len(upload.body)}"
                    raise ArchiveUnreachableError(msg)

    def _statement(self, kind: StatementKind, stored: StoredObject, nonce: str, camera: str) -> ArchiveProof:
        """A statement over the bytes held now, bent by the lie, and judged as the real client judges it."""
        if self.faults.lose_objects:
            self.faults.lose_objects = False
            self.uploads.clear()
        upload = self.uploads.get(stored.object_id)
        if upload is None:
            msg = f"the archive does not know {stored.url}"
            raise UploadLostError(msg)
        if self.faults.reject is not None:
            msg = f"the archive rejects {stored.url}: {self.faults.reject}"
            raise ArchiveRefusedError(msg)
        held = Measured(len(upload.body), Digests(blake3(upload.body).digest(), sha256(upload.body).digest()))
        if held != upload.consignment.verified.measured:
            msg = f"the archive's bytes of {stored.url} are no longer those that arrived"
            raise ArchiveRefusedError(msg)
        now = self._clock.now()
        upload.retain_until = upload.retain_until or now + self._retain
        truth = Statement(
            kind=kind,
            archive=self._archive_id,
            object_id=stored.object_id,
            measured=held,
            dock=upload.consignment.dock,
            camera=upload.consignment.camera,
            recording_id=upload.consignment.verified.recording_id,
            time=now,
            retain_until=upload.retain_until,
            nonce=nonce if kind is StatementKind.HOLDING else upload.nonce,
            key_id=self.key.key_id,
        )
        told = bend(truth, self.faults.lie)
        key = self.key
        if self.faults.lie is Lie.SIGNATURE:
            key = SigningKey.generate()
            told = replace(told, key_id=key.key_id)
        try:
            return accept_statement(
                key.envelope(told), self._pinned, kind=kind, stored=stored, nonce=nonce, dock=self._dock, camera=camera
            )
        except StatementError as exc:
            msg = f"the archive's statement about {stored.url} proves nothing: {exc}"
            raise ProofRefusedError(msg) from exc


def bend(truth: Statement, lie: Lie) -> Statement:
    """`truth`, made wrong in one member."""
    other = bytes(32)
    match lie:
        case Lie.DIGEST:
            return replace(truth, measured=replace(truth.measured, digests=Digests(other, truth.measured.digests.sha256)))
        case Lie.SIZE:
            return replace(truth, measured=replace(truth.measured, size_bytes=truth.measured.size_bytes + 1))
        case Lie.OBJECT:
            return replace(truth, object_id=other.hex())
        case Lie.ARCHIVE:
            return replace(truth, archive="another")
        case Lie.NONCE:
            return replace(truth, nonce=other.hex())
        case Lie.CAMERA:
            return replace(truth, camera="another")
        case Lie.DOCK:
            return replace(truth, dock="another")
        case Lie.RECORDING:
            return replace(truth, recording_id=other.hex())
        case Lie.KIND:
            swapped = {StatementKind.RECEIPT: StatementKind.HOLDING, StatementKind.HOLDING: StatementKind.RECEIPT}
            return replace(truth, kind=swapped[truth.kind])
        case Lie.RETENTION:
            return replace(truth, retain_until=truth.time)
        case Lie.NONE | Lie.SIGNATURE:
            return truth


_obeys: Callable[[], Archive] = SimArchive
