"""One story for the tests that only read it."""

import asyncio
from pathlib import Path

import pytest

from tests.sim.bundle_of import Story, tell


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A witnessed journal; whoever changes it tells a story of their own."""
    return asyncio.run(tell(tmp_path_factory.mktemp("story")))


@pytest.fixture
async def own(tmp_path: Path) -> Story:
    """A story that the test may go on with."""
    return await tell(tmp_path)
