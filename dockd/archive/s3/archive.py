"""The S3 archive: stores, proves and proves again, as the protocol wants it. The package's docstring says what lies where."""

import asyncio
import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

import structlog
from blake3 import blake3

from dockd.archive.introduction import Identity
from dockd.archive.probe import Findings
from dockd.archive.protocol import Consignment, Progress
from dockd.archive.s3.locks import locked_until, strengthen
from dockd.archive.s3.manifest import LIMIT_BYTES, Found, Place, check_manifest, prefix_of, sign_manifest
from dockd.archive.s3.parts import Parts, Sent
from dockd.archive.s3.settings import Lock, S3Settings
from dockd.archive.s3.wire import Answer, S3Wire
from dockd.archive.throttle import Throttle
from dockd.clock import Clock
from dockd.core.concurrency import Concurrency
from dockd.core.observation import ReadBack, StoreChecksum
from dockd.core.proof import ArchiveProof, StatementError, StatementKind, observe
from dockd.core.recording import Digests, Measured, ResumePoint, StoredObject
from dockd.errors import (
    ArchiveChecksumError,
    ArchiveDeniedError,
    ArchiveError,
    ArchiveRefusedError,
    ArchiveUnreachableError,
    ProofRefusedError,
    UploadLostError,
)

_log = structlog.get_logger(__name__)

_CANARY = b"dockd sends this with a wrong checksum, to see whether it is refused\n"

_ROUNDS = 4
"""So many parts must arrive for each that may be on its way before one more may: a break costs what is on its way."""


@dataclass(frozen=True, slots=True)
class _Upload:
    """An unfinished upload that the bucket lists."""

    key: str
    upload_id: str
    begun: datetime


