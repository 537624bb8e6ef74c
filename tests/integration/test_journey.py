"""From the bay to the archive and off the camera: the real daemon, the real vault, cameras docked in every way there is."""

import os
import shutil
from pathlib import Path

import pytest

from dockd.core.recording import State
from tests.integration.conftest import MakeDock
from tests.sim.audit import Verdict, check_custody, check_receipts, count, files_below, objects_of
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

WAYS = ("rename", "copy", pytest.param("mount", marks=needs_fuse))


@pytest.mark.parametrize("way", WAYS)
def test_camera_is_archived_and_erased_however_it_is_docked(
    way: str, tmp_path: Path, vault: VaultProcess, dock: DockProcess
) -> None:
    """A camera that is moved, copied or mounted into a bay ends in the vault, proved, and is empty."""
    camera = tmp_path / "camera"
    originals = make_camera(camera, "CAM-1", recordings=3, size_bytes=1_500_000)
    if way == "rename":
        camera.rename(dock.bay(1))
    elif way == "copy":
        # Last what says which camera it is: until then nobody looks through it, and a file seen half-copied is another recording.
        for folder in ("DCIM", "MISC"):
            shutil.copytree(camera / folder, dock.bay(1) / folder)
    else:
        with CameraFs(camera, dock.bay(1)):
            dock.wait_for("camera cleared", camera="CAM-1", left=1)
        dock.wait_for("docking ended", bay="1")
    on_camera = dock.bay(1) if way != "mount" else camera
    dock.wait_until(
        lambda _: not set(files_below(on_camera)) - {b"MISC/CAMERA.TXT"} and bool(dock.said("camera cleared")),
        why="an empty camera",
    )
    dock.wait_until(lambda _: _all_erased(dock, 6), why="every recording erased in the journal")
    check(dock, vault, {"CAM-1": originals}, {"CAM-1": files_below(on_camera)})
    assert files_below(on_camera).keys() == {b"MISC/CAMERA.TXT"}
    if way != "mount":
        shutil.move(on_camera, tmp_path / "taken")
    dock.wait_for("docking ended", reason="the camera was taken out")
    dock.wait_for("checkpoint cosigned", count=2)
    assert dock.stop()[0] == 0
    events = [entry["event"] for entry in dock.custody()]
    assert events[0] == "daemon.started"
    assert events[-1] == "daemon.stopped"


def _all_erased(dock: DockProcess, files: int) -> bool:
    return len(dock.recordings(State.ERASED)) == len(dock.recordings()) == files


def check(
    dock: DockProcess,
    vault: VaultProcess,
    originals: dict[str, dict[bytes, str]],
    on_camera: dict[str, dict[bytes, str]],
) -> None:
    """Nothing is lost, nothing is stored twice, every step is told and proved, and the spool is empty."""
    files = sum(len(each) for each in originals.values())
    dock.wait_until(lambda _: not dock.spooled(), why="an empty spool: what was proved leaves it when nobody waits")
    assert count(vault, originals, on_camera) == Verdict(recordings=files)
    assert len(objects_of(vault)) == files
    check_custody(dock)
    check_receipts(dock, vault)


def test_two_bays_at_once_with_folders_of_one_name(tmp_path: Path, vault: VaultProcess, dock: DockProcess) -> None:
    """Two cameras with the same file names, docked together, are both archived whole and never mixed up."""
    originals = {}
    for number, serial in enumerate(("CAM-A", "CAM-B"), 1):
        originals[serial] = make_camera(tmp_path / serial, serial, recordings=4, size_bytes=700_000)
        (tmp_path / serial).rename(dock.bay(number))
    dock.wait_until(lambda _: _all_erased(dock, 16), why="every recording erased")
    check(dock, vault, originals, {"CAM-A": files_below(dock.bay(1)), "CAM-B": files_below(dock.bay(2))})


