"""Connections to the vault that break, die or end in the middle of a body, and bodies that wait to be asked for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dockd.vault import http
from dockd.vault.http import RequestBody
from dockd.vault.service import VaultSettings, open_ledger
from tests.sim.vault_here import BODY_TYPE, Served, vault_here

DATA = bytes(range(256)) * 40


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A vault that takes at most 100 MB at a time."""
    settings = VaultSettings(tmp_path / "store", "vault-here", max_size_bytes=10**8)
    async with vault_here(settings.root, settings=settings) as vault:
        yield vault


async def send_raw(served: Served, path: str, announced: int, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a PATCH by hand, so that its connection can do what no client would."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: {BODY_TYPE}\r\nUpload-Offset: 0\r\nContent-Length: {announced}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


class CountedBody(RequestBody):
    """Says when a number of bytes has been read."""

    awaited_bytes = 0
    arrived: asyncio.Event

    async def read(self) -> bytes:
        """A piece, counted."""
        piece = await super().read()
        CountedBody.awaited_bytes -= len(piece)
        if CountedBody.awaited_bytes <= 0:
            CountedBody.arrived.set()
        return piece


@pytest.fixture
def arrival(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], asyncio.Event]:
    """An event for the moment at which the vault has read so many bytes of a body."""

    def of(count: int) -> asyncio.Event:
        CountedBody.awaited_bytes, CountedBody.arrived = count, asyncio.Event()
        monkeypatch.setattr(http, "RequestBody", CountedBody)
        return CountedBody.arrived

    return of


async def test_bytes_before_a_broken_connection_are_kept(served: Served, arrival: Callable[[int], asyncio.Event]) -> None:
    """A cable that is pulled mid-body costs only what had not arrived."""
    path = await served.place(DATA)
    arrived = arrival(4321)
    _reader, writer = await send_raw(served, path, len(DATA), DATA[:4321])
    await arrived.wait()
    writer.close()
    await writer.wait_closed()
    assert await served.offset(path) == 4321
    assert (await served.patch(path, DATA[4321:], 4321)).status == 204
    assert (await served.ask("GET", f"{path}/receipt")).status == 200


async def test_a_half_dead_connection_does_not_keep_its_upload(served: Served, arrival: Callable[[int], asyncio.Event]) -> None:
    """A new request ends an older one that still waits for bytes, and what that one received is counted first."""
    path = await served.place(DATA)
    arrived = arrival(1000)
    reader, writer = await send_raw(served, path, len(DATA), DATA[:1000])
    await arrived.wait()
    assert await served.offset(path) == 1000
    status = await reader.readline()
    assert b" 423 " in status
    assert (await served.patch(path, DATA[1000:], 1000)).status == 204
    writer.close()
    await writer.wait_closed()


async def test_a_stop_keeps_what_came(served: Served, arrival: Callable[[int], asyncio.Event], tmp_path: Path) -> None:
    """When the vault stops in the middle of a body, what came is durable and the dock is told to come back."""
    path = await served.place(DATA)
    arrived = arrival(1000)
    reader, writer = await send_raw(served, path, len(DATA), DATA[:1000])
    await arrived.wait()
    served.vault.stop()
    assert b" 503 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    _place, ledger = open_ledger(tmp_path / "store")
    upload = ledger.upload(path.rpartition("/")[2])
    ledger.close()
    assert upload is not None
    assert upload.offset_bytes == 1000


async def test_a_refused_body_is_not_asked_for(served: Served) -> None:
    """With Expect: 100-continue a dock learns of a refusal before it sends a byte."""
    path = await served.place(DATA)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(
        f"PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nTus-Resumable: 1.0.0\r\nExpect: 100-continue\r\n"
        f"Content-Type: {BODY_TYPE}\r\nUpload-Offset: 0\r\nContent-Length: {len(DATA)}\r\n\r\n".encode()
    )
    assert b" 401 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_an_accepted_body_is_asked_for(served: Served) -> None:
    """With Expect: 100-continue the accepted body is asked for, then taken."""
    path = await served.place(DATA)
    answer = await served.ask("PATCH", path, {"Upload-Offset": "0", "Content-Type": BODY_TYPE}, DATA, expect100=True)
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(len(DATA)))
