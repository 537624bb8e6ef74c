"""A real vault in a process of its own, to be killed and started again on the same store and port."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dockd.clock import SystemClock
from dockd.dsse import SigningKey
from dockd.vault.service import open_ledger
from tests.sim.ports import free_port

_DEADLINE_S = 120.0
_PROGRAM = "from dockd.cli import main; main()"


class VaultDiedError(Exception):
    """The process ended before it said that it serves."""


class VaultProcess:
    """`dockd vault` on loopback, in a session of its own, so that a crash point kills it alone.

    Entering starts it and waits until it serves; leaving kills it. `stop` and `kill` may be followed by `start` on the same store
    and port.

    Args:
        root: the store's folder; made if missing.
        archive_id: the archive's name in every statement.
        arguments: more options for `dockd vault`.
        host: where it listens; other than loopback it wants certificates among the arguments.
    """

    def __init__(
        self, root: Path, *, archive_id: str = "vault-test", arguments: Sequence[str] = (), host: str = "127.0.0.1"
    ) -> None:
        self.root = root
        self.archive_id = archive_id
        self.port = 0
        self.log_path = root.with_name(f"{root.name}.log")
        self._arguments, self._host = list(arguments), host
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the vault."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Kill the vault, whatever it is doing."""
        self.kill()

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def files_url(self) -> str:
        """Where uploads are created."""
        return f"{self.url}/files/"

    @property
    def public_key(self) -> str:
        """What a dock pins, `ed25519:...`."""
        return SigningKey.load_or_create(self.root / "key.pem").public_text

    @property
    def pid(self) -> int:
        """The running process."""
        return self._running().pid

    def token(self, dock: str) -> str:
        """A new token for `dock`; works whether or not the vault runs."""
        _place, ledger = open_ledger(self.root)
        try:
            return ledger.issue_token(dock, SystemClock().now(), replace=False)
        finally:
            ledger.close()

    def start(self, *, crash_at: str = "") -> None:
        """Start it and wait until it serves.

        Args:
            crash_at: a crash point, as `DOCKD_CRASH_AT`.

        Raises:
            VaultDiedError: it ended instead; the message has the end of its log.
        """
        if self.alive():
            msg = "this vault runs already"
            raise RuntimeError(msg)
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="vault") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(f"{folder}/notify")
            environment = os.environ | {"NOTIFY_SOCKET": f"{folder}/notify", "DOCKD_CRASH_AT": crash_at}
            self.port = self.port or free_port()  # one to come back to
            command = [sys.executable, "-c", _PROGRAM, "vault", "--root", str(self.root), "--listen", f"{self._host}:{self.port}"]
            command += ["--archive-id", self.archive_id, *self._arguments]
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
            self.port = int(self._wait_until_it_serves(ready).rpartition(":")[2])

    def kill(self) -> None:
        """SIGKILL, to its whole session; nothing happens if it is dead already."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_DEADLINE_S)
            self._process = None

    def stop(self) -> int:
        """SIGTERM; wait for the end and return the exit status."""
        process = self._running()
        process.terminate()
        status = process.wait(_DEADLINE_S)
        self._process = None
        return status

    def restart(self) -> None:
        """Kill it and start it again on the same store and port."""
        self.kill()
        self.start()

    def wait(self) -> int:
        """Wait for its end, which something else brings about, and return the exit status."""
        status = self._running().wait(_DEADLINE_S)
        self._process = None
        return status

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """Everything that it said so far."""
        return self.log_path.read_text(errors="replace")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            msg = "this vault does not run"
            raise RuntimeError(msg)
        return self._process

    def _wait_until_it_serves(self, ready: socket.socket) -> str:
        """Wait for READY=1 or for the end of the process, whichever comes first."""
        process = os.pidfd_open(self._running().pid)
        try:
            readable, _, _ = select.select([ready.fileno(), process], [], [], _DEADLINE_S)
        finally:
            os.close(process)
        if ready.fileno() not in readable:
            self.kill()
            msg = f"the vault did not become ready; the end of its log:\n{self.log()[-2000:]}"
            raise VaultDiedError(msg)
        return ready.recv(4096).decode()
