"""One docking, round after round: what is copied, what waits, what fails, and what the lamp says meanwhile."""

import asyncio
import json
import mmap
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dockd import crashpoint
from dockd.bays.protocol import Claims, Stalled, Unrecognised
from dockd.core import custody, life
from dockd.core.charging import Resting, Why
from dockd.core.readiness import Lamp, Needs
from dockd.core.recording import Refusal, State
from dockd.dock.board import Phase
from dockd.docking import journey as docking
from dockd.docking import offloading
from dockd.errors import SpoolFullError
from dockd.offload.pipeline import STEP_BYTES
from dockd.offload.spool import Ledger
from tests.sim.archive import SimArchive
from tests.sim.audit import files_below
from tests.sim.busy_journal import BusyJournal
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera, write_file
from tests.sim.consignments import HurriedClock
from tests.sim.dock_here import DockHere, dock_here, with_room
from tests.sim.evidence import seen

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

CLIP = b"DCIM/100MEDIA/CLIP0001.MP4"
OTHER = b"DCIM/100MEDIA/CLIP0002.MP4"


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that give officers time are of no use to tests."""
    monkeypatch.setattr(docking, "_UNSETTLED_S", 0.05)
    monkeypatch.setattr(docking, "_QUIET_S", 0.05)
    monkeypatch.setattr(docking, "_PULL_GRACE_S", 0.3)


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Two short recordings, no sidecars."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=100_000, sidecars=False)
    return tmp_path / "camera"


def archived(dock: DockHere, bay: str = "1", files: int = 2) -> bool:
    """Whether everything in the bay is in the archive and out of the spool, and the dock rests."""
    states = [each.recording.state for each in dock.bay(bay).present.values()]
    return dock.bay(bay).phase == "resting" and states == [State.ARCHIVED] * files and not spooled(dock)


def spooled(dock: DockHere) -> list[str]:
    """Every file that lies in the spool's folder."""
    return sorted(path.name for path in dock.dock.spool.recordings.rglob("*") if path.is_file())


async def test_camera_that_leaves_while_its_arrival_is_being_recorded_has_left(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record of an arrival is finished although nobody waits for it any more; that of the departure follows it."""
    writing, go_on = threading.Event(), threading.Event()

    def passing(point: str) -> None:
        if point == "journal.committing" and not writing.is_set():
            writing.set()
            assert go_on.wait(60)

    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        monkeypatch.setattr(crashpoint, "passing", passing)
        dock.insert(camera)
        assert await asyncio.to_thread(writing.wait, 60)
        dock.remove()
        async with asyncio.timeout(60):
            await dock.workers.one_was_dropped.wait()
        go_on.set()
        await dock.until(lambda: dock.bay().phase is Phase.EMPTY)
        (entry,) = [each for each in await dock.dock.journal.custody() if b"docking.ended" in each.entry]
        assert await dock.dock.journal.open_dockings() == []
        assert b"the camera was taken out" in entry.entry


async def test_the_archive_is_to_witness_what_a_docking_brought(camera: Path, tmp_path: Path) -> None:
    """A checkpoint is due once all that can be done is done, and again when the camera has left."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        due = dock.dock.checkpoint_due
        assert not due.is_set()
        dock.insert(camera)
        await dock.until(lambda: dock.bay().phase is Phase.RESTING)
        assert due.is_set()
        due.clear()
        dock.remove()
        await dock.until(lambda: dock.bay().phase is Phase.EMPTY)
        assert due.is_set()


@needs_fuse
async def test_file_that_grows_is_copied_once_it_is_still(camera: Path, tmp_path: Path) -> None:
    """A recording that is being written is left for the next round; what was begun of it does not stay in the spool."""
    archive = SimArchive()
    with CameraFs(camera) as mounted:
        mounted.grow(CLIP, every_read=4096)
        async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: (waiting := dock.bay().waiting) is not None and waiting.code == "source-changed")
            assert dock.lamp().lamp is Lamp.LEAVE
            assert "CLIP0001.MP4" in dock.lamp().reason
            mounted.restore()
            await dock.until(lambda: archived(dock))
            assert spooled(dock) == []
            originals = files_below(camera)
            held = {
                upload.consignment.name: upload.consignment.verified.measured.digests.sha256.hex()
                for upload in archive.uploads.values()
            }
            assert held == {path.decode(): originals[path] for path in (CLIP, OTHER)}


