import asyncio
import base64
import hashlib
import json
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

import pytest
from blake3 import blake3

from dockd.core.proof import StatementKind, accept_statement
from dockd.core.recording import Digests, Measured, StoredObject
from dockd.dsse import PinnedKeys
from dockd.vault.service import VaultSettings
from dockd.vault.store import Store
from tests.sim.vault_here import BODY_TYPE, Served, announce, vault_here

DATA = bytes(range(256)) * 40


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A vault that takes at most 100 MB at a time."""
    settings = VaultSettings(tmp_path / "store", "vault-here", max_size_bytes=10**8)
    async with vault_here(settings.root, settings=settings) as vault:
        yield vault


def accept(served: Served, path: str, data: bytes, envelope: bytes, kind: StatementKind, nonce: str) -> None:
    """Accept a statement as a dock does, or fail."""
    measured = Measured(len(data), Digests(blake3(data).digest(), hashlib.sha256(data).digest()))
    object_id = path.rpartition("/")[2]
    stored = StoredObject("vault-here", object_id, served.url + path, nonce, "ab" * 16, measured)
    keys = PinnedKeys(served.vault.signer.key.public_text)
    accept_statement(envelope, keys, kind=kind, stored=stored, nonce=nonce, dock="dock-1", camera="CAM-1")


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({}, 201, ""),
        ({"Upload-Length": ""}, 400, "Upload-Length"),
        ({"Upload-Length": "-1"}, 400, "decimal"),
        ({"Upload-Length": "1e3"}, 400, "decimal"),
        ({"Upload-Length": "9" * 19}, 400, "decimal"),
        ({"Upload-Length": "", "Upload-Defer-Length": "1"}, 400, "Upload-Defer-Length"),
        ({"Upload-Concat": "partial"}, 400, "Upload-Concat"),
        ({"Upload-Length": str(10**8 + 1)}, 413, "limit"),
        ({"Tus-Resumable": "0.2.2"}, 412, "1.0.0"),
        ({"Tus-Resumable": ""}, 412, "1.0.0"),
        ({"Authorization": ""}, 401, "dockd vault token"),
        ({"Authorization": "Bearer nobody"}, 401, "dockd vault token"),
        ({"Authorization": "Basic bm9ib2R5Og=="}, 401, "dockd vault token"),
        ({"Upload-Metadata": ""}, 400, "lacks: recording, camera, blake3, sha256, nonce"),
        ({"Upload-Metadata": announce(DATA, nonce="", camera="")}, 400, "lacks: camera, nonce"),
        ({"Upload-Metadata": announce(DATA, dock="dock-2")}, 403, "dock-2"),
        ({"Upload-Metadata": announce(DATA, size="1")}, 400, "size"),
        ({"Upload-Metadata": announce(DATA, recording="../../etc/passwd")}, 400, "recording"),
        ({"Upload-Metadata": announce(DATA, blake3="00")}, 400, "64 hexadecimal"),
        ({"Upload-Metadata": announce(DATA, nonce="xyz")}, 400, "nonce"),
        ({"Upload-Metadata": announce(DATA, retain_days="-4")}, 400, "retain_days"),
        ({"Upload-Metadata": announce(DATA, camera="C" * 257)}, 400, "camera"),
        ({"Upload-Metadata": announce(DATA) + ",name !!!"}, 400, "'name'"),
        ({"Upload-Metadata": announce(DATA) + ",name /w=="}, 400, "UTF-8"),
        ({"Upload-Metadata": announce(DATA) + ",camera QQ=="}, 400, "twice"),
        ({"Upload-Metadata": announce(DATA) + ",,"}, 400, "not a key"),
        ({"Upload-Metadata": announce(DATA, name="/" * 12_000, unknown="kept")}, 201, ""),
        ({"Upload-Metadata": announce(DATA, name="/" * 60_000)}, 400, ""),
        ({"Upload-Checksum": "md5 AAAA"}, 400, "sha256"),
    ],
)
async def test_creation_is_answered_by_the_table(served: Served, headers: dict[str, str], status: int, words: str) -> None:
    """A creation is refused with the status of the protocol and words that name what is wrong."""
    common = {"Upload-Length": str(len(DATA)), "Upload-Metadata": announce(DATA)}
    answer = await served.ask("POST", "/files/", common | headers)
    assert answer.status == status, answer
    assert words in answer.text
    if status == 201:
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Location"].startswith(f"{served.url}/files/")
        assert parsedate_to_datetime(answer.headers["Upload-Expires"]) > served.clock.now()
    if status == 412:
        assert answer.headers["Tus-Version"] == "1.0.0"


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({}, DATA, 204, ""),
        ({}, DATA[:7], 204, ""),
        ({}, b"", 204, ""),
        ({"Content-Type": "application/octet-stream"}, DATA, 415, BODY_TYPE),
        ({"Content-Encoding": "gzip"}, DATA, 415, "Content-Encoding"),
        ({"Upload-Offset": "1"}, DATA[1:], 409, "stands at 0"),
        ({"Upload-Offset": ""}, DATA, 400, "Upload-Offset"),
        ({"Upload-Offset": "-0"}, DATA, 400, "decimal"),
        ({}, DATA + b"x", 413, "bytes"),
        ({"Tus-Resumable": "2.0.0"}, DATA, 412, "1.0.0"),
        ({"Authorization": "Bearer no"}, DATA, 401, "token"),
        ({"Upload-Checksum": "crc32 AAAA"}, DATA, 400, "not offered"),
        ({"Upload-Checksum": "sha256 AAAA"}, DATA, 400, "32 bytes"),
        ({"Upload-Checksum": "sha256 *"}, DATA, 400, "base64"),
        ({"Upload-Checksum": "sha1 " + base64.b64encode(b"\0" * 20).decode()}, DATA, 460, "nothing of it was kept"),
        ({"Expect": "200-ok"}, DATA, 417, "100-continue"),
    ],
)
async def test_a_body_is_answered_by_the_table(
    served: Served, headers: dict[str, str], body: bytes, status: int, words: str
) -> None:
    """A PATCH is refused with the status of the protocol, moves the offset only when accepted, and says why in words."""
    path = await served.place(DATA)
    answer = await served.patch(path, body, headers=headers)
    assert answer.status == status, answer
    assert words in answer.text
    assert await served.offset(path) == (len(body) if status == 204 else 0)
    assert answer.headers["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fkey.pem", "0" * 31, "0" * 33, "Z" * 32, "0" * 32, "%00", "a%2fb", "lock"])
@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
async def test_a_name_that_is_no_upload_is_unknown(served: Served, method: str, name: str) -> None:
    """Nothing but an existing upload's own id reaches the store."""
    assert (await served.ask(method, f"/files/{name}", {"Content-Type": BODY_TYPE})).status in {404, 405}


