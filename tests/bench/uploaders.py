"""Clients that upload one file, each in a process of its own: `python -m tests.bench.uploaders CLIENT < ORDER`.

The order is a line of JSON, and so is the answer: seconds and processor time of the transfer alone. A daemon has long been
started and has met its archive when a recording is due, so neither the interpreter's start nor the first acquaintance is counted.
"""

import asyncio
import base64
import hashlib
import http.client
import mmap
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiotus
import msgspec
import tusclient.client
from blake3 import blake3

from dockd.archive.protocol import Archive, Consignment
from dockd.archive.s3.archive import S3Archive
from dockd.archive.s3.settings import MIB
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from dockd.core.recording import Digests, Measured, MediumReading, ResumePoint, VerifiedRecording, verify_copy
from dockd.medium import open_direct
from tests.bench.measuring import Took, memory_bytes
from tests.contract.stands.s3 import settings

_WARM_UP_BYTES = 16 << 20
_BARE_BYTES = 1 << 20


class Order(msgspec.Struct, frozen=True):
    """What is to be sent, and where."""

    path: str
    size_bytes: int
    blake3: str
    sha256: str
    files_url: str
    key: str
    token: str
    dock: str


class _Silent:
    """Implements `archive.protocol.Progress`."""

    async def placed(self, point: ResumePoint) -> None:
        """Nothing is kept."""

    async def dropped(self, reason: str) -> None:
        """It cannot happen to a new upload."""
        raise RuntimeError(reason)

    def sent(self, offset_bytes: int) -> None:
        """Nobody looks."""


def metadata(order: Order) -> dict[str, str]:
    """What the vault wants to be told; the recording is another one each time."""
    return {
        "recording": secrets.token_hex(16),
        "dock": order.dock,
        "camera": "BENCH-1",
        "size": str(order.size_bytes),
        "blake3": order.blake3,
        "sha256": order.sha256,
        "nonce": secrets.token_hex(16),
    }


def _verified(size_bytes: int, digests: Digests) -> VerifiedRecording:
    measured = Measured(size_bytes, digests)
    return verify_copy(secrets.token_hex(16), from_camera=measured, from_medium=MediumReading(size_bytes, digests.blake3))


def _consignment(order: Order, path: Path, verified: VerifiedRecording) -> Consignment:
    at = "2026-11-24T19:10:00.000Z"
    return Consignment(verified, path, order.dock, "BENCH-1", secrets.token_hex(16), "DCIM/CLIP0001.MP4", at, at)


def _vault(order: Order) -> TusArchive:
    settings = TusSettings(url=order.files_url, dock=order.dock, pinned_keys=(order.key,), token=order.token)
    return TusArchive(settings, SystemClock())


def _store(order: Order) -> S3Archive:
    return S3Archive(settings(order.files_url, dock=order.dock, part_bytes=8 * MIB), SystemClock())


async def _dockd(archive: Archive, order: Order, *, prove: bool) -> Took:
    try:
        await _warm_up(archive, order)
        verified = _verified(order.size_bytes, Digests.from_hex(order.blake3, order.sha256))
        consignment = _consignment(order, Path(order.path), verified)

        async def send() -> None:
            stored = await archive.store(consignment, None, _Silent())
            if prove:
                await archive.prove(stored, camera="BENCH-1")

        return await _timed(send)
    finally:
        await archive.close()


async def _warm_up(archive: Archive, order: Order) -> None:
    """The recording before this one, so that the archive is known."""
    content = os.urandom(_WARM_UP_BYTES)
    path = Path(order.path).with_suffix(".warm-up")
    path.write_bytes(content)
    verified = _verified(len(content), Digests(blake3(content).digest(), hashlib.sha256(content).digest()))
    stored = await archive.store(_consignment(order, path, verified), None, _Silent())
    await archive.prove(stored, camera="BENCH-1")


async def _aiotus(order: Order) -> Took:
    headers = {"Authorization": f"Bearer {order.token}"}
    told = {key: value.encode() for key, value in metadata(order).items()}
    with Path(order.path).open("rb") as file:  # noqa: ASYNC230 - aiotus reads it, on the loop or not

        async def send() -> None:
            if await aiotus.upload(order.files_url, file, told, headers=headers) is None:
                msg = "aiotus gave up"
                raise RuntimeError(msg)

        return await _timed(send)


async def _tuspy(order: Order) -> Took:
    client = tusclient.client.TusClient(order.files_url, headers={"Authorization": f"Bearer {order.token}"})

    async def send() -> None:
        # Whole, as its documentation advises where the connection allows it.
        client.uploader(order.path, metadata=metadata(order), chunk_size=order.size_bytes).upload()

    return await _timed(send)


def _bare(order: Order, *, hashed: bool) -> Callable[[], Awaitable[None]]:
    """The least that any client does with these bytes: read past the page cache, send; and what the hash adds to it."""
    host = urlsplit(order.files_url)
    common = {"Authorization": f"Bearer {order.token}", "Tus-Resumable": "1.0.0"}
    told = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata(order).items())
    line = http.client.HTTPConnection(host.hostname or "", host.port)
    line.request("POST", host.path, headers=common | {"Upload-Length": str(order.size_bytes), "Upload-Metadata": told})
    response = line.getresponse()
    response.read()
    place = urlsplit(response.headers["Location"] or "").path

    async def send() -> None:
        line.putrequest("PATCH", place)
        body = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream", "Content-Length": str(order.size_bytes)}
        for name, value in (common | body).items():
            line.putheader(name, value)
        line.endheaders()
        fast, buffer = blake3(), memoryview(mmap.mmap(-1, _BARE_BYTES))
        descriptor = open_direct(order.path, os.O_RDONLY)
        for offset in range(0, order.size_bytes, _BARE_BYTES):
            piece = buffer[: os.preadv(descriptor, [buffer], offset)]
            if hashed:
                fast.update(piece)
            line.sock.sendall(piece)
        os.close(descriptor)
        status = line.getresponse().status
        if status != http.HTTPStatus.NO_CONTENT:
            msg = f"the vault answered {status}"
            raise RuntimeError(msg)

    return send


async def _timed(send: Callable[[], Awaitable[None]]) -> Took:
    began_s, before_s = time.monotonic(), time.process_time()
    await send()
    return Took(time.monotonic() - began_s, time.process_time() - before_s, memory_bytes(os.getpid(), "VmHWM"))


CLIENTS: dict[str, Callable[[Order], Awaitable[Took]]] = {
    "dockd": lambda order: _dockd(_vault(order), order, prove=False),
    "dockd-prove": lambda order: _dockd(_vault(order), order, prove=True),
    "dockd-s3": lambda order: _dockd(_store(order), order, prove=False),
    "dockd-s3-prove": lambda order: _dockd(_store(order), order, prove=True),
    "aiotus": _aiotus,
    "tuspy": _tuspy,
    "bare": lambda order: _timed(_bare(order, hashed=False)),
    "bare-hashed": lambda order: _timed(_bare(order, hashed=True)),
}


async def _main(client: str, order: Order) -> Took:
    return await CLIENTS[client](order)


if __name__ == "__main__":
    answer = asyncio.run(_main(sys.argv[1], msgspec.json.decode(sys.stdin.buffer.read(), type=Order)))
    sys.stdout.buffer.write(msgspec.json.encode(answer))
