"""The scenarios' machines: one for each release, continued from where the package had just been installed."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.image import SCREEN, SUITES, image
from tests.rig.outside import Outside, own_network
from tests.rig.outside import outside as outside_of
from tests.rig.prepared import Prepared, prepared

WANTED = os.environ.get("SUITES", " ".join(sorted(SUITES))).split()
NEWEST = max(WANTED)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave scenarios marked `once` to the newest of the releases that are wanted; docs/RIG.md says which these are.

    What mostly waits comes first, so that others have the processors meanwhile.
    """
    rest = [each for each in items if each.get_closest_marker("once") and f"debian{NEWEST}" not in each.name]
    items[:] = sorted((each for each in items if each not in rest), key=lambda each: each.get_closest_marker("waits") is None)
    config.hook.pytest_deselected(items=rest)


@pytest.fixture(scope="session")
def network(request: pytest.FixtureRequest) -> None:
    """Scenarios run beside each other, and each has the vault's port for itself; what comes from elsewhere has to come before."""
    for suite in WANTED:
        image(suite)
    if any("scenario_kiosk" in item.nodeid for item in request.session.items):
        image(NEWEST, SCREEN)
    own_network()


@pytest.fixture(scope="session", params=WANTED, ids=lambda suite: f"debian{suite}")
def prepared_machine(request: pytest.FixtureRequest, network: None) -> Prepared:
    """A saved machine of each release."""
    suite: str = request.param
    return asyncio.run(prepared(suite))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a scenario's disks and logs lie; kept if it fails."""
    return tmp_path


@pytest.fixture
def outside(prepared_machine: Prepared, tmp_path: Path) -> Iterator[Outside]:
    """A running vault that machines can reach, and that only docks with a certificate can."""
    made = outside_of(prepared_machine.model, tmp_path)
    with made.vault:
        yield made
