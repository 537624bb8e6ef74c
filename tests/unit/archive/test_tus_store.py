"""Storing over tus, against a server that does what no server should."""

import asyncio
import base64
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from dockd.archive import reading
from dockd.archive.reading import PIECE_BYTES
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.core.recording import ResumePoint
from dockd.errors import (
    ArchiveBusyError,
    ArchiveChecksumError,
    ArchiveDeniedError,
    ArchiveError,
    ArchiveRefusedError,
    ArchiveUnreachableError,
    SpoolBrokenError,
    SpoolMismatchError,
)
from dockd.medium import NotDirectError
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.tus_server import Canned, Checksums, TusServer

SIZE = 300_000


def content_of(server: TusServer) -> bytes:
    """The one recording that the server keeps."""
    (kept,) = server.uploads.values()
    return bytes(kept.body)


async def test_every_byte_arrives_with_metadata_and_a_resume_point_placed_first(
    archive: TusArchive, server: TusServer, tmp_path: Path
) -> None:
    """What was verified arrives whole, announced with both digests, and the journal knew of the upload before the first byte."""
    content = noise(SIZE)
    consignment, watched = consign(tmp_path, content), Watched()
    stored = await archive.store(consignment, None, watched)
    (kept,) = server.uploads.values()
    assert bytes(kept.body) == content
    assert watched.story[0] == "placed"
    assert watched.offsets == sorted(watched.offsets)
    assert watched.offsets[-1] == SIZE
    assert (stored.archive, stored.measured) == ("tus-sim", consignment.verified.measured)
    assert watched.point == ResumePoint(stored.url, stored.nonce)
    assert kept.metadata == {
        "recording": consignment.verified.recording_id,
        "dock": consignment.dock,
        "camera": consignment.camera,
        "docking": consignment.docking,
        "name": consignment.name,
        "size": str(SIZE),
        "blake3": blake3(content).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "nonce": stored.nonce,
        "recorded": consignment.recorded,
        "seen": consignment.seen,
        "category": consignment.category,
    }
    assert len(bytes.fromhex(stored.nonce)) == 16


