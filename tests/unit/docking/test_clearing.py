"""Clearing a camera: what is erased, what stays and why, with the real eraser behind it and an archive that can be bent."""

import hashlib
from datetime import datetime
from pathlib import Path

import pytest

from dockd.core import custody, life
from dockd.core.proof import ArchiveProof
from dockd.core.readiness import Lamp
from dockd.core.recording import State, StoredObject
from dockd.dock.live import Orders
from tests.sim.archive import Lie, SimArchive
from tests.sim.audit import files_below
from tests.sim.busy_journal import BusyJournal
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, dock_here

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

CLIP = b"DCIM/100MEDIA/CLIP0001.MP4"
OTHER = b"DCIM/100MEDIA/CLIP0002.MP4"


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Two short recordings, no sidecars."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=100_000, sidecars=False)
    return tmp_path / "camera"


class LiesLater(SimArchive):
    """An archive whose receipts are good and whose fresh statements are not."""

    def __init__(self, lie: Lie) -> None:
        super().__init__()
        self._lie = lie

    async def prove_again(
        self, stored: StoredObject, nonce: str, *, camera: str, retain_until: datetime | None = None
    ) -> ArchiveProof:
        """As the protocol says, but for the lie."""
        self.faults.lie = self._lie
        return await super().prove_again(stored, nonce, camera=camera, retain_until=retain_until)


def on_camera(root: Path) -> set[bytes]:
    """Recordings that are there."""
    return set(files_below(root)) - {b"MISC/CAMERA.TXT"}


def rests(dock: DockHere, bay_id: str = "1") -> bool:
    """Whether the dock is done with what is in a bay, as far as it goes."""
    bay = dock.bay(bay_id)
    return bay.phase == "resting" and bay.scanned and bool(bay.present)


def erased(dock: DockHere) -> bool:
    """Whether the journal's news are that everything in bay 1 was erased."""
    return rests(dock) and all(each.recording.state is State.ERASED for each in dock.bay().present.values())


async def test_archived_recordings_are_erased_and_the_lamp_says_take_it(camera: Path, tmp_path: Path) -> None:
    """What the archive proves anew is erased, and only then does the light say so."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive) as dock:
        dock.insert(camera)
        await dock.until(lambda: erased(dock))
        assert on_camera(camera) == set()
        assert dock.lamp().lamp is Lamp.TAKE
        assert archive.calls.count("prove_again") == 2
        assert "camera.cleared" in await dock.events()


@needs_fuse
async def test_bit_that_was_flipped_in_the_first_read_keeps_the_camera(camera: Path, tmp_path: Path) -> None:
    """A copy that was damaged on its way from the device is noticed by the re-hash: the original stays, and the lamp says why."""
    archive = SimArchive()
    with CameraFs(camera) as mounted:
        mounted.flip_bit(CLIP, 5000, first_reads_only=1)
        async with dock_here(tmp_path / "spool", archive) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: rests(dock) and dock.bay().kept is not None)
            assert on_camera(camera) == {CLIP}
            assert dock.lamp().lamp is Lamp.HELP
            assert "CLIP0001.MP4" in dock.lamp().reason
            assert "the camera's bytes are not those that the archive holds" in dock.lamp().reason
            assert await dock.states() == {CLIP: State.ARCHIVED, OTHER: State.ERASED}


@needs_fuse
async def test_flipped_bit_in_the_only_recording_is_named_too(tmp_path: Path) -> None:
    """With nothing at all to erase the lamp still says which file stays, and why."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=100_000, sidecars=False)
    with CameraFs(tmp_path / "camera") as mounted:
        mounted.flip_bit(CLIP, 5000, first_reads_only=1)
        async with dock_here(tmp_path / "spool", SimArchive()) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: rests(dock) and dock.bay().kept is not None)
            assert on_camera(tmp_path / "camera") == {CLIP}
            assert "the camera's bytes are not those that the archive holds" in dock.lamp().reason


