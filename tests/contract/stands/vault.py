"""The tus client and a real vault."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from dockd.archive.settings import TusSettings
from tests.contract.stands.over_tus import Server, over_tus
from tests.contract.stands.stand import Backend, Stand
from tests.sim.evidence import DOCK
from tests.sim.vault_process import VaultProcess


@contextmanager
def serving(folder: Path) -> Iterator[tuple[VaultProcess, str]]:
    """One vault, and a token for it; the tests share nothing in it."""
    with VaultProcess(folder / "store") as running:
        yield running, running.token(DOCK)


@asynccontextmanager
async def vault_stand(server: tuple[VaultProcess, str]) -> AsyncIterator[Stand]:
    """The tus client and a real vault, with a link between them that can be cut."""
    vault, token = server
    settings = TusSettings(vault.files_url, DOCK, (vault.public_key,), token, archive_id=vault.archive_id)
    async with over_tus(Server(vault.port, vault.files_url, vault.restart, settings)) as stand:
        yield stand


BACKEND = Backend("vault", serving, vault_stand)
