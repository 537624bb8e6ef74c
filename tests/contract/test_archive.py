"""What every archive must do: one suite for the simulated one, for tus with a real vault, and for both behind their wrappers."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest

from dockd.archive.introduction import metadata_header
from dockd.archive.limited import Limited
from dockd.archive.protocol import Archive, Consignment
from dockd.archive.retrying import Retrying
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from dockd.core.proof import StatementKind
from dockd.core.recording import Digests, Measured, ResumePoint, StoredObject
from dockd.dsse import SigningKey
from dockd.errors import ArchiveDeniedError, ArchiveError, ProofRefusedError, SpoolMismatchError, UploadLostError
from tests.sim.archive import SimArchive, SimObject
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.cut_link import CutLink
from tests.sim.evidence import DOCK
from tests.sim.vault_process import VaultProcess

SIZE = 700_001
CAMERA = "C1"


@dataclass(slots=True)
class Stand:
    """One archive under test, and a hand behind it.

    Attributes:
        archive: under test.
        begin: makes an upload that got exactly so many bytes before its connection broke.
        break_after: the next store breaks after about so many bytes.
        hold: let the next store come to about its middle and no further.
        kill_midway: wait for that, and let the server die without warning and come back.
        forget: the server no longer knows an unfinished upload.
        read_back: what the server holds.
        retries: whether breaks are mended inside.
        up: cleared while the server is dead.
    """

    archive: Archive
    begin: Callable[[Consignment, bytes], Awaitable[ResumePoint]]
    break_after: Callable[[int], None]
    hold: Callable[[], None]
    kill_midway: Callable[[], Awaitable[None]]
    forget: Callable[[ResumePoint], Awaitable[None]]
    read_back: Callable[[StoredObject], Awaitable[bytes]]
    retries: bool = False
    up: asyncio.Event = field(default_factory=lambda: _set(asyncio.Event()))


def _set(event: asyncio.Event) -> asyncio.Event:
    event.set()
    return event


def sim_stand() -> Stand:
    """The simulated archive."""
    sim = SimArchive(dock=DOCK, piece_bytes=10_000)

    async def begin(consignment: Consignment, sent: bytes) -> ResumePoint:
        object_id = secrets.token_hex(16)
        sim.uploads[object_id] = SimObject(consignment, secrets.token_hex(16), bytearray(sent))
        return ResumePoint(f"sim:{object_id}", sim.uploads[object_id].nonce)

    def break_after(count: int) -> None:
        sim.faults.fail_after_bytes = count

    def hold() -> None:
        sim.gate.clear()

    async def kill_midway() -> None:
        await asyncio.wait_for(sim.waiting.wait(), 10)
        sim.faults.fail_after_bytes = 0
        sim.gate.set()

    async def forget(point: ResumePoint) -> None:
        del sim.uploads[point.url.removeprefix("sim:")]

    async def read_back(stored: StoredObject) -> bytes:
        return sim.read_back(stored)

    return Stand(sim, begin, break_after, hold, kill_midway, forget, read_back)


@asynccontextmanager
async def vault_stand(vault: VaultProcess, token: str) -> AsyncIterator[Stand]:
    """The tus client and a real vault, with a link between them that can be cut."""
    up = _set(asyncio.Event())
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(CutLink(vault.port))
        archive = TusArchive(
            TusSettings(
                url=f"http://127.0.0.1:{link.port}/files/",
                dock=DOCK,
                pinned_keys=(vault.public_key,),
                token=token,
                archive_id=vault.archive_id,
                patch_size_bytes=100_000,
            ),
            SystemClock(),
        )
        stack.push_async_callback(archive.close)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"})
        )

        async def begin(consignment: Consignment, sent: bytes) -> ResumePoint:
            measured, nonce = consignment.verified.measured, secrets.token_hex(16)
            values = {
                "recording": consignment.verified.recording_id,
                "camera": consignment.camera,
                "blake3": measured.digests.blake3.hex(),
                "sha256": measured.digests.sha256.hex(),
                "nonce": nonce,
            }
            headers = {"Upload-Length": str(measured.size_bytes), "Upload-Metadata": metadata_header(values)}
            async with session.post(vault.files_url, headers=headers) as answer:
                assert answer.status == 201
                name = answer.headers["Location"].rpartition("/")[2]
            headers = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            if sent:
                async with session.patch(f"{vault.files_url}{name}", headers=headers, data=sent) as answer:
                    assert answer.headers["Upload-Offset"] == str(len(sent))
            return ResumePoint(f"http://127.0.0.1:{link.port}/files/{name}", nonce)

        def break_after(count: int) -> None:
            link.cut_after_bytes = count

        def hold() -> None:
            link.hold_after_bytes = SIZE // 2

        async def kill_midway() -> None:
            await asyncio.wait_for(link.holding.wait(), 10)
            up.clear()
            await asyncio.to_thread(vault.restart)
            up.set()

        async def forget(point: ResumePoint) -> None:
            async with session.delete(vault.files_url + point.url.rpartition("/")[2]) as answer:
                assert answer.status == 204

        async def read_back(stored: StoredObject) -> bytes:
            async with session.get(vault.files_url + stored.object_id) as answer:
                assert answer.status == 200
                return await answer.read()

        yield Stand(archive, begin, break_after, hold, kill_midway, forget, read_back, up=up)


def wrapped(stand: Stand) -> Stand:
    """The same archive behind limit and retry, as the daemon has it."""
    inner = Limited(stand.archive, 2)
    return replace(stand, archive=Retrying(inner, HurriedClock(), lambda _error, _next_try_s: None), retries=True)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VaultProcess, str]]:
    """One vault for all tests of this module, and a token for it; the tests share nothing in it."""
    with VaultProcess(tmp_path_factory.mktemp("vault") / "store") as running:
        yield running, running.token(DOCK)


@pytest.fixture(params=["sim", "vault", "sim wrapped", "vault wrapped"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    """Each archive in turn."""
    kind, _, wrapping = str(request.param).partition(" ")
    async with AsyncExitStack() as stack:
        if kind == "sim":
            bare = sim_stand()
        else:
            bare = await stack.enter_async_context(vault_stand(*request.getfixturevalue("vault")))
        yield wrapped(bare) if wrapping else bare


async def bring(stand: Stand, consignment: Consignment, watched: Watched) -> StoredObject:
    """Store as the daemon would across breaks: each call goes on from the point that the journal has."""
    for _ in range(1 if stand.retries else 5):
        try:
            return await stand.archive.store(consignment, watched.point, watched)
        except ArchiveError as exc:
            assert exc.transient, exc  # noqa: PT017 - every break must be one that may pass
            await asyncio.wait_for(stand.up.wait(), 30)
    msg = "five breaks where one was made"
    raise AssertionError(msg)


async def assert_held(stand: Stand, stored: StoredObject, content: bytes) -> None:
    """The archive holds exactly `content`, and proves it both ways."""
    receipt = await stand.archive.prove(stored, camera=CAMERA)
    assert receipt.statement.kind is StatementKind.RECEIPT
    assert receipt.statement.measured == stored.measured
    nonce = secrets.token_hex(16)
    holding = await stand.archive.prove_again(stored, nonce, camera=CAMERA)
    assert (holding.statement.kind, holding.statement.nonce) == (StatementKind.HOLDING, nonce)
    assert await stand.read_back(stored) == content


@pytest.mark.parametrize("size", [0, 1, SIZE])
async def test_what_is_stored_is_held_and_proved(stand: Stand, tmp_path: Path, size: int) -> None:
    """From nothing to a proof, for any size; the resume point was told before anything was sent."""
    content, watched = noise(size), Watched()
    stored = await stand.archive.store(consign(tmp_path, content), None, watched)
    await assert_held(stand, stored, content)
    assert watched.story[0] == "placed"
    assert watched.point == ResumePoint(stored.url, stored.nonce)


@pytest.mark.parametrize("sent", [0, 1, SIZE // 2, SIZE - 1, SIZE])
async def test_an_upload_goes_on_at_whatever_byte_it_broke(stand: Stand, tmp_path: Path, sent: int) -> None:
    """First, middle, last and none missing: the object is the same, under the upload's own nonce."""
    content, watched = noise(SIZE), Watched()
    consignment = consign(tmp_path, content)
    point = await stand.begin(consignment, content[:sent])
    stored = await stand.archive.store(consignment, point, watched)
    assert stored.nonce == point.nonce
    assert {"placed", "dropped"}.isdisjoint(watched.story)
    assert all(offset >= sent for offset in watched.offsets)
    await assert_held(stand, stored, content)