async def test_options_says_what_the_vault_can(served: Served) -> None:
    """OPTIONS needs no token and names version, extensions, limit and checksum algorithms."""
    answer = await served.ask("OPTIONS", "/files/", {"Authorization": "", "Tus-Resumable": ""})
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,checksum,expiration,termination"
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha256,sha1,blake3"
    assert answer.headers["Tus-Max-Size"] == str(10**8)


async def test_the_archive_introduces_itself(served: Served) -> None:
    """GET /archive gives anyone the id and the public key that docks pin."""
    answer = await served.ask("GET", "/archive", {"Authorization": ""})
    key = served.vault.signer.key
    assert json.loads(answer.body) | {"version": ""} == {
        "archive": "vault-here",
        "key": key.public_text,
        "key_id": key.key_id,
        "version": "",
        "witness": True,
    }


async def test_a_recording_becomes_an_object_with_a_receipt(served: Served) -> None:
    """All bytes in pieces, then a receipt that a dock accepts, a holding statement over a nonce, and the same bytes back."""
    path = await served.place(DATA, name="DCIM/1.MP4")
    for offset in range(0, len(DATA), 3001):
        answer = await served.patch(path, DATA[offset : offset + 3001], offset)
        assert answer.headers["Upload-Offset"] == str(min(offset + 3001, len(DATA)))
    receipt = await served.ask("GET", f"{path}/receipt")
    assert (receipt.status, receipt.headers["Content-Type"]) == (200, "application/json")
    accept(served, path, DATA, receipt.body, StatementKind.RECEIPT, "0123456789abcdef")
    holding = await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')
    accept(served, path, DATA, holding.body, StatementKind.HOLDING, "feedfacefeedface")
    assert (await served.ask("GET", path)).body == DATA
    part = await served.ask("GET", path, {"Range": "bytes=5-9"})
    assert (part.status, part.body) == (206, DATA[5:10])
    head = await served.ask("HEAD", path)
    assert head.headers["Upload-Length"] == head.headers["Upload-Offset"] == str(len(DATA))
    assert head.headers["Upload-Metadata"] == announce(DATA, name="DCIM/1.MP4")
    assert head.headers["Cache-Control"] == "no-store"