async def test_a_sidecar_names_the_recording_that_it_belongs_to(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """`sidecar_of` is sent only where there is one."""
    await archive.store(replace(consign(tmp_path, b"sidecar"), sidecar_of="ab" * 16), None, Watched())
    (kept,) = server.uploads.values()
    assert kept.metadata["sidecar_of"] == "ab" * 16


async def test_the_token_goes_only_where_it_is_needed(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """OPTIONS and GET /archive are asked without the token, everything else with it."""
    await archive.store(consign(tmp_path, b"x"), None, Watched())
    shown = {request.method: request.headers.get("Authorization") for request in server.seen}
    assert shown == dict.fromkeys(("POST", "PATCH", "HEAD", "DELETE"), "Bearer token-1") | dict.fromkeys(("GET", "OPTIONS"))


async def test_checksums_are_used_once_the_server_refused_a_wrong_one(
    archive: TusArchive, server: TusServer, tmp_path: Path
) -> None:
    """Each PATCH carries the BLAKE3 of its own body, and the upload of the trial is gone."""
    content = noise(SIZE)
    await archive.store(consign(tmp_path, content), None, Watched())
    patches = server.patches()
    assert len(patches) > 1
    for patch in patches:
        start, count = int(patch.headers["Upload-Offset"]), int(patch.headers["Content-Length"])
        digest = base64.b64encode(blake3(content[start : start + count]).digest()).decode()
        assert patch.headers["Upload-Checksum"] == f"blake3 {digest}"
    assert len(server.uploads) == 1


@pytest.mark.parametrize(("offered", "used"), [(("sha1", "sha256"), "sha256"), (("sha1",), "sha1"), (("md5",), None)])
async def test_the_best_offered_algorithm_is_used(
    archive: TusArchive, server: TusServer, tmp_path: Path, offered: tuple[str, ...], used: str | None
) -> None:
    """BLAKE3, then SHA-256, then SHA-1; an unknown one is as good as none."""
    server.wrong.algorithms = offered
    content = noise(SIZE)
    await archive.store(consign(tmp_path, content), None, Watched())
    sent = {patch.headers.get("Upload-Checksum", "none").partition(" ")[0] for patch in server.patches()}
    assert sent == {used or "none"}
    assert content_of(server) == content


@pytest.mark.parametrize("checksums", [Checksums.ABSENT, Checksums.IGNORED])
async def test_a_server_that_checks_nothing_is_sent_no_checksums(
    archive: TusArchive, server: TusServer, tmp_path: Path, checksums: Checksums
) -> None:
    """A server that took a wrong checksum for good is never relied on."""
    server.wrong.checksums = checksums
    content = noise(SIZE)
    await archive.store(consign(tmp_path, content), None, Watched())
    assert all("Upload-Checksum" not in patch.headers for patch in server.patches())
    assert content_of(server) == content


async def test_the_server_is_sounded_out_once(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """However many recordings go at once, one wrong checksum is sent."""
    async with asyncio.TaskGroup() as group:
        for seed in range(4):
            group.create_task(archive.store(consign(tmp_path, noise(1000, seed)), None, Watched()))
    assert server.methods().count("OPTIONS") == 1
    assert server.methods().count("DELETE") == 1


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
async def test_a_recording_that_goes_in_one_patch_carries_its_verified_digest(
    settings: TusSettings, server: TusServer, tmp_path: Path, algorithm: str
) -> None:
    """On a fast way a whole recording is one PATCH, whose checksum needs no second hash."""
    server.wrong.algorithms = (algorithm,)
    content = noise(SIZE)
    consignment = consign(tmp_path, content)
    archive = TusArchive(replace(settings, whole_limit_bytes=SIZE), HurriedClock())
    try:
        await archive.store(consignment, None, Watched())
    finally:
        await archive.close()
    (patch,) = server.patches()
    digests = consignment.verified.measured.digests
    digest = digests.blake3 if algorithm == "blake3" else digests.sha256
    assert patch.headers["Upload-Checksum"] == f"{algorithm} {base64.b64encode(digest).decode()}"
    assert content_of(server) == content


@pytest.mark.parametrize("checksums", [Checksums.CHECKED, Checksums.ABSENT])
@pytest.mark.parametrize("patch_bytes", [5 * 1024 * 1024 + 1, 2**40])
async def test_many_pieces_arrive_in_order(
    settings: TusSettings, server: TusServer, tmp_path: Path, patch_bytes: int, checksums: Checksums
) -> None:
    """Buffers that are filled again while the network is busy mix nothing up."""
    server.wrong.checksums = checksums
    content = noise(3 * PIECE_BYTES + 12_345)
    whole_limit_bytes = patch_bytes if patch_bytes > len(content) else 0
    archive = TusArchive(replace(settings, patch_size_bytes=patch_bytes, whole_limit_bytes=whole_limit_bytes), HurriedClock())
    try:
        await archive.store(consign(tmp_path, content), None, Watched())
    finally:
        await archive.close()
    assert blake3(content_of(server)).digest() == blake3(content).digest()


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("offset_bytes", [0, 1, 4095, 4096, 5000, PIECE_BYTES - 1, PIECE_BYTES + 1, 2 * PIECE_BYTES + 776])
async def test_a_pass_gives_what_lies_after_any_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset_bytes: int, *, direct: bool
) -> None:
    """Wherever the archive stands, and whether or not the disk lets the page cache be passed by, exactly the rest is given."""
    if not direct:

        def refuse(*_: object) -> int:
            raise NotDirectError

        monkeypatch.setattr(reading, "open_direct", refuse)
    content = noise(2 * PIECE_BYTES + 777)
    consignment = consign(tmp_path, content)
    async with reading.SpoolFile(consignment.path, consignment.verified) as file:
        bytes_out = reading.SpoolPass(file)
        await bytes_out.skip_to(offset_bytes)
        given = [bytes(piece) async for piece in bytes_out.pieces(len(content) - offset_bytes)]
    assert b"".join(given) == content[offset_bytes:]


async def test_an_empty_recording_is_complete_once_created(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """Zero bytes need no PATCH."""
    watched = Watched()
    await archive.store(consign(tmp_path, b""), None, watched)
    assert content_of(server) == b""
    assert server.patches() == []
    assert watched.offsets == [0]


@pytest.mark.parametrize("checksums", [Checksums.CHECKED, Checksums.ABSENT])
@pytest.mark.parametrize("cut", [1, 70_000, SIZE - 1])
async def test_an_upload_goes_on_from_the_servers_offset(
    archive: TusArchive, server: TusServer, tmp_path: Path, cut: int, checksums: Checksums
) -> None:
    """After a break the archive is asked where it stands, and no byte is sent twice."""
    server.wrong.checksums = checksums
    await archive.store(consign(tmp_path, b"warm"), None, Watched())
    server.uploads.clear()
    server.wrong.drop_after_bytes = cut
    content = noise(SIZE)
    consignment, watched = consign(tmp_path, content), Watched()
    with pytest.raises(ArchiveUnreachableError):
        await archive.store(consignment, None, watched)
    at = len(content_of(server))
    assert at == cut
    before = len(server.seen)
    stored = await archive.store(consignment, watched.point, watched)
    assert content_of(server) == content
    assert server.seen[before].method == "HEAD"
    assert server.seen[before + 1].headers["Upload-Offset"] == str(at)
    assert watched.point == ResumePoint(stored.url, stored.nonce)
    assert watched.story.count("placed") == 1


async def test_storing_again_after_success_sends_nothing(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """A crash between the last byte and the journal costs one HEAD."""
    consignment, watched = consign(tmp_path, noise(SIZE)), Watched()
    first = await archive.store(consignment, None, watched)
    before = len(server.seen)
    consignment.path.unlink()
    assert await archive.store(consignment, watched.point, watched) == first
    assert [request.method for request in server.seen[before:]] == ["HEAD"]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_forgotten_upload_begins_again_within_the_call(
    archive: TusArchive, server: TusServer, tmp_path: Path, status: int
) -> None:
    """The journal is told that the old point is dropped and where the new one is."""
    content = noise(SIZE)
    watched = Watched()
    server.wrong.canned = [Canned("HEAD", status)]
    gone = ResumePoint(server.url + "gone", "cd" * 16)
    await archive.store(consign(tmp_path, b"warm"), None, Watched())  # the canary's HEAD takes an answer of its own
    server.uploads.clear()
    server.wrong.canned = [Canned("HEAD", status)]
    stored = await archive.store(consign(tmp_path, content), gone, watched)
    assert watched.story[:2] == ["dropped", "placed"]
    assert stored.nonce != gone.nonce
    assert content_of(server) == content


async def test_an_upload_that_expires_while_it_is_sent_begins_again_once(
    archive: TusArchive, server: TusServer, tmp_path: Path
) -> None:
    """A 404 in mid-upload is mended in the same call; a server that always forgets is not asked for ever."""
    await archive.store(consign(tmp_path, b"warm"), None, Watched())
    server.uploads.clear()
    server.wrong.canned = [Canned("PATCH", 404)]
    content, watched = noise(SIZE), Watched()
    await archive.store(consign(tmp_path, content), None, watched)
    assert [kept.body for kept in server.uploads.values()].count(bytearray(content)) == 1
    assert [word for word in watched.story if word != "sent"] == ["placed", "dropped", "placed"]
    server.wrong.canned = [Canned("PATCH", 404), Canned("PATCH", 404)]
    watched = Watched()
    with pytest.raises(ArchiveUnreachableError, match="forgets"):
        await archive.store(consign(tmp_path, content), None, watched)
    assert watched.point is None


async def test_a_proxys_404_never_throws_an_upload_away(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """Only a tus server can say that an upload is gone."""
    consignment, watched = consign(tmp_path, noise(SIZE)), Watched()
    await archive.store(consignment, None, watched)
    server.wrong.canned = [Canned("HEAD", 404, tus=False)]
    with pytest.raises(ArchiveUnreachableError):
        await archive.store(consignment, watched.point, watched)
    assert "dropped" not in watched.story


async def test_a_resume_point_at_another_archive_is_never_asked(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """Neither token nor evidence goes where the site file does not point."""
    watched, content = Watched(), noise(SIZE)
    await archive.store(consign(tmp_path, content), ResumePoint("http://127.0.0.1:1/files/old", "cd" * 16), watched)
    assert watched.story[:2] == ["dropped", "placed"]
    assert content_of(server) == content


@pytest.mark.parametrize(("offset", "length"), [(SIZE + 1, None), (None, SIZE + 1), (0, 5)])
async def test_an_upload_that_cannot_be_ours_is_refused_loudly(
    archive: TusArchive, server: TusServer, tmp_path: Path, offset: int | None, length: int | None
) -> None:
    """An offset beyond our length, or another length: nothing is sent, and the point is dropped."""
    consignment, watched = consign(tmp_path, noise(SIZE)), Watched()
    await archive.store(consignment, None, watched)
    server.wrong.head_offset, server.wrong.head_length = offset, length
    before = len(server.patches())
    with pytest.raises(ArchiveRefusedError, match="stands at byte"):
        await archive.store(consignment, watched.point, watched)
    assert len(server.patches()) == before
    assert watched.point is None


@pytest.mark.parametrize("lie", [1, -1, 10**9])
async def test_a_server_that_lies_about_its_offset_is_found_out(
    archive: TusArchive, server: TusServer, tmp_path: Path, lie: int
) -> None:
    """Bytes were sent, the answer names another place: the call fails."""
    server.wrong.offset_lie = lie
    with pytest.raises(ArchiveUnreachableError, match="says that it stands at"):
        await archive.store(consign(tmp_path, noise(SIZE)), None, Watched())


async def test_a_conflict_is_mended_by_asking_once(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """409 means that the archive stands elsewhere: ask, go on from there; twice means someone else is sending."""
    await archive.store(consign(tmp_path, b"warm"), None, Watched())
    server.uploads.clear()
    content = noise(SIZE)
    server.wrong.canned = [Canned("PATCH", 409)]
    await archive.store(consign(tmp_path, content), None, Watched())
    assert content_of(server) == content
    server.wrong.canned = [Canned("PATCH", 409), Canned("PATCH", 409)]
    with pytest.raises(ArchiveBusyError):
        await archive.store(consign(tmp_path, content), None, Watched())


async def test_damage_on_the_way_is_a_checksum_error_and_mended_by_the_next_call(
    archive: TusArchive, server: TusServer, tmp_path: Path
) -> None:
    """460 keeps nothing, so the next call sends the same bytes."""
    await archive.store(consign(tmp_path, b"warm"), None, Watched())
    server.uploads.clear()
    server.wrong.damage_next = True
    content = noise(SIZE)
    consignment, watched = consign(tmp_path, content), Watched()
    with pytest.raises(ArchiveChecksumError):
        await archive.store(consignment, None, watched)
    await archive.store(consignment, watched.point, watched)
    assert content_of(server) == content


@pytest.mark.parametrize("checksums", [Checksums.CHECKED, Checksums.ABSENT])
@pytest.mark.parametrize("whole_limit_bytes", [0, 2**40])
@pytest.mark.parametrize("flipped", [0, SIZE // 2, SIZE - 1])
async def test_a_corrupt_spool_never_completes_an_upload(
    settings: TusSettings, server: TusServer, tmp_path: Path, flipped: int, whole_limit_bytes: int, checksums: Checksums
) -> None:
    """One flipped bit anywhere stops the upload before its last piece."""
    server.wrong.checksums = checksums
    consignment = consign(tmp_path, noise(SIZE))
    with consignment.path.open("r+b") as spool:
        spool.seek(flipped)
        byte = spool.read(1)
        spool.seek(flipped)
        spool.write(bytes([byte[0] ^ 1]))
    archive = TusArchive(replace(settings, whole_limit_bytes=whole_limit_bytes), HurriedClock())
    try:
        with pytest.raises(SpoolMismatchError):
            await archive.store(consignment, None, Watched())
    finally:
        await archive.close()
    (kept,) = server.uploads.values()
    assert len(kept.body) < SIZE


async def test_a_corrupt_prefix_is_found_on_resume(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """Bytes that were sent before the break are hashed again, too."""
    server.wrong.checksums = Checksums.ABSENT
    await archive.store(consign(tmp_path, b"warm"), None, Watched())
    server.uploads.clear()
    server.wrong.drop_after_bytes = 200_000
    consignment, watched = consign(tmp_path, noise(SIZE)), Watched()
    with pytest.raises(ArchiveUnreachableError):
        await archive.store(consignment, None, watched)
    with consignment.path.open("r+b") as spool:
        spool.write(b"!")
    with pytest.raises(SpoolMismatchError):
        await archive.store(consignment, watched.point, watched)
    assert len(content_of(server)) < SIZE


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
async def test_a_spool_file_of_another_size_is_not_sent(
    archive: TusArchive, server: TusServer, tmp_path: Path, size: int
) -> None:
    """Shorter or longer than what was verified: not one byte leaves."""
    consignment = consign(tmp_path, noise(SIZE))
    consignment.path.write_bytes(noise(size))
    with pytest.raises(SpoolMismatchError):
        await archive.store(consignment, None, Watched())
    assert server.patches() == []


async def test_a_spool_file_that_shrinks_while_it_is_sent_stops_the_upload(
    archive: TusArchive, server: TusServer, tmp_path: Path
) -> None:
    """What was there when the file was opened may be gone when it is read."""
    consignment = consign(tmp_path, noise(3 * PIECE_BYTES))

    class Shrinking(Watched):
        def sent(self, offset_bytes: int) -> None:
            if 0 < offset_bytes < PIECE_BYTES:
                os.truncate(consignment.path, 2 * PIECE_BYTES)

    with pytest.raises(SpoolMismatchError, match="it ends at byte"):
        await archive.store(consignment, None, Shrinking())
    assert len(content_of(server)) < 3 * PIECE_BYTES


async def test_a_missing_spool_file_is_the_disks_failure(archive: TusArchive, tmp_path: Path) -> None:
    """Not the archive's, and not an OSError."""
    consignment = consign(tmp_path, noise(SIZE))
    consignment.path.unlink()
    with pytest.raises(SpoolBrokenError, match="cannot open"):
        await archive.store(consignment, None, Watched())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ArchiveDeniedError),
        (403, ArchiveDeniedError),
        (400, ArchiveRefusedError),
        (413, ArchiveRefusedError),
        (415, ArchiveRefusedError),
        (422, ArchiveRefusedError),
        (423, ArchiveBusyError),
        (429, ArchiveBusyError),
        (503, ArchiveBusyError),
        (507, ArchiveBusyError),
        (500, ArchiveUnreachableError),
        (502, ArchiveUnreachableError),
        (200, ArchiveUnreachableError),
        (307, ArchiveUnreachableError),
        (418, ArchiveUnreachableError),
    ],
)
async def test_each_answer_to_a_creation_is_its_own_error(
    archive: TusArchive, server: TusServer, tmp_path: Path, status: int, error: type[ArchiveError]
) -> None:
    """With the archive's words, and how long to wait where it says so."""
    await archive.store(consign(tmp_path, b"warm"), None, Watched())
    server.wrong.canned = [Canned("POST", status, {"Retry-After": "7", "Location": "/elsewhere"}, "full\x1b[2J\nof cats")]
    with pytest.raises(error, match=r"full.\[2J of cats") as caught:
        await archive.store(consign(tmp_path, noise(SIZE)), None, Watched())
    assert type(caught.value) is error
    if isinstance(caught.value, ArchiveBusyError):
        assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("status", [423, 429, 503, 507])
async def test_a_busy_answer_in_mid_upload_is_busy(archive: TusArchive, server: TusServer, tmp_path: Path, status: int) -> None:
    """A date is as good as seconds."""
    await archive.store(consign(tmp_path, b"warm"), None, Watched())
    server.wrong.canned = [Canned("PATCH", status, {"Retry-After": "Tue, 24 Nov 2026 19:10:30 GMT"})]
    with pytest.raises(ArchiveBusyError) as caught:
        await archive.store(consign(tmp_path, noise(SIZE)), None, Watched())
    assert caught.value.retry_after_s == 30


async def test_a_captive_portal_is_never_a_success(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """A page in place of the archive: unreachable at each step, and nothing of the recording leaves."""
    server.wrong.captive = True
    with pytest.raises(ArchiveUnreachableError):
        await archive.store(consign(tmp_path, noise(SIZE)), None, Watched())
    server.wrong.captive = False
    consignment, watched = consign(tmp_path, noise(SIZE)), Watched()
    stored = await archive.store(consignment, None, watched)
    server.wrong.captive = True
    with pytest.raises(ArchiveUnreachableError):
        await archive.store(consignment, watched.point, watched)
    with pytest.raises(ArchiveUnreachableError):
        await archive.store(consignment, None, watched)
    with pytest.raises(ArchiveUnreachableError):
        await archive.prove(stored, camera="C1")
    with pytest.raises(ArchiveUnreachableError):
        await archive.prove_again(stored, "ab" * 16, camera="C1")
    assert "dropped" not in watched.story


@pytest.mark.parametrize(
    ("canned", "error"),
    [
        (Canned("OPTIONS", 200, text="<html>"), ArchiveUnreachableError),
        (Canned("OPTIONS", 503, {"Retry-After": "4"}), ArchiveBusyError),
        (Canned("OPTIONS", 403), ArchiveDeniedError),
        (Canned("POST", 507), ArchiveBusyError),
        (Canned("HEAD", 502, tus=False), None),
        (Canned("DELETE", 500), None),
    ],
)
async def test_a_trial_that_fails_is_made_again_with_the_next_recording(
    archive: TusArchive, server: TusServer, tmp_path: Path, canned: Canned, error: type[ArchiveError] | None
) -> None:
    """Nothing of a recording is sent before the archive was sounded out; a trial without a clear outcome means no checksums."""
    server.wrong.canned = [canned]
    if error is not None:
        with pytest.raises(error):
            await archive.store(consign(tmp_path, noise(SIZE)), None, Watched())
        assert "PATCH" not in server.methods()
    content = noise(SIZE)
    stored = await archive.store(consign(tmp_path, content), None, Watched())
    assert server.uploads[stored.object_id].body == content


async def test_a_head_without_an_offset_says_nothing(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """It is not taken for zero."""
    consignment, watched = consign(tmp_path, noise(SIZE)), Watched()
    await archive.store(consignment, None, watched)
    server.wrong.canned = [Canned("HEAD", 200, {"Upload-Length": str(SIZE)})]
    with pytest.raises(ArchiveUnreachableError, match="how far"):
        await archive.store(consignment, watched.point, watched)
    assert "dropped" not in watched.story


@pytest.mark.parametrize("location", ["http://other.example/1", "/elsewhere/1", "/files/", "", "//[", "/files/a/b"])
async def test_an_upload_is_never_followed_to_another_place(
    archive: TusArchive, server: TusServer, tmp_path: Path, location: str
) -> None:
    """The token and the evidence stay at the configured endpoint."""
    await archive.store(consign(tmp_path, b"warm"), None, Watched())
    patches = len(server.patches())
    server.wrong.canned = [Canned("POST", 201, {"Location": location})]
    with pytest.raises(ArchiveUnreachableError, match="not under"):
        await archive.store(consign(tmp_path, noise(SIZE)), None, Watched())
    assert len(server.patches()) == patches


async def test_an_archive_behind_a_proxy_may_name_its_inner_host(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """Only the upload's name is taken from its Location; everything goes to the configured endpoint."""
    server.wrong.origin = "http://inner.example:1080"
    content = noise(SIZE)
    stored = await archive.store(consign(tmp_path, content), None, Watched())
    assert stored.url.startswith(server.url)
    assert content_of(server) == content


async def test_a_body_that_stops_moving_is_given_up(settings: TusSettings, server: TusServer, tmp_path: Path) -> None:
    """A server that reads no more holds no upload for ever."""
    server.wrong.checksums = Checksums.ABSENT
    content = noise(24 * 1024 * 1024)
    archive = TusArchive(replace(settings, whole_limit_bytes=2**40, stall_s=0.3), HurriedClock())
    try:
        server.wrong.stall_after_bytes = 100_000
        with pytest.raises(ArchiveUnreachableError, match="not one byte moved"):
            await archive.store(consign(tmp_path, content), None, Watched())
        assert server.stalled.is_set()
    finally:
        await archive.close()


async def test_an_answer_that_never_comes_is_given_up(settings: TusSettings, server: TusServer, tmp_path: Path) -> None:
    """All was sent, nothing is said."""
    server.wrong.checksums = Checksums.ABSENT
    archive = TusArchive(replace(settings, answer_s=0.3), HurriedClock())
    try:
        server.wrong.stall_after_bytes = 10
        with pytest.raises(ArchiveUnreachableError, match="no answer"):
            await archive.store(consign(tmp_path, noise(20)), None, Watched())
    finally:
        await archive.close()


async def test_cancelling_a_store_ends_it_and_the_next_one_goes_on(
    archive: TusArchive, server: TusServer, tmp_path: Path
) -> None:
    """A stop of the daemon is a break like any other."""
    server.wrong.checksums = Checksums.ABSENT
    server.wrong.stall_after_bytes = 50_000
    content = noise(SIZE)
    consignment, watched = consign(tmp_path, content), Watched()
    task = asyncio.create_task(archive.store(consignment, None, watched))
    await asyncio.wait_for(server.stalled.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.wrong.stall_after_bytes = None
    await server.stop()
    await server.start()
    await archive.store(consignment, watched.point, watched)
    assert content_of(server) == content


async def test_no_server_at_all_is_unreachable(archive: TusArchive, server: TusServer, tmp_path: Path) -> None:
    """A refused connection is no foreign error."""
    await server.stop()
    with pytest.raises(ArchiveUnreachableError, match="GET http"):
        await archive.store(consign(tmp_path, b"x"), None, Watched())


async def test_a_closed_archive_cannot_be_used(archive: TusArchive, tmp_path: Path) -> None:
    """That is a bug of the caller."""
    await archive.close()
    with pytest.raises(RuntimeError, match="closed"):
        await archive.store(consign(tmp_path, b"x"), None, Watched())
