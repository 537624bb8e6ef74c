"""What a plain tus server holds is proved by fetching it back; whose it is must come from the server too."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.archive.introduction import metadata_header
from dockd.archive.looking import file_name
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.core.proof import Basis
from dockd.errors import ArchiveBusyError, ArchiveUnreachableError, ProofRefusedError, UploadLostError
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.evidence import DOCK
from tests.sim.tus_server import Canned, TusServer

NONCE = "ab" * 16


@pytest.fixture
async def plain() -> AsyncIterator[TusServer]:
    """A server that neither signs nor introduces itself."""
    async with TusServer() as running:
        yield running


@pytest.fixture
async def archive(plain: TusServer) -> AsyncIterator[TusArchive]:
    """The client under test."""
    client = TusArchive(TusSettings(plain.url, DOCK, (), archive_id="plain", read_back=True), HurriedClock())
    yield client
    await client.close()


async def test_a_server_that_gives_back_the_name_alone_is_believed_by_that(
    plain: TusServer, archive: TusArchive, tmp_path: Path
) -> None:
    """Many keep `filename` and `filetype` and nothing else; the name says whose the object is."""
    stored = await archive.store(consign(tmp_path, noise(1000)), None, Watched())
    plain.repeated = ("filename", "filetype")
    proof = await archive.prove_again(stored, NONCE, camera="C1")
    assert (proof.basis, proof.statement.measured, proof.statement.nonce) == (Basis.READ_BACK, stored.measured, NONCE)
    with pytest.raises(ProofRefusedError, match="has filename"):
        await archive.prove_again(stored, NONCE, camera="C2")
    with pytest.raises(ProofRefusedError, match="has filename"):
        await archive.prove(replace(stored, nonce=NONCE), camera="C1")


async def test_a_server_that_says_nothing_of_whose_an_object_is_proves_nothing(
    plain: TusServer, archive: TusArchive, tmp_path: Path
) -> None:
    """It must give back what it was told of the upload, or any object could stand for any recording."""
    stored = await archive.store(consign(tmp_path, noise(1000)), None, Watched())
    plain.repeated = ()
    with pytest.raises(ProofRefusedError, match="has filename ''"):
        await archive.prove(stored, camera="C1")


async def test_an_object_that_is_not_complete_or_not_the_same_is_no_proof(
    plain: TusServer, archive: TusArchive, tmp_path: Path
) -> None:
    """Short, changed under its name, or gone: each is its own error."""
    stored = await archive.store(consign(tmp_path, noise(1000)), None, Watched())
    plain.uploads[stored.object_id].body[7] ^= 1
    with pytest.raises(ProofRefusedError, match="fetched"):
        await archive.prove(stored, camera="C1")
    plain.wrong.head_offset = 3
    with pytest.raises(UploadLostError, match="has not all"):
        await archive.prove_again(stored, NONCE, camera="C1")
    plain.wrong.head_offset = None
    plain.wrong.canned = [Canned("GET", 503, part=stored.object_id)]
    with pytest.raises(ArchiveBusyError, match="503"):
        await archive.prove(stored, camera="C1")


async def test_a_404_without_tus_is_believed_where_the_endpoint_speaks_tus(
    plain: TusServer, archive: TusArchive, tmp_path: Path
) -> None:
    """Some leave Tus-Resumable out of their errors: then the endpoint is asked; what is no tus there throws nothing away."""
    content, watched = noise(1000), Watched()
    consignment = consign(tmp_path, content)
    first = await archive.store(consignment, None, watched)
    plain.wrong.canned = [Canned("HEAD", 404, tus=False), Canned("OPTIONS", 404, tus=False)]
    with pytest.raises(ArchiveUnreachableError):
        await archive.store(consignment, watched.point, watched)
    assert "dropped" not in watched.story
    plain.wrong.canned = [Canned("HEAD", 404, tus=False)]
    second = await archive.store(consignment, watched.point, watched)
    assert "dropped" in watched.story
    assert first.object_id != second.object_id


def test_the_name_says_whose_an_upload_is_whatever_a_serial_holds() -> None:
    """No serial can make one name look like another's, or break the header."""
    values = {"recording": "ab" * 16, "nonce": "cd" * 16, "dock": "dock-1", "camera": "C+1/é "}
    name = file_name(values)
    assert name.split("+")[:3] == ["ab" * 16, "cd" * 16, "dock-1"]
    assert name.count("+") == 3
    assert "/" not in name
    assert metadata_header({"filename": name}).isascii()