async def test_what_is_complete_is_kept(served: Served) -> None:
    """A complete upload cannot be ended or continued, and its last request may be repeated without harm."""
    path = await served.store(DATA)
    assert (await served.ask("DELETE", path)).status == 403
    assert (await served.patch(path, b"", len(DATA))).status == 204
    assert (await served.patch(path, b"x", len(DATA))).status == 413
    assert (await served.patch(path, DATA)).status == 409
    assert (await served.ask("GET", path)).body == DATA


async def test_an_unfinished_upload_can_be_ended(served: Served) -> None:
    """DELETE frees an unfinished upload, which is then gone for good."""
    path = await served.place(DATA)
    await served.patch(path, DATA[:100])
    assert (await served.ask("GET", path)).status == 409
    assert (await served.ask("GET", f"{path}/receipt")).status == 409
    assert (await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')).status == 409
    assert (await served.ask("DELETE", path)).status == 204
    assert (await served.ask("HEAD", path)).status == 410
    assert (await served.patch(path, DATA[100:], 100)).status == 410
    assert not list((served.root / "uploads").iterdir())


async def test_creation_with_upload(served: Served) -> None:
    """A creation may carry the first bytes, or all of them."""
    headers = {"Upload-Length": str(len(DATA)), "Upload-Metadata": announce(DATA), "Content-Type": BODY_TYPE}
    part = await served.ask("POST", "/files/", headers, DATA[:99])
    assert (part.status, part.headers["Upload-Offset"]) == (201, "99")
    whole = await served.ask("POST", "/files", headers, DATA)
    assert (whole.status, whole.headers["Upload-Offset"]) == (201, str(len(DATA)))
    path = "/files/" + whole.headers["Location"].rpartition("/")[2]
    assert (await served.ask("GET", f"{path}/receipt")).status == 200
    assert (await served.ask("POST", "/files/", headers, DATA + b"x")).status == 413
    assert (await served.ask("POST", "/files/", headers | {"Content-Type": "text/plain"}, DATA)).status == 415


async def test_creation_with_damaged_bytes_leaves_nothing(served: Served) -> None:
    """A creation whose body does not match its checksum makes no upload that anybody would have to find."""
    wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    headers = {"Upload-Length": str(len(DATA)), "Upload-Metadata": announce(DATA), "Content-Type": BODY_TYPE}
    answer = await served.ask("POST", "/files/", headers | {"Upload-Checksum": f"sha256 {wrong}"}, DATA)
    assert answer.status == 460
    assert not list((served.root / "uploads").iterdir())


async def test_an_empty_recording_is_complete_when_created(served: Served) -> None:
    """Zero bytes are a recording too."""
    path = await served.store(b"")
    receipt = await served.ask("GET", f"{path}/receipt")
    accept(served, path, b"", receipt.body, StatementKind.RECEIPT, "0123456789abcdef")
    assert (await served.ask("GET", path)).body == b""


async def test_empty_bodies_move_nothing_and_hold_nobody_up(served: Served) -> None:
    """A client may send nothing, again and again; the vault answers each time and serves on."""
    path = await served.place(DATA)
    async with asyncio.timeout(20):
        for _ in range(3):
            assert (await served.patch(path, b"", 0)).status == 204
            assert await served.offset(path) == 0
        assert (await served.patch(path, DATA, 0)).status == 204


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "blake3"])
async def test_a_body_with_a_checksum_is_kept_whole_or_not_at_all(served: Served, algorithm: str) -> None:
    """A matching checksum is accepted; a wrong one takes the body back and leaves what came before it."""
    data = DATA * 50
    path = await served.place(data)
    await served.patch(path, data[:5001])
    digest = blake3(data[5001:]).digest() if algorithm == "blake3" else hashlib.new(algorithm, data[5001:]).digest()
    checksum = f"{algorithm} {base64.b64encode(digest).decode()}"
    assert (await served.patch(path, data[5001:-1] + b"?", 5001, {"Upload-Checksum": checksum})).status == 460
    assert await served.offset(path) == 5001
    assert (served.root / path[1:].replace("files", "uploads")).stat().st_size == 5001
    assert (await served.patch(path, data[5001:], 5001, {"Upload-Checksum": checksum})).status == 204
    assert (await served.ask("GET", f"{path}/receipt")).status == 200


