"""What is outside the machines: a vault that judges, in a network of the rig's own, so that machines know it before it runs.

A dock is saved while it runs, with the address, the key and the certificates of its vault. So these are made once, and each
scenario gets a vault of its own with the same; in a network namespace, each process of pytest has the same port for itself.
"""

import ctypes
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.rig.image import RigError, run
from tests.rig.pki import Certificates, certificates
from tests.sim.vault_process import VaultProcess

DOCK_ID = "rig-1"
VAULT_PORT = 8443
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class Outside:
    """A vault, and what the dock needs to know it by."""

    vault: VaultProcess
    certificates: Certificates
    token: str

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """The archive does not answer: whoever is sending something to it is in the middle of that."""
        os.kill(self.vault.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.vault.pid, signal.SIGCONT)


def own_network() -> None:
    """From here on this process and what it starts have a loopback of their own, and nothing else.

    Raises:
        RigError: this is not root.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        msg = f"a network of the rig's own takes root: {os.strerror(ctypes.get_errno())}"
        raise RigError(msg)
    run("ip", "link", "set", "lo", "up")


def model(folder: Path) -> None:
    """Make what every vault of the rig and every dock have in common, in `folder`."""
    folder.mkdir()
    certificates(folder)
    store = VaultProcess(folder / "store")
    (folder / "token").write_text(store.token(DOCK_ID))
    # The vault's key is made when it is first asked for.
    (folder / "key").write_text(store.public_key)


def outside(folder: Path, place: Path) -> Outside:
    """A vault below `place` as `model` made them in `folder`; not started yet."""
    shutil.copytree(folder / "store", place / "vault")
    known = Certificates.below(folder)
    options = ("--tls-cert", known.vault, "--tls-key", known.vault_key, "--client-ca", known.authority)
    vault = VaultProcess(place / "vault", arguments=[os.fspath(each) for each in options])
    vault.port = VAULT_PORT
    return Outside(vault, known, (folder / "token").read_text())
