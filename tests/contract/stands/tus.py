"""The tus client and tus servers that others wrote: they sign nothing, so what they hold is fetched back."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from dockd.archive.looking import file_name
from dockd.archive.settings import TusSettings
from dockd.core.proof import Basis
from tests.contract.stands.over_tus import Server, over_tus
from tests.contract.stands.stand import Backend, Stand
from tests.sim.evidence import DOCK
from tests.sim.foreign_tus import ForeignTus, NodeTus, PySyncTus, PyTus


@asynccontextmanager
async def foreign_stand(server: ForeignTus, *, miscounts: bool = False) -> AsyncIterator[Stand]:
    """The tus client and a foreign server, with a link between them that can be cut."""
    settings = TusSettings(server.url, DOCK, (), archive_id="tus-test", read_back=True)
    async with over_tus(Server(server.port, server.url, server.restart, settings, _as_a_file)) as stand:
        yield replace(stand, basis=Basis.READ_BACK, miscounts=miscounts)


def _as_a_file(values: Mapping[str, str]) -> Mapping[str, str]:
    """What such servers keep of what they are told."""
    return {"filename": file_name(values), "filetype": "application/octet-stream"}


NODE = Backend("tus-node", NodeTus, foreign_stand)
FASTAPI = Backend("tuspyserver", PyTus, partial(foreign_stand, miscounts=True))
RESUMABLE = Backend("resumable-upload", PySyncTus, foreign_stand)