async def test_a_body_without_length_is_taken_up_to_the_end_only(served: Served) -> None:
    """A chunked body may fill the upload but never go beyond it."""

    async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    path = await served.place(DATA)
    headers = {"Upload-Offset": "0", "Content-Type": BODY_TYPE}
    async with aclosing(pieces(DATA + b"beyond")) as body:
        assert (await served.ask("PATCH", path, headers, body)).status == 413
    assert await served.offset(path) == 0
    async with aclosing(pieces(DATA)) as body:
        assert (await served.ask("PATCH", path, headers, body)).status == 204
    assert (await served.ask("GET", f"{path}/receipt")).status == 200


@pytest.mark.parametrize("member", ["blake3", "sha256"])
async def test_bytes_that_are_not_those_announced_are_rejected(served: Served, member: str) -> None:
    """A wrong digest is answered with words, the bytes are quarantined, and nothing is served or signed."""
    path = await served.place(DATA, **{member: "00" * 32})
    assert (await served.patch(path, DATA)).status == 204
    answer = await served.ask("GET", f"{path}/receipt")
    assert answer.status == 422
    assert "stored bytes" in answer.text
    assert (await served.ask("GET", path)).status == 422
    assert (await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')).status == 422
    assert (served.root / "quarantine" / path.rpartition("/")[2]).read_bytes() == DATA
    assert not [blob for blob in (served.root / "blobs").rglob("*") if blob.is_file()]


async def test_equal_recordings_share_storage_once_both_arrived(served: Served) -> None:
    """The second of two equal recordings is sent in full, gets its own receipt, and takes no room."""
    first = await served.store(DATA)
    second = await served.store(DATA, recording="cd" * 16)
    assert first != second
    assert len([blob for blob in (served.root / "blobs").rglob("*") if blob.is_file()]) == 1
    assert (await served.ask("GET", f"{first}/receipt")).body != (await served.ask("GET", f"{second}/receipt")).body


async def test_a_digest_alone_gives_nothing(served: Served) -> None:
    """Announcing the digests of a stored recording without sending its bytes gives neither object nor receipt."""
    await served.store(DATA)
    path = await served.place(DATA)
    assert (await served.ask("GET", f"{path}/receipt")).status == 409
    assert (await served.patch(path, b"?" * len(DATA))).status == 204
    assert (await served.ask("GET", f"{path}/receipt")).status == 422


async def test_a_damaged_object_is_never_vouched_for_until_good_bytes_came(served: Served) -> None:
    """A holding statement is refused when the medium changed; the same recording sent again heals the object."""
    path = await served.store(DATA)
    blob = served.root / "blobs" / blake3(DATA).hexdigest()[:2] / blake3(DATA).hexdigest()
    blob.chmod(0o600)
    blob.write_bytes(DATA[:-1] + b"?")
    for _ in range(2):
        answer = await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')
        assert answer.status == 422
        assert "damaged" in answer.text
    assert (await served.ask("GET", path)).status == 422
    await served.store(DATA)
    assert (await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')).status == 200
    assert (await served.ask("GET", path)).body == DATA
    assert (served.root / "quarantine" / f"{blob.name}.damaged-1").read_bytes() == DATA[:-1] + b"?"


async def test_a_missing_blob_is_damage(served: Served) -> None:
    """An object whose file is gone is refused, not promised."""
    path = await served.store(DATA)
    (served.root / "blobs" / blake3(DATA).hexdigest()[:2] / blake3(DATA).hexdigest()).unlink()
    answer = await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')
    assert (answer.status, "missing" in answer.text) == (422, True)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"nonce": 7}', b'{"nonce": "short"}', b"[" * 4000, b"\xff"])
async def test_a_question_without_a_nonce_is_refused(served: Served, body: bytes) -> None:
    """A holding statement is made only over a nonce of 16 to 64 hexadecimal digits."""
    path = await served.store(DATA)
    assert (await served.ask("POST", f"{path}/holding", body=body)).status == 400


async def test_an_object_is_kept_longer_when_its_dock_asks_and_never_shorter(served: Served) -> None:
    """The statement says until when; the receipt stays what it was."""
    path = await served.store(DATA)

    async def kept(until: str | None) -> str:
        question = {"nonce": "feedfacefeedface"} | ({} if until is None else {"retain_until": until})
        answer = await served.ask("POST", f"{path}/holding", body=json.dumps(question).encode())
        assert answer.status == 200, answer.text
        payload = json.loads(base64.b64decode(json.loads(answer.body)["payload"]))
        return str(payload["retain_until"])

    receipt = (await served.ask("GET", f"{path}/receipt")).body
    before = await kept(None)
    assert await kept("2026-11-25T00:00:00Z") == before, "sooner than was promised"
    assert await kept("2050-01-01T00:00:00Z") == "2050-01-01T00:00:00+00:00"
    assert await kept(None) == "2050-01-01T00:00:00+00:00"
    assert await kept("2049-01-01T00:00:00+02:00") == "2050-01-01T00:00:00+00:00"
    assert (await served.ask("GET", f"{path}/receipt")).body == receipt


@pytest.mark.parametrize("until", ["tomorrow", 7, "", [], "2050-01-01T00:00:00", "2999-01-01T00:00:00Z", "9999-99-01T00:00:00Z"])
async def test_a_time_that_is_none_or_too_far_is_refused(served: Served, until: object) -> None:
    """Nobody fills the archive for ever by one question."""
    path = await served.store(DATA)
    body = json.dumps({"nonce": "feedfacefeedface", "retain_until": until}).encode()
    answer = await served.ask("POST", f"{path}/holding", body=body)
    assert (answer.status, "retain_until" in answer.text) == (400, True)


async def test_a_question_may_not_be_long(served: Served) -> None:
    """A body of more than 4 KiB is no question."""
    path = await served.store(DATA)
    assert (await served.ask("POST", f"{path}/holding", body=b" " * 5000)).status == 413


async def test_an_upload_belongs_to_its_dock(served: Served) -> None:
    """To another dock's token an upload does not exist, whatever it asks."""
    path = await served.store(DATA)
    other = {"Authorization": f"Bearer {served.another_token('dock-2')}"}
    for method, name in [
        ("HEAD", path),
        ("GET", path),
        ("DELETE", path),
        ("GET", f"{path}/receipt"),
        ("POST", f"{path}/holding"),
    ]:
        assert (await served.ask(method, name, other)).status == 404
    assert (await served.patch(path, b"", len(DATA), other)).status == 404


async def test_a_method_may_be_named_in_a_header(served: Served) -> None:
    """X-HTTP-Method-Override stands for the method, as the protocol demands."""
    path = await served.place(DATA)
    headers = {"Upload-Offset": "0", "Content-Type": BODY_TYPE, "X-HTTP-Method-Override": "PATCH"}
    assert (await served.ask("POST", path, headers, DATA)).status == 204
    head = await served.ask("POST", path, {"X-HTTP-Method-Override": "HEAD"})
    assert head.headers["Upload-Offset"] == str(len(DATA))


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/files/"), ("GET", "/files/"), ("POST", "/archive"), ("PUT", "/files/a/receipt")]
)
async def test_other_methods_are_refused_with_those_that_are_known(served: Served, method: str, path: str) -> None:
    """405 names the methods that the resource has."""
    answer = await served.ask(method, path)
    assert (answer.status, "Allow" in answer.headers) == (405, True)


