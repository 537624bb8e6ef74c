"""Re-reads what arrived and decides: an object with a signed receipt, or quarantine with the reason in words.

Each complete upload is read past the page cache, both digests in one pass, and compared with what its dock announced. Only
then is it linked to its final name, and only when link, folder and ledger are durable does anyone learn of the receipt, which is
in the same ledger transaction. Every step may be repeated after a crash.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from weakref import WeakValueDictionary

import structlog

from dockd import crashpoint
from dockd.clock import Clock, rfc3339
from dockd.core.proof import Statement, StatementKind
from dockd.core.recording import Measured
from dockd.dsse import SigningKey
from dockd.errors import VaultError
from dockd.vault import reread, tus
from dockd.vault.desk import Desk
from dockd.vault.ledger import HeldObject, Upload, UploadState
from dockd.vault.refusal import RefusedError
from dockd.vault.store import Store

_WORKERS = 2
_AGAIN_S = 30.0

_log = structlog.get_logger("dockd.vault")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, in which archive's name, and for how long it promises to keep."""

    archive: str
    key: SigningKey
    retain_days: int

    def sign(
        self, kind: StatementKind, upload: Upload, measured: Measured, *, nonce: str, time: datetime, retain_until: datetime
    ) -> bytes:
        """The envelope of a statement about `upload`, whose bytes were measured on the medium."""
        announced = tus.announcement(upload.metadata, length_bytes=upload.length_bytes, dock=upload.dock)
        return self.key.envelope(
            Statement(
                kind=kind,
                archive=self.archive,
                object_id=upload.upload_id,
                measured=measured,
                dock=upload.dock,
                camera=announced.camera,
                recording_id=announced.recording_id,
                time=time,
                retain_until=retain_until,
                nonce=nonce,
                key_id=self.key.key_id,
            )
        )


