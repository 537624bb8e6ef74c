"""From the spool to the archive: every verified recording is stored, proved, and only then leaves the spool.

A few couriers take what is most urgent. Each recording has one courier at a time, and a courier stays with it until the
archive proved it or refused it for good; while the archive is away the wrappers around it wait, and nothing is given up. Only for
a critical incident a courier puts one back: the least urgent upload gives way at once, and goes on later where it was. What was
proved is removed from the spool behind the couriers' backs: small recordings cost syncs, not bytes, and those in their way are
few.
"""

import asyncio

import structlog

from dockd.archive.protocol import Consignment
from dockd.clock import rfc3339_from_ns
from dockd.core import custody, life
from dockd.core.names import shown
from dockd.core.policy import UNCATEGORISED
from dockd.core.queue import upload_rank
from dockd.core.recording import Recording, Refusal, ResumePoint, State, StoredObject, recall
from dockd.crashpoint import passing
from dockd.delivery.keeping import Keeper
from dockd.dock.parts import Dock
from dockd.errors import DockError, JournalError, UploadLostError

_log = structlog.get_logger(__name__)


_LOST_PAUSE_S = 5.0


class Delivery:
    """Owner of everything between the spool and the archive."""

    def __init__(self, dock: Dock) -> None:
        self._dock, self._concurrency = dock, dock.uploads
        self._lane = asyncio.Event()
        self._claimed = 0
        self._keeper = Keeper(dock)
        self._busy = 0
        self._uploads: dict[str, tuple[Recording, asyncio.Task[StoredObject]]] = {}
        self._giving_way: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._concurrency.most):
                group.create_task(self._courier(), name=f"courier {number + 1}")
            group.create_task(self._keeper.run(), name="the spool's copies")
            group.create_task(self._make_way(), name="way for critical incidents")

    async def _courier(self) -> None:
        while True:
            await self._claim()
            try:
                recording_id = await self._dock.outbox.take()
                self._busy += 1
                try:
                    recording = await self._dock.journal.recording(recording_id)
                    if recording.state in {State.VERIFIED, State.UPLOADING}:
                        await self._deliver(recording)
                finally:
                    self._busy -= 1
            finally:
                self._claimed -= 1
                self._lane.set()

    async def _claim(self) -> None:
        """Wait until one more may be on its way; a critical incident always may."""
        while self._claimed >= self._concurrency.allowed and not self._dock.outbox.critical_untaken:
            self._lane.clear()
            await self._lane.wait()
        self._claimed += 1

    async def _make_way(self) -> None:
        """Let critical recordings go before others as they come."""
        while True:
            await self._dock.outbox.critical_came()
            self._lane.set()
            self._give_way()

    def _give_way(self) -> None:
        """Have as many uploads give way as there are critical recordings that no courier is free for."""
        free = self._concurrency.most - self._busy
        wanted = self._dock.outbox.critical_untaken - free - len(self._giving_way)
        others = [
            each
            for each, _ in self._uploads.values()
            if not self._dock.outbox.is_critical(each) and each.recording_id not in self._giving_way
        ]
        for recording in sorted(others, key=upload_rank, reverse=True)[: max(0, wanted)]:
            _log.info("upload gives way", recording=recording.recording_id, camera=recording.camera)
            self._giving_way.add(recording.recording_id)
            self._uploads[recording.recording_id][1].cancel()

    async def _store(self, recording: Recording, sending: "_Sending") -> StoredObject | None:
        """Bring it to the archive; None if it gave way to a critical incident."""
        recording_id = recording.recording_id
        held = await self._dock.journal.held([recording_id])
        consignment = self._consign(recording, held=bool(held))
        upload = asyncio.create_task(self._dock.archive.store(consignment, recording.resume, sending))
        self._uploads[recording_id] = recording, upload
        self._give_way()  # to what came while this was no upload yet
        try:
            await asyncio.wait([upload])
        except asyncio.CancelledError:
            upload.cancel()
            await asyncio.gather(upload, return_exceptions=True)
            raise
        finally:
            del self._uploads[recording_id]
            gave_way = recording_id in self._giving_way
            self._giving_way.discard(recording_id)
        return None if gave_way and upload.cancelled() else upload.result()

    async def _deliver(self, recording: Recording) -> None:
        started_s = self._dock.clock.monotonic()
        sending, ordered = _Sending(self._dock, recording), self._dock.journal.next_order()
        try:
            stored = await self._store(recording, sending)
            if stored is None:
                self._dock.outbox.put(await self._dock.journal.recording(recording.recording_id))
                return
            proof = await self._dock.archive.prove(stored, camera=recording.camera)
        except UploadLostError as exc:
            await self._dock.journal.record(custody.UploadDropped(recording.recording_id, exc.message))
            await self._dock.clock.sleep(_LOST_PAUSE_S)  # an archive that forgets at once is not flooded
            self._dock.outbox.put(await self._dock.journal.recording(recording.recording_id))
        except JournalError:
            raise  # it says nothing of the recording: the dock ends with it, and the next start goes on
        except DockError as exc:
            _log.error(
                "recording refused", recording=recording.recording_id, path=shown(recording.path), code=exc.code, why=exc.message
            )
            await self._step(sending.recording, life.Refused(Refusal(exc.code, exc.message, exc.hint)))
            self._dock.outbox.done(recording.recording_id)
        else:
            await self._step(sending.recording, life.UploadProved(proof, stored))
            passing("delivery.archived")
            said = await self._dock.journal.recording(recording.recording_id)
            if (said.category, said.first_amendment) != (recording.category, recording.first_amendment):
                self._dock.retention_due.set()  # said while it was on its way
            if ordered.is_set():
                self._dock.holding_due.set()  # perhaps of this one, which was on its way
            self._concurrency.went_well()
            self._dock.outbox.done(recording.recording_id)
            self._keeper.proved(recording.recording_id)
            seconds = round(self._dock.clock.monotonic() - started_s, 3)
            _log.info(
                "recording archived",
                recording=recording.recording_id,
                camera=recording.camera,
                path=shown(recording.path),
                size_bytes=recording.size_bytes,
                seconds=seconds,
            )

    def _consign(self, recording: Recording, *, held: bool) -> Consignment:
        """What the archive is given and told."""
        policy = self._dock.live.now.policy
        category = policy.known(recording.category)
        return Consignment(
            verified=recall(recording),
            path=self._dock.spool.path_of(recording.recording_id),
            dock=self._dock.name,
            camera=recording.camera,
            docking=recording.docking,
            name=shown(recording.path),
            recorded=rfc3339_from_ns(recording.modified_ns),
            seen=recording.seen,
            sidecar_of=recording.sidecar_of,
            retain_days=policy.retained_days(recording.category, first_amendment=recording.first_amendment),
            category=category.name if category is not None else UNCATEGORISED,
            first_amendment=recording.first_amendment,
            held=held,
        )

    async def _step(self, recording: Recording, step: life.Step) -> Recording:
        after = life.take(recording, step)
        await self._dock.journal.record(custody.Stepped(recording.recording_id, step))
        self._dock.board.stepped(after)
        return after


