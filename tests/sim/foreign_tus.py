"""tus servers that others wrote."""

from collections.abc import Sequence
from pathlib import Path

from tests.sim.foreign_server import PEERS, ForeignServer

_SCRIPT = Path(__file__).parents[2] / "packaging" / "peers" / "tus-node-server.mjs"


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
        return ["node", str(_SCRIPT), str(PEERS), str(self.port), str(self.folder / "files")]
