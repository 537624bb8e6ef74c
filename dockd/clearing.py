"""The daemon's half of a clearance: ask the archive anew, record the permit, let the eraser do it, record what it did.

The eraser (`clearance.eraser`, in the bay's worker) sees and checks everything itself and mints its own permit. The daemon
mints the same one from the same evidence, because only a permit lets the journal say that an erasing began and that a
recording is erased.
"""

import asyncio
from collections.abc import Mapping

import structlog

from dockd.board import BayBoard, Phase
from dockd.core import custody, life
from dockd.core.clearance import Claim, ClearancePermit, FileKind, NoClearanceError, permit_delete
from dockd.core.names import shown
from dockd.core.proof import ArchiveProof
from dockd.core.recording import Recording, State, StoredObject
from dockd.dock import Dock
from dockd.errors import ArchiveRefusedError, EraseFailedError, UploadLostError
from dockd.offload import messages
from dockd.offload.workers import BayWorker

_log = structlog.get_logger(__name__)

_METHOD = "delete"
_ASKING = 4


class Clearer:
    """Clears the camera of one docking."""

    def __init__(self, dock: Dock, board: BayBoard, worker: BayWorker) -> None:
        self._dock, self._bay, self._worker = dock, board, worker
        self._lost: set[str] = set()

    async def clear(self, docking: str) -> bool:
        """Erase what may be erased; whether the archive lost something that must be copied again.

        Raises:
            DockError: the camera or the eraser cannot go on.
        """
        wanted = {
            each.recording.path: each.recording
            for each in self._bay.present.values()
            if each.recording.state is State.ARCHIVED and each.kind in {FileKind.RECORDING, FileKind.SIDECAR}
        }
        if not wanted or await self._on_hold():
            return False
        self._bay.phase = Phase.CLEARING
        self._dock.board.tell()
        seen = await self._examine(list(wanted))
        proofs, lost = await self._ask_archive(seen, wanted)
        permit = await self._mint(docking, seen, wanted, proofs)
        if permit is not None:
            await self._erase(docking, permit, wanted, proofs)
        return lost

    async def _on_hold(self) -> bool:
        holds = await self._dock.journal.holds()
        self._bay.held = self._bay.camera in holds.cameras
        if self._bay.held:
            self._dock.board.tell()
        return self._bay.held

    async def _examine(self, paths: list[bytes]) -> messages.Examined:
        examined: messages.Examined | None = None
        async for report in self._worker.ask(messages.Examine(paths)):
            match report:
                case messages.Examined():
                    examined = report
                case messages.Moved(path):
                    self._bay.current = path
                case _:
                    pass
        if examined is None:
            msg = "the worker finished an examination without saying what it saw"
            raise RuntimeError(msg)
        return examined

    async def _ask_archive(
        self, seen: messages.Examined, wanted: Mapping[bytes, Recording]
    ) -> tuple[dict[bytes, tuple[ArchiveProof, StoredObject]], bool]:
        """A fresh holding statement for each file that could be read again; and whether the archive lost any."""
        proofs: dict[bytes, tuple[ArchiveProof, StoredObject]] = {}
        lost: list[Recording] = []
        # Also for bytes that are no longer those which were archived: it is the permit's to compare, and to name what differs.
        waiting = iter([wanted[path] for path, _ in seen.rehashes])

        async def ask() -> None:
            for recording in waiting:
                if recording.stored is None:
                    continue
                try:
                    proof = await self._dock.archive.prove_again(recording.stored, seen.nonce, camera=recording.camera)
                except (UploadLostError, ArchiveRefusedError) as exc:
                    await self._lose(recording, exc.message)
                    lost.append(recording)
                else:
                    proofs[recording.path] = (proof, recording.stored)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_ASKING):
                    group.create_task(ask())
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        again = any(recording.recording_id not in self._lost for recording in lost)
        self._lost |= {recording.recording_id for recording in lost}
        return proofs, again

    async def _lose(self, recording: Recording, why: str) -> None:
        """The archive no longer holds it: it is copied again from the camera, which still does."""
        _log.error("proof lost", recording=recording.recording_id, why=why)
        await self._dock.journal.record(custody.Stepped(recording.recording_id, life.ProofLost(why)))
        self._dock.board.stepped(life.take(recording, life.ProofLost(why)))

    async def _mint(
        self,
        docking: str,
        seen: messages.Examined,
        wanted: Mapping[bytes, Recording],
        proofs: Mapping[bytes, tuple[ArchiveProof, StoredObject]],
    ) -> ClearancePermit | None:
        """The permit, recorded as begun; None if nothing may be erased, with the reason on the lamp."""
        try:
            permit = permit_delete(
                camera=self._bay.camera or "",
                docking=docking,
                nonce=seen.nonce,
                scan=seen.scan,
                rehashes=dict(seen.rehashes),
                claims=[Claim(wanted[path].recording_id, path, proof) for path, (proof, _) in proofs.items()],
                holds=await self._dock.journal.holds(),
            )
        except NoClearanceError as exc:
            reasons = [f"{shown(left.path)}: {left.reason}" for left in exc.left if left.path in wanted]
            self._bay.kept = f"The camera is kept: {'; '.join([str(exc), *reasons[:1]])}."
            _log.warning(
                "camera kept",
                camera=self._bay.camera,
                why=str(exc),
                left=[f"{shown(left.path)}: {left.reason}" for left in exc.left[:20]],
            )
            return None
        await self._dock.journal.record(custody.ClearanceBegun(permit, _METHOD))
        return permit

    async def _erase(
        self,
        docking: str,
        permit: ClearancePermit,
        wanted: Mapping[bytes, Recording],
        proofs: Mapping[bytes, tuple[ArchiveProof, StoredObject]],
    ) -> None:
        holds = await self._dock.journal.holds()
        claims = [
            messages.ClaimedHolding(each.path, proofs[each.path][1], each.recording_id, each.holding.envelope)
            for each in permit.covered
        ]
        order = messages.Erase(
            docking=docking,
            dock=self._dock.name,
            pinned_keys=list(self._dock.pinned_keys),
            claims=claims,
            held_cameras=sorted(holds.cameras),
            held_recordings=sorted(holds.recordings),
        )
        erased: set[bytes] = set()
        async for report in self._worker.ask(order):
            if isinstance(report, messages.Erased):
                erased |= set(report.covered)
        if erased != {each.path for each in permit.covered}:
            msg = f"the eraser removed {len(erased)} files where the permit covers {len(permit.covered)}"
            raise EraseFailedError(msg)
        steps = [(wanted[path], life.Erased(permit)) for path in sorted(erased)]
        await self._dock.journal.record(
            *(custody.Stepped(recording.recording_id, step) for recording, step in steps), custody.CameraCleared(permit, _METHOD)
        )
        for recording, step in steps:
            self._dock.board.stepped(life.take(recording, step))
        reasons = [left for left in permit.left if left.path in wanted]
        self._bay.kept = f"{shown(reasons[0].path)} stays on the camera: {reasons[0].reason}." if reasons else None
        _log.info("camera cleared", camera=self._bay.camera, docking=docking, erased=len(erased), left=len(permit.left))