async def test_copies_of_superseded_files_are_swept_at_the_next_start(camera: Path, tmp_path: Path) -> None:
    """Power that fails between a recording's refusal and the removal of its copy leaves nothing for long."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: archived(dock))

        (first, *_) = await dock.recordings()

        old = seen("0f" * 16, camera="CAM-1", docking=first.docking, path=b"DCIM/OLD.MP4")
        await dock.dock.journal.record(
            custody.RecordingSeen(old),
            custody.Stepped(old.recording_id, life.Refused(Refusal("source-changed", "it changed"))),
        )
        (dock.dock.spool.recordings / f"{old.recording_id}.part").write_bytes(b"begun")
        (dock.dock.spool.recordings / f"{old.recording_id}.steps").write_bytes(b"")
    archive.closed = False
    async with dock_here(tmp_path / "spool", archive) as dock:
        assert spooled(dock) == []


async def test_two_bays_that_wait_for_room_let_each_other_rest(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full spool leaves the cameras untouched and costs no work; when there is room both go on by themselves."""
    make_camera(tmp_path / "other", "CAM-2", recordings=2, size_bytes=50_000, sidecars=False)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False, keep_free_bytes=1 << 60) as dock:
        dock.insert(camera, "1")
        dock.insert(tmp_path / "other", "2")
        await dock.until(lambda: all(bay.waiting is not None for bay in dock.dock.board.bays.values()))
        assert {dock.lamp(bay).lamp for bay in ("1", "2")} == {Lamp.LEAVE}
        assert "disk is full" in dock.lamp().reason
        looks = 0

        def counted(_: Ledger) -> int:
            nonlocal looks
            looks += 1
            return 0

        monkeypatch.setattr(Ledger, "free_bytes", counted)
        dock.dock.board.tell()
        for _ in range(1000):
            await asyncio.sleep(0)
        monkeypatch.undo()
        assert looks <= 4
        assert spooled(dock) == []
        with_room(dock, 0)
        await dock.until(lambda: archived(dock, "1") and archived(dock, "2"))


async def test_room_that_nobody_told_of_is_found(camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who deletes something else on the dock's disk tells nobody; the copy begins all the same."""
    monkeypatch.setattr(offloading, "_ROOM_S", 0.05)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False, keep_free_bytes=1 << 60) as dock:
        dock.insert(camera)
        await dock.until(lambda: dock.bay().waiting is not None)
        dock.dock.ledger.keep_free_bytes = 0
        await dock.until(lambda: archived(dock))


async def test_disk_that_fills_up_during_a_copy_is_waited_for(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When something else takes the room that was there, the copy is tried again, and the lamp says what it waits for."""
    full = asyncio.Event()
    pwrite = os.pwrite

    def no_room(descriptor: int, data: memoryview, offset: int) -> int:
        if not full.is_set():
            raise OSError(28, "No space left on device")
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", no_room)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: (waiting := dock.bay().waiting) is not None and waiting.code == SpoolFullError.code)
        full.set()
        await dock.until(lambda: archived(dock))


@needs_fuse
async def test_broken_off_copy_goes_on_in_another_bay_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull keeps what was copied: in another bay only the rest is read, and there need be room for no more than the rest."""
    size_bytes = STEP_BYTES + (16 << 20)
    camera = tmp_path / "camera"
    originals = make_camera(camera, "CAM-1", recordings=1, size_bytes=size_bytes, sidecars=False)
    archive = SimArchive(piece_bytes=1 << 20)
    with CameraFs(camera) as mounted:
        mounted.pull_at(CLIP, STEP_BYTES + (8 << 20))
        async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: (failure := dock.bay().failure) is not None and failure.code == "camera-gone")
            assert any(name.endswith(".part") for name in spooled(dock))
            dock.remove()
            mounted.restore()
            before = mounted.bytes_read(CLIP)
            monkeypatch.setattr(Ledger, "free_bytes", lambda _: 1 << 20)
            await dock.until(lambda: dock.bay().phase == "empty")
            dock.insert(mounted.mount, "2")
            await dock.until(lambda: archived(dock, "2", files=1))
            assert mounted.bytes_read(CLIP) - before < size_bytes // 2
            (held,) = archive.uploads.values()
            assert held.consignment.verified.measured.digests.sha256.hex() == originals[CLIP]
            assert (await dock.events()).count("recording.seen") == 1


def _says_verified(change: custody.Change) -> bool:
    return isinstance(change, custody.Stepped) and isinstance(change.step, life.CopyVerified)


