"""Servers that others wrote, each a process on loopback, to be killed and started again on the same data and port."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.sim.ports import free_port

PEERS = Path(__file__).parents[2] / "build" / "peers"
"""Where packaging/setup/install.sh puts them."""

_DEADLINE_S = 150.0


class ForeignServerDiedError(Exception):
    """The process ended, or did not serve in time; with the end of its log."""


class ForeignServer:
    """One such process. Entering starts it and waits until it serves; leaving kills it.

    Args:
        folder: for its data and its log; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def command(self) -> Sequence[str]:
        """What is to be run."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """What it needs in its environment besides ours."""
        return {}

    def serves(self) -> bool:
        """Whether it does what it is there for; asked until it does."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            ForeignServerDiedError: it does not.
        """
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                list(self.command()),
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process = os.pidfd_open(self._process.pid)
        ends_s = time.monotonic() + _DEADLINE_S
        try:
            while not self.serves():
                ended, _, _ = select.select([process], [], [], 0.05)
                if ended or time.monotonic() > ends_s:
                    self.kill()
                    msg = f"{' '.join(self.command())}\n{self.log()[-3000:]}"
                    raise ForeignServerDiedError(msg)
        finally:
            os.close(process)

    def kill(self) -> None:
        """SIGKILL, to its whole session."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_DEADLINE_S)
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again on the same data and port."""
        self.kill()
        self.start()

    def log(self) -> str:
        """Everything that it said so far."""
        return (self.folder / "log").read_text(errors="replace")
