"""The script of the dockd-kiosk package shows the page in its compositor and its browser, as a user who may do nothing."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kiosk.conftest import MakeDock
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockProcess, Site

SHOW = Path(__file__).parents[2] / "packaging" / "kiosk" / "show.sh"
NOBODY = 65534
TAKE = bytes((0x00, 0x9E, 0x73))
PATH = "/usr/bin:/bin"


@contextmanager
def group_of(command: list[str], **options: object) -> Iterator["subprocess.Popen[bytes]"]:
    """A process and all that it starts, ended with the block."""
    process = subprocess.Popen(command, start_new_session=True, **options)  # type: ignore[call-overload] # a few plain options
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def x_server() -> Iterator[str]:
    """A display without a screen; its name, which it says when it is ready."""
    ours, theirs = os.pipe()
    with group_of(
        ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1280x800x24"], pass_fds=(theirs,), stderr=subprocess.DEVNULL
    ):
        os.close(theirs)
        with os.fdopen(ours) as said:
            yield f":{said.readline().strip()}"


def pictured(folder: Path) -> bytes:
    """What is on the compositor's screen, as raw pixels; nothing while there is no screen."""
    environment = {"PATH": PATH, "XDG_RUNTIME_DIR": str(folder), "WAYLAND_DISPLAY": "wayland-0"}
    return subprocess.run(["grim", "-t", "ppm", "-"], env=environment, capture_output=True, check=False, timeout=30).stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """What systemd gives the service to write in; short, because sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="kiosk-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        if os.geteuid() == 0:
            os.chown(made, NOBODY, NOBODY)
        yield Path(made)


@contextmanager
def shown(dock: DockProcess, folder: Path, display: str) -> Iterator[None]:
    """Run the script as the service does, but for the display."""
    environment = {
        "PATH": PATH,
        "RUNTIME_DIRECTORY": str(folder),
        "PORT": str(dock.site.kiosk["port"]),
        "DISPLAY": display,
        "WLR_BACKENDS": "x11",
        "WLR_RENDERER": "pixman",
    }
    # The script itself comes through a pipe: where this tree lies, nobody may be able to look.
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with (
        SHOW.open("rb") as script,
        (dock.root / "screen.log").open("wb") as log,
        group_of(["bash", "-s"], stdin=script, stdout=log, stderr=log, env=environment, cwd="/", **user),
    ):
        yield


@pytest.mark.timeout(180)
def test_the_package_shows_the_page_and_nothing_else(tmp_path: Path, make_dock: MakeDock, folder: Path) -> None:
    """The browser keeps its sandbox, fills the screen, and the lamp is seen on it."""
    dock = make_dock(Site(bays=1))
    make_camera(tmp_path / "camera", "X1", recordings=1, size_bytes=1000)
    (tmp_path / "camera").rename(dock.bay(1))
    with x_server() as display, shown(dock, folder, display):
        dock.wait_until(lambda _: pictured(folder).count(TAKE) > 1000, why="the page's green on the screen", deadline_s=120)


def test_a_port_that_is_none_is_refused(folder: Path) -> None:
    """Nothing that was written into the defaults reaches a browser's command line unchecked."""
    environment = {"PATH": PATH, "RUNTIME_DIRECTORY": str(folder), "PORT": "8480/ --no-sandbox"}
    done = subprocess.run(["bash", SHOW], env=environment, capture_output=True, check=False, timeout=30)
    assert done.returncode == 2
    assert b"is not a port" in done.stderr
