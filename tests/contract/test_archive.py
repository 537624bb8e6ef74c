"""What every archive must do: one suite for every backend and fake, each bare and behind the daemon's wrappers.

A new backend is one file in `stands`, and one line in `BACKENDS`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dockd.archive.limited import Limited
from dockd.archive.protocol import Consignment
from dockd.archive.retrying import Retrying
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from dockd.core.proof import StatementKind
from dockd.core.recording import Digests, Measured, StoredObject
from dockd.dsse import SigningKey
from dockd.errors import ArchiveDeniedError, ArchiveError, ProofRefusedError, SpoolMismatchError, UploadLostError
from tests.contract.stands import s3, sim, tus, vault
from tests.contract.stands.stand import Stand
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.evidence import DOCK
from tests.sim.vault_process import VaultProcess

BACKENDS = (
    sim.BACKEND,
    vault.BACKEND,
    s3.SEAWEED,
    s3.MOTO,
    tus.NODE,
    tus.FASTAPI,
    tus.RESUMABLE,
)

CAMERA = "C1"
DEADLINE_S = 150.0
"""For a server that comes back, the heaviest of others' on a slow machine too."""

AT: dict[str, Callable[[int], int]] = {
    "nothing": lambda _size: 0,
    "a byte": lambda _size: 1,
    "headers": lambda _size: 3_000,
    "half": lambda size: size // 2,
    "all but one": lambda size: size - 1,
    "all": lambda size: size,
}
"""Places in a recording, by its size."""

_BY_NAME = {each.name: each for each in BACKENDS}
_KINDS = [f"{each.name}{wrapping}" for each in BACKENDS for wrapping in ("", " wrapped")]


class Servers:
    """The servers of the backends, each started when the first test wants it, for all tests of this module."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._running: dict[str, Any] = {}

    def of(self, name: str) -> Any:  # noqa: ANN401 - what its stand wants
        """The one of that backend."""
        if name not in self._running:
            self._running[name] = self._stack.enter_context(_BY_NAME[name].serving(self._folder / name))
        return self._running[name]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Stopped at the end."""
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


def wrapped(stand: Stand) -> Stand:
    """The same archive behind limit and retry, as the daemon has it."""
    inner = Limited(stand.archive, 2)
    return replace(stand, archive=Retrying(inner, HurriedClock(), lambda _error, _next_try_s: None), retries=True)


@pytest.fixture(params=_KINDS)
async def stand(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Stand]:
    """Each archive in turn."""
    name, _, wrapping = str(request.param).partition(" ")
    server = await asyncio.to_thread(servers.of, name)
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(_BY_NAME[name].stand(server))
        yield wrapped(bare) if wrapping else bare


async def bring(stand: Stand, consignment: Consignment, watched: Watched) -> StoredObject:
    """Store as the daemon would across breaks: each call goes on from the point that the journal has."""
    for _ in range(1 if stand.retries else 5):
        try:
            return await stand.archive.store(consignment, watched.point, watched)
        except ArchiveError as exc:
            assert exc.transient, exc  # noqa: PT017 - every break must be one that may pass
            await asyncio.wait_for(stand.up.wait(), DEADLINE_S)
    msg = "five breaks where one was made"
    raise AssertionError(msg)


async def assert_held(stand: Stand, stored: StoredObject, content: bytes) -> None:
    """The archive holds exactly `content`, and proves it both ways."""
    receipt = await stand.archive.prove(stored, camera=CAMERA)
    assert receipt.statement.kind is StatementKind.RECEIPT
    assert (receipt.basis, receipt.statement.measured) == (stand.basis, stored.measured)
    nonce = secrets.token_hex(16)
    holding = await stand.archive.prove_again(stored, nonce, camera=CAMERA)
    assert (holding.statement.kind, holding.statement.nonce, holding.basis) == (StatementKind.HOLDING, nonce, stand.basis)
    assert await stand.read_back(stored) == content


@pytest.mark.parametrize("where", ["nothing", "a byte", "all"])
async def test_what_is_stored_is_held_and_proved(stand: Stand, tmp_path: Path, where: str) -> None:
    """From nothing to a proof, for any size; the resume point was told before anything was sent."""
    content, watched = noise(AT[where](stand.size)), Watched()
    stored = await stand.archive.store(consign(tmp_path, content), None, watched)
    await assert_held(stand, stored, content)
    assert watched.story[0] == "placed"
    assert watched.point is not None
    assert watched.point.nonce == stored.nonce


