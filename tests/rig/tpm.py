"""A machine's TPM: swtpm, whose state is a folder: the same one comes back after a power cut, another is another's."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rig.image import RigError

_BEGINS_S = 30.0


@contextmanager
def tpm(state: Path) -> Iterator[Path]:
    """The socket by which QEMU has it; it ends with the machine.

    Raises:
        RigError: it does not begin.
    """
    state.mkdir(exist_ok=True)
    line = state / "socket"
    line.unlink(missing_ok=True)
    options = ["--tpm2", "--tpmstate", f"dir={state}", "--ctrl", f"type=unixio,path={line}", "--terminate"]
    # Into the background once it listens.
    with (state / "log").open("ab") as log:
        begun = subprocess.run(
            ["swtpm", "socket", *options, "--daemon", "--pid", f"file={state}/pid"],
            stdout=log,
            stderr=log,
            timeout=_BEGINS_S,
            check=False,
        )
    if begun.returncode != 0:
        msg = f"swtpm does not begin: {(state / 'log').read_text()[-2000:]}"
        raise RigError(msg)
    try:
        yield line
    finally:
        _end(state / "pid")


def _end(pid: Path) -> None:
    """Whatever became of the machine, nothing of it stays."""
    try:
        subprocess.run(["kill", pid.read_text().strip()], capture_output=True, check=False)
    except FileNotFoundError:
        return  # it ended with the machine, and took its file along
