"""Proofs over tus: only a statement that repeats all that the dock knows is one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.core.proof import StatementKind
from dockd.core.recording import StoredObject
from dockd.dsse import SigningKey
from dockd.errors import (
    ArchiveBusyError,
    ArchiveDeniedError,
    ArchiveError,
    ArchiveRefusedError,
    ArchiveUnreachableError,
    ProofRefusedError,
    UploadLostError,
)
from tests.sim.archive import Lie
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.tus_server import Canned, TusServer

NONCE = "ab" * 16


@pytest.fixture
async def stored(archive: TusArchive, tmp_path: Path) -> StoredObject:
    """A recording that the server keeps."""
    return await archive.store(consign(tmp_path, noise(1000)), None, Watched())


async def test_a_true_receipt_is_a_proof(archive: TusArchive, stored: StoredObject) -> None:
    """It names the object and what the dock measured, and repeats the upload's nonce."""
    proof = await archive.prove(stored, camera="C1")
    assert proof.statement.kind is StatementKind.RECEIPT
    assert (proof.statement.measured, proof.statement.nonce) == (stored.measured, stored.nonce)


async def test_a_true_holding_statement_is_a_proof(archive: TusArchive, stored: StoredObject) -> None:
    """It repeats the nonce that was asked with."""
    proof = await archive.prove_again(stored, NONCE, camera="C1")
    assert proof.statement.kind is StatementKind.HOLDING
    assert proof.statement.nonce == NONCE


@pytest.mark.parametrize("lie", [lie for lie in Lie if lie is not Lie.NONE])
async def test_a_lie_is_never_a_proof(archive: TusArchive, server: TusServer, stored: StoredObject, lie: Lie) -> None:
    """Whatever is wrong about it, neither statement is accepted, and it is said aloud."""
    server.wrong.lie = lie
    with pytest.raises(ProofRefusedError, match="proves nothing"):
        await archive.prove(stored, camera="C1")
    with pytest.raises(ProofRefusedError, match="proves nothing"):
        await archive.prove_again(stored, NONCE, camera="C1")


async def test_a_proof_for_another_camera_is_none(archive: TusArchive, stored: StoredObject) -> None:
    """What the archive holds for one camera erases nothing on another."""
    with pytest.raises(ProofRefusedError, match="camera"):
        await archive.prove(stored, camera="C2")


async def test_a_receipt_is_waited_for_as_long_as_the_archive_says(
    archive: TusArchive, server: TusServer, stored: StoredObject, clock: HurriedClock
) -> None:
    """202 is neither a proof nor a failure."""
    answers = [{"Retry-After": "3"}, {}, {"Retry-After": "2"}]
    server.wrong.canned = [Canned("GET", 202, headers, part="/receipt") for headers in answers]
    await archive.prove(stored, camera="C1")
    assert clock.slept_s == [3, 1, 2]


@pytest.mark.parametrize(
    ("status", "headers", "tus", "error"),
    [
        (404, {}, True, UploadLostError),
        (410, {}, True, UploadLostError),
        (404, {}, False, ArchiveUnreachableError),
        (422, {}, True, ArchiveRefusedError),
        (422, {}, False, ArchiveUnreachableError),
        (401, {}, True, ArchiveDeniedError),
        (503, {"Retry-After": "9"}, True, ArchiveBusyError),
        (500, {}, True, ArchiveUnreachableError),
        (302, {"Location": "/"}, True, ArchiveUnreachableError),
        (202, {}, False, ArchiveUnreachableError),
    ],
)
async def test_each_answer_to_a_question_for_proof_is_its_own_error(
    archive: TusArchive,
    server: TusServer,
    stored: StoredObject,
    status: int,
    headers: Mapping[str, str],
    tus: bool,
    error: type[ArchiveError],
) -> None:
    """Permanent ones are believed only from the archive itself."""
    server.wrong.canned = [Canned("GET", status, headers, "words", tus, "/receipt")]
    with pytest.raises(error) as caught:
        await archive.prove(stored, camera="C1")
    assert type(caught.value) is error
    server.wrong.canned = [Canned("POST", status, headers, "words", tus, "/holding")]
    with pytest.raises(error):
        await archive.prove_again(stored, NONCE, camera="C1")