async def test_what_is_promised_is_kept_longer_when_asked_and_never_shorter(stand: Stand, tmp_path: Path) -> None:
    """An archive that promises nothing does not promise that either, and proves what it holds all the same."""
    stored = await bring(stand, consign(tmp_path, noise(1000)), Watched())
    first = (await stand.archive.prove(stored, camera=CAMERA)).statement
    asked = first.time + timedelta(days=4000)
    longer = (await stand.archive.prove_again(stored, "ab" * 16, camera=CAMERA, retain_until=asked)).statement
    again = (await stand.archive.prove_again(stored, "cd" * 16, camera=CAMERA, retain_until=first.time)).statement
    if first.retain_until == first.time:
        assert longer.retain_until == longer.time
    else:
        assert abs(longer.retain_until - asked) < timedelta(seconds=1)
        assert again.retain_until == longer.retain_until


@pytest.mark.parametrize("where", ["nothing", "a byte", "half", "all but one", "all"])
async def test_an_upload_goes_on_at_whatever_byte_it_broke(stand: Stand, tmp_path: Path, where: str) -> None:
    """First, middle, last and none missing: the object is the same, under the upload's own nonce."""
    content, watched = noise(stand.size), Watched()
    consignment, sent = consign(tmp_path, content), AT[where](stand.size)
    point = await stand.begin(consignment, content[:sent])
    stored = await stand.archive.store(consignment, point, watched)
    assert stored.nonce == point.nonce
    assert {"placed", "dropped"}.isdisjoint(watched.story)
    assert all(offset >= stand.kept(sent) for offset in watched.offsets)
    await assert_held(stand, stored, content)


@pytest.mark.parametrize("where", ["a byte", "headers", "half", "all but one", "all"])
async def test_a_broken_connection_loses_and_doubles_nothing(stand: Stand, tmp_path: Path, where: str) -> None:
    """Wherever it breaks, headers and trial included, the next call brings the rest."""
    content, watched = noise(stand.size), Watched()
    consignment = consign(tmp_path, content)
    stand.break_after(AT[where](stand.size))
    stored = await bring(stand, consignment, watched)
    await assert_held(stand, stored, content)
    assert "dropped" not in watched.story


async def test_a_server_that_dies_midway_is_met_again(stand: Stand, tmp_path: Path) -> None:
    """Killed in mid-upload and started again: the upload is still known there, and goes on."""
    content, watched = noise(stand.size), Watched()
    consignment = consign(tmp_path, content)
    await stand.archive.store(consign(tmp_path, b"acquaintance"), None, Watched())
    stand.hold()
    async with asyncio.TaskGroup() as group:
        storing = group.create_task(bring(stand, consignment, watched))
        await stand.kill_midway()
    try:
        await assert_held(stand, storing.result(), content)
    except ProofRefusedError as exc:
        if not stand.miscounts or "what was fetched is" not in exc.message:  # such a server is found out by what it gives back
            raise
    assert watched.story.count("placed") == (1 if stand.survives else 2)
    assert ("dropped" in watched.story) == (not stand.survives)


async def test_a_forgotten_upload_begins_again(stand: Stand, tmp_path: Path) -> None:
    """Expiry costs the bytes that were sent, and is told; nothing else."""
    content, watched = noise(stand.size), Watched()
    consignment = consign(tmp_path, content)
    point = await stand.begin(consignment, content[:1000])
    await stand.forget(point)
    stored = await stand.archive.store(consignment, point, watched)
    assert stored.nonce != point.nonce
    assert [word for word in watched.story if word != "sent"] == ["dropped", "placed"]
    await assert_held(stand, stored, content)


async def test_storing_again_stores_nothing_twice(stand: Stand, tmp_path: Path) -> None:
    """After success the same point gives the same object."""
    content, watched = noise(stand.size), Watched()
    consignment = consign(tmp_path, content)
    stored = await stand.archive.store(consignment, None, watched)
    assert await stand.archive.store(consignment, watched.point, watched) == stored
    await stand.archive.prove(stored, camera=CAMERA)
    assert await stand.archive.store(consignment, watched.point, watched) == stored
    await assert_held(stand, stored, content)


async def test_equal_bytes_of_two_recordings_are_two_objects(stand: Stand, tmp_path: Path) -> None:
    """Each has its own proof, which says nothing about the other."""
    content = noise(stand.size)
    first = await stand.archive.store(consign(tmp_path, content), None, Watched())
    second = await stand.archive.store(consign(tmp_path, content), None, Watched())
    assert first.object_id != second.object_id
    await assert_held(stand, first, content)
    await assert_held(stand, second, content)
    with pytest.raises(ProofRefusedError):
        await stand.archive.prove_again(replace(first, object_id=second.object_id), "ab" * 16, camera=CAMERA)


async def test_several_recordings_go_side_by_side(stand: Stand, tmp_path: Path) -> None:
    """None gets into another's way."""
    contents = [noise(stand.size, seed) for seed in range(5)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stand.archive.store(consign(tmp_path, content), None, Watched())) for content in contents]
    for task, content in zip(tasks, contents, strict=True):
        await assert_held(stand, task.result(), content)


