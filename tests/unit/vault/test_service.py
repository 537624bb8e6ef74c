import asyncio
import errno
import gc
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dockd.core.recording import Measured
from dockd.errors import VaultError
from dockd.vault import reread, store
from dockd.vault.ledger import Ledger
from dockd.vault.service import Vault, VaultSettings, open_ledger
from tests.sim.vault_here import HeldClock, Served, vault_here

DATA = b"moving pictures" * 1000


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A vault."""
    async with vault_here(tmp_path / "store") as vault:
        yield vault


async def test_file_folder_ledger_is_the_order_of_every_step(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger moves only after what it says is on the medium; a power cut cannot find it ahead of the files."""
    steps: list[str] = []

    def watch(place: object, name: str, said: str) -> None:
        real = getattr(place, name)

        def watched(*arguments: object, **more: object) -> object:
            steps.append(said)
            return real(*arguments, **more)

        monkeypatch.setattr(place, name, watched)

    watch(os, "fsync", "sync file or folder")
    watch(os, "fdatasync", "sync bytes")
    watch(os, "link", "link")
    watch(Path, "unlink", "unlink")
    for name in ("create", "advance", "accept"):
        watch(Ledger, name, f"ledger: {name}")
    await served.store(DATA)
    creation = ["ledger: create", "sync file or folder"]
    arrival = ["sync bytes", "ledger: advance"]
    placing = ["sync file or folder", "link", "sync file or folder", "ledger: accept"]
    assert steps[:8] == creation + arrival + placing


