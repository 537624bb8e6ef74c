"""From a camera in a bay to a court: a real dock and a real vault, a bundle made while they run, and a disk that is put back."""

import shutil
import subprocess
import sys
from pathlib import Path

from dockd.core.recording import State
from dockd.evidence import living
from dockd.evidence.exporting import single_file
from tests.sim.cameras import make_camera
from tests.sim.cli_documents import alone, as_described, gaps
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess


def _archived(dock: DockProcess, files: int) -> bool:
    return len(dock.recordings(State.ARCHIVED, State.ERASED)) == files


def test_what_a_dock_did_is_shown_to_a_stranger(tmp_path: Path) -> None:
    """The bundle of a running dock verifies alone, with the media; a disk that was put back later is refused, and seen by all."""
    make_camera(tmp_path / "originals", "CAM-1", recordings=2, size_bytes=300_000, sidecars=False)
    with (
        VaultProcess(tmp_path / "vault") as vault,
        DockProcess(tmp_path / "dock", vault, Site(erase="never", needs="archived")) as dock,
    ):
        shutil.copytree(tmp_path / "originals", tmp_path / "camera")
        (tmp_path / "camera").rename(dock.bay(1))
        dock.wait_until(lambda _: _archived(dock, 2), why="two recordings in the archive")
        dock.wait_for("checkpoint cosigned", count=2)
        config, bundle = ("--config", dock.write_site()), tmp_path / "case.zip"
        exported = alone("report", "export", "--camera", "CAM-1", "--output", bundle, "--json", *config)
        told = as_described("report-export", exported[1])
        key = alone("report", "key", *config)[1].strip()
        assert as_described("report-key", alone("report", "key", "--json", *config)[1]) == {"key": key, "backup": None}
        assert (exported[0], told["bundle"], told["archive_keys"]) == (0, str(bundle), [vault.public_key])
        assert told["verify_with"] == f"dockd verify {bundle} --archive-key {vault.public_key} --dock-key {key}"
        words = alone("report", "export", "--camera", "CAM-1", "--output", tmp_path / "2.zip", *config)[1]
        assert f"--archive-key {vault.public_key} --dock-key {key}" in words
        _verified_alone(tmp_path, vault.public_key, key)
        _gaps_are_seen(tmp_path, dock.write_site())
        assert dock.stop()[0] == 0
        shutil.copytree(tmp_path / "dock", tmp_path / "image", symlinks=True)
        mark = dock.mark()
        dock.start()
        dock.wait_for("checkpoint cosigned", after=mark)
        assert dock.stop()[0] == 0
        shutil.rmtree(tmp_path / "dock" / "spool")
        shutil.copytree(tmp_path / "image" / "spool", tmp_path / "dock" / "spool")
        mark = dock.mark()
        dock.start()
        dock.wait_for("custody log refused", after=mark)
        assert dock.status().custody.alarm
        # A stop that came before it is written would leave it to the next start.
        dock.wait_until(lambda _: "log.refused" in [entry["event"] for entry in dock.custody()], why="the refusal in the log")
        assert dock.stop()[0] == 0
        code, listed = alone("vault", "logs", "--root", tmp_path / "vault")
        assert (code, "ALARM 1" in listed) == (1, True)


def _gaps_are_seen(folder: Path, site: Path) -> None:
    """The archive is asked again, now; a file that its disk lost is found."""
    assert gaps(site) == (0, "the archive proved again that it holds 2 recordings\n")
    next(iter(sorted((folder / "vault" / "blobs").rglob("*/*")))).unlink()
    code, words = gaps(site)
    assert code == 1
    assert "proved again that it holds 1 recording\n" in words
    assert "unproved: the archive does not prove any more that it holds DCIM/" in words
    told = as_described("report-gaps", gaps(site, "--json")[1])
    assert (told["proved"], [each["kind"] for each in told["missing"]]) == (1, ["unproved"])


def _verified_alone(folder: Path, archive_key: str, dock_key: str) -> None:
    """As a stranger does it: the single file, an interpreter without packages, the published keys, the media."""
    (folder / "dockd-verify.py").write_text(single_file(), "utf-8")
    media = sorted(each for each in (folder / "originals").rglob("*.MP4"))
    assert len(media) == 2
    line = [sys.executable, "-I", "-S", str(folder / "dockd-verify.py"), str(folder / "case.zip"), "--json"]
    line += ["--archive-key", archive_key, "--dock-key", dock_key, *(f"--media={each}" for each in media)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    document = as_described("verify", done.stdout)
    assert (done.returncode, document["exit_code"]) == (0, 0), document
    marks = [each["mark"] for each in document["lines"]]
    assert set(marks) == {living.PROVED, living.NOTE}