@pytest.mark.parametrize("where", ["nothing", "all but one"])
async def test_a_corrupt_spool_never_becomes_an_object(stand: Stand, tmp_path: Path, where: str) -> None:
    """One flipped bit: the upload stays incomplete, and cannot be proved."""
    content, watched, flipped = bytearray(noise(stand.size)), Watched(), AT[where](stand.size)
    consignment = consign(tmp_path, bytes(content))
    content[flipped] ^= 1
    consignment.path.write_bytes(content)
    with pytest.raises(SpoolMismatchError):
        await stand.archive.store(consignment, None, watched)
    content[flipped] ^= 1
    consignment.path.write_bytes(content)
    stored = await bring(stand, consignment, watched)
    await assert_held(stand, stored, bytes(content))


async def test_what_differs_from_what_the_dock_knows_proves_nothing(stand: Stand, tmp_path: Path) -> None:
    """Digest, size, nonce, recording, archive or camera: one wrong, and the archive's true statement is no proof."""
    stored = await stand.archive.store(consign(tmp_path, noise(stand.size)), None, Watched())
    await stand.archive.prove(stored, camera=CAMERA)
    digests = stored.measured.digests
    for other in (
        replace(stored, measured=Measured(stand.size, Digests(bytes(32), digests.sha256))),
        replace(stored, measured=Measured(stand.size, Digests(digests.blake3, bytes(32)))),
        replace(stored, measured=Measured(stand.size + 1, digests)),
        replace(stored, recording_id="ab" * 16),
        replace(stored, archive="another"),
    ):
        with pytest.raises(ProofRefusedError):
            await stand.archive.prove(other, camera=CAMERA)
        with pytest.raises(ProofRefusedError):
            await stand.archive.prove_again(other, "cd" * 16, camera=CAMERA)
    with pytest.raises(ProofRefusedError):
        await stand.archive.prove(replace(stored, nonce="ef" * 16), camera=CAMERA)
    with pytest.raises(ProofRefusedError):
        await stand.archive.prove(stored, camera="C2")


async def test_what_is_put_on_hold_later_is_proved_as_before(stand: Stand, tmp_path: Path) -> None:
    """A hold that comes after the upload: asked for twice, and the same bytes are proved."""
    content = noise(stand.size)
    stored = await stand.archive.store(consign(tmp_path, content), None, Watched())
    for _ in range(2):
        assert await stand.archive.hold(stored) is stand.holds
    await assert_held(stand, stored, content)
    if stand.holds:
        unknown = replace(stored, object_id="".join("0" if each.isalnum() else each for each in stored.object_id))
        with pytest.raises(UploadLostError):
            await stand.archive.hold(unknown)


async def test_an_unknown_object_is_lost_not_proved(stand: Stand, tmp_path: Path) -> None:
    """The recording must be sent again."""
    stored = await stand.archive.store(consign(tmp_path, noise(10)), None, Watched())
    unknown = replace(stored, object_id="".join("0" if each.isalnum() else each for each in stored.object_id))
    with pytest.raises(UploadLostError):
        await stand.archive.prove(unknown, camera=CAMERA)
    with pytest.raises(UploadLostError):
        await stand.archive.prove_again(unknown, "ab" * 16, camera=CAMERA)


def _vault(servers: Servers) -> tuple[VaultProcess, str]:
    running, token = servers.of("vault")
    assert isinstance(running, VaultProcess)
    return running, str(token)


async def test_a_vault_whose_key_is_not_pinned_is_sent_nothing(servers: Servers, tmp_path: Path) -> None:
    """A vault that took the other's place signs in vain."""
    running, token = _vault(servers)
    other = SigningKey.generate().public_text
    archive = TusArchive(TusSettings(running.files_url, DOCK, (other,), token), SystemClock())
    try:
        with pytest.raises(ArchiveDeniedError, match="does not pin"):
            await archive.store(consign(tmp_path, noise(10)), None, Watched())
    finally:
        await archive.close()


async def test_another_docks_token_and_name_are_denied(servers: Servers, tmp_path: Path) -> None:
    """A wrong token, and a right one used in another dock's name."""
    running, token = _vault(servers)
    for settings in (
        TusSettings(running.files_url, DOCK, (running.public_key,), "wrong"),
        TusSettings(running.files_url, "dock-2", (running.public_key,), token),
    ):
        archive = TusArchive(settings, SystemClock())
        try:
            with pytest.raises(ArchiveDeniedError):
                await archive.store(consign(tmp_path, noise(10), dock=settings.dock), None, Watched())
        finally:
            await archive.close()
