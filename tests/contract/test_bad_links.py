"""The tus client and a real vault over links that are bad in every way: found out in time, never taken for success, gone on from.

The limits are a small part of the daemon's, so that nobody waits for half a minute.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from dockd.dsse import SigningKey
from dockd.errors import ArchiveUnreachableError
from tests.sim.bad_link import BadLink, Way
from tests.sim.certificates import Authority
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.cut_link import CutLink
from tests.sim.evidence import DOCK
from tests.sim.tus_server import TusServer
from tests.sim.vault_process import VaultProcess

SIZE = 400_001
LIMIT_S = 0.5
SOON_S = 20
"""Far more than all limits together, and far less than for ever."""


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[VaultProcess]:
    """In a process of its own."""
    async with AsyncExitStack() as stack:
        running = VaultProcess(tmp_path / "store")
        await asyncio.to_thread(running.start)
        stack.callback(running.kill)
        yield running


@pytest.fixture
async def link(vault: VaultProcess) -> AsyncIterator[BadLink]:
    """The way to it."""
    async with BadLink(vault.port) as way:
        yield way


@dataclass(frozen=True, slots=True)
class Clients:
    """Two of one dock: one that gives up soon, and one that waits as the daemon does, however busy this machine is."""

    hasty: TusArchive
    patient: TusArchive


@pytest.fixture
async def clients(vault: VaultProcess, link: BadLink) -> AsyncIterator[Clients]:
    """The patient one knows the vault already."""
    url = f"http://127.0.0.1:{link.port}/files/"
    settings = TusSettings(url, DOCK, (vault.public_key,), vault.token(DOCK), patch_size_bytes=100_000, whole_limit_bytes=0)
    hasty = TusArchive(replace(settings, connect_s=LIMIT_S, stall_s=LIMIT_S, answer_s=LIMIT_S), HurriedClock())
    patient = TusArchive(settings, HurriedClock())
    yield Clients(hasty, patient)
    await hasty.close()
    await patient.close()


@pytest.mark.parametrize("way", [Way.SWALLOWED, Way.PORTAL, Way.RESET])
@pytest.mark.parametrize("after", [0, 1_300_000])
async def test_a_way_that_breaks_is_found_out_in_time_and_gone_on_from(
    way: Way, after: int, clients: Clients, link: BadLink, tmp_path: Path
) -> None:
    """Silence, a page in place of the archive, a reset; at once, and in mid-upload after the trial: nothing lost or doubled."""
    content, watched = noise(SIZE), Watched()
    consignment = consign(tmp_path, content)
    await clients.patient.store(consign(tmp_path, b"acquaintance"), None, Watched())
    link.knobs.turns_to, link.knobs.turn_after_bytes = way, after
    for _ in range(2):
        async with asyncio.timeout(SOON_S):
            with pytest.raises(ArchiveUnreachableError):
                await clients.hasty.store(consignment, watched.point, watched)
    assert "dropped" not in watched.story
    link.knobs.way, link.knobs.turn_after_bytes = Way.OPEN, None
    before = link.passed_bytes
    stored = await clients.patient.store(consignment, watched.point, watched)
    assert (await clients.patient.prove(stored, camera="C1")).statement.measured == stored.measured
    assert link.passed_bytes - before < SIZE + 10_000


async def test_a_way_that_never_holds_as_long_as_a_body_takes_brings_it_all(vault: VaultProcess, tmp_path: Path) -> None:
    """A checked body is kept whole or not at all, and all of it would go in one: after each break less is risked."""
    settings = TusSettings("http://127.0.0.1:1/files/", DOCK, (vault.public_key,), vault.token(DOCK))
    size, breaks, watched, stored = 6_000_001, 0, Watched(), None
    consignment = consign(tmp_path, noise(size))
    async with CutLink(vault.port) as way:
        archive = TusArchive(replace(settings, url=f"http://127.0.0.1:{way.port}/files/"), HurriedClock())
        await archive.store(consign(tmp_path, b"acquaintance"), None, Watched())
        while stored is None:
            way.cut_after_bytes = 500_000
            try:
                stored = await archive.store(consignment, watched.point, watched)
            except ArchiveUnreachableError:
                breaks += 1
                assert breaks < 100
        assert size // 500_000 <= breaks
        assert "dropped" not in watched.story
        way.cut_after_bytes = None
        assert (await archive.prove(stored, camera="C1")).statement.measured == stored.measured
        await archive.close()


@pytest.mark.parametrize("way", [Way.SWALLOWED, Way.PORTAL, Way.RESET])
async def test_a_question_for_proof_over_a_bad_way_is_no_proof(way: Way, clients: Clients, link: BadLink, tmp_path: Path) -> None:
    """Neither a receipt nor a fresh statement; and the upload is not taken for lost."""
    stored = await clients.patient.store(consign(tmp_path, noise(1000)), None, Watched())
    link.knobs.way = way
    async with asyncio.timeout(SOON_S):
        with pytest.raises(ArchiveUnreachableError):
            await clients.hasty.prove(stored, camera="C1")
        with pytest.raises(ArchiveUnreachableError):
            await clients.hasty.prove_again(stored, "ab" * 16, camera="C1")


async def test_a_way_of_long_latency_is_no_broken_one(clients: Clients, link: BadLink, tmp_path: Path) -> None:
    """300 ms there and back: every step takes its time, and none is given up."""
    link.knobs.latency_s = 0.15
    stored = await clients.patient.store(consign(tmp_path, noise(SIZE)), None, Watched())
    assert (await clients.patient.prove(stored, camera="C1")).statement.measured == stored.measured


async def test_a_name_that_nobody_has_is_unreachable(tmp_path: Path) -> None:
    """Wrong DNS: in words, and in time."""
    settings = TusSettings("https://archive.invalid/files/", DOCK, (SigningKey.generate().public_text,), connect_s=5)
    archive = TusArchive(settings, SystemClock())
    async with asyncio.timeout(20):
        with pytest.raises(ArchiveUnreachableError, match=r"archive\.invalid"):
            await archive.store(consign(tmp_path, b"x"), None, Watched())
    await archive.close()


async def test_a_certificate_that_expired_is_said_in_words(tmp_path: Path) -> None:
    """Nothing is sent, and the admin reads which of the two ends must be mended."""
    authority = Authority(tmp_path / "ca")
    expired = authority.issue("127.0.0.1", lasts=timedelta(hours=-1))
    async with TusServer(tls=authority.serving(expired)) as server:
        settings = TusSettings(server.url, DOCK, (), archive_id="plain", tls=authority.trusting())
        archive = TusArchive(settings, HurriedClock())
        with pytest.raises(ArchiveUnreachableError, match=r"TLS certificate is not accepted.*expired.*this dock's clock"):
            await archive.store(consign(tmp_path, b"x"), None, Watched())
        await archive.close()
        assert not server.seen
