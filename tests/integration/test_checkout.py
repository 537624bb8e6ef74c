"""A pool camera from the desk to its return, and the lamp test, with the installed command against a running dock."""

import json
import subprocess
import sys
from pathlib import Path

from dockd.errors import ControlError
from tests.sim.cameras import make_camera
from tests.sim.cli_documents import as_described
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess

DOCKD = Path(sys.executable).with_name("dockd")


def run(dock: DockProcess, *arguments: str, code: int = 0) -> str:
    """What the command prints, having ended with that code."""
    done = subprocess.run(
        [DOCKD, *arguments, "--socket", str(dock.control)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def events(dock: DockProcess) -> list[str]:
    """Of the custody log."""
    return [entry["event"] for entry in dock.custody()]


def test_a_pool_camera_goes_out_and_comes_back(tmp_path: Path) -> None:
    """The command says where it is, the status for whom; the log has all of it, and whose name it came back with."""
    with (
        VaultProcess(tmp_path / "vault") as vault,
        DockProcess(tmp_path / "dock", vault, Site(erase="never", needs="archived")) as dock,
    ):
        refused = run(dock, "checkout", "A. Smith", code=3)
        assert "no camera of the pool is ready to be taken" in refused
        assert ControlError.code == "control"
        make_camera(tmp_path / "camera", "CAM-A", recordings=1, size_bytes=1000, officer="C. Lee")
        (tmp_path / "camera").rename(dock.bay(2))
        dock.wait_until(lambda _: dock.status().bays[1].lamp == "take it", why="the camera may be taken")
        made = as_described("checkout", run(dock, "checkout", "A. Smith", "--until", "2099-01-01T18:00Z", "--json"))
        assert (made["bay"], made["camera"], made["until"]) == ("2", "CAM-A", "2099-01-01T18:00:00.000Z")
        shown = dock.status().bays[1]
        assert (shown.lamp, shown.officer) == ("take it", "A. Smith")
        assert shown.reason.startswith("It is for A. Smith, until ")
        assert "may" not in run(dock, "checkout", "B. Jones", "--camera", "CAM-A")
        dock.bay(2).rename(tmp_path / "camera")
        dock.wait_until(lambda _: "camera.taken" in events(dock), why="it was taken")
        (tmp_path / "camera").rename(dock.bay(1))
        dock.wait_until(lambda _: "camera.returned" in events(dock), why="it came back")
        (back,) = [entry for entry in dock.custody() if entry["event"] == "camera.returned"]
        assert (back["officer"], back["by_another"], back["late"], back["bay"]) == ("B. Jones", "C. Lee", False, "1")
        dock.wait_until(lambda _: dock.status().bays[0].lamp == "take it", why="it blocks nobody")

        begun = as_described("lamps-test", run(dock, "lamps", "test", "--json"))
        assert begun == {"bays": ["2"], "each_s": 2.0}
        assert "are shown at: bay 2" in run(dock, "lamps", "test")
        (first, *_) = [entry for entry in dock.custody() if entry["event"] == "lamps.tested"]
        assert json.dumps(first["by"])
