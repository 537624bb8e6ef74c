"""The installed `dockd` command where something is missing: an archive, an argument, a recording that is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.core.recording import State
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockProcess, Site

DOCKD = Path(sys.executable).with_name("dockd")
DEADLINE_S = 60


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockProcess]:
    """A dock that has copied a camera, and has nobody to deliver it to."""
    folder = tmp_path_factory.mktemp("dock")
    make_camera(folder / "a", "CAM-A", recordings=2, size_bytes=300_000, sidecars=False)
    with DockProcess(folder / "dock", None, Site(erase="never", needs="archived")) as running:
        (folder / "a").rename(running.bay(1))
        running.wait_until(lambda _: len(running.recordings(State.VERIFIED)) == 2, why="camera A copied")
        running.wait_for("archive", code="archive-unreachable")
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


def test_the_queue_says_what_waits_and_why(dock: DockProcess) -> None:
    """Each recording, the sum, and since when the archive does not answer."""
    done = run(dock, "queue")
    assert done.returncode == 0
    assert done.stdout.count("verified") == 2
    assert "2 files, 600.0 kB" in done.stdout
    assert "The archive is NOT reachable since" in done.stdout
    told = json.loads(run(dock, "queue", "--json").stdout)
    assert (told["queue"]["files"], len(told["recordings"]), told["archive"]["reachable"]) == (2, 2, False)


def test_the_selftest_says_that_the_archive_is_away(dock: DockProcess) -> None:
    """It is not fit for tonight, and what to look at stands beside it."""
    done = run(dock, "selftest")
    assert done.returncode == 1
    assert "BAD   archive" in done.stdout.replace("\N{BLACK SQUARE} ", "")
    assert "archive.url" in done.stdout
    assert "Dock dock-1 is NOT fit for tonight" in done.stdout


def test_nothing_that_is_refused_is_nothing_to_retry(dock: DockProcess) -> None:
    """Said in a sentence."""
    done = run(dock, "retry", "--all")
    assert (done.returncode, done.stdout) == (0, "No recording is refused.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hold", "--camera", "A", "--recording", "b", "--reason", "x"), "name one of --camera, --recording, --officer"),
        (("hold", "--reason", "x"), "name one of --camera, --recording, --officer"),
        (("hold", "--camera", "A"), "say why"),
        (("release", "--camera", "A"), "--reason"),
        (("mark", "ab" * 16, "--reason", "x"), "say what it is"),
        (("mark", "ab" * 16, "--critical"), "--reason"),
        (("mark", "none", "--critical", "--reason", "x"), "not the id of a recording"),
        (("retry",), "name recordings, or --all"),
        (("retry", "--all", "ab" * 16), "name recordings, or --all"),
        (("refuse", "A"), "--reason"),
        (("enroll", "--reason", "x"), "SERIAL"),
    ],
)
def test_half_an_order_is_wrong_usage(dock: DockProcess, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, and nothing reaches the daemon."""
    before = dock.custody_entries()
    done = run(dock, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert dock.custody_entries() == before