async def test_an_expired_upload_is_gone_and_its_room_is_free(served: Served) -> None:
    """Silence for longer than was announced ends an unfinished upload: 410 at once, its file at the next sweep."""
    path = await served.place(DATA)
    await served.clock.advance(6 * 24 * 3600)
    await served.patch(path, DATA[:9])
    await served.clock.advance(6 * 24 * 3600)
    assert await served.offset(path) == 9
    await served.clock.advance(2 * 24 * 3600)
    assert (await served.ask("HEAD", path)).status == 410
    await served.vault.sweep()
    assert not list((served.root / "uploads").iterdir())
    assert (await served.patch(path, DATA[9:], 9)).status == 410


async def test_a_sweep_ends_when_everything_overdue_is_removed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sweeps while another sweep is still removing a file waits for it: afterwards the room is free."""
    removing, may_go_on, discard = threading.Event(), threading.Event(), Store.discard

    def slowly(store: Store, upload_id: str) -> None:
        removing.set()
        assert may_go_on.wait(30)
        discard(store, upload_id)

    monkeypatch.setattr(Store, "discard", slowly)
    await served.place(DATA)
    await served.clock.advance(8 * 24 * 3600)
    first = asyncio.create_task(served.vault.sweep())
    await asyncio.to_thread(removing.wait, 30)
    second = asyncio.create_task(served.vault.sweep())
    done, _ = await asyncio.wait({second}, timeout=0.3)
    may_go_on.set()
    await asyncio.gather(first, second)
    assert not done
    assert not list((served.root / "uploads").iterdir())


async def test_a_sweep_that_meets_the_stop_leaves_the_rest_to_the_next_start(served: Served) -> None:
    """A stop is no failure of a sweep, and nothing more is removed after it."""
    await served.place(DATA)
    served.vault.stop()
    await served.clock.advance(8 * 24 * 3600)
    await served.vault.sweep()
    assert len(list((served.root / "uploads").iterdir())) == 1


async def test_a_small_recording_costs_few_syncs(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new name, the bytes, and the object's name: nothing else of a recording's files has to be on the medium."""
    synced: list[str] = []

    def noted(descriptor: int, sync: Callable[[int], None]) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", partial(noted, sync=os.fsync))
    monkeypatch.setattr(os, "fdatasync", partial(noted, sync=os.fdatasync))
    shelf = blake3(DATA).hexdigest()[:2]
    (served.root / "blobs" / shelf).mkdir()
    path = await served.store(DATA)
    assert synced == ["uploads", path.rpartition("/")[2], shelf]


async def test_an_object_does_not_expire(served: Served) -> None:
    """Expiry is for unfinished uploads only."""
    path = await served.store(DATA)
    await served.clock.advance(3650 * 24 * 3600)
    await served.vault.sweep()
    assert (await served.ask("GET", path)).body == DATA


async def test_retention_is_the_longer_of_both(served: Served) -> None:
    """The receipt promises what the dock asked for, but never less than the vault's own rule."""
    promised = []
    for days in ("", "1", "4000"):
        path = await served.store(DATA, retain_days=days)
        receipt = json.loads((await served.ask("GET", f"{path}/receipt")).body)
        promised.append(json.loads(base64.b64decode(receipt["payload"]))["retain_until"][:10])
    assert promised == ["2027-11-24", "2027-11-24", "2037-11-06"]
