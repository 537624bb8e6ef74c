"""The rig's hand inside a machine: runs what the host asks for and answers with exit status and output.

It is copied into the image and runs there as root, with the standard library of that Debian only. One JSON document a line, both
ways, over a virtio-serial port: `{"id", "argv", "stdin", "timeout_s"}` in, `{"id", "status", "stdout", "stderr"}` out; what is
bytes is in base64.
"""

import base64
import json
import os
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


def obey(port: Port, order: dict[str, Any]) -> None:
    """Run one command and answer."""
    try:
        done = subprocess.run(
            order["argv"],
            input=base64.b64decode(order["stdin"]),
            capture_output=True,
            timeout=order["timeout_s"],
            check=False,
        )
        status, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as exc:
        status, out, err = -1, exc.stdout or b"", (exc.stderr or b"") + b"\nrig: it took too long"
    except OSError as exc:
        status, out, err = 127, b"", str(exc).encode()
    port.send(
        {
            "id": order["id"],
            "status": status,
            "stdout": base64.b64encode(out).decode(),
            "stderr": base64.b64encode(err).decode(),
        }
    )


def main() -> None:
    """Obey for ever."""
    port = Port(sys.argv[1])
    while True:
        order = json.loads(port.line())
        threading.Thread(target=obey, args=(port, order), daemon=True).start()


if __name__ == "__main__":
    main()
