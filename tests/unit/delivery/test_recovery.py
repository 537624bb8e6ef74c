"""What a start does about the stop before it."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from dockd.core import custody, life
from dockd.core.recording import State
from dockd.delivery.recovery import open_journal, recover
from dockd.errors import JournalError
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, build, dock_here
from tests.sim.evidence import seen


class Later(SystemClock):
    """The machine's clocks, and some seconds more."""

    later_s = 0.0

    def now(self) -> datetime:
        """Wall time, later."""
        return super().now() + timedelta(seconds=self.later_s)

    def monotonic(self) -> float:
        """Seconds, later."""
        return super().monotonic() + self.later_s


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Two short recordings, no sidecars."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=200_000, sidecars=False)
    return tmp_path / "camera"


async def _copied(dock: DockHere, camera: Path) -> None:
    dock.insert(camera)
    await dock.until(lambda: dock.dock.outbox.files == 2)


async def test_what_was_verified_is_delivered_after_the_next_start(camera: Path, tmp_path: Path) -> None:
    """The outbox is filled again from the journal, without any camera."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, deliver=False) as dock:
        await _copied(dock, camera)
    async with dock_here(tmp_path / "spool", archive) as dock:
        assert dock.dock.outbox.files == 2
        await dock.until(lambda: dock.dock.outbox.files == 0)
        assert len(archive.objects()) == 2


@pytest.mark.parametrize("damage", ["none", "bytes", "manifest", "other manifest"])
async def test_copy_that_was_renamed_but_not_recorded_is_examined(damage: str, camera: Path, tmp_path: Path) -> None:
    """A finished copy without its journal entry counts if the medium gives back what its manifest says, and only then."""
    archive = SimArchive()
    spool = tmp_path / "spool"
    async with dock_here(spool, archive, deliver=False) as dock:
        await _copied(dock, camera)
        (first, other) = await dock.recordings()
        copy, manifests = dock.dock.spool.path_of(first.recording_id), dock.dock.spool.recordings
    text = (manifests / f"{first.recording_id}.json").read_text()
    # The same copy again, as if the power had failed between its rename and its journal entry.
    half = "ab" * 16
    dock_parts = await build(spool, archive, pinned_keys=(archive.pinned_key,))
    recording = seen(half, camera="CAM-1", docking=first.docking, path=b"DCIM/HALF.MP4", size_bytes=first.size_bytes)
    await dock_parts.journal.record(custody.RecordingSeen(recording), custody.Stepped(half, life.CopyStarted()))
    copy.with_name(half).write_bytes(copy.read_bytes())
    (manifests / f"{half}.json").write_text(text.replace(first.recording_id, half))
    match damage:
        case "bytes":
            copy.with_name(half).write_bytes(b"rot" + copy.read_bytes()[3:])
        case "manifest":
            (manifests / f"{half}.json").write_text("{}")
        case "other manifest":
            (manifests / f"{half}.json").write_text(text.replace(first.recording_id, other.recording_id))
        case _:
            pass
    await recover(dock_parts)
    after = await dock_parts.journal.recording(half)
    assert after.state is (State.VERIFIED if damage == "none" else State.COPYING)
    assert dock_parts.outbox.files == (3 if damage == "none" else 2)
    await dock_parts.journal.close()


async def test_copy_that_vanished_from_the_spool_is_refused_in_words(camera: Path, tmp_path: Path) -> None:
    """A verified recording without its bytes cannot be delivered: a person must know."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, deliver=False) as dock:
        await _copied(dock, camera)
        (first, _) = await dock.recordings()
        dock.dock.spool.path_of(first.recording_id).unlink()
    async with dock_here(tmp_path / "spool", archive) as dock:
        lost = await dock.dock.journal.recording(first.recording_id)
        assert lost.state is State.REFUSED
        assert lost.refusal is not None
        assert "no longer holds" in lost.refusal.message


async def test_bytes_that_were_proved_just_before_the_stop_are_discarded(camera: Path, tmp_path: Path) -> None:
    """The archive has them: the spool lets them go. What the journal does not know stays, for a person."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: dock.bay().phase == "resting")
        (first, _) = await dock.recordings()
        dock.dock.spool.path_of(first.recording_id).write_bytes(b"left over")
        dock.dock.spool.path_of("cd" * 16).write_bytes(b"nobody's")
    async with dock_here(tmp_path / "spool", archive) as dock:
        assert dock.dock.spool.recording_ids() == {"cd" * 16}


async def test_dockings_that_were_cut_off_are_ended(camera: Path, tmp_path: Path) -> None:
    """A docking that no one ended is ended by the next start, in the journal."""
    archive = SimArchive()
    parts = await build(tmp_path / "spool", archive, pinned_keys=(archive.pinned_key,))
    await parts.journal.record(custody.CameraDocked("d1", "CAM-1", "dcf", "1", None))
    await recover(parts)
    assert await parts.journal.open_dockings() == []
    assert (await parts.journal.docking("d1")).ended is not None
    await parts.journal.close()


async def test_journal_that_is_missing_beside_recordings_is_never_begun_anew(camera: Path, tmp_path: Path) -> None:
    """A spool with recordings and no journal is a person's to mend, not a fresh start."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, deliver=False) as dock:
        await _copied(dock, camera)
        spool = dock.dock.spool
        clock = dock.dock.clock
    for path in spool.directory.glob("journal.sqlite*"):
        path.unlink()
    with pytest.raises(JournalError, match="missing"):
        await open_journal(spool, clock)
    assert not spool.journal.exists()


async def test_camera_that_is_not_in_its_bay_after_a_start_is_missed(camera: Path, tmp_path: Path) -> None:
    """The journal knows what it holds the only copy of; it has a moment to be recognised, and is forgotten when it is."""
    archive, clock = SimArchive(), Later()
    async with dock_here(tmp_path / "spool", archive, deliver=False, keep_free_bytes=1 << 60) as dock:
        dock.insert(camera)
        await dock.until(lambda: dock.bay().waiting is not None)
    async with dock_here(tmp_path / "spool", archive, deliver=False, clock=clock) as dock:
        assert dock.dock.board.taken() == []
        clock.later_s = 20
        (missed,) = dock.dock.board.taken()
        assert (missed.camera, missed.uncopied_files, missed.uncopied_bytes, missed.bay) == ("CAM-1", 2, 400_000, "1")
        assert missed.officer == "badge 4711"
        dock.insert(camera)
        await dock.until(lambda: dock.bay().camera is not None)
        assert dock.dock.board.taken() == []
        dock.remove()
        await dock.until(lambda: dock.bay().camera is None)


@pytest.mark.parametrize("later_s", [13 * 3600, -3600])
async def test_camera_that_left_long_ago_is_not_missed(camera: Path, tmp_path: Path, later_s: float) -> None:
    """Its officer is gone; and of a clock that was set back nobody knows when it left."""
    archive, clock = SimArchive(), Later()
    async with dock_here(tmp_path / "spool", archive, deliver=False, keep_free_bytes=1 << 60) as dock:
        dock.insert(camera)
        await dock.until(lambda: dock.bay().waiting is not None)
    clock.later_s = later_s
    async with dock_here(tmp_path / "spool", archive, deliver=False, clock=clock) as dock:
        clock.later_s += 20
        assert dock.dock.board.taken() == []