class Examiner:
    """Owns every upload from its last byte until it is an object or rejected."""

    def __init__(self, store: Store, desk: Desk, signer: Signer, clock: Clock, readers: Executor) -> None:
        self._store, self._desk, self._signer, self._clock, self._readers = store, desk, signer, clock, readers
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._pending: dict[str, asyncio.Event] = {}
        self._placing: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self.stopping = threading.Event()

    def submit(self, upload_id: str) -> None:
        """Examine a complete upload as soon as a worker is free."""
        if upload_id not in self._pending:
            self._pending[upload_id] = asyncio.Event()
            self._queue.put_nowait(upload_id)

    async def wait(self, upload_id: str, seconds: float) -> None:
        """Wait until the upload is settled, at most `seconds`."""
        event = self._pending.get(upload_id)
        if event is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return

    def stop(self) -> None:
        """End readings that are under way, and everyone's waiting; what is not settled is queued again at the next start."""
        self.stopping.set()
        for event in self._pending.values():
            event.set()

    async def run(self) -> None:
        """Examine until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(_WORKERS):
                workers.create_task(self._work(workers))

    async def hold(self, held: HeldObject, nonce: str, asked: datetime | None = None) -> bytes:
        """A fresh holding statement over `nonce`, after reading the object again, now.

        Args:
            held: the object.
            nonce: the dock's.
            asked: it is kept at least until then from now on; it is never kept shorter than was promised before.

        Raises:
            RefusedError: 422, the bytes are no longer there; the object is marked damaged.
            OSError: the medium gives neither bytes nor their absence.
        """
        damage = held.damage or await self._damage(held.measured)
        if damage and not held.damage:
            damage = await self._mark_if_damaged(held.measured)
        if damage:
            _log.error("object damaged", object=held.upload.upload_id, dock=held.upload.dock, damage=damage)
            msg = f"This object is damaged: {damage}."
            raise RefusedError(422, msg)
        _log.info("object read again", object=held.upload.upload_id, dock=held.upload.dock, bytes=held.measured.size_bytes)
        retain_until = held.retain_until
        if asked is not None and asked > retain_until:
            crashpoint.passing("vault.retention-extending")
            retain_until = await self._desk.ask(self._desk.ledger.keep_until, held.upload.upload_id, asked)
            crashpoint.passing("vault.retention-extended")
            _log.info("object kept longer", object=held.upload.upload_id, dock=held.upload.dock, until=rfc3339(retain_until))
        return self._signer.sign(
            StatementKind.HOLDING,
            held.upload,
            held.measured,
            nonce=nonce,
            time=self._clock.now(),
            retain_until=retain_until,
        )

    async def _mark_if_damaged(self, wanted: Measured) -> str:
        """What a second reading finds wrong, which is marked for good; good bytes may have been taking the place of bad ones."""
        async with self._alone(wanted.digests.blake3):
            damage = await self._damage(wanted)
            if damage:
                crashpoint.passing("vault.damage-marking")
                await self._desk.ask(self._desk.ledger.mark_damaged, wanted.digests.blake3, damage)
                crashpoint.passing("vault.damage-marked")
        return damage

    async def _work(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            upload_id = await self._queue.get()
            try:
                await self._examine(upload_id)
            except reread.InterruptedReadingError:
                return
            except (OSError, VaultError) as exc:
                # Not a word about the bytes: a failing or full disk is mended by people, and the upload waits for them.
                _log.error("re-reading failed", upload=upload_id, error=str(exc), again_s=_AGAIN_S)
                tasks.create_task(self._again(upload_id))
            else:
                self._pending.pop(upload_id).set()

    async def _again(self, upload_id: str) -> None:
        await self._clock.sleep(_AGAIN_S)
        self._queue.put_nowait(upload_id)

    async def _examine(self, upload_id: str) -> None:
        upload = await self._desk.ask(self._desk.ledger.upload, upload_id)
        if upload is None or upload.state is not UploadState.COMPLETE:
            return
        announced = tus.announcement(upload.metadata, length_bytes=upload.length_bytes, dock=upload.dock)
        started_s = self._clock.monotonic()
        found = await self._measure(self._store.upload_path(upload_id))
        crashpoint.passing("vault.reread")
        reason = difference(found, Measured(announced.length_bytes, announced.digests))
        if reason:
            await self._reject(upload, reason)
            return
        async with self._alone(found.digests.blake3):
            await self._place(upload, found)
        seconds = round(self._clock.monotonic() - started_s, 3)
        _log.info(
            "archived", object=upload_id, dock=upload.dock, camera=announced.camera, bytes=found.size_bytes, seconds=seconds
        )

    async def _reject(self, upload: Upload, reason: str) -> None:
        """Quarantine first, then say so, then remove the name under which it arrived."""
        await asyncio.to_thread(self._store.quarantine, upload.upload_id)
        await self._desk.ask(self._desk.ledger.reject, upload.upload_id, reason)
        crashpoint.passing("vault.rejected")
        await asyncio.to_thread(self._store.discard, upload.upload_id)
        _log.error("rejected", upload=upload.upload_id, dock=upload.dock, reason=reason)

    async def _place(self, upload: Upload, found: Measured) -> None:
        """Link verified bytes to their final name, then sign; equal bytes that are there already are first read again."""
        blake3 = found.digests.blake3
        if not await asyncio.to_thread(self._store.publish, upload.upload_id, blake3):
            damage = await self._damage(found)
            crashpoint.passing("vault.duplicate-reread")
            if damage:
                _log.error("damaged blob replaced by good bytes", blake3=blake3.hex(), damage=damage)
                await asyncio.to_thread(self._store.set_aside, blake3)
                await asyncio.to_thread(self._store.publish, upload.upload_id, blake3)
        announced = tus.announcement(upload.metadata, length_bytes=upload.length_bytes, dock=upload.dock)
        now = self._clock.now()
        retain_until = now + timedelta(days=max(self._signer.retain_days, announced.retain_days))
        receipt = self._signer.sign(
            StatementKind.RECEIPT, upload, found, nonce=announced.nonce, time=now, retain_until=retain_until
        )
        crashpoint.passing("vault.receipt-committing")
        await self._desk.ask(self._desk.ledger.accept, upload.upload_id, found, retain_until, receipt)
        crashpoint.passing("vault.receipt-committed")
        await asyncio.to_thread(self._store.discard, upload.upload_id)

    async def _damage(self, wanted: Measured) -> str:
        """What a reading of the blob, now, finds wrong; empty when nothing."""
        try:
            return difference(await self._measure(self._store.blob_path(wanted.digests.blake3)), wanted)
        except FileNotFoundError:
            return "its file is missing"

    async def _measure(self, path: Path) -> Measured:
        return await asyncio.get_running_loop().run_in_executor(self._readers, reread.measure, path, self.stopping)

    @asynccontextmanager
    async def _alone(self, blake3: bytes) -> AsyncIterator[None]:
        """One placing at a time for equal bytes; the lock lasts for as long as anybody has it or waits for it."""
        lock = self._placing.setdefault(blake3, asyncio.Lock())
        async with lock:
            yield


def difference(found: Measured, wanted: Measured) -> str:
    """In words, how what the medium holds differs from what it should; empty when it does not."""
    if found.size_bytes != wanted.size_bytes:
        return f"the medium holds {found.size_bytes} bytes instead of {wanted.size_bytes}"
    if found.digests.blake3 != wanted.digests.blake3:
        return f"BLAKE3 of the stored bytes is {found.digests.blake3.hex()}, announced was {wanted.digests.blake3.hex()}"
    if found.digests.sha256 != wanted.digests.sha256:
        return f"SHA-256 of the stored bytes is {found.digests.sha256.hex()}, announced was {wanted.digests.sha256.hex()}"
    return ""
