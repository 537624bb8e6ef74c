"""A helper in a process of its own, with a sysfs and disks that the test makes; only root may mount what it mounts."""

import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dockd.helper import client
from dockd.helper.permitted import Permitted
from dockd.helper.server import Server
from tests.sim.bay_sysfs import PERMITTED, BaySysfs

_ME = 0


class HelperHere:
    """A helper in a process of its own, and the port that it guards."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.port = BaySysfs(tmp_path / "sys")
        self.path = str(tmp_path / "s")
        self.pids: list[int] = []

    def start(self, users: tuple[int, ...] = (_ME,), permitted: Callable[[], Permitted] = lambda: PERMITTED) -> None:
        """Fork the helper; it listens already."""
        where = self.folder / "mount"
        where.mkdir(exist_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        pid = os.fork()
        if pid == 0:
            try:
                Server(listener, users, permitted, self.port.sysfs, where, state=self.folder / "state").serve()
            finally:
                os._exit(1)
        listener.close()
        self.pids.append(pid)

    def end_sessions(self) -> None:
        """Wait until every session is over, each in its process."""
        for child in self.sessions():
            with suppress(ProcessLookupError):
                pidfd = os.pidfd_open(child)
                select.select([pidfd], [], [], 30)
                os.close(pidfd)

    def sessions(self) -> list[int]:
        """The processes of the sessions that are open, by pid."""
        return [int(each) for pid in self.pids for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> None:
        """End it."""
        for pid in self.pids:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)

    @contextmanager
    def session(self) -> Iterator[client.Session]:
        """A worker's session."""
        session = client.Session.connect(self.path)
        try:
            yield session
        finally:
            session.close()

    def say(self, content: bytes) -> bytes:
        """What an attacker writes to the socket, and everything that comes back until the helper hangs up."""
        with socket.socket(socket.AF_UNIX) as conversation:
            conversation.settimeout(10)
            conversation.connect(self.path)
            try:
                conversation.sendall(content)
                conversation.shutdown(socket.SHUT_WR)
                answer = b""
                while more := conversation.recv(65536):
                    answer += more
            except ConnectionError:
                return b""
            return answer


def camera_image(path: Path, *, dirty: bool = False) -> Path:
    """An ext4 camera with one recording; a dirty one has a journal that wants to be replayed."""
    tree = path.with_suffix(".tree")
    (tree / "DCIM").mkdir(parents=True)
    (tree / "DCIM/A.MP4").write_bytes(b"footage" * 1000)
    with path.open("wb") as image:
        image.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-d", tree, path], check=True)
    if dirty:
        subprocess.run(["debugfs", "-w", "-R", "feature needs_recovery", path], check=True, capture_output=True)
        assert b"needs_recovery" in subprocess.run(["dumpe2fs", "-h", path], check=True, capture_output=True).stdout
    return path
