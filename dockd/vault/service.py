"""The vault without HTTP: what can be done with uploads and objects, in the order that makes it durable."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ParamSpec, Protocol, Self, TypeVar

import structlog

from dockd import crashpoint
from dockd.clock import Clock
from dockd.dsse import KeyFormatError, SigningKey
from dockd.errors import VaultError
from dockd.vault import receive, recovery, reread, store, tus
from dockd.vault.cosigning import Cosigner
from dockd.vault.desk import Desk
from dockd.vault.examine import Examiner, Signer
from dockd.vault.ledger import HeldObject, Ledger, Upload, UploadState
from dockd.vault.refusal import BrokenBodyError, RefusedError, TakenOverError
from dockd.vault.seats import Seats, Stream
from dockd.vault.store import Store

P = ParamSpec("P")
T = TypeVar("T")

_WRITERS = 8
_READERS = 2
_SWEEP_S = 300.0

_log = structlog.get_logger("dockd.vault")


class Body(receive.Body, Stream, Protocol):
    """A request body that can be read and ended."""


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """How one vault behaves.

    Attributes:
        root: its store.
        archive: its id; empty takes the stored one, or one made from its key.
        retain_days: every object is kept at least as long.
        expire_hours: an unfinished upload is removed after so much silence.
        max_size_bytes: of one upload.
        receipt_wait_s: how long a request for a receipt waits for the re-reading.
    """

    root: Path
    archive: str = ""
    retain_days: int = 365
    expire_hours: float = 7 * 24.0
    max_size_bytes: int = 2**44
    receipt_wait_s: float = 20.0


def open_ledger(root: Path) -> tuple[Store, Ledger]:
    """The store in `root`, made where there is none, and its ledger. Blocks.

    Raises:
        VaultError: it cannot be used.
    """
    place = Store(root)
    place.prepare()
    return place, Ledger.open(place.ledger_path, may_create=not place.holds_anything())


def load_key(place: Store) -> SigningKey:
    """The store's signing key, made on first use. Blocks.

    Raises:
        VaultError: the file is not such a key.
    """
    try:
        return SigningKey.load_or_create(place.key_path)
    except (KeyFormatError, OSError) as exc:
        msg = f"the vault's key cannot be used: {exc}"
        raise VaultError(msg) from exc


class Vault:
    """One open vault; `run` must be running for uploads to become objects."""

    def __init__(self, settings: VaultSettings, place: Store, ledger: Ledger, signer: Signer, clock: Clock) -> None:
        self.settings, self.signer = settings, signer
        self._store, self._clock = place, clock
        self._desk = Desk(ledger)
        self._seats = Seats()
        self._sweeping = asyncio.Lock()
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="write")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reread")
        self._examiner = Examiner(place, self._desk, signer, clock, self._readers)
        self.cosigner = Cosigner(self._desk, signer, clock)

    @classmethod
    def open(cls, settings: VaultSettings, clock: Clock) -> Self:
        """Open the store, recover it, and queue what still has to be re-read. Blocks; needs a running event loop's thread.

        Raises:
            VaultError: it cannot be served.
        """
        place, ledger = open_ledger(settings.root)
        try:
            place.own()
            key = load_key(place)
            archive = ledger.meta("archive", settings.archive or f"vault-{key.key_id}")
            if settings.archive not in {"", archive}:
                msg = f"this store belongs to archive {archive!r}, not to {settings.archive!r}"
                raise VaultError(msg, hint="Receipts name the archive for ever; use the stored id or another --root.")
            queued = recovery.recover(place, ledger)
        except BaseException:
            ledger.close()
            place.close()
            raise
        vault = cls(settings, place, ledger, Signer(archive, key, settings.retain_days), clock)
        for upload_id in queued:
            vault._examiner.submit(upload_id)
        return vault

    async def run(self) -> None:
        """Examine and sweep until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._examiner.run())
            tasks.create_task(self._sweep_for_ever())

    def stop(self) -> None:
        """End every request that receives or waits; bytes that came are made durable."""
        self._seats.close()
        self._examiner.stop()

    def close(self) -> None:
        """Give everything back, after `stop`. Blocks until the workers' current step ends."""
        self._writers.shutdown()
        self._readers.shutdown()
        self._desk.close()
        self._store.close()

    async def dock_of(self, token: str) -> str | None:
        """Whose token this is."""
        return await self._desk.ask(self._desk.ledger.dock_of, token)

    async def find(self, upload_id: str, dock: str) -> Upload:
        """The dock's upload of that id.

        Raises:
            RefusedError: 404 unknown or another dock's; 410 expired or terminated.
        """
        upload = await self._desk.ask(self._desk.ledger.upload, upload_id) if store.is_id(upload_id) else None
        if upload is None or upload.dock != dock:
            msg = "There is no such upload."
            raise RefusedError(404, msg)
        if upload.state is UploadState.GONE:
            msg = f"This upload is gone: {upload.reason}."
            raise RefusedError(410, msg)
        if upload.state is UploadState.RECEIVING and upload.expires <= self._clock.now():
            msg = "This upload is gone: it expired."
            raise RefusedError(410, msg)
        return upload

    async def create(self, metadata: str, *, length_bytes: int, dock: str) -> Upload:
        """Note a new upload and claim room for it; an empty one is complete at once.

        Raises:
            RefusedError: 400, 403: what is announced; 413 too long; 507 no room.
        """
        if length_bytes > self.settings.max_size_bytes:
            msg = f"Upload-Length is over this vault's limit of {self.settings.max_size_bytes} bytes."
            raise RefusedError(413, msg)
        tus.announcement(metadata, length_bytes=length_bytes, dock=dock)
        now = self._clock.now()
        upload = Upload(store.new_id(), dock, length_bytes, 0, UploadState.RECEIVING, metadata, now, now + self._patience)
        crashpoint.passing("vault.creating")
        await self._desk.ask(self._desk.ledger.create, upload)
        crashpoint.passing("vault.created")
        try:
            await self._write(self._store.create, upload.upload_id, length_bytes)
        except store.StoreFullError as exc:
            await self._desk.ask(self._desk.ledger.forget, upload.upload_id)
            raise _full() from exc
        _log.info("upload created", upload=upload.upload_id, dock=dock, bytes=length_bytes)
        if length_bytes == 0:
            return await self._advance(upload, 0)
        return upload

    async def where(self, upload: Upload) -> Upload:
        """The upload as it stands when nobody writes to it: an older request that does is ended first."""
        async with self._seats.take(upload.upload_id):
            return await self.find(upload.upload_id, upload.dock)

    async def append(
        self, upload: Upload, body: Body, *, offset_bytes: int, body_bytes: int | None, checksum: tus.BodyChecksum | None
    ) -> Upload:
        """Receive a body at `offset_bytes`.

        Args:
            upload: where to.
            body: the bytes.
            offset_bytes: where its sender believes that the upload stands.
            body_bytes: how long the body is, None where that is not announced.
            checksum: what the whole body must hash to; then it is kept whole or not at all.

        Raises:
            RefusedError: 403, 409, 413, 423, 460, 507; what came before is kept, except for 460.
        """
        async with self._seats.take(upload.upload_id, body):
            upload = await self.find(upload.upload_id, upload.dock)
            if offset_bytes != upload.offset_bytes:
                msg = f"Upload-Offset is {offset_bytes}, but the upload stands at {upload.offset_bytes}."
                raise RefusedError(409, msg, {"Upload-Offset": str(upload.offset_bytes)})
            if upload.offset_bytes + (body_bytes or 0) > upload.length_bytes:
                msg = f"The body has {body_bytes} bytes, but only {upload.length_bytes - upload.offset_bytes} are missing."
                raise RefusedError(413, msg)
            if upload.state is not UploadState.RECEIVING:
                return upload
            return await self._land(upload, body, checksum)

    async def terminate(self, upload: Upload, reason: str) -> None:
        """End an unfinished upload and free its room.

        Raises:
            RefusedError: 403, it is complete: what the vault holds is not deleted by docks.
        """
        async with self._seats.take(upload.upload_id):
            upload = await self.find(upload.upload_id, upload.dock)
            if upload.state is not UploadState.RECEIVING:
                msg = "This upload is complete; the vault keeps it."
                raise RefusedError(403, msg)
            await self._drop(upload, reason)

    async def receipt(self, upload: Upload) -> bytes | None:
        """The object's receipt; None while the re-reading goes on.

        Raises:
            RefusedError: 409 unfinished; 422 rejected.
        """
        if upload.state is UploadState.COMPLETE:
            await self._examiner.wait(upload.upload_id, self.settings.receipt_wait_s)
            upload = await self.find(upload.upload_id, upload.dock)
        if upload.state is UploadState.COMPLETE:
            return None
        return (await self._object(upload)).receipt

    async def hold(self, upload: Upload, nonce: str, retain_until: object = None) -> bytes:
        """A fresh holding statement, and from now on the object is kept at least until `retain_until`, if that is later.

        Raises:
            RefusedError: 400 no such time; 409 not an object (yet); 422 rejected or damaged; 503 the medium does not answer.
        """
        asked = None if retain_until is None else tus.retain_until(retain_until, self._clock.now())
        held = await self._object(upload)
        try:
            return await self._examiner.hold(held, nonce, asked)
        except reread.InterruptedReadingError as exc:
            msg = "The vault is stopping; come back later."
            raise RefusedError(503, msg, {"Retry-After": "5"}) from exc
        except OSError as exc:
            _log.error("object cannot be read", object=upload.upload_id, error=str(exc))
            msg = "The vault's disk gave an error while the object was read; come back later."
            raise RefusedError(503, msg, {"Retry-After": "60"}) from exc

    async def bytes_of(self, upload: Upload) -> tuple[Path, HeldObject]:
        """Where the object's bytes are, for reading.

        Raises:
            RefusedError: 409 not an object (yet); 422 rejected or damaged.
        """
        held = await self._object(upload)
        if held.damage:
            msg = f"This object is damaged: {held.damage}."
            raise RefusedError(422, msg)
        return self._store.blob_path(held.measured.digests.blake3), held

    async def sweep(self) -> None:
        """Remove unfinished uploads whose time is over and that nobody is writing to; a sweep that is under way ends first."""
        async with self._sweeping:
            for upload in await self._desk.ask(self._desk.ledger.overdue, self._clock.now()):
                if self._seats.closing:
                    return
                if self._seats.busy(upload.upload_id):
                    continue
                async with self._seats.take(upload.upload_id):
                    if upload == await self._desk.ask(self._desk.ledger.upload, upload.upload_id):
                        await self._drop(upload, "it expired")

    @property
    def _patience(self) -> timedelta:
        return timedelta(hours=self.settings.expire_hours)

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except (OSError, VaultError) as exc:
                _log.error("sweeping failed", error=str(exc))
            await self._clock.sleep(_SWEEP_S)

    async def _object(self, upload: Upload) -> HeldObject:
        if upload.state is UploadState.REJECTED:
            raise RefusedError(422, f"Rejected: {upload.reason}.")
        held = await self._desk.ask(self._desk.ledger.held, upload.upload_id)
        if held is None:
            msg = "This upload is not an object yet."
            raise RefusedError(409, msg)
        return held

    async def _land(self, upload: Upload, body: Body, checksum: tus.BodyChecksum | None) -> Upload:
        """Receive, then sync, then move the offset, whatever ended the body; only then say what ended it."""
        path = self._store.upload_path(upload.upload_id)
        landing = await self._write(receive.Landing, path, upload.offset_bytes, upload.length_bytes, checksum)
        started_s = self._clock.monotonic()

        async def durable(offset_bytes: int) -> None:
            if offset_bytes < upload.length_bytes:  # the last step is taken below, once the body is known to end there
                await self._desk.ask(
                    self._desk.ledger.advance, upload.upload_id, offset_bytes, self._clock.now() + self._patience
                )

        try:
            ended = await _until_its_end(body, landing, self._writers, durable)
            if checksum is not None and (ended is not None or not landing.matches()):
                await self._write(landing.undo)
                if ended is None:
                    _log.warning("checksum mismatch", upload=upload.upload_id, dock=upload.dock, algorithm=checksum.algorithm)
                    msg = "The body does not hash to its Upload-Checksum; nothing of it was kept."
                    raise RefusedError(460, msg)
            position = await self._write(landing.sync)
        finally:
            await self._write(landing.close)
        seconds = round(self._clock.monotonic() - started_s, 3)
        received = position - upload.offset_bytes
        _log.info("received", upload=upload.upload_id, dock=upload.dock, bytes=received, offset=position, seconds=seconds)
        upload = await self._advance(upload, position)
        if ended is not None:
            raise ended
        return upload

    async def _advance(self, upload: Upload, offset_bytes: int) -> Upload:
        """Move the durable offset; at the upload's length it goes to the examiner."""
        crashpoint.passing("vault.offset-committing")
        await self._desk.ask(self._desk.ledger.advance, upload.upload_id, offset_bytes, self._clock.now() + self._patience)
        crashpoint.passing("vault.offset-committed")
        if offset_bytes == upload.length_bytes:
            self._examiner.submit(upload.upload_id)
        return await self.find(upload.upload_id, upload.dock)

    async def _write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writers, partial(function, *args, **kwargs))

    async def _drop(self, upload: Upload, reason: str) -> None:
        crashpoint.passing("vault.dropping")
        await self._desk.ask(self._desk.ledger.drop, upload.upload_id, reason)
        crashpoint.passing("vault.dropped")
        await self._write(self._store.discard, upload.upload_id)
        _log.info("upload removed", upload=upload.upload_id, dock=upload.dock, reason=reason)


async def _until_its_end(
    body: Body, landing: receive.Landing, executor: Executor, durable: Callable[[int], Awaitable[None]]
) -> RefusedError | None:
    """Receive, and return what ended the body early, if anything did, so that what came can be kept first."""
    try:
        await receive.receive(body, landing, executor=executor, durable=durable)
    except TakenOverError as exc:
        return exc.answer
    except RefusedError as exc:
        return exc
    except BrokenBodyError:
        return RefusedError(400, "The body broke off; what came before is kept.")
    except OSError as exc:
        if store.is_full(exc):
            return _full()
        raise
    return None


def _full() -> RefusedError:
    return RefusedError(507, "The vault's disk is full; its admin must make room.", {"Retry-After": "60"})