@needs_fuse
async def test_damaged_first_copy_is_followed_by_a_good_one_at_the_next_docking(camera: Path, tmp_path: Path) -> None:
    """Docked again, the original is seen to be something that the archive does not hold: it is archived, and then erased."""
    archive = SimArchive()
    with CameraFs(camera) as mounted:
        mounted.flip_bit(CLIP, 5000, first_reads_only=1)
        originals = files_below(camera)
        async with dock_here(tmp_path / "spool", archive) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: rests(dock) and dock.bay().kept is not None)
            dock.remove()
            await dock.until(lambda: dock.bay().phase == "empty")
            dock.insert(mounted.mount, "2")
            await dock.until(lambda: dock.bay("2").phase == "resting" and not on_camera(camera))
            assert len(archive.objects()) == 3
            held = {hashlib.sha256(body).hexdigest() for body in archive.objects().values()}
            assert {originals[CLIP], originals[OTHER]} <= held


@pytest.mark.parametrize("scope", ["camera", "recording"])
async def test_hold_keeps_what_it_names(scope: str, camera: Path, tmp_path: Path) -> None:
    """A hold on the camera keeps all of it; one on a recording keeps that recording."""
    archive = SimArchive()
    archive.gate.clear()
    async with dock_here(tmp_path / "spool", archive) as dock:
        dock.insert(camera)
        await archive.waiting.wait()
        (held, _) = await dock.recordings()
        await dock.hold(scope, "CAM-1" if scope == "camera" else held.recording_id)
        archive.gate.set()
        await dock.until(lambda: rests(dock) and (dock.bay().held or dock.bay().kept is not None))
        assert on_camera(camera) == ({CLIP, OTHER} if scope == "camera" else {held.path})
        assert dock.lamp().lamp is Lamp.HELP
        assert "hold" in dock.lamp().reason


@pytest.mark.parametrize("lie", [lie for lie in Lie if lie is not Lie.NONE])
async def test_archive_that_lies_has_nothing_erased(lie: Lie, camera: Path, tmp_path: Path) -> None:
    """A fresh statement that is wrong in anything stops the clearance, loudly; not one file goes."""
    archive = LiesLater(lie)
    async with dock_here(tmp_path / "spool", archive) as dock:
        dock.insert(camera)
        await dock.until(lambda: dock.bay().failure is not None)
        assert dock.lamp().lamp is Lamp.HELP
        assert "proves nothing" in dock.lamp().reason
        assert on_camera(camera) == {CLIP, OTHER}
        assert "docking.failed" in await dock.events()


async def test_camera_that_is_pulled_as_the_archives_loss_is_written_down_is_wanted_back(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the only copies, and whoever took it is told so."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: rests(dock) and dock.dock.outbox.files == 0)
        dock.dock.live.now = Orders(may_erase=True)
        archive.uploads.clear()
        busy = BusyJournal(monkeypatch, _says_lost, begun=True)
        dock.change()
        await busy.pulled(dock)
        assert State.SEEN in (await dock.states()).values()
        (taken,) = dock.dock.board.taken()
        assert taken.uncopied_files >= 1
        (entry,) = await dock.entries("docking.ended")
        assert "were not copied yet" in entry["reason"]


def _says_lost(change: custody.Change) -> bool:
    return isinstance(change, custody.Stepped) and isinstance(change.step, life.ProofLost)


async def test_object_that_the_archive_lost_is_copied_again(camera: Path, tmp_path: Path) -> None:
    """An archive that no longer has what it signed for gets it again, from the camera that was kept; then it may go."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: rests(dock) and dock.dock.outbox.files == 0)
        dock.remove()
        await dock.until(lambda: dock.bay().phase == "empty")
    assert on_camera(camera) == {CLIP, OTHER}
    archive.uploads.clear()
    archive.closed = False
    async with dock_here(tmp_path / "spool", archive) as dock:
        dock.insert(camera)
        await dock.until(lambda: erased(dock))
        assert (await dock.events()).count("recording.proof-lost") == 2
        assert len(archive.objects()) == 2


@needs_fuse
@pytest.mark.parametrize("how", ["refuses", "lies"])
async def test_camera_that_does_not_delete_needs_help(how: str, camera: Path, tmp_path: Path) -> None:
    """A camera that refuses to delete, or only says that it did, is never shown as empty."""
    with CameraFs(camera) as mounted:
        if how == "refuses":
            mounted.refuse_unlink(OTHER, error="EROFS")
        else:
            mounted.unlink_lies(OTHER)
        async with dock_here(tmp_path / "spool", SimArchive()) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: dock.bay().failure is not None)
            failure = dock.bay().failure
            assert failure is not None
            assert failure.code == "erase-failed"
            assert dock.lamp().lamp is Lamp.HELP
            assert OTHER in on_camera(camera)
            assert (await dock.states())[OTHER] is State.ARCHIVED
            # Taken out and docked again, what did go is found gone, and the rest is still archived.
            dock.remove()
            await dock.until(lambda: dock.bay().phase == "empty")
            dock.insert(mounted.mount, "2")
            await dock.until(lambda: dock.bay("2").failure is not None)
            assert await dock.states() == {CLIP: State.ERASED, OTHER: State.ARCHIVED}
            assert "recording.found-gone" in await dock.events()


@needs_fuse
async def test_renamed_file_whose_erasing_failed_is_not_found_gone(tmp_path: Path) -> None:
    """A file that was renamed after an erasing failed is still there, so the journal must not say that it is gone."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=100_000, sidecars=False)
    camera = tmp_path / "camera"
    with CameraFs(camera) as mounted:
        mounted.refuse_unlink(error="EROFS")
        async with dock_here(tmp_path / "spool", SimArchive()) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: dock.bay().failure is not None)
            dock.remove()
            await dock.until(lambda: dock.bay().phase == "empty")
            (camera / "DCIM/100MEDIA/CLIP0001.MP4").rename(camera / "DCIM/100MEDIA/RENAMED.MP4")
            dock.insert(mounted.mount, "2")
            await dock.until(lambda: dock.bay("2").failure is not None or dock.bay("2").phase == "resting")
            (recording,) = await dock.recordings()
            assert (recording.path, recording.state) == (b"DCIM/100MEDIA/RENAMED.MP4", State.ARCHIVED)