class S3Archive:
    """Implements `dockd.archive.protocol.Archive`.

    It contains no retry loop: what breaks is raised, and the next call goes on from what the store has. Only an upload that the
    store forgot is begun again, once in each call.
    """

    def __init__(self, settings: S3Settings, clock: Clock, throttle: Throttle | None = None) -> None:
        self._settings, self._clock = settings, clock
        self._wire = S3Wire(settings, throttle)
        self._meeting = asyncio.Lock()
        self._checks: bool | None = None
        self._parts_at_once = Concurrency(settings.parts_at_once, _ROUNDS)

    async def store(self, consignment: Consignment, resume: ResumePoint | None, progress: Progress) -> StoredObject:
        """As the protocol says."""
        checks = await self.meet()
        place = None if resume is None else Place.of(resume, self._settings)
        if resume is not None and place is None:
            await progress.dropped(f"{resume.url} is not in bucket {self._settings.bucket}")
        try:
            place, sent = await self._bring(consignment, place, progress, checks=checks)
        except UploadLostError as lost:
            await progress.dropped(lost.message)
            try:
                place, sent = await self._bring(consignment, None, progress, checks=checks)
            except UploadLostError as again:
                await progress.dropped(again.message)
                msg = f"the archive forgets an upload as soon as it was made: {again.message}"
                raise ArchiveUnreachableError(msg) from again
        head = await self._completed(place.key, consignment)
        found = Found(place.key, str(head.get("VersionId", "")), sent.checksum)
        if self._settings.lock is not Lock.NONE:  # the upload took long, or this dock's clock is wrong
            until = head["LastModified"] + timedelta(days=self._days(consignment))
            await strengthen(self._wire, self._settings.lock, place.key, head, held=consignment.held, until=until)
        await self._put_manifest(consignment, found, place.nonce)
        return StoredObject(
            archive=self._settings.name,
            object_id=found.object_id,
            url=found.url(self._settings),
            nonce=place.nonce,
            recording_id=consignment.verified.recording_id,
            measured=consignment.verified.measured,
        )

    async def prove(self, stored: StoredObject, *, camera: str) -> ArchiveProof:
        """As the protocol says; the nonce is the one in the object's key and manifest."""
        return await self._look(stored, StatementKind.RECEIPT, stored.nonce, camera)

    async def prove_again(
        self, stored: StoredObject, nonce: str, *, camera: str, retain_until: datetime | None = None
    ) -> ArchiveProof:
        """As the protocol says; what the dock sees now is seen for `nonce`."""
        for key, head in [] if retain_until is None else await self._both(stored):
            await strengthen(self._wire, self._settings.lock, key, head, held=False, until=retain_until)
        return await self._look(stored, StatementKind.HOLDING, nonce, camera)

    async def hold(self, stored: StoredObject) -> bool:
        """As the protocol says: a legal hold on the object and on its manifest, where the site locks at all."""
        both = await self._both(stored)
        for key, head in both:
            await strengthen(self._wire, self._settings.lock, key, head, held=True, until=None)
        return bool(both)

    async def close(self) -> None:
        """As the protocol says."""
        await self._wire.close()

    async def meet(self) -> bool:
        """Whether the store checks checksums: tried out once, before the first recording."""
        async with self._meeting:
            if self._checks is None:
                self._checks = await self._tries_out()
                await self._name_abandoned()
            return self._checks

    async def _tries_out(self) -> bool:
        """Send a part with a wrong checksum, and the same with the right one. The upload is never completed, and used again."""
        key = f"{self._settings.prefix}canary/{self._settings.dock}"
        unfinished = [each for each in await self._unfinished(key) if each.key == key]
        upload_id = unfinished[0].upload_id if unfinished else await self._create(key, {})
        part = {"Key": key, "UploadId": upload_id, "PartNumber": 1}
        wrong, right = (base64.b64encode(hashlib.sha256(each).digest()).decode() for each in (b"", _CANARY))
        view = memoryview(_CANARY)
        refused = ""
        try:
            await self._wire.send("sending a part with a wrong checksum", view, _unheard, ChecksumSHA256=wrong, **part)
        except (ArchiveChecksumError, ArchiveDeniedError) as exc:
            refused = exc.message
        answer = await self._wire.send("sending a part with its checksum", view, _unheard, ChecksumSHA256=right, **part)
        if not answer.get("ETag"):
            msg = "sending a part: what answered is not an S3 store"
            raise ArchiveUnreachableError(msg)
        checks = bool(refused) and answer.get("ChecksumSHA256") == right
        _log.info("the store was tried out", archive=self._settings.name, checks=checks, said=refused)
        return checks

    async def _name_abandoned(self) -> None:
        """Say what lies unfinished in the bucket; each upload is found again when its recording comes."""
        begun_before = self._clock.now() - timedelta(seconds=self._settings.abandoned_after_s)
        uploads = [each for each in await self._unfinished(f"{self._settings.prefix}recordings/") if each.begun < begun_before]
        if uploads:
            oldest = min(each.begun for each in uploads).isoformat()
            _log.warning("unfinished uploads lie in the bucket", archive=self._settings.name, count=len(uploads), oldest=oldest)

    async def _unfinished(self, prefix: str) -> list[_Upload]:
        """All unfinished uploads of keys that begin with `prefix`, oldest first."""
        found: list[_Upload] = []
        markers: dict[str, str] = {}
        while True:
            answer = await self._wire.ask("list_multipart_uploads", "listing unfinished uploads", {"Prefix": prefix, **markers})
            if "Bucket" not in answer:
                msg = "listing unfinished uploads: what answered is not an S3 store"
                raise ArchiveUnreachableError(msg)
            found += [_Upload(each["Key"], each["UploadId"], each["Initiated"]) for each in answer.get("Uploads", ())]
            following = {"KeyMarker": answer.get("NextKeyMarker", ""), "UploadIdMarker": answer.get("NextUploadIdMarker", "")}
            if not answer.get("IsTruncated") or not following["KeyMarker"] or following == markers:
                return sorted(found, key=lambda each: each.begun)
            markers = following

    async def _bring(
        self, consignment: Consignment, place: Place | None, progress: Progress, *, checks: bool
    ) -> tuple[Place, Sent]:
        """All bytes into the upload at `place`, or one that was found again, or a new one; and complete it."""
        settings = self._settings
        if place is None:
            place = await self._find_again(consignment) or await self._begin(consignment)
            await progress.placed(place.point(settings))
        parts = Parts(self._wire, place, self._parts_at_once, checks=checks)
        try:
            there = await parts.listed()
        except UploadLostError:
            if await self._head(place.key, None) is None:
                raise
            there = None  # it was completed, and the answer never came
        progress.sent(sum(each.size_bytes for each in (there or {}).values()))
        sent = await parts.send(consignment, there, progress)
        if there is not None:
            answer = await self._wire.ask(
                "complete_multipart_upload",
                f"completing {place.key}",
                {"Key": place.key, "UploadId": place.upload_id, "MultipartUpload": {"Parts": list(sent.parts)}},
                work_bytes=consignment.verified.measured.size_bytes,
            )
            if not answer.get("ETag"):
                msg = f"completing {place.key}: what answered is not the store"
                raise ArchiveUnreachableError(msg)
        progress.sent(consignment.verified.measured.size_bytes)
        return place, sent

    async def _begin(self, consignment: Consignment) -> Place:
        """Have the store make room."""
        recording_id, nonce = consignment.verified.recording_id, secrets.token_hex(16)
        key = f"{prefix_of(self._settings, consignment)}{recording_id}.{nonce}"
        digests = consignment.verified.measured.digests
        described = {"blake3": digests.blake3.hex(), "sha256": digests.sha256.hex(), "dockd-manifest": "manifests/"}
        upload_id = await self._create(key, {"Metadata": described, **self._locked(consignment)})
        return Place(key, upload_id, self._settings.part_bytes_for(consignment.verified.measured.size_bytes), nonce)

    async def _create(self, key: str, more: dict[str, object]) -> str:
        parameters: dict[str, object] = {"Key": key, "ChecksumAlgorithm": "SHA256", **more}
        if self._settings.encryption:
            parameters["ServerSideEncryption"] = self._settings.encryption
            if self._settings.kms_key:
                parameters["SSEKMSKeyId"] = self._settings.kms_key
        answer = await self._wire.ask("create_multipart_upload", f"making room for {key}", parameters)
        upload_id = answer.get("UploadId")
        if not upload_id:
            msg = f"making room for {key}: what answered is not an S3 store"
            raise ArchiveUnreachableError(msg)
        return str(upload_id)

    def _locked(self, consignment: Consignment) -> dict[str, object]:
        """Object Lock, until when the recording's category or the site's rule says, whichever is later."""
        if self._settings.lock is Lock.NONE:
            return {}
        until = (self._clock.now() + timedelta(days=self._days(consignment))).replace(microsecond=0)
        locked: dict[str, object] = {"ObjectLockMode": self._settings.lock.value, "ObjectLockRetainUntilDate": until}
        if consignment.held:
            locked["ObjectLockLegalHoldStatus"] = "ON"
        return locked

    def _days(self, consignment: Consignment) -> int:
        return max(self._settings.retain_days, consignment.retain_days or 0)

    async def _both(self, stored: StoredObject) -> list[tuple[str, Answer]]:
        """The keys of an object and of its manifest, each with what the store says about it; nothing where nothing is locked."""
        if self._settings.lock is Lock.NONE:
            return []
        found, heads = Found.of(stored), list[tuple[str, Answer]]()
        manifest = found.manifest_key(self._settings, stored.recording_id)
        for key, version in ((found.key, found.version), (manifest, None)):
            if key is None or (head := await self._head(key, version)) is None:
                msg = f"the archive does not have {key or stored.object_id}"
                raise UploadLostError(msg)
            heads.append((key, head))
        return heads

    async def _find_again(self, consignment: Consignment) -> Place | None:
        """An unfinished upload of these bytes: this recording's own, or one in which nothing has moved for long."""
        measured = consignment.verified.measured
        if measured.size_bytes <= self._settings.part_bytes:
            return None  # sending one part again is cheaper than asking
        now = self._clock.now()
        for each in await self._unfinished(prefix_of(self._settings, consignment)):
            recording_id, _, nonce = each.key.rpartition("/")[2].partition(".")
            idle_s = (now - each.begun).total_seconds()
            if recording_id == consignment.verified.recording_id or idle_s > self._settings.abandoned_after_s:
                _log.info("an unfinished upload is continued", key=each.key, begun=each.begun.isoformat())
                return Place(each.key, each.upload_id, self._settings.part_bytes_for(measured.size_bytes), nonce)
        return None

    async def _completed(self, key: str, consignment: Consignment) -> Answer:
        """What the store says of the version that it made of what was sent."""
        head = await self._head(key, None)
        if head is None:
            msg = f"the archive does not have {key}, which it completed"
            raise UploadLostError(msg)
        if head.get("ContentLength") != consignment.verified.measured.size_bytes:
            msg = f"the archive says that {key} has {head.get('ContentLength')} bytes; another was sent"
            raise ArchiveRefusedError(msg)
        return head

    async def _head(self, key: str, version: str | None) -> Answer | None:
        """What the store says about an object; None if it has none there."""
        which = {"VersionId": version} if version else {}
        try:
            answer = await self._wire.ask("head_object", f"asking about {key}", {"Key": key, "ChecksumMode": "ENABLED", **which})
        except UploadLostError:
            return None
        if "ETag" not in answer:
            msg = f"asking about {key}: what answered is not the store"
            raise ArchiveUnreachableError(msg)
        return answer

    async def _put_manifest(self, consignment: Consignment, found: Found, nonce: str) -> None:
        """Store the manifest; where it is there already, nothing is changed."""
        key = found.manifest_key(self._settings, consignment.verified.recording_id)
        if key is None:
            msg = f"{found.key} is no key of a recording"
            raise RuntimeError(msg)
        envelope = sign_manifest(self._settings.signing, consignment, found, nonce)
        if await self._head(key, None) is not None:
            return
        await self._wire.put(key, envelope, "application/json", self._locked(consignment))

    async def _look(self, stored: StoredObject, kind: StatementKind, nonce: str, camera: str) -> ArchiveProof:
        """Find out what the store holds, and have it judged."""
        checks = await self.meet()
        found = Found.of(stored)
        key = found.manifest_key(self._settings, stored.recording_id)
        head = await self._head(found.key, found.version)
        if head is None or key is None:
            msg = f"the archive does not have {stored.object_id}"
            raise UploadLostError(msg)
        if stored.archive != self._settings.name:
            msg = f"{stored.object_id} is in archive {stored.archive!r}, and this is {self._settings.name!r}"
            raise ProofRefusedError(msg)
        try:
            envelope = await self._manifest(key)
        except UploadLostError as exc:
            _refuse(stored, "no manifest says that it is this recording's", exc)
        check_manifest(self._settings.signing, envelope, stored, found, dock=self._settings.dock, camera=camera)
        retain_until = locked_until(self._settings.lock, head, stored, self._clock.now())
        if checks and head.get("ChecksumSHA256") and self._settings.lock is not Lock.NONE:
            seen: ReadBack | StoreChecksum = StoreChecksum(
                refuses_wrong=checks,
                size_bytes=head["ContentLength"],
                checksum=head["ChecksumSHA256"],
                expected=found.checksum,
                version=str(head.get("VersionId", "")),
                lock=str(head.get("ObjectLockMode", "")),
                retain_until=retain_until,
            )
        else:
            evidence = {"lock": str(head.get("ObjectLockMode", "")), "version": found.version}
            seen = ReadBack(await self._read_back(found, stored), retain_until, evidence)
        try:
            return observe(
                seen, kind=kind, stored=stored, nonce=nonce, dock=self._settings.dock, camera=camera, time=self._clock.now()
            )
        except StatementError as exc:
            _refuse(stored, str(exc), exc)

    async def _manifest(self, key: str) -> bytes:
        envelope = b""
        async with self._wire.fetch(f"reading {key}", Key=key) as pieces:
            async for piece in pieces:
                envelope += piece
                if len(envelope) > LIMIT_BYTES:
                    msg = f"the manifest {key} is too long for one"
                    raise ProofRefusedError(msg)
        return envelope

    async def _read_back(self, found: Found, stored: StoredObject) -> Measured:
        """Fetch the very version that is to be proved, and hash it, off the event loop."""
        size_bytes = 0
        both = blake3(), hashlib.sha256()

        def take(piece: bytes) -> None:
            for each in both:
                each.update(piece)

        which = {"VersionId": found.version} if found.version else {}
        async with self._wire.fetch(f"reading {stored.object_id} back", Key=found.key, **which) as pieces:
            async for piece in pieces:
                size_bytes += len(piece)
                await asyncio.to_thread(take, piece)
        return Measured(size_bytes, Digests(*(each.digest() for each in both)))


async def probe_s3(settings: S3Settings, clock: Clock) -> Findings:
    """What the self-test wants to know of a store; nothing is kept there but the canary's part."""
    archive = S3Archive(settings, clock)
    identity = Identity(settings.name, signs=False, looked_at=True)
    try:
        checks = await archive.meet()
    except ArchiveError as exc:
        return Findings(identity, None, exc, None)
    finally:
        await archive.close()
    return Findings(identity, None, None, "sha256" if checks else None)


def _unheard(_handed_bytes: int) -> None:
    """Nobody counts the canary's bytes."""


def _refuse(stored: StoredObject, why: str, cause: Exception | None = None) -> NoReturn:
    msg = f"what the archive shows of {stored.object_id} proves nothing: {why}"
    raise ProofRefusedError(msg) from cause
