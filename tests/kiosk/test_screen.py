"""The script of the dockd-kiosk package shows the page in its compositor and its browser, as a user who may do nothing."""

import os
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.kiosk.conftest import MakeDock
from tests.sim.cameras import make_camera
from tests.sim.dock_process import Site

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


def _as_nobody() -> dict[str, object]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def shown(port: int, folder: Path, display: str, log: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the script as the service does, but for the display."""
    environment = more | {
        "PATH": PATH,
        "RUNTIME_DIRECTORY": str(folder),
        "PORT": str(port),
        "DISPLAY": display,
        "WLR_BACKENDS": "x11",
        "WLR_RENDERER": "pixman",
    }
    # The script itself comes through a pipe: where this tree lies, nobody may be able to look.
    with (
        SHOW.open("rb") as script,
        log.open("wb") as said,
        group_of(["bash", "-s"], stdin=script, stdout=said, stderr=said, env=environment, cwd="/", **_as_nobody()) as screen,
    ):
        yield screen


@pytest.mark.timeout(180)
def test_the_package_shows_the_page_and_nothing_else(tmp_path: Path, make_dock: MakeDock, folder: Path) -> None:
    """The browser keeps its sandbox, fills the screen, and the lamp is seen on it."""
    dock = make_dock(Site(bays=1))
    make_camera(tmp_path / "camera", "X1", recordings=1, size_bytes=1000)
    (tmp_path / "camera").rename(dock.bay(1))
    port = dock.site.kiosk["port"]
    assert isinstance(port, int)
    with x_server() as display, shown(port, folder, display, tmp_path / "screen.log"):
        dock.wait_until(lambda _: pictured(folder).count(TAKE) > 1000, why="the page's green on the screen", deadline_s=120)


class _Blank(BaseHTTPRequestHandler):
    """A page with nothing on it, which is all there is of one that was lost on its way."""

    def handle(self) -> None:
        """Wait for whoever begins to ask, and only for them: a browser opens connections ahead, and keeps them for minutes."""
        if select.select([self.connection], [], [], 1)[0]:
            super().handle()

    def do_GET(self) -> None:
        """Answer, and let go of the connection."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called
        """Say nothing."""


# Connects to a port, begins to ask, says so, and never ends its question.
_HOLD = """
import socket, sys
held = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
held.send(b"G")
print("held", flush=True)
held.recv(1)
"""


@pytest.mark.timeout(180)
def test_a_page_that_was_lost_is_begun_anew(tmp_path: Path, folder: Path) -> None:
    """While somebody of the screen's account holds a connection to the dock the screen stays; without one it ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Blank) as server, x_server() as display:
        Thread(target=server.serve_forever, daemon=True).start()
        with shown(server.server_port, folder, display, tmp_path / "lost.log", LOOK_S="0.1") as screen:
            screen.wait(60)
        assert (folder / "looks").read_text() == "24\n"
        holding = ["/usr/bin/python3", "-c", _HOLD, str(server.server_port)]
        with group_of(holding, stdout=subprocess.PIPE, **_as_nobody()) as holder:
            assert holder.stdout is not None
            with holder.stdout as said:
                assert said.readline() == b"held\n"
            with shown(server.server_port, folder, display, tmp_path / "screen.log", LOOK_S="0.1") as screen:
                with pytest.raises(subprocess.TimeoutExpired):
                    screen.wait(10)  # four times as long as the screen would stay without
                assert not (folder / "looks").exists()
                holder.kill()
                screen.wait(60)
        server.shutdown()
    for name in ("lost.log", "screen.log"):
        assert "the browser begins anew" in (tmp_path / name).read_text()


def test_a_port_that_is_none_is_refused(folder: Path) -> None:
    """Nothing that was written into the defaults reaches a browser's command line unchecked."""
    environment = {"PATH": PATH, "RUNTIME_DIRECTORY": str(folder), "PORT": "8480/ --no-sandbox"}
    done = subprocess.run(["bash", SHOW], env=environment, capture_output=True, check=False, timeout=30)
    assert done.returncode == 2
    assert b"is not a port" in done.stderr
