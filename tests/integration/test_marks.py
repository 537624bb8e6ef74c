"""The installed `dockd mark` against a running dock whose archive is away, so that everything waits."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dockd.core.recording import State
from tests.sim.cameras import make_camera
from tests.sim.cli_documents import as_described
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess

DOCKD = Path(sys.executable).with_name("dockd")
DEADLINE_S = 60


@pytest.fixture
def dock(tmp_path: Path) -> Iterator[DockProcess]:
    """A dock of its own for each test, for no mark is ever taken back."""
    make_camera(tmp_path / "a", "CAM-A", recordings=2, size_bytes=300_000, sidecars=False)
    categories = ({"name": "at-large-arrest", "retain_days": 1000}, {"name": "contact", "retain_days": 100})
    site = Site(erase="never", needs="archived", categories=categories, uploads={"critical_within_hours": 4})
    with DockProcess(tmp_path / "dock", None, site) as running:
        (tmp_path / "a").rename(running.bay(1))
        running.wait_until(lambda _: len(running.recordings(State.VERIFIED)) == 2, why="camera A copied")
        yield running


def run(dock: DockProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in its own process."""
    return subprocess.run(
        [DOCKD, *arguments, "--socket", str(dock.control)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )


def test_a_mark_puts_a_recording_first_and_says_until_when(dock: DockProcess) -> None:
    """The one that came last goes first; it is in the custody log with who said it and why."""
    listed = json.loads(run(dock, "queue", "--json").stdout)["recordings"]
    last = listed[-1]["recording"]
    done = run(dock, "mark", last, "--critical", "--category", "At large arrest", "--reason", "shots fired, 2026-118")
    assert done.returncode == 0, done.stderr
    assert "category at-large-arrest, of a critical incident, first in every queue; the archive should have" in done.stdout
    first = json.loads(run(dock, "queue", "--json").stdout)["recordings"][0]
    assert (first["recording"], first["critical"], first["category"]) == (last, True, "at-large-arrest")
    assert f"critical {first['deadline']}" in run(dock, "queue").stdout
    (entry,) = [each for each in dock.custody() if each["event"] == "recording.marked"]
    assert (entry["recording"], entry["reason"]) == (last, "shots fired, 2026-118")
    assert "uid" in entry["by"]
    status = json.loads(run(dock, "status", "--json").stdout)
    assert (status["queue"]["critical"], status["queue"]["critical_by"]) == (1, first["deadline"])


def test_first_amendment_activity_is_held_for_a_supervisor(dock: DockProcess) -> None:
    """Marked, it is kept longest and held, until a person lifts that; --json is as its schema says."""
    recording = json.loads(run(dock, "queue", "--json").stdout)["recordings"][-1]["recording"]
    done = run(dock, "mark", recording, "--first-amendment", "--reason", "a march", "--json")
    assert done.returncode == 0, done.stderr
    assert as_described("mark", done.stdout)["first_amendment"]
    (hold,) = json.loads(run(dock, "hold", "--json").stdout)["holds"]
    assert (hold["subject"], "a supervisor decides" in hold["reason"]) == (recording, True)
    assert run(dock, "release", "--recording", recording, "--reason", "looked at, case 7").returncode == 0


def test_a_mark_in_the_middle_of_a_copy_neither_loses_nor_holds_up_anything(tmp_path: Path) -> None:
    """Ten recordings are being copied when two of them are marked: all ten are archived and proved, each copied once."""
    make_camera(tmp_path / "a", "CAM-A", recordings=10, size_bytes=20_000_000, sidecars=False)
    with (
        VaultProcess(tmp_path / "vault") as vault,
        DockProcess(tmp_path / "dock", vault, Site(erase="never", needs="archived")) as dock,
    ):
        (tmp_path / "a").rename(dock.bay(1))
        dock.wait_until(lambda _: len(dock.recordings(State.COPYING)) == 10, why="all of them begun")
        waiting = dock.recordings(State.COPYING)
        assert len(waiting) > 4, "all was copied before anybody could say anything"
        for each in (waiting[-1], waiting[len(waiting) // 2]):
            done = run(dock, "mark", each.recording_id, "--critical", "--reason", "shots fired")
            assert done.returncode == 0, done.stderr
        dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 10, why="all of them archived")
        told = dock.custody()
        copied = [each["recording"] for each in told if each["event"] == "recording.verified"]
        assert len(copied) == len(set(copied)) == 10, "nothing was copied twice"
        assert {each["event"] for each in told} >= {"recording.marked", "recording.archived"}


def test_a_longer_category_counts_for_what_is_archived_already(tmp_path: Path) -> None:
    """The command says that the archive has it, and the archive promises at once to keep it longer; `dockd log` says so."""
    make_camera(tmp_path / "a", "CAM-A", recordings=1, size_bytes=300_000, sidecars=False)
    contact: dict[str, object] = {"name": "contact", "retain_days": 400}
    with (
        VaultProcess(tmp_path / "vault") as vault,
        DockProcess(tmp_path / "dock", vault, Site(erase="never", needs="archived", categories=(contact,))) as dock,
    ):
        (tmp_path / "a").rename(dock.bay(1))
        dock.wait_until(lambda _: bool(dock.recordings(State.ARCHIVED)), why="it is archived")
        (recording,) = dock.recordings()
        dock.site = replace(dock.site, categories=(contact, {"name": "at-large-arrest", "retain_days": 4000}))
        dock.write_site()
        dock.wait_for("configuration changed")
        done = run(dock, "mark", recording.recording_id, "--reason", "report 7", "--category", "at-large-arrest")
        assert (done.returncode, "in the archive already, which is asked to keep it" in done.stdout) == (0, True), done.stderr
        dock.wait_until(lambda _: "recording.kept-longer" in run(dock, "log", "--all").stdout, why="the archive promised it")
        (archived,) = [each for each in dock.custody() if each["event"] == "recording.archived"]
        (longer,) = [each for each in dock.custody() if each["event"] == "recording.kept-longer"]
        promised = datetime.fromisoformat(longer["retain_until"]) - datetime.fromisoformat(archived["retain_until"])
        assert abs(promised - timedelta(days=3600)) < timedelta(seconds=1)


def test_a_category_that_the_policy_does_not_have_is_refused_with_those_that_it_has(dock: DockProcess) -> None:
    """And so is a recording that nobody knows."""
    recording = json.loads(run(dock, "queue", "--json").stdout)["recordings"][0]["recording"]
    done = run(dock, "mark", recording, "--category", "parade", "--reason", "x")
    assert (done.returncode, "It has: at-large-arrest, contact." in done.stderr) == (3, True)
    done = run(dock, "mark", "ab" * 16, "--critical", "--reason", "x")
    assert (done.returncode, "no recording" in done.stderr) == (3, True)
