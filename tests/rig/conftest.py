"""The scenarios' machines: one for each release, continued from where the package had just been installed."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.docks import DOCK_ID, Outside
from tests.rig.image import SUITES
from tests.rig.pki import certificates
from tests.rig.prepared import Prepared, prepared
from tests.sim.vault_process import VaultProcess


@pytest.fixture(
    scope="session", params=os.environ.get("SUITES", " ".join(sorted(SUITES))).split(), ids=lambda suite: f"debian{suite}"
)
def prepared_machine(request: pytest.FixtureRequest) -> Prepared:
    """A saved machine of each release."""
    suite: str = request.param
    return asyncio.run(prepared(suite))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a scenario's disks and logs lie; kept if it fails."""
    return tmp_path


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """A running vault that machines can reach, and that only docks with a certificate can."""
    made = certificates(tmp_path)
    options = ("--tls-cert", made.vault, "--tls-key", made.vault_key, "--client-ca", made.authority)
    with VaultProcess(tmp_path / "vault", arguments=[os.fspath(each) for each in options]) as vault:
        yield Outside(vault, made, vault.token(DOCK_ID))
