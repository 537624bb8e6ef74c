"""The daemon's half of a clearance: ask the archive anew, record the permit, let the eraser do it, record what it did.

The eraser (`clearance.eraser`, in the bay's worker or, for a USB bay, in the privileged helper) sees and checks everything itself
and mints its own permit. The daemon mints the same one from the same evidence, because only a permit lets the journal say that an
erasing began and that a recording is erased.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

import structlog

from dockd.core import custody, life
from dockd.core.clearance import (
    CameraScan,
    Claim,
    ClearancePermit,
    FileKind,
    NoClearanceError,
    Rehash,
    permit_clear,
    permit_delete,
)
from dockd.core.erasure import Method
from dockd.core.holds import Holds
from dockd.core.names import shown
from dockd.core.proof import ArchiveProof
from dockd.core.recording import Recording, State, StoredObject
from dockd.dock.board import BayBoard, Phase
from dockd.dock.parts import Dock
from dockd.errors import ArchiveRefusedError, ClearanceRefusedError, EraseFailedError, UploadLostError
from dockd.offload import messages
from dockd.offload.workers import BayWorker
from dockd.tasks import to_its_end

_log = structlog.get_logger(__name__)

_ASKING = 4

_SHOWN_ANEW_S = 15.0
"""Far longer than udev takes to tell of a volume that was not there before."""


class _Evidence(TypedDict):
    """What both permits are minted from."""

    camera: str
    docking: str
    nonce: str
    scan: CameraScan
    rehashes: Mapping[bytes, Rehash]
    claims: list[Claim]
    holds: Holds
    unsigned: bool


@dataclass(frozen=True, slots=True)
class _Minted:
    """The daemon's own permit, how the camera is to be erased under it, and why not cleared where the site would."""

    permit: ClearancePermit
    method: Method
    ignored: tuple[bytes, ...] = ()
    instead: str = ""


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
        lost = False
        try:
            seen = await self._examine(list(wanted))
            proofs, lost = await self._ask_archive(seen, wanted)
            minted = await self._mint(docking, seen, wanted, proofs)
            if minted is not None:
                self._show_erasing(erasing=True)
                await self._erase(docking, minted, wanted, proofs)
        except ClearanceRefusedError as exc:
            # The eraser knows of something that the daemon does not: a hold of its own, a site file that was changed.
            _log.warning("camera kept", camera=self._bay.camera, why=exc.message)
            self._bay.kept = f"The camera is kept: {exc.message}."
        finally:
            self._show_erasing(erasing=False)
        return lost

    async def resume(self, unfinished: messages.Unfinished) -> None:
        """Have a clear finished that was broken off in an earlier docking; its permit stands, and the eraser has kept it.

        Raises:
            DockError: the camera or the eraser cannot go on, or an order forbids it by now.
        """
        await self._still_allowed(unfinished.camera)
        self._bay.phase = Phase.CLEARING
        self._show_erasing(erasing=True)
        _log.info("clearing goes on", bay=self._bay.bay, camera=unfinished.camera, begun=unfinished.docking)
        try:
            done = await self._worker.resume()
            await self._record(custody.ClearanceFinished(unfinished.camera, self._bay.bay, unfinished.docking, done.erasure))
            _log.info("camera cleared", camera=unfinished.camera, docking=unfinished.docking, method=done.erasure.method.value)
            if done.repartitioned:
                await self._worker.rest()
                await self._dock.clock.sleep(_SHOWN_ANEW_S)  # the bay tells of it again, which ends this docking
        finally:
            self._show_erasing(erasing=False)

    async def _still_allowed(self, camera: str) -> None:
        """No order of the journal's names the camera, or one of the recordings that were on it when it was to be cleared.

        Raises:
            ClearanceRefusedError: one does.
        """
        journal = self._dock.journal
        begun = {each.recording_id for each in await journal.recordings(camera=camera) if each.clearing}
        held = (await journal.holds()).on_camera(camera, [self._dock.live.now.assigned.get(camera)])
        if held or await journal.held(begun):
            msg = f"clearing camera {camera} was broken off, and by now {held or 'one of its recordings is on hold'}"
            raise ClearanceRefusedError(msg, hint="Ask your admin.")

    def _show_erasing(self, *, erasing: bool) -> None:
        """Whoever takes a camera while it is written to may leave it so that it does not start."""
        if self._bay.erasing is not erasing:
            self._bay.erasing = erasing
            self._dock.board.tell()

    async def _on_hold(self) -> bool:
        holds = await self._dock.journal.holds()
        self._bay.held = bool(holds.on_camera(self._bay.camera or "", self._officers()))
        if self._bay.held:
            self._dock.board.tell()
        return self._bay.held

    def _officers(self) -> list[str]:
        """Whose camera this is, as it says itself or the roster does."""
        return [each for each in (self._bay.officer, self._dock.live.now.assigned.get(self._bay.camera or "")) if each]

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
                    await to_its_end(self._lose(recording, exc.message))
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
        """The archive no longer holds it: it is copied again from the camera, which still does. A pull does not come between."""
        _log.error("proof lost", recording=recording.recording_id, why=why)
        await self._dock.journal.record(custody.Stepped(recording.recording_id, life.ProofLost(why)))
        self._dock.board.stepped(life.take(recording, life.ProofLost(why)))

    async def _mint(
        self,
        docking: str,
        seen: messages.Examined,
        wanted: Mapping[bytes, Recording],
        proofs: Mapping[bytes, tuple[ArchiveProof, StoredObject]],
    ) -> _Minted | None:
        """The permit, recorded as begun; None if nothing may be erased, with the reason on the lamp."""
        claims = [Claim(wanted[path].recording_id, path, proof) for path, (proof, _) in proofs.items()]
        try:
            minted = self._best(docking, seen, claims, await self._dock.journal.holds())
        except NoClearanceError as exc:
            reasons = [str(left) for left in exc.left if left.path in wanted]
            self._bay.kept = f"The camera is kept: {'; '.join([str(exc), *reasons[:1]])}."
            _log.warning(
                "camera kept",
                camera=self._bay.camera,
                why=str(exc),
                left=[str(left) for left in exc.left[:20]],
            )
            return None
        await self._dock.journal.record(custody.ClearanceBegun(minted.permit, minted.method, minted.ignored))
        return minted

    def _best(self, docking: str, seen: messages.Examined, claims: list[Claim], holds: Holds) -> _Minted:
        """A permit for as much as the eraser will do: where it would clear but may not, what is proved is deleted.

        Raises:
            NoClearanceError: nothing may be erased.
        """
        evidence: _Evidence = {
            "camera": self._bay.camera or "",
            "docking": docking,
            "nonce": seen.nonce,
            "scan": replace(seen.scan, officers=(*seen.scan.officers, *self._officers())),
            "rehashes": dict(seen.rehashes),
            "claims": claims,
            "holds": holds,
            "unsigned": self._dock.unsigned,
        }
        instead = ""
        if seen.method is Method.CLEAR:
            try:
                whole = permit_clear(**evidence, obstacles=seen.obstacles)
            except NoClearanceError as exc:
                reasons = [str(left) for left in exc.left[:3]]
                instead = "; ".join([str(exc), *reasons])
                _log.warning("not cleared as a whole", camera=self._bay.camera, why=instead)
            else:
                return _Minted(whole.clearance, Method.CLEAR, whole.ignored)
        return _Minted(permit_delete(**evidence), Method.DELETE, instead=instead)

    async def _erase(
        self,
        docking: str,
        minted: _Minted,
        wanted: Mapping[bytes, Recording],
        proofs: Mapping[bytes, tuple[ArchiveProof, StoredObject]],
    ) -> None:
        permit = minted.permit
        holds = await self._dock.journal.holds()
        kept = [holds.on_camera(permit.camera, self._officers()), *_kept(holds, permit)]
        if any(kept):
            msg = f"an order came meanwhile: {next(filter(None, kept))}"
            raise ClearanceRefusedError(msg)
        claims = [
            messages.ClaimedHolding(each.path, proofs[each.path][1], each.recording_id, each.holding.envelope)
            for each in permit.covered
        ]
        order = messages.Erase(
            docking=docking,
            method=minted.method,
            dock=self._dock.name,
            pinned_keys=list(self._dock.pinned_keys),
            unsigned=self._dock.unsigned,
            claims=claims,
            holds=holds,
        )
        told: list[messages.Erased] = [each async for each in self._worker.ask(order) if isinstance(each, messages.Erased)]
        erased = {path for each in told for path in each.covered}
        if len(told) != 1 or erased != {each.path for each in permit.covered} or told[0].erasure.method is not minted.method:
            msg = f"the eraser removed {len(erased)} files where the permit covers {len(permit.covered)}"
            raise EraseFailedError(msg)
        erasure = replace(told[0].erasure, instead=minted.instead)
        steps = [(wanted[path], life.Erased(permit)) for path in sorted(erased)]
        await self._record(
            *(custody.Stepped(recording.recording_id, step) for recording, step in steps), custody.CameraCleared(permit, erasure)
        )
        for recording, step in steps:
            self._dock.board.stepped(life.take(recording, step))
        reasons = [left for left in permit.left if left.path in wanted]
        self._bay.kept = f"{shown(reasons[0].path)} stays on the camera: {reasons[0].reason}." if reasons else None
        _log.info(
            "camera cleared",
            camera=self._bay.camera,
            docking=docking,
            method=erasure.method.value,
            erased=len(erased),
            left=len(permit.left),
        )

    async def _record(self, *changes: custody.Change) -> None:
        """Write down what was done: it is so, whoever takes the camera meanwhile, and the end of the docking waits for it."""
        await to_its_end(self._dock.journal.record(*changes))


def _kept(holds: Holds, permit: ClearancePermit) -> Iterator[str]:
    """Which of what a permit covers is on hold by now, in words; empty for what is not."""
    for each in permit.covered:
        words = holds.on_recording(each.recording_id, each.identity.modified_ns)
        yield f"{shown(each.path)} is {words}" if words else ""