@pytest.mark.parametrize("sent", [1, 3_000, SIZE // 2, SIZE - 1, SIZE])
async def test_a_broken_connection_loses_and_doubles_nothing(stand: Stand, tmp_path: Path, sent: int) -> None:
    """Wherever it breaks, headers and trial included, the next call brings the rest."""
    content, watched = noise(SIZE), Watched()
    consignment = consign(tmp_path, content)
    stand.break_after(sent)
    stored = await bring(stand, consignment, watched)
    await assert_held(stand, stored, content)
    assert "dropped" not in watched.story


async def test_a_server_that_dies_midway_is_met_again(stand: Stand, tmp_path: Path) -> None:
    """Killed in mid-upload and started again: the upload is still known there, and goes on."""
    content, watched = noise(SIZE), Watched()
    consignment = consign(tmp_path, content)
    await stand.archive.store(consign(tmp_path, b"acquaintance"), None, Watched())
    stand.hold()
    async with asyncio.TaskGroup() as group:
        storing = group.create_task(bring(stand, consignment, watched))
        await stand.kill_midway()
    await assert_held(stand, storing.result(), content)
    assert watched.story.count("placed") == 1
    assert "dropped" not in watched.story


async def test_a_forgotten_upload_begins_again(stand: Stand, tmp_path: Path) -> None:
    """Expiry costs the bytes that were sent, and is told; nothing else."""
    content, watched = noise(SIZE), Watched()
    consignment = consign(tmp_path, content)
    point = await stand.begin(consignment, content[:1000])
    await stand.forget(point)
    stored = await stand.archive.store(consignment, point, watched)
    assert stored.nonce != point.nonce
    assert [word for word in watched.story if word != "sent"] == ["dropped", "placed"]
    await assert_held(stand, stored, content)


async def test_storing_again_stores_nothing_twice(stand: Stand, tmp_path: Path) -> None:
    """After success the same point gives the same object."""
    content, watched = noise(SIZE), Watched()
    consignment = consign(tmp_path, content)
    stored = await stand.archive.store(consignment, None, watched)
    assert await stand.archive.store(consignment, watched.point, watched) == stored
    await stand.archive.prove(stored, camera=CAMERA)
    assert await stand.archive.store(consignment, watched.point, watched) == stored
    await assert_held(stand, stored, content)


async def test_equal_bytes_of_two_recordings_are_two_objects(stand: Stand, tmp_path: Path) -> None:
    """Each has its own proof, which says nothing about the other."""
    content = noise(SIZE)
    first = await stand.archive.store(consign(tmp_path, content), None, Watched())
    second = await stand.archive.store(consign(tmp_path, content), None, Watched())
    assert first.object_id != second.object_id
    await assert_held(stand, first, content)
    await assert_held(stand, second, content)
    with pytest.raises(ProofRefusedError):
        await stand.archive.prove_again(replace(first, object_id=second.object_id), "ab" * 16, camera=CAMERA)


async def test_several_recordings_go_side_by_side(stand: Stand, tmp_path: Path) -> None:
    """None gets into another's way."""
    contents = [noise(SIZE, seed) for seed in range(5)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stand.archive.store(consign(tmp_path, content), None, Watched())) for content in contents]
    for task, content in zip(tasks, contents, strict=True):
        await assert_held(stand, task.result(), content)


@pytest.mark.parametrize("flipped", [0, SIZE - 1])
async def test_a_corrupt_spool_never_becomes_an_object(stand: Stand, tmp_path: Path, flipped: int) -> None:
    """One flipped bit: the upload stays incomplete, and cannot be proved."""
    content, watched = bytearray(noise(SIZE)), Watched()
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
    stored = await stand.archive.store(consign(tmp_path, noise(SIZE)), None, Watched())
    await stand.archive.prove(stored, camera=CAMERA)
    digests = stored.measured.digests
    for other in (
        replace(stored, measured=Measured(SIZE, Digests(bytes(32), digests.sha256))),
        replace(stored, measured=Measured(SIZE, Digests(digests.blake3, bytes(32)))),
        replace(stored, measured=Measured(SIZE + 1, digests)),
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


async def test_an_unknown_object_is_lost_not_proved(stand: Stand, tmp_path: Path) -> None:
    """The recording must be sent again."""
    stored = await stand.archive.store(consign(tmp_path, noise(10)), None, Watched())
    unknown = replace(stored, object_id="0" * len(stored.object_id))
    with pytest.raises(UploadLostError):
        await stand.archive.prove(unknown, camera=CAMERA)
    with pytest.raises(UploadLostError):
        await stand.archive.prove_again(unknown, "ab" * 16, camera=CAMERA)


async def test_a_vault_whose_key_is_not_pinned_is_sent_nothing(vault: tuple[VaultProcess, str], tmp_path: Path) -> None:
    """A vault that took the other's place signs in vain."""
    running, token = vault
    other = SigningKey.generate().public_text
    archive = TusArchive(TusSettings(running.files_url, DOCK, (other,), token), SystemClock())
    try:
        with pytest.raises(ArchiveDeniedError, match="does not pin"):
            await archive.store(consign(tmp_path, noise(10)), None, Watched())
    finally:
        await archive.close()


async def test_another_docks_token_and_name_are_denied(vault: tuple[VaultProcess, str], tmp_path: Path) -> None:
    """A wrong token, and a right one used in another dock's name."""
    running, token = vault
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
