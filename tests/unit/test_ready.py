import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from dockd.ready import heartbeat, notify
from tests.sim.dock_process import DockProcess


class StoppedClock(SystemClock):
    """A clock whose sleeps end at once, and that is asked to sleep only so many times."""

    def __init__(self, sleeps: int) -> None:
        self.asked_s: list[float] = []
        self._sleeps = sleeps

    async def sleep(self, seconds: float) -> None:
        """Note what was asked for; at the end of the test's patience, be cancelled."""
        self.asked_s.append(seconds)
        if len(self.asked_s) >= self._sleeps:
            raise asyncio.CancelledError


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def _heard(manager: socket.socket) -> list[str]:
    heard = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(manager.recv(4096).decode())
    return heard


def test_the_manager_hears_it(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said reaches the socket that the manager named."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    notify("READY=1")
    assert _heard(manager) == ["READY=1"]


def test_an_abstract_socket_is_named_with_an_at_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager may listen where no file is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # the kernel chooses a name
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + listener.getsockname()[1:].decode())
        notify("READY=1")
        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nobody/listens/here"])
def test_without_a_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's terminal, or a manager that died, is no failure."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


async def test_the_heart_beats_twice_in_each_interval(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """One late beat does not end the daemon, a loop that stands still does."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    clock = StoppedClock(3)
    with pytest.raises(asyncio.CancelledError):
        await heartbeat(clock)
    assert (clock.asked_s, _heard(manager)) == ([15.0] * 3, ["WATCHDOG=1"] * 3)


@pytest.mark.parametrize("variables", [{}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
async def test_no_heart_beats_where_nobody_listens(
    variables: dict[str, str], manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a watchdog, or with one that watches another process, nothing is sent and nothing waits."""
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    await heartbeat(StoppedClock(1))
    assert _heard(manager) == []


def test_the_dock_says_ready_beats_and_says_stopping(tmp_path: Path) -> None:
    """`dockd run` is ready only once it answers, keeps its watchdog quiet, and announces its stop."""
    with (
        DockProcess(tmp_path / "dock", None) as dock,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        dock.stop()
        listener.bind(str(dock.control.with_name("notify")))
        listener.settimeout(60)
        command = [sys.executable, "-c", "from dockd.cli import main; main()", "run", "--config", str(dock.write_site())]
        environment = os.environ | {"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "1000000"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            heard = {listener.recv(4096).decode() for _ in range(3)}
            assert heard == {"READY=1", "WATCHDOG=1"}
            assert dock.control.is_socket()
            process.send_signal(signal.SIGTERM)
            while (said := listener.recv(4096).decode()) == "WATCHDOG=1":
                pass
            assert said == "STOPPING=1"
        Path(listener.getsockname()).unlink()
        assert process.returncode == 0
