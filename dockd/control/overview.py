"""What people see and may order: the status, recordings, cameras, holds, the custody log, and every act of an admin."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import structlog

from dockd import __version__
from dockd.charging.checkout import Desk
from dockd.charging.rehearsal import EACH_S, Rehearsal
from dockd.clock import parse_rfc3339, rfc3339
from dockd.control.backup import Backups
from dockd.control.holding import HelperHolds
from dockd.control.marking import Marking
from dockd.control.views import battery_view, camera_view, configuration_view, until_ready_s
from dockd.core import custody, life
from dockd.core.holds import Scope
from dockd.core.names import shown
from dockd.core.queue import drain_time_s
from dockd.core.recording import Recording, State
from dockd.dock.board import BayBoard
from dockd.dock.parts import Dock
from dockd.errors import COPY_FAILED, ControlError
from dockd.web.hold import HoldOrder, ReleaseOrder
from dockd.web.lists import (
    BackupOrder,
    CameraOrder,
    CamerasView,
    CheckoutOrder,
    CheckoutView,
    CustodyPage,
    CustodyWanted,
    EntryView,
    HoldsView,
    HoldView,
    KeyBackupOrder,
    LampsView,
    MarkOrder,
    SelftestView,
    StatusWanted,
    Totals,
)
from dockd.web.routes import JournalCopy
from dockd.web.view import (
    ArchiveView,
    BayView,
    ConfigurationView,
    CustodyView,
    DaemonView,
    Problem,
    QueueView,
    RecordingCounts,
    RecordingsView,
    RecordingView,
    SpoolView,
    StatusView,
    Wanted,
    viewed,
)

_log = structlog.get_logger(__name__)

_MOVING_S = 1.0
_GATHER_S = 0.2
_COPIED = frozenset({State.VERIFIED, State.UPLOADING, State.ARCHIVED, State.ERASED})
_COMING = frozenset({State.SEEN, State.COPYING})
_WAITING = frozenset({State.SEEN, State.COPYING, State.VERIFIED, State.UPLOADING})
_ARCHIVED = frozenset({State.ARCHIVED, State.ERASED})


class Overview:
    """Answers the control API; implements `web.control.Backend`.

    Args:
        dock: whose state it shows.
        look_again: makes every bay begin another round, after an order that may let it go on.
        selftest: looks at every part of the dock.
        desk: checks cameras out.
        rehearsal: tests the lamps.
        helper: its holds, None where no bay is a USB port.
    """

    def __init__(
        self,
        dock: Dock,
        look_again: Callable[[], None],
        selftest: Callable[[], Awaitable[SelftestView]],
        desk: Desk,
        rehearsal: Rehearsal,
        *,
        helper: HelperHolds | None = None,
    ) -> None:
        self._dock, self._look_again, self._selftest, self._helper = dock, look_again, selftest, helper
        self._desk, self._rehearsal = desk, rehearsal
        self._started = rfc3339(dock.clock.now())
        self._backups = Backups(dock)
        self._marking = Marking(dock, look_again, helper)

    async def status(self) -> StatusView:
        """The state of the dock now."""
        dock, link, change = self._dock, self._dock.board.archive, self._dock.board.change
        due = dock.critical_by()
        used, resident = await asyncio.to_thread(self._occupied_bytes)
        rate = dock.board.sent.rate_bytes_s()
        drain = drain_time_s([dock.outbox.left_bytes], rate) if dock.outbox.files else None
        return StatusView(
            dock=dock.name,
            time=rfc3339(dock.clock.now()),
            archive=ArchiveView(link.reachable is not False, link.message, link.since or None),
            spool=SpoolView(
                dock.ledger.free_bytes(),
                used,
                dock.ledger.promised_bytes,
                encrypted=dock.board.configuration.spool_encrypted,
                sealed=not dock.spool.unsealed_why,
            ),
            queue=QueueView(
                dock.outbox.files,
                dock.outbox.left_bytes,
                round(rate),
                None if drain is None else round(drain),
                critical=len(dock.critical()),
                critical_by=None if due is None else rfc3339(due),
            ),
            bays=tuple(self._bay(each) for each in dock.board.bays.values()),
            recordings=RecordingCounts(**{state.value: count for state, count in dock.journal.counts().items()}),
            daemon=DaemonView(__version__, os.getpid(), self._started, resident),
            configuration=configuration_view(dock.board.configuration),
            custody=CustodyView(dock.board.log.size, dock.board.log.time or None, dock.board.log.alarm),
            change=change,
        )

    def _occupied_bytes(self) -> tuple[int, int]:
        """Of the spool's disk, and of memory; blocks."""
        return self._dock.spool.used_bytes(), _resident_bytes()

    def _bay(self, bay: BayBoard) -> BayView:
        light = bay.lamp(self._dock.board.needs)
        recordings = [each.recording for each in bay.present.values()]
        states = Counter(each.state for each in recordings)
        total = sum(each.size_bytes for each in recordings)
        done = sum(each.size_bytes for each in recordings if each.state in _COPIED) + sum(bay.reading.values())
        rate = bay.meter.rate_bytes_s()
        coming = sum(each.size_bytes for each in recordings if each.state in _COMING) - sum(bay.reading.values())
        left = drain_time_s([coming], rate) if coming > 0 else None
        ready = None if light is None else until_ready_s(self._dock, bay, light)
        problems = [Problem(shown(path) or "/", reason) for path, reason in bay.problems.items()]
        problems += [Problem(shown(each.path), each.refusal.message) for each in recordings if each.refusal is not None]
        return BayView(
            bay=bay.bay,
            camera=bay.shown_camera,
            officer=bay.shown_officer,
            battery_percent=bay.battery_percent,
            battery=battery_view(bay.shown_battery),
            lamp=light.lamp if light else None,
            reason=light.reason if light else "",
            next_step=light.next_step if light else "",
            phase=bay.phase.value,
            files_total=len(recordings),
            files_copied=sum(states[state] for state in _COPIED),
            files_archived=sum(states[state] for state in _ARCHIVED),
            files_erased=states[State.ERASED],
            bytes_total=total,
            bytes_done=min(done, total),
            rate_bytes_s=round(rate),
            remaining_s=None if left is None else round(left),
            ready_in_s=None if ready is None else round(ready),
            current=shown(bay.current) if bay.current and rate else None,
            problems=tuple(problems),
        )

    async def status_after(self, wanted: StatusWanted) -> StatusView:
        """The status as soon as it is another than the one that was seen, after `wait_s` at the latest.

        While bytes move a second is enough: rates and what is left change without any news.
        """
        wait_s = wanted.wait_s
        if wanted.after == self._dock.board.change and wait_s:
            try:
                async with asyncio.timeout(min(wait_s, _MOVING_S) if self._moving() else wait_s):
                    await self._dock.board.news()
            except TimeoutError:
                return await self.status()
            await self._dock.clock.sleep(_GATHER_S)  # what happens together is told together
        return await self.status()

    def _moving(self) -> bool:
        board = self._dock.board
        return any(meter.rate_bytes_s() for meter in (board.sent, *(bay.meter for bay in board.bays.values())))

    async def totals(self) -> Totals:
        """What only grows, for the metrics."""
        board = self._dock.board
        copied_bytes = sum(bay.meter.total_bytes for bay in board.bays.values())
        return Totals(copied_bytes, board.sent.total_bytes, await self._dock.journal.head())

    def journal_copy(self) -> AbstractAsyncContextManager[JournalCopy]:
        """A copy of the journal, to be sent."""
        return self._backups.copy()

    async def backed_up(self, order: BackupOrder, by: str) -> None:
        """A copy of the journal reached its place."""
        await self._backups.taken(order, by)

    async def key_backed_up(self, order: KeyBackupOrder, by: str) -> None:
        """A copy of the dock's signing key reached its place."""
        await self._backups.key_taken(order, by)

    async def selftest(self) -> SelftestView:
        """Whether the dock is fit for tonight."""
        return await self._selftest()

    async def recordings(self, wanted: Wanted) -> RecordingsView:
        """One page of recordings."""
        states = None if wanted.state is msgspec.UNSET else [wanted.state]
        camera = None if wanted.camera is msgspec.UNSET else wanted.camera
        found = [
            each for each in await self._dock.journal.recordings(camera=camera, states=states) if each.sequence > wanted.after
        ]
        page = found[: wanted.limit]
        return RecordingsView(tuple(map(self._view, page)), page[-1].sequence if len(found) > len(page) else None)

    async def retry(self, recording: str, by: str) -> RecordingView:
        """Let a refused recording go on: to the archive if the spool has its bytes, else from its camera."""
        known = await self._known(recording)
        if known.state is not State.REFUSED:
            msg = f"recording {recording} is {known.state}, not refused"
            raise ControlError(msg, hint="Nothing to do.")
        spooled, notes = await asyncio.to_thread(self._spooled, known)
        await self._dock.journal.record(*notes, custody.Stepped(recording, life.Retried(by, spooled)))
        after = await self._known(recording)  # somebody may have marked it while its copy was read
        self._dock.board.stepped(after)
        if after.state is State.VERIFIED:
            self._dock.outbox.put(after)
        self._look_again()
        return self._view(after)

    async def mark(self, order: MarkOrder, by: str) -> RecordingView:
        """Say what a recording is; never less than was said before."""
        return self._view(await self._marking.mark(await self._known(order.recording), order, by))

    def _spooled(self, known: Recording) -> tuple[bool, list[custody.Noted]]:
        """Whether the spool has what was verified, and what was done if it has something else; blocks.

        Bytes that were others, or could not be read, are read once more, from the medium. If they still are, they make room for a
        new copy from the camera, which keeps its recordings until the archive proved them.
        """
        spool, recording_id = self._dock.spool, known.recording_id
        if recording_id not in spool.recording_ids():
            return False, []
        wanted = known.measured
        if known.refusal is None or known.refusal.code not in COPY_FAILED or wanted is None:
            return True, []
        found = spool.examine(recording_id)
        if found is not None and found.is_of(wanted):
            return True, []
        file = str(spool.set_aside(recording_id))
        _log.error("altered copy set aside", recording=recording_id, file=file)
        return False, [
            custody.Noted(
                "spool.set-aside",
                {
                    "recording": recording_id,
                    "file": file,
                    "size_bytes": None if found is None else str(found.size_bytes),
                    "blake3": None if found is None else found.blake3.hex(),
                },
            )
        ]

    async def holds(self) -> HoldsView:
        """Every hold that stands."""
        standing = await self._dock.journal.hold_orders()
        views = (HoldView(each.scope, each.subject, each.case, each.by, each.reason, each.placed) for each in standing)
        return HoldsView(tuple(views))

    async def hold(self, order: HoldOrder, by: str) -> None:
        """From now on nothing of it may be erased."""
        for scope, subject in order.subjects():
            if scope == Scope.RECORDING:
                await self._known(subject)
            placed = custody.HoldPlaced(scope, subject, by, order.reason, order.case or "")
            await self._dock.journal.record(placed)
            self._look_again()
            if self._helper is not None:
                await self._helper.place(placed)

    async def release(self, order: ReleaseOrder, by: str) -> None:
        """Lift a hold, or all of a case: each by itself, or none."""
        name, named = order.case or "", order.subjects()
        standing = [(each.scope, each.subject, each.case) for each in await self._dock.journal.hold_orders()]
        lifted = [each for each in standing if each[2] == name and (not named or each[:2] == named[0])]
        what = " ".join([*(f"{scope} {subject}" for scope, subject in named), *([f"case {name}"] if name else [])])
        if not lifted:
            msg = f"{what} is not on hold"
            raise ControlError(msg, hint="Nothing to do.")
        if self._helper is not None and set(lifted) & await self._helper.standing():
            msg = f"{what} is on hold in the helper too, which obeys root alone"
            raise ControlError(msg, hint="As root, on the dock itself: sudo dockd release; it lifts both.")
        lifts = [custody.HoldLifted(scope, subject, by, order.reason, case) for scope, subject, case in lifted]
        await self._dock.journal.record(*lifts)
        self._look_again()

    async def reload(self, by: str) -> ConfigurationView:
        """Have the site file read again."""
        await self._dock.journal.record(custody.Noted("configuration.reread", {"by": by}))
        await self._dock.live.reread()
        return configuration_view(self._dock.board.configuration)

    async def cameras(self) -> CamerasView:
        """Every camera that was docked here, or of which an admin said something."""
        journal = self._dock.journal
        known = {each.camera: each for each in await journal.cameras()}
        said = {each.camera: each for each in await journal.admissions()}
        holds, assigned = await journal.holds(), self._dock.live.now.assigned
        serials = sorted(known.keys() | said.keys() | holds.cameras)
        officers = {each: [assigned.get(each), known[each].officer if each in known else None] for each in serials}
        held = {each: bool(holds.on_camera(each, officers[each])) for each in serials}
        return CamerasView(tuple(camera_view(each, known.get(each), said.get(each), held=held[each]) for each in serials))

    async def enroll(self, order: CameraOrder, by: str) -> None:
        """This camera belongs here; a bar on it is lifted."""
        await self._dock.journal.record(custody.CameraEnrolled(order.camera, by, order.reason))
        self._look_again()

    async def refuse(self, order: CameraOrder, by: str) -> None:
        """Nothing of this camera is taken or erased until it is enrolled; one that is in a bay stops before its next round."""
        await self._dock.journal.record(custody.CameraBarred(order.camera, by, order.reason))
        self._look_again()

    async def check_out(self, order: CheckoutOrder, by: str) -> CheckoutView:
        """Assign a camera of the pool."""
        camera = None if order.camera is msgspec.UNSET else order.camera
        until = None if order.until is msgspec.UNSET else order.until
        bay, made = await self._desk.check_out(order.officer, by, camera=camera, until=until)
        return CheckoutView(bay, made.camera, made.officer, made.until)

    async def test_lamps(self, by: str) -> LampsView:
        """Have the lamps over empty bays show all that they can."""
        await self._dock.journal.record(custody.Noted("lamps.tested", {"by": by}))
        return LampsView(self._rehearsal.begin(), EACH_S)

    async def custody(self, wanted: CustodyWanted) -> CustodyPage:
        """Some custody entries; where there is none of that number yet, the next one, if it comes in time."""
        journal = self._dock.journal
        heard = journal.next_record()
        entries = await journal.custody(wanted.first, wanted.limit)
        if not entries and wanted.wait_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wanted.wait_s):
                    while not entries:
                        await heard.wait()
                        heard = journal.next_record()
                        entries = await journal.custody(wanted.first, wanted.limit)
        shown_entries = tuple(EntryView(each.leaf.hex(), msgspec.Raw(each.entry)) for each in entries)
        return CustodyPage(shown_entries, await journal.head())

    def _view(self, recording: Recording) -> RecordingView:
        due = self._dock.live.now.policy.deadline(parse_rfc3339(recording.seen), recording.priority)
        return viewed(recording, rfc3339(due) if due is not None and recording.state not in _ARCHIVED else None)

    async def _known(self, recording: str) -> Recording:
        try:
            return await self._dock.journal.recording(recording)
        except KeyError:
            msg = f"no recording {recording} is known here"
            raise ControlError(msg, hint="Look it up with: dockd recordings") from None


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