@pytest.mark.parametrize("begun", [True, False])
async def test_copies_that_were_entered_as_the_camera_was_pulled_are_delivered(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    """What the journal calls verified is on its way to the archive, whoever takes the camera while that is written down."""
    busy = BusyJournal(monkeypatch, _says_verified, begun=begun)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(camera)
        await busy.pulled(dock)
        assert set((await dock.states()).values()) <= {State.VERIFIED, State.UPLOADING, State.ARCHIVED}
        dock.insert(camera, "2")
        await dock.until(lambda: archived(dock, "2"))


@needs_fuse
async def test_second_round_reads_nothing_again(camera: Path, tmp_path: Path) -> None:
    """A change on a camera whose recordings this docking copied makes the dock look, not read and write everything anew."""
    with CameraFs(camera) as mounted:
        async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: archived(dock))
            before, told = mounted.bytes_read(), await dock.events()
            write_file(camera, b"DCIM/100MEDIA/CLIP0003.MP4", 1234, "new")
            dock.change()
            await dock.until(lambda: archived(dock, files=3))
            # The identity file is read with each scan, and the new recording once.
            assert mounted.bytes_read(CLIP) + mounted.bytes_read(OTHER) == 200_000
            assert mounted.bytes_read() - before < 10_000
            assert "recording.met" not in (await dock.events())[len(told) :]


async def test_two_cameras_of_one_serial_need_a_person(camera: Path, tmp_path: Path) -> None:
    """Somebody copied an identity, and the dock does not guess which: both are held, and neither is read on."""
    make_camera(tmp_path / "twin", "CAM-1", recordings=1, size_bytes=10, sidecars=False)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(camera, "1")
        await dock.until(lambda: archived(dock))
        dock.insert(tmp_path / "twin", "2")
        await dock.until(lambda: dock.bay("1").failure is not None and dock.bay("2").failure is not None)
        for bay, other in (("1", "2"), ("2", "1")):
            assert dock.lamp(bay).lamp == "get help"
            assert dock.lamp(bay).reason == f"two cameras carry the serial CAM-1: this one, and the one in bay {other}"
        assert len(await dock.recordings()) == 2
        assert (await dock.events()).count("docking.failed") == 2
        # Taken out and put back one is held again, as long as the other is there; alone it is a camera like any other.
        dock.remove("1")
        await dock.until(lambda: dock.bay("1").phase == "empty")
        dock.insert(camera, "1")
        await dock.until(lambda: dock.bay("1").failure is not None)
        for bay in ("1", "2"):
            dock.remove(bay)
        await dock.until(lambda: dock.bay("1").phase == "empty" and dock.bay("2").phase == "empty")
        dock.insert(camera, "1")
        await dock.until(lambda: archived(dock))


async def test_twin_that_shows_as_its_docking_is_written_down_leaves_why_in_the_log(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The docking was entered although whoever waited for that was stopped, so it is entered as failed as well."""
    make_camera(tmp_path / "twin", "CAM-1", recordings=1, size_bytes=10, sidecars=False)
    busy = BusyJournal(monkeypatch, lambda change: isinstance(change, custody.CameraDocked) and change.bay == "2", begun=True)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(camera, "1")
        await dock.until(lambda: archived(dock))
        dock.insert(tmp_path / "twin", "2")
        await busy.meanwhile(dock.dock.board.tell)
        await dock.until(lambda: dock.bay("1").failure is not None and dock.bay("2").failure is not None)
        for bay in ("1", "2"):
            dock.remove(bay)
        await dock.until(lambda: dock.bay("1").phase == "empty" and dock.bay("2").phase == "empty")
        assert [(await dock.events()).count(each) for each in ("camera.docked", "docking.failed", "docking.ended")] == [2, 2, 2]


async def test_camera_that_is_gone_as_its_port_is_said_to_have_power_leaves_an_empty_bay(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The charger took its word back while the docking's end was written down: nothing rests there, and nobody waits for it."""
    busy = BusyJournal(monkeypatch, lambda change: isinstance(change, custody.DockingEnded), begun=True)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: archived(dock))
        dock.bay().resting = Resting("CAM-1", None, dock.bay().battery, Why.RESTING, dock.bay().appetite)
        dock.remove()
        await busy.meanwhile(lambda: setattr(dock.bay(), "resting", None))
        await dock.until(lambda: dock.bay().camera is None)
        assert dock.bay().phase == "empty"


