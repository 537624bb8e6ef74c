"""One dock's life, and an entry in its custody log for every kind of thing that happens in it."""

import json
import shutil
from pathlib import Path

from dockd.core.recording import State
from tests.integration.test_verbs import run
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockProcess, Line, Site
from tests.sim.vault_process import VaultProcess

HAPPENED = {
    *("daemon.started", "daemon.stopped", "daemon.interrupted", "software.running", "clock.checked", "configuration.accepted"),
    *("camera.docked", "camera.clock", "docking.ended", "recording.seen", "recording.copying", "recording.verified"),
    *("recording.uploading", "upload.placed", "recording.archived", "recording.marked", "recording.refused", "recording.retried"),
    *("camera.clearing", "recording.erased", "camera.cleared", "hold.placed", "hold.lifted", "camera.enrolled", "camera.barred"),
    "selftest.run",
}
"""Beside those that other tests show: `device.refused` and `camera.clear-finished` (tests/unit/docking/test_docking.py and
test_usb_docking.py), a loss of power (tests/unit/custody/test_circumstances.py), `log.refused`
(tests/integration/test_evidence.py)."""


def test_everything_that_happens_is_entered(tmp_path: Path) -> None:
    """Started, filled, marked, held, released, emptied, refused, retried, killed, started anew, reconfigured, stopped."""
    make_camera(tmp_path / "a", "CAM-A", recordings=1, size_bytes=200_000, sidecars=False)
    make_camera(tmp_path / "b", "CAM-B", recordings=1, size_bytes=1_500_000, sidecars=False, seed=2)
    site = Site()
    with (
        VaultProcess(tmp_path / "vault", arguments=("--max-size", "1200000")) as vault,
        DockProcess(tmp_path / "dock", vault, site) as dock,
    ):
        dock.order("hold", camera="CAM-A", reason="complaint 17")
        (tmp_path / "a").rename(dock.bay(1))
        dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 1, why="held and archived")
        (kept,) = dock.recordings()
        run(dock, "mark", kept.recording_id, "--critical", "--reason", "use of force")
        dock.order("release", camera="CAM-A", reason="closed")
        dock.wait_until(lambda _: len(dock.recordings(State.ERASED)) == 1, why="released and erased")
        shutil.rmtree(dock.bay(1))
        (tmp_path / "b").rename(dock.bay(2))
        dock.wait_until(lambda _: len(dock.recordings(State.REFUSED)) == 1, why="too large for the archive")
        (refused,) = dock.recordings(State.REFUSED)
        dock.order(f"retry/{refused.recording_id}")
        dock.order("enroll", camera="CAM-C", reason="bought")
        dock.order("refuse", camera="CAM-D", reason="stolen")
        run(dock, "selftest", code=None)
        dock.kill()
        site.erase, site.needs = "never", "archived"
        dock.start()
        assert dock.stop()[0] == 0
        told = dock.custody()
    events = [each["event"] for each in told]
    assert set(events) >= HAPPENED, HAPPENED - set(events)
    assert [each["seq"] for each in told] == list(range(1, len(told) + 1))
    _says_who_and_what(told)


def _says_who_and_what(told: list[Line]) -> None:
    """Acts name who did them, a configuration what it changed and its digest, an end without a word its cause."""
    of = {each["event"]: each for each in told}
    for act in ("hold.placed", "hold.lifted", "recording.marked", "camera.enrolled", "camera.barred", "recording.retried"):
        assert of[act]["by"], act
    assert len(of["configuration.accepted"]["digest"]) == 64
    assert of["configuration.accepted"]["by"] == "the test"
    assert "never" in json.dumps(of["configuration.accepted"])
    assert of["daemon.interrupted"]["cause"] == "the program ended without notice"
    assert len(of["software.running"]["digest"]) == 64
    assert (of["recording.refused"]["code"], of["camera.cleared"]["method"]) == ("archive-refused", "delete")
    assert of["camera.clock"]["camera"] == "CAM-B"
    assert of["recording.seen"]["path"].startswith("DCIM/")
