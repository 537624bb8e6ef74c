"""The daemon's half of an offload: what is measured, what is copied, in which order, and when there is room.

The worker reads and writes; this decides what it is asked for, and records what it did, each report in one transaction.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from dockd.core import custody, life
from dockd.core.clearance import CameraScan, Identity, ScannedFile
from dockd.core.names import shown
from dockd.core.queue import copy_order, is_critical
from dockd.core.recording import Measured, Recording, Refusal, State, verify_copy
from dockd.dock.board import BayBoard, Phase, Presence
from dockd.dock.parts import Dock
from dockd.errors import SpoolFullError, SpoolMismatchError
from dockd.offload import messages
from dockd.offload.workers import BayWorker
from dockd.tasks import to_its_end

_log = structlog.get_logger(__name__)

_ROOM_S = 5.0
_MISMATCHES = 3
_BATCH_FILES = 1000
_BATCH_BYTES = 4 << 30


class Offloader:
    """Brings the recordings of one docking into the spool."""

    def __init__(self, dock: Dock, board: BayBoard, worker: BayWorker) -> None:
        self._dock, self._bay, self._worker = dock, board, worker
        self._mismatches = 0
        self._settled: set[str] = set()
        self._measured: dict[bytes, tuple[Identity, Measured]] = {}

    def _show(self, phase: Phase) -> None:
        self._bay.phase = phase
        self._dock.board.tell()

    async def measure(self, files: Sequence[ScannedFile]) -> dict[bytes, Measured]:
        """Read and measure, without copying; what this docking itself has read, and has not changed since, is not read again."""
        wanted = {file.path: file.identity for file in files if file.identity is not None}
        unread = [(path, identity) for path, identity in wanted.items() if self._read_before(path, identity) is None]
        if unread:
            self._show(Phase.RECOGNISING)
            self._bay.reading.clear()
            async for report in self._worker.ask(messages.Recognise(unread)):
                match report:
                    case messages.Known(path, found):
                        self._measured[path] = (wanted[path], found)
                    case messages.Moved():
                        self._moved(report)
                    case _:
                        pass
        read = {path: self._read_before(path, identity) for path, identity in wanted.items()}
        return {path: measured for path, measured in read.items() if measured is not None}

    def _read_before(self, path: bytes, identity: Identity) -> Measured | None:
        """What this docking read of exactly this file; another docking always reads anew.

        The identity is of the scan before the reading, so a file that changed since, or while it was read, is read again. One
        that can change unseen (a FAT folder's clock ticks every other second; the device of a mounted camera may be written by
        the camera itself) is taken for what it was, until it is docked again, and is lost nowhere: the eraser hashes what it is
        about to delete past every cache, and the permit leaves bytes that the archive's statement is not about.
        """
        before = self._measured.get(path)
        return before[1] if before is not None and before[0] == identity else None

    def _moved(self, report: messages.Moved) -> None:
        self._bay.current = report.path
        if report.reading:
            self._bay.reading[report.path] = self._bay.reading.get(report.path, 0) + report.count
            self._bay.meter.add(report.count)

    async def copy(self, bound: dict[bytes, Recording], scan: CameraScan) -> bool:
        """Copy what is not copied yet, as the spool has room; whether something must be tried again soon."""
        files = {file.path: file for file in scan.files}
        uncopied = {path: each for path, each in bound.items() if each.state in {State.SEEN, State.COPYING}}
        todo = [(files[path], each) for path, each in uncopied.items()]
        unsettled = False
        self._settled.clear()
        while todo:
            self._bay.hurried = False
            todo = self._by_urgency(todo)
            batch = self._fitting(todo)
            if not batch:
                await self._wait_for_room(todo[0][1])
                continue
            self._bay.waiting = None
            self._show(Phase.COPYING)
            needed = sum(self._room_bytes(recording) for _, recording in batch)
            try:
                with self._dock.ledger.reserved(needed):
                    unsettled |= await self._copy_batch(batch)
            except SpoolFullError as exc:  # something else than recordings filled the disk meanwhile
                self._bay.waiting = Refusal(exc.code, f"{exc.message}.", exc.hint)
                return True
            todo = [(file, recording) for file, recording in todo if recording.recording_id not in self._settled]
        return unsettled

    def _by_urgency(self, todo: Sequence[tuple[ScannedFile, Recording]]) -> list[tuple[ScannedFile, Recording]]:
        """Most urgent first: the camera says how urgent a file is, and so may a person have done, by now."""
        now = {file.path: self._present(recording) for file, recording in todo}
        said = [replace(file, priority=min(file.priority, now[file.path].priority)) for file, _ in todo]
        return [(file, now[file.path]) for file in copy_order(said)]

    def _present(self, recording: Recording) -> Recording:
        presence = self._bay.present.get(recording.recording_id)
        return recording if presence is None else presence.recording

    def _fitting(self, todo: Sequence[tuple[ScannedFile, Recording]]) -> list[tuple[ScannedFile, Recording]]:
        """As many from the front as the spool has room for."""
        batch: list[tuple[ScannedFile, Recording]] = []
        size, free = 0, self._dock.ledger.free_bytes()
        for file, recording in todo[:_BATCH_FILES]:
            size += self._room_bytes(recording)
            if size > free or (batch and size > _BATCH_BYTES):
                break
            batch.append((file, recording))
        return batch

    def _room_bytes(self, recording: Recording) -> int:
        """Room that a copy still needs: a broken-off one was preallocated and has most of it."""
        needed = self._dock.ledger.needed_bytes(recording.size_bytes)
        return max(0, needed - self._dock.spool.begun_bytes(recording.recording_id))

    async def _wait_for_room(self, next_up: Recording) -> None:
        full = SpoolFullError(
            f"The dock's disk is full: {next_up.size_bytes} bytes are needed.",
            needed_bytes=next_up.size_bytes,
            free_bytes=self._dock.ledger.free_bytes(),
        )
        if self._bay.waiting is None or self._bay.waiting.code != full.code:
            _log.warning("spool full", bay=self._bay.bay, camera=self._bay.camera, needed=full.needed_bytes, free=full.free_bytes)
            self._bay.waiting = Refusal(full.code, full.message, full.hint)
            self._show(Phase.WAITING)  # once: two bays that wait would wake each other for ever
        if self._dock.live.now.keep.days:  # else nothing that could go lies there, and looking takes as long as the queue is
            self._dock.ledger.wanted_bytes = max(self._dock.ledger.wanted_bytes, self._room_bytes(next_up))
            self._dock.room_due.set()
        try:
            async with asyncio.timeout(_ROOM_S):  # room that others make is nobody's news
                await self._dock.board.news()
        except TimeoutError:
            return

    async def _copy_batch(self, batch: Sequence[tuple[ScannedFile, Recording]]) -> bool:
        self._bay.reading.clear()
        await self._step_all([(recording.recording_id, life.CopyStarted()) for _, recording in batch])
        jobs = [self._job(file, recording) for file, recording in batch]
        by_path = {file.path: recording for file, recording in batch}
        files = {recording.recording_id: file for file, recording in batch}
        refused: list[tuple[str, life.Step]] = []
        unsettled = gave_way = False
        async for report in self._worker.ask(messages.Copy(str(self._dock.spool.recordings), jobs)):
            if not gave_way and self._overtaken():
                _log.info("copying gives way", bay=self._bay.bay, camera=self._bay.camera)
                self._worker.hasten()
                gave_way = True
            match report:
                case messages.Moved():
                    self._moved(report)
                case messages.Copied(evidence):
                    self._settled |= {each.recording_id for each in evidence}
                    self._measured |= {
                        files[each.recording_id].path: (identity, each.from_camera)
                        for each in evidence
                        if (identity := files[each.recording_id].identity) is not None
                    }
                    await self._step_all([(each.recording_id, _verified(each)) for each in evidence])
                case messages.Skipped(path, code, message, hint, transient):
                    _log.warning("recording skipped", bay=self._bay.bay, path=shown(path), code=code, why=message)
                    self._settled.add(by_path[path].recording_id)
                    if code == SpoolMismatchError.code:
                        self._mismatches += 1
                        if self._mismatches == _MISMATCHES:
                            raise SpoolMismatchError(message)
                    if transient:
                        unsettled = True
                        self._bay.waiting = Refusal(code, f"{message}.", hint)
                    else:
                        refused.append((by_path[path].recording_id, life.Refused(Refusal(code, message, hint))))
                case _:
                    pass
        if not gave_way:
            self._settled |= {recording.recording_id for _, recording in batch}
        # Only now: had the camera been pulled, each error would have been the pull's, not the file's.
        await self._step_all(refused)
        return unsettled

    def _overtaken(self) -> bool:
        """Whether a critical recording waits for the end of the list that is being copied, by what was said meanwhile."""
        if not self._bay.hurried:
            return False
        critical = {each.recording.path for each in self._bay.present.values() if is_critical(each.recording) and _uncopied(each)}
        self._bay.hurried = bool(critical)
        return bool(critical) and self._bay.current not in critical

    def _job(self, file: ScannedFile, recording: Recording) -> messages.CopyJob:
        if file.identity is None:
            msg = f"{shown(file.path)} has no identity, so it is never copied"
            raise RuntimeError(msg)
        return messages.CopyJob(
            recording_id=recording.recording_id,
            dock=self._dock.name,
            camera=recording.camera,
            docking=recording.docking,
            path=file.path,
            identity=file.identity,
            sidecar_of=recording.sidecar_of,
            priority=recording.priority,
            seen=recording.seen,
        )

    async def _step_all(self, steps: Iterable[tuple[str, life.Step]]) -> None:
        """Record steps in one transaction, show them, and have delivered what they verified; a pull does not come between."""
        if listed := list(steps):
            await to_its_end(self._step(listed))

    async def _step(self, listed: list[tuple[str, life.Step]]) -> None:
        await self._dock.journal.record(*(custody.Stepped(id_, step) for id_, step in listed))
        for id_, step in listed:
            presence = self._bay.present.get(id_)
            if presence is not None:
                presence.recording = life.take(presence.recording, step)
                if presence.recording.state is State.VERIFIED:
                    self._bay.reading.pop(presence.recording.path, None)
                    self._dock.outbox.put(presence.recording)
                    self._dock.sealing_due.set()
        self._dock.board.tell()


def _uncopied(presence: Presence) -> bool:
    return presence.recording.state in {State.SEEN, State.COPYING}


def _verified(evidence: messages.CopyEvidence) -> life.CopyVerified:
    return life.CopyVerified(
        verify_copy(evidence.recording_id, from_camera=evidence.from_camera, from_medium=evidence.from_medium)
    )
