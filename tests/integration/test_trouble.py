"""Cameras that stall, disks that are full, an archive that is away: what the real daemon shows, and how it goes on."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dockd.core.readiness import Lamp
from dockd.core.recording import State
from dockd.dsse import SigningKey
from tests.integration.conftest import MakeDock
from tests.sim.audit import Verdict, check_custody, count, files_below
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

CLIP = b"DCIM/100MEDIA/CLIP0001.MP4"


def all_erased(dock: DockProcess, files: int) -> bool:
    """Whether the journal says so."""
    return len(dock.recordings(State.ERASED)) == files


@needs_fuse
@pytest.mark.parametrize("access", ["read", "open", "readdir", "stat"])
def test_camera_that_stalls_blocks_nothing_but_its_bay(
    access: str, tmp_path: Path, vault: VaultProcess, make_dock: MakeDock
) -> None:
    """Without a byte or an error the bay needs help; the other bay and the journal go on, and a stop takes under five seconds."""
    # Far longer than the worker of the camera that works may have to wait for its turn on a busy machine.
    dock = make_dock(Site(stall_after_s=6))
    make_camera(tmp_path / "stalls", "STALLS", recordings=2, size_bytes=2_000_000, sidecars=False)
    originals = make_camera(tmp_path / "works", "WORKS", recordings=3, size_bytes=2_000_000, sidecars=False)
    with CameraFs(tmp_path / "stalls", tmp_path / "mounted") as camera:
        match access:
            case "read":
                camera.stall_at(CLIP, 1_000_000)
            case "open":
                camera.stall_on_open(CLIP)
            case "readdir":
                camera.stall_on_readdir(b"DCIM/100MEDIA")
            case _:
                camera.stall_on_stat(CLIP)
        dock.bay(1).symlink_to(camera.mount)
        camera.wait_stalled()
        (tmp_path / "works").rename(dock.bay(2))
        dock.wait_until(lambda _: dock.lamp(1).lamp is Lamp.HELP, why="bay 1 needs help")
        dock.wait_for("docking failed" if access != "readdir" else "bay needs help", bay="1", code="camera-stalled")
        assert "not answered for 6 s" in dock.lamp(1).reason
        dock.wait_until(lambda _: all_erased(dock, 3), why="the other camera erased")
        assert count(vault, {"WORKS": originals}, {"WORKS": files_below(dock.bay(2))}) == Verdict(recordings=3)
        assert [failure.code for each in dock.dockings() if (failure := each.failure) is not None] in (["camera-stalled"], [])
        status, took_s = dock.stop()
        assert (status, took_s < 5) == (0, True), took_s
        check_custody(dock)


@needs_fuse
def test_stop_is_quick_while_a_bays_listing_stalls(tmp_path: Path, make_dock: MakeDock) -> None:
    """Nothing that looks at a device may keep the daemon from ending in five seconds."""
    dock = make_dock(Site(stall_after_s=1))
    make_camera(tmp_path / "stalls", "STALLS", recordings=1, size_bytes=1000, sidecars=False)
    with CameraFs(tmp_path / "stalls", tmp_path / "mounted") as camera:
        camera.stall_on_readdir(b"DCIM/100MEDIA")
        dock.bay(1).symlink_to(camera.mount)
        camera.wait_stalled()
        os.kill(dock.pid, signal.SIGTERM)
        assert dock.ended_within(5.0)


@needs_fuse
def test_stalled_camera_that_answers_again_is_finished_in_another_bay(
    tmp_path: Path, vault: VaultProcess, make_dock: MakeDock
) -> None:
    """Taken out of the bay in which it stalled, the camera goes on in the next one."""
    dock = make_dock(Site(stall_after_s=6))
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=2_000_000, sidecars=False)
    with CameraFs(tmp_path / "camera", tmp_path / "mounted") as camera:
        camera.stall_at(CLIP, 1_000_000)
        dock.bay(1).symlink_to(camera.mount)
        dock.wait_for("docking failed", bay="1", code="camera-stalled")
        camera.release()
        dock.bay(1).unlink()
        dock.wait_for("docking ended", bay="1")
        dock.bay(2).symlink_to(camera.mount)
        dock.wait_until(lambda _: all_erased(dock, 2), why="every recording erased")
        assert count(vault, {"CAM-1": originals}, {"CAM-1": files_below(tmp_path / "camera")}) == Verdict(recordings=2)


@needs_fuse
def test_camera_that_is_pulled_is_continued_in_another_bay(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock) -> None:
    """The folder goes in the middle of a copy, and the same camera is finished elsewhere, whole and once."""
    dock = make_dock(Site())
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=6_000_000, sidecars=False)
    with CameraFs(tmp_path / "camera", tmp_path / "mounted", rate_bytes_s=3_000_000) as camera:
        dock.bay(1).symlink_to(camera.mount)
        camera.wait_read("*", 2_000_000)
        dock.bay(1).unlink()
        ended = dock.wait_for("docking ended", bay="1")
        assert ended[0]["uncopied"] > 0
        camera.rate(0)
        dock.bay(2).symlink_to(camera.mount)
        dock.wait_until(lambda _: all_erased(dock, 2), why="every recording erased")
        assert len(dock.recordings()) == 2
        assert count(vault, {"CAM-1": originals}, {"CAM-1": files_below(tmp_path / "camera")}) == Verdict(recordings=2)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real, small ext4 on a loop device."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(40 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", image, place], check=False, capture_output=True).returncode:
        pytest.skip("no loop devices here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_full_disk_touches_no_camera_and_goes_on_by_itself(
    small_disk: Path, tmp_path: Path, vault: VaultProcess, make_dock: MakeDock
) -> None:
    """More than the dock's disk holds comes through it all the same, as uploads make room; nothing is lost or erased unproved."""
    dock = DockProcess(tmp_path / "dock-small", vault, Site())
    dock.spool = small_disk / "spool"
    filler = small_disk / "filler"
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=6, size_bytes=9_000_000, sidecars=False)
    with dock:
        filler.write_bytes(bytes(_free_bytes(small_disk) - 4_000_000))
        (tmp_path / "camera").rename(dock.bay(1))
        dock.wait_for("spool full", bay="1")
        shown = dock.lamp(1)
        assert shown.lamp is Lamp.LEAVE
        assert "disk is full" in shown.reason
        assert files_below(dock.bay(1)).keys() - {b"MISC/CAMERA.TXT"} == originals.keys()
        filler.unlink()
        dock.wait_until(lambda _: all_erased(dock, 6) and not dock.spooled(), why="every recording erased")
        assert count(vault, {"CAM-1": originals}, {"CAM-1": files_below(dock.bay(1))}) == Verdict(recordings=6)
        assert dock.spooled() == set()
        assert dock.stop()[0] == 0


