"""One docking: from the moment a camera is in a bay until it leaves.

identify -> scan -> recognise what is known -> copy what is not -> (the delivery uploads) -> clear what the archive proved -> rest

Each round begins with a fresh scan; a change on the camera, or news that lets it go on, begins another round. A failure is
recorded once, its first reason stays on the lamp, and the docking then waits to be ended: by taking the camera out.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import structlog

from dockd.clock import rfc3339
from dockd.core import custody, life
from dockd.core.alerts import Kind, gaps, numbering_alert
from dockd.core.battery import Appetite, Quality, Reading
from dockd.core.clearance import CameraScan, ScannedFile
from dockd.core.erasure import Method
from dockd.core.marking import held_by_mark, marked_since
from dockd.core.names import shown
from dockd.core.policy import ranked, used_by_another
from dockd.core.profile import Profile
from dockd.core.queue import copy_order
from dockd.core.reconcile import LIVING, Plan, plan, recognise
from dockd.core.recording import Recording, Refusal, State
from dockd.core.usb import UsbSource
from dockd.custody import circumstances
from dockd.dock.board import BayBoard, Phase, Presence
from dockd.dock.parts import Dock
from dockd.docking.clearing import Clearer
from dockd.docking.offloading import Offloader
from dockd.errors import CameraBarredError, CameraGoneError, CameraUnknownError, DockError, SourceChangedError
from dockd.journal.orders import Verdict
from dockd.offload import messages
from dockd.offload.workers import BayWorker, Workers
from dockd.tasks import first_of, to_its_end

_log = structlog.get_logger(__name__)

_UNSETTLED_S = 5.0
_QUIET_S = 1.5
_GATHER_S = 0.1
_PULL_GRACE_S = 2.0


class Docking:
    """The journey of one camera in one bay. `run` is cancelled when the camera leaves."""

    def __init__(self, dock: Dock, board: BayBoard, workers: Workers, stall_after_s: float) -> None:
        self._dock, self._bay, self._workers, self._stall_after_s = dock, board, workers, stall_after_s
        self._id = secrets.token_hex(16)
        self._camera = ""
        self._begun = False
        self._usb, self._method = False, Method.NEVER
        self._counting: Profile | None = None
        self._look_again = asyncio.Event()

    def look_again(self) -> None:
        """Something on the camera, or an order of a person, changed: begin another round."""
        self._look_again.set()

    async def run(self, root: Path | UsbSource, profile: Profile) -> None:
        """Until it fails or is cancelled.

        Args:
            root: of the camera, or how its worker gets it from a USB port.
            profile: that recognised it.
        """
        self._usb, self._method = isinstance(root, UsbSource), profile.erase.method
        self._counting = profile
        try:
            async with self._workers.worker(self._bay.bay, stall_after_s=self._stall_after_s) as worker:
                await self._unless_doubled(self._rounds(worker, root, profile))
        except CameraGoneError as exc:
            await self._dock.clock.sleep(_PULL_GRACE_S)  # the bay's own notice of the removal ends this task
            await self._fail(exc)
        except DockError as exc:
            await self._fail(exc)

    async def _rounds(self, worker: BayWorker, root: Path | UsbSource, profile: Profile) -> None:
        self._worker = worker
        clearer = Clearer(self._dock, self._bay, worker)
        offloader = Offloader(self._dock, self._bay, worker)
        await self._identify(root, profile, clearer)
        while True:
            self._look_again.clear()
            unsettled = await self._round(offloader, clearer)
            # At a USB port a camera that rests is not in use: its power may be switched, and a pull tears nothing.
            rests = isinstance(root, UsbSource) and not unsettled
            if rests:
                await worker.rest()
                self._bay.idle = True
                self._dock.board.tell()
            await self._news_of_camera(_UNSETTLED_S if unsettled else None)
            self._bay.idle = False
            if rests:
                await self._opened(root, profile, clearer)

    async def _news_of_camera(self, at_most_s: float | None) -> bool:
        """Wait until something on the camera changed, or for so long; whether it changed."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._look_again.wait()
        except TimeoutError:
            return False
        return True

    async def end(self, reason: str) -> None:
        """Record that the camera left, with what was still on it."""
        states = [each.recording.state for each in self._bay.present.values()]
        uncopied = sum(state in {State.SEEN, State.COPYING} for state in states)
        if uncopied or not self._bay.scanned:
            reason += (
                f"; {uncopied} of its {len(states)} files were not copied yet" if states else " before it was looked through"
            )
        if await self._is_open():
            await self._dock.journal.record(custody.DockingEnded(self._id, reason))
            self._dock.checkpoint_due.set()
        _log.info("docking ended", bay=self._bay.bay, camera=self._camera, reason=reason, files=len(states), uncopied=uncopied)

    async def _fail(self, error: DockError) -> None:
        _log.error("docking failed", bay=self._bay.bay, camera=self._camera, code=error.code, why=error.message)
        await to_its_end(self._enter_failure(error))
        self._bay.failure = Refusal(error.code, error.message, error.hint)
        self._show(Phase.FAILED)

    async def _enter_failure(self, error: DockError) -> None:
        if self._begun or await self._is_open():
            await self._dock.journal.record(custody.DockingFailed(self._id, error.code, error.message, error.hint))

    async def _is_open(self) -> bool:
        """Whether the journal has this docking: its record may have been written although whoever waited for it was cancelled."""
        return any(each.docking == self._id for each in await self._dock.journal.open_dockings())

    def _show(self, phase: Phase) -> None:
        self._bay.phase = phase
        self._dock.board.tell()

    async def _opened(self, root: Path | UsbSource, profile: Profile, clearer: Clearer) -> messages.Identified:
        """The camera, opened; one whose clearing was broken off is cleared first."""
        while isinstance(told := await self._worker.open(root, profile), messages.Unfinished):
            await clearer.resume(told)
            self._show(Phase.IDENTIFYING)
        return told

    async def _identify(self, root: Path | UsbSource, profile: Profile, clearer: Clearer) -> None:
        self._show(Phase.IDENTIFYING)
        facts = await self._opened(root, profile, clearer)
        while profile.serial is not None and not facts.named:
            # A camera whose tree is still appearing has not shown its identity file yet; one without any is quiet.
            self._look_again.clear()
            if not await self._news_of_camera(_QUIET_S):
                break
            facts = await self._opened(root, profile, clearer)
        await self._missed_elsewhere(facts.serial)
        self._camera = facts.serial
        self._bay.camera, self._bay.docking = facts.serial, self._id
        assigned = self._dock.live.now.assigned.get(facts.serial)
        self._bay.officer = facts.officer or assigned
        self._bay.charges, self._bay.appetite = self._usb, profile.appetite if self._usb else Appetite()
        if facts.battery_percent is not None:
            time = rfc3339(self._dock.clock.now())
            self._bay.battery = Reading(Quality.REPORTED, facts.battery_percent, "the camera when it was docked", time)
        self._dock.board.came(facts.serial)
        changes: list[custody.Change] = [custody.CameraDocked(self._id, facts.serial, profile.name, self._bay.bay, facts.officer)]
        if used_by_another(assigned, facts.officer):
            _log.warning("camera used by another", camera=facts.serial, assigned=assigned, officer=facts.officer)
            details = {"camera": facts.serial, "docking": self._id, "assigned": assigned, "officer": facts.officer}
            changes.append(custody.Noted("camera.used-by-another", details))
        await self._dock.journal.record(*changes)
        self._begun = True
        _log.info("camera docked", bay=self._bay.bay, camera=facts.serial, docking=self._id, profile=profile.name)
        self._dock.board.tell()

    def _elsewhere(self, serial: str) -> BayBoard | None:
        """Another bay that shows this serial, if there is one."""
        others = (each for each in self._dock.board.bays.values() if each is not self._bay)
        return next((each for each in others if each.camera == serial), None)

    async def _missed_elsewhere(self, serial: str) -> None:
        """Give a camera that changed bays a moment to be missed where it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PULL_GRACE_S):
                while self._elsewhere(serial) is not None:
                    await self._dock.board.news()

    async def _unless_doubled(self, rounds: Coroutine[Any, Any, None]) -> None:
        """Work on a camera for as long as no other bay shows its serial.

        Of two cameras that carry one serial somebody made up one, and which is not for the dock to say: both dockings fail, each
        naming the other's bay, and both cameras wait for a person.

        Raises:
            CameraUnknownError: two cameras carry one serial.
        """
        for task in await first_of(rounds, self._doubled()):
            task.result()

    async def _doubled(self) -> NoReturn:
        while not self._bay.camera or (other := self._elsewhere(self._bay.camera)) is None:
            await self._dock.board.news()
        msg = f"two cameras carry the serial {self._camera}: this one, and the one in bay {other.bay}"
        raise CameraUnknownError(msg, hint="Take both out and hand them to your admin. Nothing is erased from either.")

    async def _round(self, offloader: Offloader, clearer: Clearer) -> bool:
        """One round; whether another is due soon, because something on the camera was not settled."""
        await self._admitted()
        self._show(Phase.SCANNING)
        scan = await self._worker.scan()
        if scan.serial != self._camera:
            msg = f"camera {self._camera} was docked, but the bay now shows {scan.serial}"
            raise CameraUnknownError(msg)
        await self._state_clocks(scan)
        scan = replace(scan, files=ranked(scan.files, self._dock.live.now.policy))
        bound = await self._bind(scan, offloader)
        self._bay.scanned, self._bay.free_bytes = True, self._worker.free_bytes
        self._bay.waiting = None
        unsettled = await offloader.copy(bound, scan)
        self._bay.held = self._camera in (await self._dock.journal.holds()).cameras
        if not unsettled:
            await self._await_archive()
        allowed = self._dock.may_erase_usb if self._usb else self._dock.may_erase
        if allowed and self._method is not Method.NEVER and not unsettled and not self._look_again.is_set():
            unsettled = await clearer.clear(self._id)
        self._show(Phase.RESTING)
        self._dock.checkpoint_due.set()
        return unsettled or self._look_again.is_set()

    async def _state_clocks(self, scan: CameraScan) -> None:
        """Enter what the dock's and the camera's clock are worth, once in each docking."""
        if not self._bay.scanned:
            now = self._dock.clock.now()
            of_camera = circumstances.camera_clock(scan.files, camera=self._camera, docking=self._id, now=now)
            await self._dock.journal.record(circumstances.clock(), *of_camera)

    async def _admitted(self) -> None:
        """Refuse a camera that an admin barred, or that nobody knows where only known ones are taken, before anything is read.

        Raises:
            CameraBarredError: it is barred.
            CameraUnknownError: it is a stranger.
        """
        said = await self._dock.journal.admission(self._camera)
        if said is not None and said.verdict is Verdict.BARRED:
            msg = f"camera {self._camera} is barred from this dock: {said.reason}"
            raise CameraBarredError(msg)
        welcome = self._dock.live.now.welcome
        if welcome is not None and self._camera not in welcome and said is None:
            msg = f"camera {self._camera} is not one of this dock's"
            raise CameraUnknownError(msg, hint="Hand it to your admin. Admins: add it to the roster, or: dockd enroll SERIAL")

    async def _bind(self, scan: CameraScan, offloader: Offloader) -> dict[bytes, Recording]:
        """Give every file on the camera its recording, and show them."""
        known = await self._dock.journal.recordings(camera=self._camera, states=LIVING)
        todo = plan(scan.files, known)
        measured = await offloader.measure(todo.measure)
        met = recognise(measured, known)
        changes: list[custody.Change] = [
            custody.RecordingMet(recording.recording_id, self._id, path, measured[path])
            for path, recording in met.items()
            if recording.recording_id not in self._bay.present or recording.path != path or recording.clearing
        ]
        changes += [custody.Stepped(gone, life.FoundGone(self._id)) for gone in _gone_for_certain(todo, scan, met)]
        changes += _superseded(todo)
        fresh: list[Recording] = []
        bound = {path: recording.recording_id for path, recording in (met | dict(todo.continued)).items()}
        for file in copy_order([*todo.fresh, *(file for file in todo.measure if file.path not in met)]):
            recording = self._new(file, bound)
            bound[file.path] = recording.recording_id
            fresh.append(recording)
            changes.append(custody.RecordingSeen(recording))
            changes += held_by_mark(recording)
        changes += marked_since({file.path: file for file in scan.files}, [*met.items(), *todo.continued.items()])
        if fresh:
            changes += await self._gaps(fresh)
        if changes:
            await to_its_end(self._enter(changes))
        for old in todo.superseded:
            await asyncio.to_thread(self._dock.spool.discard, old.recording_id)
        rows = {each.recording_id: each for each in await self._dock.journal.recordings(camera=self._camera, states=LIVING)}
        kinds = {file.path: file.kind for file in scan.files}
        erased = {id_: each for id_, each in self._bay.present.items() if each.recording.state is State.ERASED}
        self._bay.present = erased | {id_: Presence(rows[id_], kinds[path]) for path, id_ in bound.items()}
        self._bay.problems = {file.path: file.problem for file in scan.files if file.problem}
        return {path: rows[id_] for path, id_ in bound.items()}

    async def _enter(self, changes: Sequence[custody.Change]) -> None:
        """Record what was seen, and hurry what was marked; a pull does not come between."""
        await self._dock.journal.record(*changes)
        for change in changes:
            if isinstance(change, custody.RecordingMarked):
                self._dock.outbox.hurry(await self._dock.journal.recording(change.recording_id))

    async def _gaps(self, fresh: Sequence[Recording]) -> list[custody.Change]:
        """Compare the numbers in the new recordings' names with those that the docking before it brought; once in a docking.

        What that says is entered with the recordings: nobody looks again where none is new.
        """
        profile, self._counting = self._counting, None
        if profile is None or profile.numbering is None:
            return []
        known = await self._dock.journal.recordings(camera=self._camera)
        missing = gaps(
            (each.path for each in known if each.docking == known[-1].docking),
            (each.path for each in fresh if each.sidecar_of is None),
            profile.numbering,
        )
        standing = [each for each in await self._dock.journal.alerts() if each.ended is None and each.subject == self._camera]
        changes: list[custody.Change] = [
            custody.AlertEnded(each.kind, each.subject) for each in standing if each.kind == Kind.NUMBERING
        ]
        if missing:
            alert = numbering_alert(self._camera, missing)
            changes.append(custody.AlertBegun(alert.kind, alert.subject, alert.message))
        return changes

    def _new(self, file: ScannedFile, bound: dict[bytes, str]) -> Recording:
        if file.identity is None:
            msg = f"{shown(file.path)} has no identity, so it is never copied"
            raise RuntimeError(msg)
        return Recording(
            recording_id=secrets.token_hex(16),
            sequence=0,
            camera=self._camera,
            docking=self._id,
            path=file.path,
            size_bytes=file.identity.size_bytes,
            modified_ns=file.identity.modified_ns,
            sidecar_of=bound.get(file.sidecar_of) if file.sidecar_of is not None else None,
            priority=file.priority,
            seen=rfc3339(self._dock.clock.now()),
            category=file.category,
            first_amendment=file.first_amendment,
        )

    async def _await_archive(self) -> None:
        """Until everything on the camera is archived, refused or gone."""
        self._show(Phase.WAITING)
        pending = list(self._bay.present)
        while not self._look_again.is_set():
            pending = [id_ for id_ in pending if self._bay.present[id_].recording.state in {State.VERIFIED, State.UPLOADING}]
            if not pending:
                return
            await self._dock.board.news()
            await self._dock.clock.sleep(_GATHER_S)  # many small recordings arrive at once


def _gone_for_certain(todo: Plan, scan: CameraScan, met: Mapping[bytes, Recording]) -> list[str]:
    """Ids of what an interrupted erasing did remove: not under another name now, nor where the scan could not look."""
    if any(file.identity is None for file in scan.files):
        return []
    elsewhere = {recording.recording_id for recording in met.values()}
    unseen = tuple(file.path + b"/" for file in scan.files if file.problem)
    return [each.recording_id for each in todo.gone if each.recording_id not in elsewhere and not each.path.startswith(unseen)]


def _superseded(todo: Plan) -> list[custody.Change]:
    """A file that changed before its copy was finished is another recording now; the journal says what became of the first."""
    return [
        custody.Stepped(
            old.recording_id,
            life.Refused(
                Refusal(
                    SourceChangedError.code,
                    f"{shown(old.path)} changed on the camera before it was copied; it is copied as it is now",
                )
            ),
        )
        for old in todo.superseded
    ]
