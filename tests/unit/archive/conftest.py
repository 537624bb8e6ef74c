"""A misbehaving tus server and a dock's client for it."""

from collections.abc import AsyncIterator

import pytest

from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.dsse import SigningKey
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import DOCK
from tests.sim.tus_server import TusServer


@pytest.fixture
def clock() -> HurriedClock:
    """Nobody waits."""
    return HurriedClock()


@pytest.fixture
async def server() -> AsyncIterator[TusServer]:
    """A server that signs, on loopback."""
    async with TusServer(SigningKey.generate()) as running:
        yield running


@pytest.fixture
def settings(server: TusServer) -> TusSettings:
    """Small pieces and short patience."""
    assert server.key is not None
    return TusSettings(
        url=server.url,
        dock=DOCK,
        pinned_keys=(server.key.public_text,),
        token="token-1",
        patch_size_bytes=64 * 1024,
        whole_limit_bytes=0,
        connect_s=5,
        stall_s=5,
        answer_s=5,
    )


@pytest.fixture
async def archive(settings: TusSettings, clock: HurriedClock) -> AsyncIterator[TusArchive]:
    """The client under test."""
    client = TusArchive(settings, clock)
    yield client
    await client.close()