class _Sending:
    """Told by the archive's client how one upload gets on; implements `archive.protocol.Progress`.

    Attributes:
        recording: on its way since the archive made room for it.
    """

    def __init__(self, dock: Dock, recording: Recording) -> None:
        self._dock, self._recording_id, self._size_bytes = dock, recording.recording_id, recording.size_bytes
        self._offset_bytes = 0
        self.recording = recording

    async def placed(self, point: ResumePoint) -> None:
        """Record that the upload began and where it is, so that a restart can resume it: one transaction, for each is a sync."""
        changes: list[custody.Change] = [custody.UploadPlaced(self._recording_id, point)]
        begun = self.recording
        if begun.state is State.VERIFIED:
            changes.insert(0, custody.Stepped(self._recording_id, life.UploadStarted()))
            begun = life.take(begun, life.UploadStarted())
        await self._dock.journal.record(*changes)
        self.recording = begun
        self._dock.board.stepped(begun)
        passing("delivery.placed")

    async def dropped(self, reason: str) -> None:
        """Record that the archive forgot it."""
        self._offset_bytes = 0
        await self._dock.journal.record(custody.UploadDropped(self._recording_id, reason))

    def sent(self, offset_bytes: int) -> None:
        """Count bytes on their way."""
        self._dock.board.sent.add(max(0, offset_bytes - self._offset_bytes))
        self._offset_bytes = offset_bytes
        self._dock.outbox.sent(self._recording_id, self._size_bytes - offset_bytes)
        self._dock.board.archive_answers()
