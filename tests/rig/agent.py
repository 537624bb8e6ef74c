"""The rig's hand inside a machine: runs what the host asks for and answers with exit status and output.

It is copied into the image and runs there as root, with the standard library of that Debian only. One JSON document a line, both
ways, over a virtio-serial port: `{"id", "argv", "stdin", "timeout_s"}` in, `{"id", "status", "stdout", "stderr"}` out; what is
bytes is in base64. With `{"socket", "method", "path"}` in place of a program it asks over HTTP at a Unix socket: without KVM a
program takes a second to start, and most of what a scenario asks is what the bays show.
"""

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

_NOBODY_THERE_S = 0.02


class Port:
    """The line to the host. The kernel reads it as at its end while the host is not connected."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR)
        self._sending = threading.Lock()
        self._unread = b""

    def line(self) -> bytes:
        """The next line."""
        while b"\n" not in self._unread:
            piece = os.read(self._fd, 65536)
            if not piece:
                time.sleep(_NOBODY_THERE_S)
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def send(self, document: dict[str, Any]) -> None:
        """Send one line whole, however many threads answer."""
        data = json.dumps(document).encode() + b"\n"
        with self._sending:
            while data:
                data = data[os.write(self._fd, data) :]


def ask(order: dict[str, Any]) -> tuple[int, bytes, bytes]:
    """One request over HTTP; 0 and the answer if it is a good one, else its HTTP status and what it says."""
    line = http.client.HTTPConnection("localhost", timeout=order["timeout_s"])
    line.sock = socket.socket(socket.AF_UNIX)
    try:
        line.sock.settimeout(order["timeout_s"])
        line.sock.connect(order["socket"])
        line.request(order["method"], order["path"])
        answer = line.getresponse()
        body = answer.read()
    finally:
        line.close()
    return (0, body, b"") if answer.status < http.HTTPStatus.BAD_REQUEST else (answer.status, b"", body)


def obey(port: Port, order: dict[str, Any]) -> None:
    """Run one command and answer."""
    try:
        if "socket" in order:
            status, out, err = ask(order)
        else:
            status, out, err = run(order)
    except subprocess.TimeoutExpired as exc:
        status, out, err = -1, exc.stdout or b"", (exc.stderr or b"") + b"\nrig: it took too long"
    except (OSError, http.client.HTTPException) as exc:
        status, out, err = 127, b"", str(exc).encode()
    port.send(
        {
            "id": order["id"],
            "status": status,
            "stdout": base64.b64encode(out).decode(),
            "stderr": base64.b64encode(err).decode(),
        }
    )


def run(order: dict[str, Any]) -> tuple[int, bytes, bytes]:
    """One program: its exit status and output."""
    done = subprocess.run(
        order["argv"], input=base64.b64decode(order["stdin"]), capture_output=True, timeout=order["timeout_s"], check=False
    )
    return done.returncode, done.stdout, done.stderr


def main() -> None:
    """Obey for ever."""
    port = Port(sys.argv[1])
    while True:
        order = json.loads(port.line())
        threading.Thread(target=obey, args=(port, order), daemon=True).start()


if __name__ == "__main__":
    main()