def _free_bytes(place: Path) -> int:
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize


def test_archive_that_is_away_is_shown(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock) -> None:
    """Status says since when and why the archive does not answer, the light that the camera has to stay; then both recover."""
    vault.kill()
    dock = make_dock(Site())
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=1000, sidecars=False)
    (tmp_path / "camera").rename(dock.bay(1))
    dock.wait_for("archive", code="archive-unreachable")
    away = dock.status()
    assert not away.archive.reachable
    assert away.archive.message
    assert away.archive.since
    dock.wait_until(lambda _: dock.lamp(1).lamp is Lamp.LEAVE and dock.status().queue.files == 1, why="it waits")
    vault.start()
    dock.wait_until(lambda _: all_erased(dock, 1), why="every recording erased")
    dock.wait_until(lambda _: dock.lamp(1).lamp is Lamp.TAKE, why="the light that it may be taken")
    back = dock.status()
    assert back.archive.reachable
    assert back.queue.files == 0


def test_token_of_another_dock_is_not_believed_for_ever(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock) -> None:
    """A refused token is an admin's to mend: nothing is given up, and after the mending everything arrives."""
    dock = make_dock(Site(archive={}))
    dock.stop()
    token = dock.root / "token"
    good = token.read_text()
    token.write_text("nobody")
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=1000, sidecars=False)
    (tmp_path / "camera").rename(dock.bay(1))
    dock.start()
    dock.wait_for("archive", code="archive-denied")
    assert dock.recordings(State.REFUSED) == []
    dock.stop()
    token.write_text(good)
    dock.start()
    dock.wait_until(lambda _: all_erased(dock, 1), why="every recording erased")
    assert count(vault, {"CAM-1": originals}, {"CAM-1": files_below(dock.bay(1))}) == Verdict(recordings=1)


def test_archive_with_another_key_proves_nothing(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock) -> None:
    """Receipts that the pinned key did not sign are refused, loudly: the recording is kept in the spool and on the camera."""
    dock = make_dock(Site(archive={"key": SigningKey.generate().public_text}))
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=1000, sidecars=False)
    (tmp_path / "camera").rename(dock.bay(1))
    dock.wait_until(lambda _: bool(dock.said("recording refused") or dock.said("archive")), why="the wrong key is noticed")
    assert dock.recordings(State.ARCHIVED, State.ERASED) == []
    assert files_below(dock.bay(1)).keys() - {b"MISC/CAMERA.TXT"} == originals.keys()