def test_custody_tells_the_whole_life_in_order(tmp_path: Path, dock: DockProcess) -> None:
    """The custody log of one recording tells its whole life, from seen to erased, between docking and clearing."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=100_000, sidecars=False)
    (tmp_path / "camera").rename(dock.bay(1))
    dock.wait_for("camera cleared")
    dock.wait_until(lambda _: _all_erased(dock, 1), why="it is erased")
    (recording,) = dock.recordings()
    told = [entry["event"] for entry in dock.custody() if entry.get("recording") == recording.recording_id]
    assert told == [
        "recording.seen",
        "recording.copying",
        "recording.verified",
        "recording.uploading",
        "upload.placed",
        "recording.archived",
        "recording.erased",
    ]
    docked = [entry for entry in dock.custody() if entry["event"] == "camera.docked"]
    assert [(entry["camera"], entry["bay"], entry["officer"]) for entry in docked] == [("CAM-1", "1", "badge 4711")]


@needs_fuse
def test_stop_in_the_middle_of_a_copy_takes_less_than_five_seconds(
    tmp_path: Path, vault: VaultProcess, dock: DockProcess
) -> None:
    """SIGTERM while bytes move ends the daemon cleanly and at once; the next start finishes the copy."""
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=4_000_000, sidecars=False)
    with CameraFs(tmp_path / "camera", dock.bay(1), rate_bytes_s=1_000_000) as camera:
        camera.wait_read("*", 1_000_000)
        status, took_s = dock.stop()
        assert (status, took_s < 5) == (0, True)
        assert [each.failure for each in dock.dockings()] == [None]
        assert all(each.ended for each in dock.dockings())
        camera.rate(0)
        dock.start()
        dock.wait_until(lambda _: _all_erased(dock, 2), why="every recording erased")
    check(dock, vault, {"CAM-1": originals}, {"CAM-1": files_below(tmp_path / "camera")})


def test_archive_that_is_away_from_the_start_holds_up_nothing(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock) -> None:
    """Without an archive the dock copies and verifies all the same and says what is wrong; it delivers when the archive comes."""
    vault.kill()
    dock = make_dock(Site())
    originals = make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=500_000)
    (tmp_path / "camera").rename(dock.bay(1))
    dock.wait_for("archive", code="archive-unreachable")
    dock.wait_until(
        lambda _: len(dock.recordings(State.VERIFIED, State.UPLOADING)) == 4 if dock.recordings() else False, why="all verified"
    )
    assert files_below(dock.bay(1)).keys() - {b"MISC/CAMERA.TXT"} == originals.keys()
    vault.start()
    dock.wait_until(lambda _: _all_erased(dock, 4), why="every recording erased")
    check(dock, vault, {"CAM-1": originals}, {"CAM-1": files_below(dock.bay(1))})


@pytest.mark.parametrize("clocks", ["as they were", "changed"])
def test_camera_that_was_archived_before_is_known_by_its_bytes(
    clocks: str, tmp_path: Path, vault: VaultProcess, make_dock: MakeDock
) -> None:
    """Docked again, elsewhere, with other names and times, nothing is copied or uploaded twice; then it may be erased."""
    dock = make_dock(Site(erase="never", needs="archived"))
    camera = tmp_path / "camera"
    originals = make_camera(camera, "CAM-1", recordings=3, size_bytes=300_000)
    camera.rename(dock.bay(1))
    dock.wait_for("recording archived", count=6)
    dock.bay(1).rename(camera)
    dock.wait_for("docking ended", bay="1")
    before = [(each.object_id, each.recording_id) for each in objects_of(vault)]
    dock.stop()
    if clocks == "changed":
        media = camera / "DCIM/100MEDIA"
        for number, path in enumerate(sorted(media.iterdir()), 1):
            os.utime(path, (number, number))
            path.rename(path.with_name(f"OTHER{path.name}"))
        media.rename(camera / "DCIM/999OTHER")
        originals = {path.replace(b"100MEDIA/", b"999OTHER/OTHER"): digest for path, digest in originals.items()}
    dock.site.erase, dock.site.needs = "delete", "erased"
    dock.start()
    mark = dock.mark()
    camera.rename(dock.bay(2))
    dock.wait_for("camera cleared", after=mark, erased=6)
    dock.wait_until(lambda _: _all_erased(dock, 6), why="every recording erased")
    assert [(each.object_id, each.recording_id) for each in objects_of(vault)] == before
    assert sum(entry["event"] == "recording.copying" for entry in dock.custody()) == 6
    check(dock, vault, {"CAM-1": originals}, {"CAM-1": files_below(dock.bay(2))})