@needs_fuse
async def test_what_somebody_else_removed_after_a_broken_off_erasing_is_not_called_erased(camera: Path, tmp_path: Path) -> None:
    """A clearance that removed nothing, then a docking that sees the files, then a missing file: no erasing of ours took it."""
    with CameraFs(camera) as mounted:
        mounted.refuse_unlink(error="EROFS")
        async with dock_here(tmp_path / "spool", SimArchive()) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: dock.bay().failure is not None)
            dock.remove()
            await dock.until(lambda: dock.bay().phase == "empty")
            await dock.dock.journal.record(custody.HoldPlaced("camera", "CAM-1", "admin", "complaint"))
            dock.insert(mounted.mount, "2")
            await dock.until(lambda: rests(dock, "2"))
            dock.remove("2")
            await dock.until(lambda: dock.bay("2").phase == "empty")
            (camera / CLIP.decode()).unlink()
            dock.insert(mounted.mount)
            await dock.until(lambda: rests(dock))
            assert await dock.states() == {CLIP: State.ARCHIVED, OTHER: State.ARCHIVED}
            assert "recording.found-gone" not in await dock.events()


@needs_fuse
async def test_folder_that_cannot_be_listed_has_not_lost_its_files(tmp_path: Path) -> None:
    """What lies in a folder that the camera does not list is unknown, not gone, whatever was begun before."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=100_000, sidecars=False)
    camera = tmp_path / "camera"
    with CameraFs(camera) as mounted:
        mounted.refuse_unlink(error="EROFS")
        async with dock_here(tmp_path / "spool", SimArchive()) as dock:
            dock.insert(mounted.mount)
            await dock.until(lambda: dock.bay().failure is not None)
            dock.remove()
            await dock.until(lambda: dock.bay().phase == "empty")
            # A folder in place of the media folder that refuses to be entered: the listing fails, the camera answers.
            (camera / "DCIM/100MEDIA").rename(tmp_path / "aside")
            (camera / "DCIM/100MEDIA").symlink_to("loop")
            dock.insert(mounted.mount, "2")
            await dock.until(lambda: dock.bay("2").scanned and dock.bay("2").phase == "resting")
            (recording,) = await dock.recordings()
            assert recording.state is State.ARCHIVED


async def test_camera_that_is_pulled_as_its_erasing_is_written_down_has_its_record(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was erased was, whoever takes the camera while the journal has other work: the record of the erasing is not lost."""
    busy = BusyJournal(monkeypatch, lambda change: isinstance(change, custody.CameraCleared), begun=False)
    async with dock_here(tmp_path / "spool", SimArchive()) as dock:
        dock.insert(camera)
        await busy.pulled(dock)
        assert len(await dock.entries("camera.cleared")) == 1
        assert set((await dock.states()).values()) == {State.ERASED}
