"""Cameras, a dock and an archive in memory, in which every decision is the real core's.

The world moves bytes about and suffers faults; whether a copy is good, a statement a proof, a file erasable and a step legal is
decided by `dockd.core` alone. The archive's key signs only what was true when it was signed, or what no dock may believe: an
archive that signs the right digests, over the right nonce, for bytes that it does not have cannot be found out by anybody.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from itertools import count, cycle

from blake3 import blake3

from dockd.core import clearance, life, proof, reconcile, recording
from dockd.core.clearance import CameraScan, Claim, Identity, NoClearanceError, Rehash
from dockd.core.holds import Holds
from dockd.core.profile import Found, Profile, classify
from dockd.core.proof import ArchiveProof, Statement, StatementError, StatementKind
from dockd.core.queue import copy_order, upload_order
from dockd.core.recording import (
    CopyDiffersError,
    Digests,
    Measured,
    MediumReading,
    Recording,
    Refusal,
    ResumePoint,
    State,
    StoredObject,
)
from dockd.dsse import PinnedKeys, SigningKey
from tests.sim.evidence import NOW

DOCK, ARCHIVE = "dock-1", "archive"
PROFILE = Profile(name="model", present="x", folders=("",), recordings=("*.mp4",), sidecars=("*.thm",))
GUESSED_NONCE = "00" * 16


class CopyFault(StrEnum):
    """What goes wrong with the first file of a copy."""

    NONE = "none"
    PULLED = "pulled"
    BAD_MEDIUM = "bad medium"
    MISREAD = "misread"


class UploadFault(StrEnum):
    """What goes wrong with the first recording of an upload."""

    NONE = "none"
    CUT = "cut"
    DAMAGED = "damaged"


class Lie(StrEnum):
    """What the archive answers when it is asked for a statement."""

    NONE = "none"
    REPLAY = "replay"
    FORGERY = "forgery"
    FORGERY_UNDER_THE_PINNED_NAME = "forgery under the pinned name"
    ANOTHER_OBJECT = "another object"
    ANOTHER_DIGEST = "another digest"


class LostError(Exception):
    """The archive says that it does not hold the object."""


def measure(content: bytes) -> Measured:
    """Both digests of all bytes."""
    return Measured(len(content), Digests(blake3(content).digest(), hashlib.sha256(content).digest()))


def flipped(content: bytes) -> bytes:
    """The same bytes but for one bit."""
    return bytes([content[0] ^ 1]) + content[1:]


@dataclass(slots=True)
class File:
    """One file on a camera; `number` is the evidence that it is, whatever it is called."""

    number: int
    content: bytes
    identity: Identity


@dataclass(slots=True)
class HeldObject:
    """What the archive has of one upload; `content` is None once it is lost."""

    stored: StoredObject
    camera: str
    content: bytes | None
    issued: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Erasure:
    """One file that the dock deleted, and the holds at that instant."""

    camera: str
    number: int
    content: bytes
    recording_id: str
    object_id: str
    holds: Holds


class World:
    """Everything there is. The dock's own memory is `journal`, `spool` and `bound`; a crash takes `bound`."""

    def __init__(self) -> None:
        self.cameras: dict[str, dict[bytes, File]] = {"C1": {}, "C2": {}}
        self.evidence: dict[int, bytes] = {}
        self.journal: dict[str, Recording] = {}
        self.spool: dict[str, bytes] = {}
        self.begun: dict[str, bytes] = {}
        self.objects: dict[str, HeldObject] = {}
        self.holds = Holds()
        self.bound: dict[str, dict[bytes, str]] = {}
        self.erasures: list[Erasure] = []
        self._key, self._foreign_key = SigningKey.generate(), SigningKey.generate()
        self._numbers = count(1)

    # What happens to a camera in the field.

    def record(self, camera: str, name: bytes, content: bytes) -> None:
        """A new file; a name that is taken is written over only if nothing is there."""
        if name not in self.cameras[camera]:
            number = next(self._numbers)
            self.evidence[number] = content
            self.cameras[camera][name] = File(number, content, self._identity(content))

    def rot(self, camera: str, name: bytes) -> None:
        """The medium changes a bit and nothing tells of it."""
        file = self.cameras[camera][name]
        file.content = self.evidence[file.number] = flipped(file.content)

    def edit(self, camera: str, name: bytes) -> None:
        """Somebody writes to a file."""
        self.rot(camera, name)
        file = self.cameras[camera][name]
        file.identity = self._identity(file.content)

    def rename(self, camera: str, old: bytes, new: bytes) -> None:
        """Two files change names, or one gets a name that is free."""
        files = self.cameras[camera]
        moved = files.pop(old)
        if new in files:
            files[old] = files[new]
        files[new] = moved

    # What the dock does.

    def dock(self, camera: str) -> None:
        """Scan a camera, and give each file its recording."""
        files = self._scan(camera).files
        known = sorted((each for each in self.journal.values() if each.camera == camera), key=lambda each: each.sequence)
        todo = reconcile.plan(files, known)
        met = reconcile.recognise({file.path: measure(self.cameras[camera][file.path].content) for file in todo.measure}, known)
        bound = {path: each.recording_id for path, each in todo.continued.items()}
        for path, each in met.items():
            self.journal[each.recording_id] = replace(each, path=path)
            bound[path] = each.recording_id
        for each in todo.gone:
            if each.recording_id not in bound.values():
                self._step(each.recording_id, life.FoundGone("d"))
        for each in todo.superseded:
            self._step(each.recording_id, life.Refused(Refusal("source-changed", "")))
        for file in copy_order([*todo.fresh, *(file for file in todo.measure if file.path not in met)]):
            number = next(self._numbers)
            new = Recording(f"r{number}", number, camera, "d", file.path, len(self.cameras[camera][file.path].content), 0)
            if file.identity is not None:
                new = replace(new, modified_ns=file.identity.modified_ns)
            self.journal[new.recording_id] = new
            bound[file.path] = new.recording_id
        self.bound[camera] = bound

    def undock(self, camera: str) -> None:
        """The camera is gone from its bay."""
        self.bound.pop(camera, None)

    def copy(self, camera: str, fault: CopyFault) -> None:
        """Copy what is not copied yet."""
        for path, name in self.bound[camera].items():
            if self.journal[name].state not in {State.SEEN, State.COPYING}:
                continue
            self._step(name, life.CopyStarted())
            read = self.cameras[camera][path].content
            if fault is CopyFault.MISREAD:
                read = flipped(read)
            copied = self.begun.pop(name, b"")
            copied += read[len(copied) :]
            if fault is CopyFault.PULLED:
                self.begun[name] = copied[: len(copied) // 2]
                self.undock(camera)
                return
            if fault is CopyFault.BAD_MEDIUM:
                copied = flipped(copied)
            fault = CopyFault.NONE
            reading = MediumReading(len(copied), blake3(copied).digest())
            try:
                verified = recording.verify_copy(name, from_camera=measure(read), from_medium=reading)
            except CopyDiffersError:
                continue
            self.spool[name] = copied
            self._step(name, life.CopyVerified(verified))

    def upload(self, fault: UploadFault, lie: Lie) -> None:
        """Bring to the archive what waits; `fault` and `lie` meet the first."""
        for each in upload_order(self.journal.values()):
            name = each.recording_id
            sending = recording.recall(each)
            self._step(name, life.UploadStarted())
            body = self.spool.get(name)
            if body is None or measure(body) != sending.measured:
                self._step(name, life.Refused(Refusal("spool-mismatch", "")))
                continue
            at = self._place(each, sending.measured)
            if fault is UploadFault.CUT:
                return
            held = flipped(body) if fault is UploadFault.DAMAGED else body
            self._store(at, each.camera, held)
            try:
                receipt = self._ask(at, StatementKind.RECEIPT, at.nonce, each.camera, lie)
            except (StatementError, LostError):
                self._step(name, life.Refused(Refusal("proof-refused", "")))
            else:
                self._step(name, life.UploadProved(receipt, at))
                del self.spool[name]
            fault, lie = UploadFault.NONE, Lie.NONE

    def clear(self, camera: str, lies: Sequence[Lie], *, edited: bytes | None, crash_after: int | None) -> None:
        """Delete from a camera what may be deleted.

        Args:
            camera: docked.
            lies: of the archive, for one file after the other.
            edited: a file that somebody changes between the re-hash and the scan.
            crash_after: the dock loses its power after so many files were deleted.
        """
        nonce = f"{next(self._numbers):032x}"
        files, lying = self.cameras[camera], cycle(lies)
        wanted = {path: self.journal[name] for path, name in self.bound[camera].items() if path in files}
        wanted = {path: each for path, each in wanted.items() if each.state is State.ARCHIVED}
        rehashes = {path: Rehash(measure(files[path].content), files[path].identity) for path in wanted}
        claims = []
        for path, each in wanted.items():
            if each.stored is None:
                continue
            try:
                holding = self._ask(each.stored, StatementKind.HOLDING, nonce, camera, next(lying))
            except LostError:
                self._step(each.recording_id, life.ProofLost("lost"))
            except StatementError:
                continue
            else:
                claims.append(Claim(each.recording_id, path, holding))
        if edited in files:
            self.edit(camera, edited)
        try:
            permit = clearance.permit_delete(
                camera=camera,
                docking="d",
                nonce=nonce,
                scan=self._scan(camera),
                rehashes=rehashes,
                claims=claims,
                holds=self.holds,
            )
        except NoClearanceError:
            return
        for covered in permit.covered:
            self.journal[covered.recording_id] = replace(self.journal[covered.recording_id], clearing=True)
        for number, covered in enumerate(permit.covered):
            if number == crash_after:
                self.crash()
                return
            self._erase(camera, covered)
        for covered in permit.covered:
            self._step(covered.recording_id, life.Erased(permit))

    def crash(self) -> None:
        """The dock loses its power; what starts again knows the journal and the spool."""
        self.bound.clear()

    def retry(self, name: str) -> None:
        """A person says of a refused recording: try again."""
        self._step(name, life.Retried("admin", spooled=name in self.spool))

    def lose(self, object_id: str) -> None:
        """The archive loses an object; never one that a dock already relied on, since no dock can help that."""
        if object_id not in {each.object_id for each in self.erasures}:
            self.objects[object_id].content = None

    # What the archive does.

    def _place(self, each: Recording, sent: Measured) -> StoredObject:
        """Room for an upload; what was cut begins again."""
        number = next(self._numbers)
        nonce = f"{number:032x}"
        self.journal[each.recording_id] = replace(self.journal[each.recording_id], resume=ResumePoint("url", nonce))
        return StoredObject(ARCHIVE, f"o{number}", "url", nonce, each.recording_id, sent)

    def _store(self, at: StoredObject, camera: str, content: bytes) -> None:
        """Hold an object, and sign at once whatever may be of use in a lie: true now, over a nonce that nobody asked with."""
        held = HeldObject(at, camera, content)
        self.objects[at.object_id] = held
        for kind, nonce in ((StatementKind.RECEIPT, at.nonce), (StatementKind.HOLDING, GUESSED_NONCE)):
            held.issued.append(self._signed(held, kind, nonce))

    def _ask(self, at: StoredObject, kind: StatementKind, nonce: str, camera: str, lie: Lie) -> ArchiveProof:
        """What the dock makes of the archive's answer."""
        return proof.accept_statement(
            self._answer(self.objects[at.object_id], kind, nonce, lie),
            PinnedKeys(self._key.public_text),
            kind=kind,
            stored=at,
            nonce=nonce,
            dock=DOCK,
            camera=camera,
        )

    def _answer(self, held: HeldObject, kind: StatementKind, nonce: str, lie: Lie) -> bytes:
        match lie:
            case Lie.REPLAY:
                return next(each for each in reversed(held.issued) if kind.value.encode() in _payload(each))
            case Lie.FORGERY | Lie.FORGERY_UNDER_THE_PINNED_NAME:
                claimed = self._statement(held, kind, nonce, held.stored.measured)
                if lie is Lie.FORGERY:
                    return self._foreign_key.envelope(replace(claimed, key_id=self._foreign_key.key_id))
                signature = self._foreign_key._private.sign(proof.pre_authentication(claimed.payload()))
                return proof.seal_envelope(claimed, signature)
            case Lie.ANOTHER_OBJECT:
                others = [each for each in self.objects.values() if each.content is not None and each is not held]
                return self._signed(others[-1] if others else held, kind, nonce)
            case Lie.ANOTHER_DIGEST:
                return self._key.envelope(self._statement(held, kind, nonce, measure(b"another")))
            case Lie.NONE:
                return self._signed(held, kind, nonce)

    def _signed(self, held: HeldObject, kind: StatementKind, nonce: str) -> bytes:
        """The truth about an object, from its bytes as they are now."""
        if held.content is None:
            raise LostError
        envelope = self._key.envelope(self._statement(held, kind, nonce, measure(held.content)))
        held.issued.append(envelope)
        return envelope

    def _statement(self, held: HeldObject, kind: StatementKind, nonce: str, measured: Measured) -> Statement:
        return Statement(
            kind=kind,
            archive=ARCHIVE,
            object_id=held.stored.object_id,
            measured=measured,
            dock=DOCK,
            camera=held.camera,
            recording_id=held.stored.recording_id,
            time=NOW,
            retain_until=NOW + timedelta(days=1),
            nonce=nonce,
            key_id=self._key.key_id,
        )

    # Small things.

    def _erase(self, camera: str, covered: clearance.Covered) -> None:
        file = self.cameras[camera].pop(covered.path)
        object_id = covered.holding.statement.object_id
        self.erasures.append(Erasure(camera, file.number, file.content, covered.recording_id, object_id, self.holds))

    def _step(self, name: str, step: life.Step) -> None:
        self.journal[name] = life.take(self.journal[name], step)

    def _scan(self, camera: str) -> CameraScan:
        return CameraScan(camera, classify(PROFILE, [Found(path, file.identity) for path, file in self.cameras[camera].items()]))

    def _identity(self, content: bytes) -> Identity:
        number = next(self._numbers)
        return Identity(device=1, inode=number, size_bytes=len(content), modified_ns=number, changed_ns=number)


def _payload(envelope: bytes) -> bytes:
    """What an envelope says, signed or not."""
    return base64.b64decode(json.loads(envelope)["payload"])
