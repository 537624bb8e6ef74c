"""What the stands of all tus servers share: the client, a link that can be cut, and a second client behind its back."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp

from dockd.archive.introduction import metadata_header
from dockd.archive.protocol import Consignment
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from dockd.core.recording import ResumePoint, StoredObject
from tests.contract.stands.stand import PART_BYTES, SIZE, Stand, set_event
from tests.sim.cut_link import CutLink
from tests.sim.evidence import DOCK


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs.

    Attributes:
        port: where it listens on loopback.
        files_url: where uploads are created.
        restart: kills it and starts it again on the same data; blocks.
        settings: of the client, with the link's address in their place.
        told: what it is told besides of an upload, from what all are told.
    """

    port: int
    files_url: str
    restart: Callable[[], None]
    settings: TusSettings
    told: Callable[[Mapping[str, str]], Mapping[str, str]] = dict


@asynccontextmanager
async def over_tus(server: Server) -> AsyncIterator[Stand]:
    """The tus client and that server."""
    up = set_event()
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(CutLink(server.port))
        here = f"http://127.0.0.1:{link.port}/files/"
        archive = TusArchive(replace(server.settings, url=here, patch_size_bytes=PART_BYTES), SystemClock())
        stack.push_async_callback(archive.close)
        token = server.settings.token
        allowed = {} if token is None else {"Authorization": f"Bearer {token}"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={**allowed, "Tus-Resumable": "1.0.0"}))

        async def begin(consignment: Consignment, sent: bytes) -> ResumePoint:
            measured, nonce = consignment.verified.measured, secrets.token_hex(16)
            values = {
                "recording": consignment.verified.recording_id,
                "camera": consignment.camera,
                "dock": DOCK,
                "blake3": measured.digests.blake3.hex(),
                "sha256": measured.digests.sha256.hex(),
                "nonce": nonce,
            }
            told = metadata_header({**values, **server.told(values)})
            headers = {"Upload-Length": str(measured.size_bytes), "Upload-Metadata": told}
            async with session.post(server.files_url, headers=headers) as answer:
                assert answer.status == 201
                name = answer.headers["Location"].rpartition("/")[2]
            headers = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            if sent:
                async with session.patch(f"{server.files_url}{name}", headers=headers, data=sent) as answer:
                    assert answer.headers["Upload-Offset"] == str(len(sent))
            return ResumePoint(f"{here}{name}", nonce)

        def break_after(count: int) -> None:
            link.cut_after_bytes = count

        def hold() -> None:
            link.hold_after_bytes = SIZE // 2

        async def kill_midway() -> None:
            await asyncio.wait_for(link.holding.wait(), 60)
            up.clear()
            await asyncio.to_thread(server.restart)
            up.set()

        async def forget(point: ResumePoint) -> None:
            async with session.delete(server.files_url + point.url.rpartition("/")[2]) as answer:
                assert answer.status == 204

        async def read_back(stored: StoredObject) -> bytes:
            async with session.get(server.files_url + stored.object_id) as answer:
                assert answer.status == 200
                return await answer.read()

        yield Stand(archive, begin, break_after, hold, kill_midway, forget, read_back, up=up)