def test_archive_that_calls_itself_otherwise_is_sent_nothing(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock) -> None:
    """Once recordings lie in one archive, another at the same address is shown and sent nothing until the site file names it."""
    dock = make_dock(Site(erase="never", needs="archived"))
    make_camera(tmp_path / "first", "CAM-1", recordings=1, size_bytes=1000, sidecars=False)
    (tmp_path / "first").rename(dock.bay(1))
    dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 1, why="the first recording is archived")
    assert dock.stop()[0] == 0
    vault.kill()
    (tmp_path / "other").mkdir()
    shutil.copy(vault.root / "key.pem", tmp_path / "other")  # even one that has the key
    with VaultProcess(tmp_path / "other", archive_id="elsewhere") as other:
        (dock.root / "token").write_text(other.token(dock.site.dock))
        dock.site.archive["url"] = other.files_url
        dock.start()
        make_camera(tmp_path / "second", "CAM-2", recordings=1, size_bytes=1000, sidecars=False)
        (tmp_path / "second").rename(dock.bay(2))
        (line,) = dock.wait_for("archive", code="archive-denied")
        assert "went to 'vault-test'" in line["why"]
        dock.wait_until(lambda _: len(dock.recordings(State.VERIFIED)) == 1, why="the second recording is copied")
        assert dock.stop()[0] == 0
        assert len(dock.recordings(State.ARCHIVED)) == 1
        dock.site.archive["id"] = "elsewhere"
        dock.start()
        dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 2, why="it is archived where the site file says")


def test_copy_that_was_altered_in_the_spool_is_copied_again(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock) -> None:
    """The archive never gets wrong bytes: they are noticed at once, refused as they are sent, and copied again."""
    vault.kill()
    dock = make_dock(Site())
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=2_000_000, sidecars=False)
    (tmp_path / "camera").rename(dock.bay(1))
    dock.wait_until(lambda _: len(dock.recordings(State.VERIFIED, State.UPLOADING)) == 1, why="the copy is verified")
    (recording,) = dock.recordings()
    spooled = dock.spool / "recordings/verified" / recording.recording_id
    altered = bytearray(spooled.read_bytes())
    altered[1_000_000] ^= 1
    spooled.write_bytes(altered)
    dock.wait_for("spool changed", recording=recording.recording_id)
    vault.start()
    dock.wait_for("recording refused", code="spool-mismatch")
    dock.wait_until(lambda _: dock.lamp(1).lamp is Lamp.HELP, why="somebody is asked for")
    dock.order(f"retry/{recording.recording_id}")
    dock.wait_until(lambda _: all_erased(dock, 1), why="every recording erased")
    assert [each.read_bytes() for each in (dock.spool / "set-aside").iterdir()] == [altered]
    dock.wait_until(
        lambda _: [each["kind"] for each in dock.custody() if each["event"] == "alert.ended"] == ["spool"], why="its end"
    )
    assert count(vault, {"CAM-1": originals}, {"CAM-1": files_below(dock.bay(1))}) == Verdict(recordings=1)
    check_custody(dock)


def test_hold_keeps_a_camera_until_it_is_lifted(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock) -> None:
    """A hold that anyone placed keeps everything, through a restart; lifted, the camera is erased without being touched."""
    vault.kill()
    dock = make_dock(Site())
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=1000, sidecars=False)
    (tmp_path / "camera").rename(dock.bay(1))
    dock.wait_until(lambda _: len(dock.recordings(State.VERIFIED, State.UPLOADING)) == 2, why="both verified")
    dock.order("hold", camera="CAM-1", reason="a court asked")
    vault.start()
    dock.wait_for("recording archived", count=2)
    dock.wait_until(lambda _: dock.lamp(1).lamp is Lamp.HELP, why="the hold is shown")
    assert "hold" in dock.lamp(1).reason
    assert files_below(dock.bay(1)).keys() - {b"MISC/CAMERA.TXT"} == originals.keys()
    dock.kill()
    dock.start()
    dock.wait_until(lambda _: dock.lamp(1).lamp is Lamp.HELP, why="the hold is shown again")
    assert files_below(dock.bay(1)).keys() - {b"MISC/CAMERA.TXT"} == originals.keys()
    dock.order("release", camera="CAM-1", reason="the court is done")
    dock.wait_until(lambda _: all_erased(dock, 2), why="every recording erased")
    assert [entry["event"] for entry in dock.custody() if entry["event"].startswith("hold.")] == ["hold.placed", "hold.lifted"]


def test_dock_that_fails_has_not_stopped_in_good_order(tmp_path: Path, vault: VaultProcess) -> None:
    """The log never says so of a daemon that ended of an error: the next start says that it ended without notice."""
    dock = DockProcess(tmp_path / "dock", vault)
    with closing(dock):
        dock.control.mkdir()  # where its socket should be
        dock.start(wait=False)
        assert dock.wait() != 0
        dock.control.rmdir()
        dock.start()
        events = [each["event"] for each in dock.custody()]
    assert "daemon.started" in events[: events.index("daemon.interrupted")]
    assert "daemon.stopped" not in events
