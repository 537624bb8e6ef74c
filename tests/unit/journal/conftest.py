"""A journal of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dockd.core.custody import CameraDocked
from dockd.journal import Journal
from tests.sim.consignments import HurriedClock


@pytest.fixture
def clock() -> HurriedClock:
    """A clock that stands still."""
    return HurriedClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal lies."""
    return tmp_path / "journal.db"


@pytest.fixture
async def journal(path: Path, clock: HurriedClock) -> AsyncIterator[Journal]:
    """A new journal with camera C1 docked in docking d1; closed at the end."""
    opened = await Journal.create(path, clock)
    await opened.record(CameraDocked("d1", "C1", "dcf", "1", "badge 7"))
    yield opened
    await opened.close()
