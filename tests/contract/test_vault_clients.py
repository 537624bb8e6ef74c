"""The vault and tus clients that others wrote: each brings a recording by its own resume logic, and the vault signs for it."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import aiotus
import pytest
from aiotus.retry import RetryConfiguration
from blake3 import blake3

from dockd.core.proof import StatementKind, accept_statement
from dockd.core.recording import Digests, Measured, StoredObject
from dockd.dsse import PinnedKeys
from tests.sim.consignments import noise
from tests.sim.cut_link import CutLink
from tests.sim.foreign_server import PEERS
from tests.sim.vault_process import VaultProcess

SIZE = 700_001
CHUNK_BYTES = 100_000
RETRIES = 500
"""Far more than a vault takes to come back, also on a machine that is slow or busy."""
DOCK = "dock-1"
_SCRIPTS = Path(__file__).parents[2] / "packaging" / "peers"
_NODE = ["node", str(_SCRIPTS / "tus-js-client.mjs"), str(PEERS)]


class ClientFailedError(Exception):
    """The client gave up."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a client is to bring, and where to.

    Attributes:
        endpoint, token: of the vault.
        file: what to send.
        metadata: to announce it with.
        memory: a file in which the client may keep where its upload is.
        retries: how often it may try again by itself.
    """

    endpoint: str
    token: str
    file: Path
    metadata: dict[str, str]
    memory: Path
    retries: int = RETRIES


async def tuspy(errand: Errand) -> str:
    """tuspy, in checked pieces."""
    return await _program(errand, [sys.executable, "-W", "ignore", str(_SCRIPTS / "tuspy_client.py")], str(CHUNK_BYTES))


async def in_aiotus(errand: Errand) -> str:
    """aiotus, in pieces."""
    with errand.file.open("rb") as file:
        url = await aiotus.upload(
            errand.endpoint,
            file,
            {key: value.encode() for key, value in errand.metadata.items()},
            headers={"Authorization": f"Bearer {errand.token}"},
            config=RetryConfiguration(retry_attempts=errand.retries, max_retry_period_seconds=0.2),
            chunksize=CHUNK_BYTES,
        )
    if url is None:
        raise ClientFailedError
    return str(url)


async def _program(errand: Errand, command: list[str], chunk: str) -> str:
    """A client in a process of its own."""
    files, words = [str(errand.file), str(errand.memory)], json.dumps(errand.metadata)
    command = [*command, errand.endpoint, errand.token, *files, str(errand.retries), chunk, words]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    said, wrong = await process.communicate()
    if process.returncode:
        raise ClientFailedError(wrong.decode())
    return said.decode().strip()


async def tus_js(errand: Errand) -> str:
    """tus-js-client, in pieces, the first of them with the creation."""
    return await _program(errand, _NODE, str(CHUNK_BYTES))


async def tus_js_whole(errand: Errand) -> str:
    """tus-js-client, all in one body, begun with the creation."""
    return await _program(errand, _NODE, "Infinity")


Client = Callable[[Errand], Awaitable[str]]
CLIENTS = [tuspy, in_aiotus, tus_js]


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[VaultProcess]:
    """A vault in a process of its own."""
    async with AsyncExitStack() as stack:
        running = VaultProcess(tmp_path / "store")
        await asyncio.to_thread(running.start)
        stack.callback(running.kill)
        yield running


@pytest.fixture
async def link(vault: VaultProcess) -> AsyncIterator[CutLink]:
    """The way to it, which can be cut."""
    async with CutLink(vault.port) as cut:
        yield cut


@pytest.fixture
def errand(vault: VaultProcess, link: CutLink, tmp_path: Path) -> Errand:
    """A recording to be brought through the link."""
    file = tmp_path / "clip.mp4"
    content = noise(SIZE)
    file.write_bytes(content)
    metadata = {
        "recording": "ab" * 16,
        "camera": "CAM-1",
        "nonce": "0123456789abcdef",
        "blake3": blake3(content).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return Errand(f"http://127.0.0.1:{link.port}/files/", vault.token(DOCK), file, metadata, tmp_path / "memory")


def was_cut(link: CutLink) -> bool:
    """Whether the cut that was ordered has been made."""
    return link.cut_after_bytes is None


async def assert_signed_for(vault: VaultProcess, errand: Errand, url: str) -> None:
    """The vault's receipt names exactly the bytes that were sent, and it gives them back."""
    name, content = url.rpartition("/")[2], errand.file.read_bytes()
    measured = Measured(len(content), Digests(blake3(content).digest(), hashlib.sha256(content).digest()))
    nonce = errand.metadata["nonce"]
    stored = StoredObject(vault.archive_id, name, vault.files_url + name, nonce, errand.metadata["recording"], measured)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {errand.token}"}) as session:
        async with session.get(f"{vault.files_url}{name}/receipt") as answer:
            assert answer.status == 200
            keys = PinnedKeys(vault.public_key)
            envelope = await answer.read()
            accept_statement(envelope, keys, kind=StatementKind.RECEIPT, stored=stored, nonce=nonce, dock=DOCK, camera="CAM-1")
        async with session.get(f"{vault.files_url}{name}") as answer:
            assert await answer.read() == content


@pytest.mark.parametrize("client", [*CLIENTS, tus_js_whole])
async def test_a_client_of_others_delivers(client: Client, vault: VaultProcess, errand: Errand) -> None:
    """What tuspy, aiotus and tus-js-client bring is signed for."""
    await assert_signed_for(vault, errand, await client(errand))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("where", [3_000, SIZE // 2, SIZE])
async def test_a_client_of_others_goes_on_after_a_break(
    client: Client, where: int, vault: VaultProcess, link: CutLink, errand: Errand
) -> None:
    """By its own logic, from the vault's offset: little is sent twice."""
    link.cut_after_bytes = where
    await assert_signed_for(vault, errand, await client(errand))
    assert was_cut(link)
    assert link.passed_bytes < SIZE + 3 * CHUNK_BYTES


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_of_others_meets_a_vault_again_that_was_killed(
    client: Client, vault: VaultProcess, link: CutLink, errand: Errand
) -> None:
    """In mid-upload: what the vault had made durable is not sent again."""
    link.hold_after_bytes = SIZE // 2
    async with asyncio.TaskGroup() as group:
        uploading = group.create_task(_awaited(client, errand))
        await asyncio.wait_for(link.holding.wait(), 30)
        await asyncio.to_thread(vault.restart)
    await assert_signed_for(vault, errand, uploading.result())
    assert link.passed_bytes < SIZE + 3 * CHUNK_BYTES


@pytest.mark.parametrize("client", [tuspy, tus_js])
async def test_a_client_that_was_started_anew_goes_on_where_it_was(
    client: Client, vault: VaultProcess, link: CutLink, errand: Errand
) -> None:
    """From what it wrote down itself: the vault still knows that upload."""
    link.cut_after_bytes = SIZE // 2
    once = Errand(errand.endpoint, errand.token, errand.file, errand.metadata, errand.memory, retries=0)
    with pytest.raises(ClientFailedError):
        await client(once)
    await assert_signed_for(vault, errand, await client(once))
    assert link.passed_bytes < SIZE + 3 * CHUNK_BYTES


async def _awaited(client: Client, errand: Errand) -> str:
    return await client(errand)
