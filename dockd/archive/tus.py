"""The archive behind tus 1.0.0: dockd's vault with its proofs, or any plain tus server for storing alone."""

import asyncio
import json
import secrets
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

from yarl import URL

from dockd.archive.answers import Answer, error_for
from dockd.archive.introduction import Identity, created_at, identify, metadata_header, sound_out
from dockd.archive.looking import file_name, look
from dockd.archive.pace import Pace
from dockd.archive.protocol import Consignment, Progress
from dockd.archive.reading import SpoolFile, SpoolPass
from dockd.archive.settings import TusSettings
from dockd.archive.throttle import Throttle
from dockd.archive.upload import OtherUploadError, Upload
from dockd.archive.wire import Wire
from dockd.clock import Clock, rfc3339
from dockd.core.proof import ArchiveProof, StatementError, StatementKind, accept_statement
from dockd.core.recording import ResumePoint, StoredObject
from dockd.dsse import PinnedKeys
from dockd.errors import ArchiveBusyError, ArchiveUnreachableError, ProofRefusedError, UploadLostError

_POLL_S = 1.0
"""Between questions for a receipt that is not ready, where the archive names no other time."""


class TusArchive:
    """Implements `dockd.archive.protocol.Archive`.

    It contains no retry loop: what breaks is raised, and the next call goes on from the archive's own offset. Only an upload that
    the archive forgot is begun again, once in each call.
    """

    def __init__(self, settings: TusSettings, clock: Clock, throttle: Throttle | None = None) -> None:
        self._settings, self._clock = settings, clock
        self._endpoint = URL(settings.url)
        self._keys = PinnedKeys(*settings.pinned_keys)
        self._wire = Wire(settings, throttle)
        self._meeting = asyncio.Lock()
        self._identity: Identity | None = None
        self._pace: Pace | None = None

    async def store(self, consignment: Consignment, resume: ResumePoint | None, progress: Progress) -> StoredObject:
        """As the protocol says."""
        identity, pace = await self._meet()
        point = await self._of_this_archive(resume, progress)
        try:
            point = await self._bring(consignment, point, progress, pace)
        except UploadLostError as lost:
            await progress.dropped(lost.message)
            try:
                point = await self._bring(consignment, None, progress, pace)
            except UploadLostError as again:
                await progress.dropped(again.message)
                msg = f"the archive forgets an upload as soon as it was made: {again.message}"
                raise ArchiveUnreachableError(msg) from again
        return StoredObject(
            archive=identity.archive_id,
            object_id=URL(point.url).name,
            url=point.url,
            nonce=point.nonce,
            recording_id=consignment.verified.recording_id,
            measured=consignment.verified.measured,
        )

    async def prove(self, stored: StoredObject, *, camera: str) -> ArchiveProof:
        """As the protocol says."""
        if not await self._signs():
            return await self._look(stored, StatementKind.RECEIPT, stored.nonce, camera)
        url = self._object(stored) / "receipt"
        while True:
            answer = await self._wire.ask("GET", url, work_bytes=stored.measured.size_bytes)
            if answer.status != HTTPStatus.ACCEPTED:
                break
            if not answer.is_tus:
                msg = f"asking for the receipt of {url.parent}: what answered is not the archive"
                raise ArchiveUnreachableError(msg)
            wait_s = answer.retry_after_s(self._clock.now())
            await self._clock.sleep(_POLL_S if wait_s is None else wait_s)
        if answer.status == HTTPStatus.CONFLICT and answer.is_tus:
            msg = f"the archive has not all of {url.parent}: {answer.words}"
            raise UploadLostError(msg)
        return self._accept(answer, StatementKind.RECEIPT, stored, stored.nonce, camera)

    async def prove_again(
        self, stored: StoredObject, nonce: str, *, camera: str, retain_until: datetime | None = None
    ) -> ArchiveProof:
        """As the protocol says."""
        if not await self._signs():
            return await self._look(stored, StatementKind.HOLDING, nonce, camera)
        url = self._object(stored) / "holding"
        question = {"nonce": nonce} | ({} if retain_until is None else {"retain_until": rfc3339(retain_until)})
        answer = await self._wire.ask(
            "POST",
            url,
            headers={"Content-Type": "application/json"},
            body=json.dumps(question).encode(),
            work_bytes=stored.measured.size_bytes,
        )
        if answer.status == HTTPStatus.CONFLICT and answer.is_tus:
            msg = f"the archive cannot speak for {url.parent} yet: {answer.words}"
            raise ArchiveBusyError(msg, retry_after_s=answer.retry_after_s(self._clock.now()))
        return self._accept(answer, StatementKind.HOLDING, stored, nonce, camera)

    async def hold(self, stored: StoredObject) -> bool:  # noqa: ARG002 - as the protocol says
        """Nothing in tus says so. The vault deletes no object by itself; what others do is their admins' to say."""
        return False

    async def close(self) -> None:
        """As the protocol says."""
        await self._wire.close()

    async def _meet(self) -> tuple[Identity, Pace]:
        """Who the archive is and what it checks: asked once, before the first recording."""
        async with self._meeting:
            if self._identity is None:
                self._identity = await identify(self._wire, self._settings, self._clock)
            if self._pace is None:
                self._pace = await sound_out(self._wire, self._settings, self._clock)
            return self._identity, self._pace

    async def _signs(self) -> bool:
        """Whether the archive signs what it holds; one that does not is looked at, if the settings say so.

        Raises:
            ProofRefusedError: it proves nothing.
        """
        async with self._meeting:
            if self._identity is None:
                self._identity = await identify(self._wire, self._settings, self._clock)
        if not self._identity.signs and not self._settings.read_back:
            msg = f"the archive at {self._endpoint} is a plain tus server: it gives no proof of what it holds"
            raise ProofRefusedError(msg)
        return self._identity.signs

    async def _look(self, stored: StoredObject, kind: StatementKind, nonce: str, camera: str) -> ArchiveProof:
        if self._identity is None or stored.archive != self._identity.archive_id:
            msg = f"{stored.object_id} is in archive {stored.archive!r}, and this is another"
            raise ProofRefusedError(msg)
        where, dock = self._object(stored), self._settings.dock
        return await look(self._wire, where, self._clock, kind=kind, stored=stored, nonce=nonce, dock=dock, camera=camera)

    async def _of_this_archive(self, resume: ResumePoint | None, progress: Progress) -> ResumePoint | None:
        """`resume`, unless it was made at another archive: neither evidence nor the token goes there."""
        if resume is None or URL(resume.url).parent / "" == self._endpoint:
            return resume
        await progress.dropped(f"{resume.url} is not at {self._endpoint}")
        return None

    async def _bring(self, consignment: Consignment, point: ResumePoint | None, progress: Progress, pace: Pace) -> ResumePoint:
        """All bytes into the upload at `point`, or into a new one."""
        size_bytes = consignment.verified.measured.size_bytes
        if point is None:
            point = await self._create(consignment)
            upload = Upload(self._wire, self._clock, URL(point.url), pace)
            await progress.placed(point)
            offset_bytes = 0
        else:
            upload = Upload(self._wire, self._clock, URL(point.url), pace)
            try:
                offset_bytes = await upload.offset(size_bytes)
            except OtherUploadError as exc:
                await progress.dropped(exc.message)  # so that it is not met again when a person retries
                raise
        progress.sent(offset_bytes)
        if offset_bytes < size_bytes:
            await upload.send(consignment, offset_bytes, progress)
        return point

    async def _create(self, consignment: Consignment) -> ResumePoint:
        """Have the archive make room."""
        measured = consignment.verified.measured
        if measured.size_bytes == 0:  # complete once created, so it is read before
            async with SpoolFile(consignment.path, consignment.verified) as file:
                SpoolPass(file)
        nonce = secrets.token_hex(16)
        values = {
            "recording": consignment.verified.recording_id,
            "dock": consignment.dock,
            "camera": consignment.camera,
            "docking": consignment.docking,
            "name": consignment.name,
            "size": str(measured.size_bytes),
            "blake3": measured.digests.blake3.hex(),
            "sha256": measured.digests.sha256.hex(),
            "nonce": nonce,
            "recorded": consignment.recorded,
            "seen": consignment.seen,
            "category": consignment.category,
        }
        if consignment.sidecar_of is not None:
            values["sidecar_of"] = consignment.sidecar_of
        if consignment.retain_days:
            values["retain_days"] = str(consignment.retain_days)
        if consignment.first_amendment:
            values["first_amendment"] = "yes"
        if self._identity is not None and not self._identity.signs:
            values |= {"filename": file_name(values), "filetype": "application/octet-stream"}
        headers = {"Upload-Length": str(measured.size_bytes), "Upload-Metadata": metadata_header(values)}
        answer = await self._wire.ask("POST", self._endpoint, headers=headers)
        if answer.status != HTTPStatus.CREATED or not answer.is_tus:
            raise error_for(answer, f"announcing {consignment.name}", now=self._clock.now(), refusable=True)
        return ResumePoint(str(created_at(answer, self._endpoint)), nonce)

    def _object(self, stored: StoredObject) -> URL:
        """Where to ask about an object: at the archive of the settings, whatever host it had when the object was stored."""
        return self._endpoint.join(URL(quote(stored.object_id, safe=""), encoded=True))

    def _accept(self, answer: Answer, kind: StatementKind, stored: StoredObject, nonce: str, camera: str) -> ArchiveProof:
        """The proof in an answer, judged in `core.proof`."""
        if answer.status != HTTPStatus.OK:
            raise error_for(answer, f"asking for a {kind.name.lower()} of {stored.url}", now=self._clock.now(), refusable=True)
        if "json" not in answer.headers.get("Content-Type", ""):
            msg = f"asking for a {kind.name.lower()} of {stored.url}: what answered is not the archive: {answer.words}"
            raise ArchiveUnreachableError(msg)
        try:
            return accept_statement(
                answer.body, self._keys, kind=kind, stored=stored, nonce=nonce, dock=self._settings.dock, camera=camera
            )
        except StatementError as exc:
            msg = f"the archive's {kind.name.lower()} for {stored.url} proves nothing: {exc}"
            raise ProofRefusedError(msg) from exc