async def test_camera_that_changes_bays_quickly_is_not_its_own_twin(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new bay may hear of a camera before the old one misses it."""
    monkeypatch.setattr(docking, "_PULL_GRACE_S", 30)  # the old one writes that it left, on a disk that others may keep busy
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(camera, "1")
        await dock.until(lambda: archived(dock))
        dock.insert(camera, "2")
        await dock.until(lambda: dock.bay("2").phase == "identifying")
        dock.remove("1")
        await dock.until(lambda: archived(dock, "2"))


async def test_serial_that_changes_under_a_docking_ends_it(camera: Path, tmp_path: Path) -> None:
    """Another camera under the same folder is not what was docked."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: archived(dock))
        (camera / "MISC/CAMERA.TXT").write_text("serial: CAM-9\n")
        dock.change()
        await dock.until(lambda: dock.bay().failure is not None)
        assert "CAM-9" in dock.lamp().reason


async def test_identity_that_appears_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy into the bay that has not brought the identity file yet is not taken for a camera without one."""
    monkeypatch.setattr(docking, "_QUIET_S", 30)
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=10, sidecars=False)
    (tmp_path / "camera/MISC/CAMERA.TXT").rename(tmp_path / "later")
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(tmp_path / "camera")
        await dock.until(lambda: dock.bay().phase == "identifying")
        (tmp_path / "later").rename(tmp_path / "camera/MISC/CAMERA.TXT")
        while dock.bay().camera is None:
            dock.change()
            await dock.dock.board.news()
        assert dock.bay().camera == "CAM-1"


async def test_camera_without_identity_is_called_like_its_folder(tmp_path: Path) -> None:
    """Where nothing is written on the camera, and it is quiet, the folder's name serves."""
    make_camera(tmp_path / "camera-7", "CAM-1", recordings=1, size_bytes=10, sidecars=False)
    (tmp_path / "camera-7/MISC/CAMERA.TXT").unlink()
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(tmp_path / "camera-7")
        await dock.until(lambda: archived(dock, files=1))
        assert dock.bay().camera == "camera-7"


@needs_fuse
async def test_recording_with_a_bad_sector_is_refused_and_the_rest_goes_on(camera: Path, tmp_path: Path) -> None:
    """One unreadable recording is named, needs a person, and holds up nothing else."""
    with CameraFs(camera) as mounted:
        mounted.unreadable(CLIP, 4096)
        async with dock_here(tmp_path / "spool", SimArchive()) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: dock.bay().phase == "resting")
            assert await dock.states() == {CLIP: State.REFUSED, OTHER: State.ERASED}
            assert dock.lamp().lamp is Lamp.HELP
            assert CLIP in files_below(camera)
            (refused,) = await dock.recordings(State.REFUSED)
            assert refused.refusal is not None
            assert refused.refusal.code == "source-unreadable"


@pytest.mark.parametrize("times", [1, 2, 100])
async def test_copy_that_the_medium_changed_is_made_again(
    times: int, camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that the spool's disk gives back wrong are never accepted: copied again, and after three times a person is called."""
    wrong = [times]
    pwrite = os.pwrite

    def flipping(descriptor: int, data: memoryview, offset: int) -> int:
        if len(data) >= 100_000 and wrong[0] > 0:
            wrong[0] -= 1
            damaged = bytearray(data)
            damaged[70_000] ^= 4
            return pwrite(descriptor, _aligned(damaged), offset)
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", flipping)
    originals = files_below(camera)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: archived(dock) or dock.bay().failure is not None)
        assert files_below(camera) == originals
        if times > 2:
            assert dock.lamp().lamp is Lamp.HELP
            failure = dock.bay().failure
            assert failure is not None
            assert failure.code == "spool-mismatch"
            assert archive.objects() == {}
        else:
            held = {upload.consignment.verified.measured.digests.sha256.hex() for upload in archive.uploads.values()}
            assert held == {originals[CLIP], originals[OTHER]}
            assert spooled(dock) == []


def _aligned(data: bytearray) -> memoryview:
    """The same bytes where direct I/O wants them."""
    memory = mmap.mmap(-1, len(data))
    memory[:] = bytes(data)
    return memoryview(memory)