async def test_an_incomplete_upload_must_be_sent_on(archive: TusArchive, server: TusServer, stored: StoredObject) -> None:
    """409 on the receipt means that the archive has not all of it; on a holding, that it is still reading."""
    server.wrong.canned = [Canned("GET", 409, part="/receipt"), Canned("POST", 409, part="/holding")]
    with pytest.raises(UploadLostError):
        await archive.prove(stored, camera="C1")
    with pytest.raises(ArchiveBusyError):
        await archive.prove_again(stored, NONCE, camera="C1")


async def test_an_enormous_answer_is_no_proof(archive: TusArchive, server: TusServer, stored: StoredObject) -> None:
    """What is longer than any envelope is cut and refused."""
    server.wrong.canned = [Canned("GET", 200, {"Content-Type": "application/json"}, "[" * 1_000_000, part="/receipt")]
    with pytest.raises(ProofRefusedError):
        await archive.prove(stored, camera="C1")


async def test_the_object_is_asked_for_at_the_configured_archive(
    archive: TusArchive, server: TusServer, stored: StoredObject
) -> None:
    """A stored url that points elsewhere, after a move of the archive or by malice, is not followed."""
    await archive.prove(replace(stored, url="http://other.example/files/1"), camera="C1")
    assert server.seen[-1].path == f"/files/{stored.object_id}/receipt"
    with pytest.raises(ArchiveError):
        await archive.prove(replace(stored, object_id="../../archive?x="), camera="C1")
    assert server.seen[-1].path.endswith("/receipt")


async def test_a_plain_tus_server_stores_but_proves_nothing(settings: TusSettings, tmp_path: Path) -> None:
    """Without GET /archive the site file must name the archive, and no proof is expected from it."""
    async with TusServer() as plain:
        archive = TusArchive(replace(settings, url=plain.url, archive_id="plain"), HurriedClock())
        try:
            stored = await archive.store(consign(tmp_path, noise(1000)), None, Watched())
            assert stored.archive == "plain"
            with pytest.raises(ProofRefusedError, match="plain tus server"):
                await archive.prove(stored, camera="C1")
        finally:
            await archive.close()
        nameless = TusArchive(replace(settings, url=plain.url), HurriedClock())
        try:
            with pytest.raises(ArchiveUnreachableError):
                await nameless.store(consign(tmp_path, noise(1000)), None, Watched())
        finally:
            await nameless.close()


async def test_another_archive_than_the_configured_one_is_sent_nothing(
    settings: TusSettings, server: TusServer, tmp_path: Path
) -> None:
    """Wrong name or unpinned key: refused before any evidence leaves, and mendable by an admin."""
    for wrong in (
        replace(settings, archive_id="vault-baltimore"),
        replace(settings, pinned_keys=(SigningKey.generate().public_text,)),
    ):
        archive = TusArchive(wrong, HurriedClock())
        try:
            with pytest.raises(ArchiveDeniedError, match="site file"):
                await archive.store(consign(tmp_path, noise(1000)), None, Watched())
        finally:
            await archive.close()
    assert set(server.methods()) == {"GET"}


async def test_a_changed_address_redirects_no_footage(settings: TusSettings, server: TusServer, tmp_path: Path) -> None:
    """Where the site file names no archive, the one that holds this dock's recordings is the only one that is sent more."""
    bound = replace(settings, bound_id="vault-baltimore")
    archive = TusArchive(bound, HurriedClock())
    try:
        with pytest.raises(ArchiveDeniedError, match="went to 'vault-baltimore'"):
            await archive.store(consign(tmp_path, noise(1000)), None, Watched())
    finally:
        await archive.close()
    assert set(server.methods()) == {"GET"}
    for allowed in (replace(bound, bound_id="tus-sim"), replace(bound, archive_id="tus-sim")):
        archive = TusArchive(allowed, HurriedClock())
        try:
            await archive.store(consign(tmp_path, noise(1000)), None, Watched())
        finally:
            await archive.close()


@pytest.mark.parametrize("text", ["", "[]", '{"archive": 7, "key": "k"}', '{"archive": ""}', "[" * 10_000, "\x00"])
async def test_a_broken_introduction_is_no_archive(archive: TusArchive, server: TusServer, tmp_path: Path, text: str) -> None:
    """200 with anything but an introduction is something else that answers."""
    server.wrong.canned = [Canned("GET", 200, text=text, part="/archive")]
    with pytest.raises(ArchiveUnreachableError, match="introduction"):
        await archive.store(consign(tmp_path, b"x"), None, Watched())
