"""tus servers that others wrote."""

from collections.abc import Sequence
from pathlib import Path

from tests.sim.foreign_server import PEERS, ForeignServer

_SCRIPTS = Path(__file__).parents[2] / "packaging" / "peers"


class ForeignTus(ForeignServer):
    """One that serves tus below /files/."""

    @property
    def url(self) -> str:
        """Of tus."""
        return f"http://127.0.0.1:{self.port}/files/"


class NodeTus(ForeignTus):
    """@tus/server, by the protocol's own authors."""

    def command(self) -> Sequence[str]:
        """As the base says."""
        return ["node", str(_SCRIPTS / "tus-node-server.mjs"), str(PEERS), str(self.port), str(self.folder / "files")]


class PyTus(ForeignTus):
    """tuspyserver, in an application that gives back what it received: the library has no download of its own."""

    def command(self) -> Sequence[str]:
        """As the base says."""
        return [str(PEERS / "bin" / "python"), str(_SCRIPTS / "tuspyserver_app.py"), str(self.port), str(self.folder / "files")]


class PySyncTus(ForeignTus):
    """resumable-upload's own command, which checks checksums."""

    def command(self) -> Sequence[str]:
        """As the base says."""
        files = str(self.folder / "files")
        command = [
            str(PEERS / "bin" / "python"),
            "-m",
            "resumable_upload",
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        return [*command, "--upload-dir", files, "--enable-downloads", "--checksum-algorithms", "sha1,sha256"]
