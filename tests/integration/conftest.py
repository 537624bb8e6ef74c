"""A real vault, and docks that deliver to it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stands.s3 import client
from tests.sim.dock_process import DockProcess, Site
from tests.sim.foreign_s3 import Seaweed
from tests.sim.vault_process import VaultProcess


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultProcess]:
    """A running vault."""
    with VaultProcess(tmp_path / "vault") as running:
        yield running


MakeDock = Callable[[Site], DockProcess]


@pytest.fixture
def make_dock(tmp_path: Path, vault: VaultProcess) -> Iterator[MakeDock]:
    """Makes running docks, each ended with the test."""
    with ExitStack() as stack:

        def make(site: Site) -> DockProcess:
            return stack.enter_context(DockProcess(tmp_path / site.dock, vault, site))

        yield make


@pytest.fixture
def dock(make_dock: MakeDock) -> DockProcess:
    """A running dock as docks usually are: two bays, and cameras are erased."""
    return make_dock(Site())


@pytest.fixture
async def s3(store: Seaweed) -> AsyncIterator[Any]:
    """As an administrator sees it: the `store` of the module that asks."""
    async with client(store.url) as admin:
        yield admin