class Jumping(HurriedClock):
    """A wall clock that is years off each time that it is read."""

    def __init__(self) -> None:
        super().__init__()
        self._years: list[int] = [2031, 1999, 2040, 1970, 2026]

    def now(self) -> datetime:
        """Anything."""
        self._years.append(self._years.pop(0))
        return datetime(self._years[0], 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        """As long as it takes, so that nothing spins."""
        await asyncio.sleep(seconds)


async def test_order_is_that_of_discovery_whatever_the_clocks_say(tmp_path: Path) -> None:
    """With a wall clock that jumps, and a camera whose own clock ran backwards, everything happens in the journal's order."""
    camera = tmp_path / "camera"
    make_camera(camera, "CAM-1", recordings=6, size_bytes=1000, sidecars=False)
    for number, path in enumerate(sorted((camera / "DCIM/100MEDIA").iterdir())):
        os.utime(path, (10**9 - number, 10**9 - number))
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False, clock=Jumping(), deliver=True) as dock:
        dock.insert(camera)
        await dock.until(lambda: archived(dock, files=6))
        recordings = await dock.recordings()
        assert [each.path for each in recordings] == sorted(each.path for each in recordings)
        assert [each.sequence for each in recordings] == list(range(1, 7))
        sent = [upload.consignment.name for upload in archive.uploads.values()]
        assert _nearly(sent, [each.path.decode() for each in recordings])


def _nearly(sent: Sequence[str], wanted: Sequence[str]) -> bool:
    """Two couriers may overtake each other by one place."""
    return all(abs(wanted.index(name) - place) <= 1 for place, name in enumerate(sent))


async def test_a_device_that_was_refused_is_shown_and_recorded(tmp_path: Path) -> None:
    """With what to do on the lamp, and what it said of itself in the custody log."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        claims = Claims("Fast Typist", "S9", "present at start")
        dock.tell(Unrecognised("1", "a keyboard is in bay 1; it was not let in", "Take it out.", claims))
        await dock.until(lambda: dock.bay().failure is not None)
        assert (dock.lamp().lamp, dock.lamp().next_step) == ("get help", "Take it out.")
        dock.remove()  # told after it, so it is recorded by then
        await dock.until(lambda: dock.bay().phase == "empty")
        entry = json.loads((await dock.dock.journal.custody(limit=1000))[-1].entry)
        assert {name: entry[name] for name in ("event", "bay", "message", "name", "serial", "policy")} == {
            "event": "device.refused",
            "bay": "1",
            "message": "a keyboard is in bay 1; it was not let in",
            "name": "Fast Typist",
            "serial": "S9",
            "policy": "present at start",
        }


async def test_bays_own_words_are_shown(camera: Path, tmp_path: Path) -> None:
    """What no profile knows, and what does not answer, needs help; the first reason stays until the bay is empty."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.tell(Unrecognised("1", "What is in the bay is not a camera."))
        await dock.until(lambda: dock.bay().failure is not None)
        assert dock.lamp().reason == "What is in the bay is not a camera."
        assert "device.refused" not in await dock.events()
        dock.remove()
        await dock.until(lambda: dock.bay().phase == "empty")
        assert dock.bay().lamp(Needs.ERASED) is None
        dock.insert(camera)
        await dock.until(lambda: archived(dock))
        dock.tell(Stalled("1", "Bay 1 has not answered for 30 s."))
        await dock.until(lambda: dock.bay().failure is not None)
        assert dock.lamp().lamp is Lamp.HELP
        dock.change()
        dock.remove()
        await dock.until(lambda: dock.bay().phase == "empty")
        assert (await dock.events())[-1] == "docking.ended"


async def test_another_camera_in_the_same_bay_begins_another_docking(camera: Path, tmp_path: Path) -> None:
    """A camera that comes before the bay said that the last one left ends that docking all the same."""
    make_camera(tmp_path / "other", "CAM-2", recordings=1, size_bytes=10, sidecars=False)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: archived(dock))
        dock.remove()
        dock.insert(tmp_path / "other")
        await dock.until(lambda: archived(dock, files=1))
        assert (await dock.events()).count("camera.docked") == 2


async def test_folder_that_is_gone_at_once_is_a_camera_that_was_pulled(tmp_path: Path) -> None:
    """A camera that leaves before it was even opened is named as gone, and the bay goes on afterwards."""
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.insert(tmp_path / "nothing")
        await dock.until(lambda: dock.bay().failure is not None)
        failure = dock.bay().failure
        assert failure is not None
        assert failure.code == "camera-gone"
        assert await dock.events() == []