async def test_a_full_store_says_so_before_a_byte_is_sent(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an upload does not fit, its creation is refused with 507 and leaves nothing."""
    monkeypatch.setattr(store, "_HEADROOM_BYTES", 2**60)
    answer = await served.ask("POST", "/files/", {"Upload-Length": "5", "Upload-Metadata": _metadata()})
    assert (answer.status, answer.headers["Retry-After"]) == (507, "60")
    assert not list((served.root / "uploads").iterdir())
    _place, ledger = open_ledger(served.root)
    assert not ledger.unsettled()
    ledger.close()


async def test_a_disk_without_room_for_all_of_it_says_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the file system itself refuses the reservation, nothing is left either."""

    def reserve(_descriptor: int, _length: int) -> None:
        raise store.StoreFullError

    monkeypatch.setattr(store, "reserve", reserve)
    assert (await served.ask("POST", "/files/", {"Upload-Length": "5", "Upload-Metadata": _metadata()})).status == 507
    assert not list((served.root / "uploads").iterdir())


async def test_a_disk_that_fills_up_keeps_what_fitted(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that the disk cannot take is answered 507, and continues later from what was stored."""
    path = await served.place(DATA)
    real = os.pwrite

    def full(descriptor: int, data: memoryview, position: int) -> int:
        if position:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:4096], position)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        assert (await served.patch(path, DATA)).status == 507
    assert await served.offset(path) == 4096
    assert (await served.patch(path, DATA[4096:], 4096)).status == 204
    assert (await served.ask("GET", f"{path}/receipt")).status == 200


async def test_a_broken_disk_is_not_the_docks_fault(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error while receiving is answered 503, and nothing more is promised than before."""
    path = await served.place(DATA)

    def broken(*_arguments: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", broken)
        assert (await served.patch(path, DATA)).status == 503
    assert await served.offset(path) == 0


async def test_a_disk_that_cannot_be_read_is_asked_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error in the re-reading neither signs nor rejects: the vault reads again later."""
    real, failed = reread.measure, threading.Event()

    def once(path: Path, stopping: threading.Event) -> Measured:
        if not failed.is_set():
            failed.set()
            raise OSError(errno.EIO, "Input/output error")
        return real(path, stopping)

    await served.clock.asleep.acquire()  # the sweeper
    monkeypatch.setattr(reread, "measure", once)
    path = await served.place(DATA)
    assert (await served.patch(path, DATA)).status == 204
    await served.clock.asleep.acquire()  # the examiner, until it tries again
    await served.clock.advance(30)
    assert (await served.ask("GET", f"{path}/receipt")).status == 200


async def test_a_receipt_that_takes_long_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the re-reading goes on, the receipt is answered 202 with a time to come back."""
    gate = threading.Event()
    real = reread.measure

    def slow(path: Path, stopping: threading.Event) -> Measured:
        gate.wait(20)
        return real(path, stopping)

    async with vault_here(tmp_path / "s", settings=VaultSettings(tmp_path / "s", "vault-here", receipt_wait_s=0.01)) as served:
        monkeypatch.setattr(reread, "measure", slow)
        path = await served.place(DATA)
        await served.patch(path, DATA)
        answer = await served.ask("GET", f"{path}/receipt")
        assert (answer.status, answer.headers["Retry-After"]) == (202, "1")
        assert (await served.ask("GET", path)).status == 409
        gate.set()


async def test_an_object_whose_disk_fails_is_not_called_damaged(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error during a holding question is 503: it is no statement about the bytes, and no lasting mark."""
    path = await served.store(DATA)

    def broken(_path: Path, _stopping: threading.Event) -> Measured:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(reread, "measure", broken)
        assert (await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')).status == 503
    assert (await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')).status == 200


async def test_one_reading_alone_makes_no_damage(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark stays for good: a file that is missed, or bytes that are others, as it is being replaced, are read once more."""
    path = await served.store(DATA)
    real, first = reread.measure, [FileNotFoundError(errno.ENOENT, "no such file")]

    def missed_once(file: Path, stopping: threading.Event) -> Measured:
        if first:
            raise first.pop()
        return real(file, stopping)

    monkeypatch.setattr(reread, "measure", missed_once)
    for _ in range(2):
        assert (await served.ask("POST", f"{path}/holding", body=b'{"nonce": "feedfacefeedface"}')).status == 200
    assert first == []


async def test_a_medium_that_lies_is_found_out(served: Served) -> None:
    """Bytes that changed between their arrival and the re-reading are rejected, however right they arrived."""
    path = await served.place(DATA)
    await served.patch(path, DATA[:-1])
    with (served.root / path[1:].replace("files", "uploads")).open("r+b") as file:
        file.write(b"M")
    await served.patch(path, DATA[-1:], len(DATA) - 1)
    assert (await served.ask("GET", f"{path}/receipt")).status == 422


async def test_equal_recordings_at_the_same_time_become_one_blob(served: Served) -> None:
    """Uploads of the same bytes that end together are placed one after the other, and each gets its receipt."""
    paths = [await served.place(DATA) for _ in range(6)]
    await asyncio.gather(*(served.patch(path, DATA) for path in paths))
    answers = await asyncio.gather(*(served.ask("GET", f"{path}/receipt") for path in paths))
    assert [answer.status for answer in answers] == [200] * 6
    assert len([blob for blob in (served.root / "blobs").rglob("*") if blob.is_file()]) == 1


async def test_a_store_without_direct_reading_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be read back past the page cache, the vault does not start."""

    def impossible(_path: Path, _stopping: threading.Event) -> Measured:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(reread, "measure", impossible)
    with pytest.raises(VaultError, match="past the page cache") as refused:
        await asyncio.to_thread(Vault.open, VaultSettings(tmp_path), HeldClock())
    assert "ext4" in refused.value.hint


async def test_a_store_has_one_server_and_one_archive(served: Served) -> None:
    """A second vault on the same store, and the same store under another archive's name, are refused."""
    with pytest.raises(VaultError, match="another vault serves"):
        await asyncio.to_thread(Vault.open, VaultSettings(served.root), served.clock)
    assert served.vault.signer.archive == "vault-here"


async def test_an_archive_keeps_its_name(tmp_path: Path) -> None:
    """Receipts name the archive for ever, so a store does not change its name, and remembers it unasked."""
    async with vault_here(tmp_path / "s"):
        pass
    with pytest.raises(VaultError, match="belongs to archive 'vault-here'"):
        await asyncio.to_thread(Vault.open, VaultSettings(tmp_path / "s", "other"), HeldClock())
    async with vault_here(tmp_path / "s", settings=VaultSettings(tmp_path / "s")) as served:
        assert served.vault.signer.archive == "vault-here"


async def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The vault does not sign with a key that is no secret."""
    async with vault_here(tmp_path / "s"):
        pass
    assert (tmp_path / "s" / "key.pem").stat().st_mode & 0o777 == 0o600
    (tmp_path / "s" / "key.pem").chmod(0o644)
    with pytest.raises(VaultError, match="key"):
        await asyncio.to_thread(Vault.open, VaultSettings(tmp_path / "s"), HeldClock())


async def test_a_start_tidies_what_a_crash_left(tmp_path: Path) -> None:
    """Spare links go, unknown files stay, and uploads that lost bytes end instead of lying."""
    async with vault_here(tmp_path / "s") as served:
        done = await served.store(DATA)
        short = await served.place(DATA)
        await served.patch(short, DATA[:9000])
        unread = await served.place(DATA)
        await served.patch(unread, DATA[:-1])
    uploads = tmp_path / "s" / "uploads"
    (uploads / done.rpartition("/")[2]).write_bytes(b"a spare link")
    (uploads / "who-knows").write_bytes(b"somebody's")
    os.truncate(uploads / short.rpartition("/")[2], 8999)
    _place, ledger = open_ledger(tmp_path / "s")
    upload = ledger.upload(unread.rpartition("/")[2])
    assert upload is not None
    ledger.advance(upload.upload_id, len(DATA), upload.expires)
    ledger.close()
    async with vault_here(tmp_path / "s") as served:
        assert sorted(path.name for path in uploads.iterdir()) == ["who-knows"]
        gone = await served.ask("HEAD", short)
        assert gone.status == 410
        rejected = await served.ask("GET", f"{unread}/receipt")
        assert (rejected.status, "lost bytes" in rejected.text) == (422, True)
        assert (tmp_path / "s" / "quarantine" / unread.rpartition("/")[2]).read_bytes() == DATA[:-1]
        assert (await served.ask("GET", done)).body == DATA


async def test_the_sweeper_leaves_a_busy_upload_alone(served: Served) -> None:
    """An upload that somebody is just asking about is not removed under their hands."""
    path = await served.place(DATA)
    await served.clock.asleep.acquire()
    async with served.vault._seats.take(path.rpartition("/")[2]):
        await served.clock.advance(8 * 24 * 3600)
        await served.clock.asleep.acquire()  # the vault's own sweeper came by and went
        assert (served.root / path[1:].replace("files", "uploads")).exists()
    await served.vault.sweep()
    assert not (served.root / path[1:].replace("files", "uploads")).exists()


def _metadata() -> str:
    return ",".join(
        [
            "recording YWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWI=",
            "camera Qw==",
            "nonce MDEyMzQ1Njc4OWFiY2RlZg==",
            "blake3 " + "MDAw" * 21 + "MA==",
            "sha256 " + "MDAw" * 21 + "MA==",
        ]
    )


async def test_whoever_places_equal_bytes_does_so_alone_however_many_come(served: Served) -> None:
    """One waits for the first, and another comes just as the first is done: a blob that is being replaced is judged by nobody."""
    inside: list[str] = []
    together: list[list[str]] = []

    async def place(name: str) -> None:
        async with served.vault._examiner._alone(b"digest"):
            inside.append(name)
            together.append(list(inside))
            for _ in range(5):
                await asyncio.sleep(0)
            inside.remove(name)

    first, second = asyncio.create_task(place("first")), asyncio.create_task(place("second"))
    await first
    third = asyncio.create_task(place("third"))
    await asyncio.gather(second, third)
    assert together == [["first"], ["second"], ["third"]]
    gc.collect()
    assert not served.vault._examiner._placing, "nothing is remembered of digests that nobody places"
