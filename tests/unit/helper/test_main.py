"""The helper as systemd starts it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dockd.helper import wire

HELPER = [sys.executable, "-m", "dockd.helper"]


def test_without_its_socket_it_says_how_it_is_started() -> None:
    """Exit 2, and the command to type."""
    done = subprocess.run(HELPER, capture_output=True, text=True, check=False, env=os.environ | {"LISTEN_PID": "1"})
    assert done.returncode == 2
    assert "systemctl start dockd-helper.socket" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a namespace of its own")
@pytest.mark.skipif(Path("/etc/dockd/site.yaml").exists(), reason="this machine is a dock")
def test_it_serves_the_socket_that_systemd_hands_over(tmp_path: Path) -> None:
    """On a machine without a site file it guards nothing, and says that to whoever asks."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        script = 'exec 3<&"$1"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$2" -m dockd.helper'
        with subprocess.Popen(
            ["bash", "-c", script, "bash", str(listener.fileno()), sys.executable],
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                with socket.socket(socket.AF_UNIX) as conversation:
                    conversation.settimeout(60)
                    conversation.connect(str(tmp_path / "s"))
                    conversation.sendall(wire.frame(wire.Hello()))
                    reply, _ = wire.next_reply(conversation)
            finally:
                process.terminate()
    assert isinstance(reply, wire.Refused)
    assert (reply.kind, reply.message) == ("failed", "/etc/dockd/site.yaml: cannot be read (No such file or directory)")
