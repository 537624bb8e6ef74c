"""The tus client and tus servers that others wrote: they sign nothing, so what they hold is fetched back."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import aiohttp

from dockd.archive.introduction import metadata_header
from dockd.archive.looking import file_name
from dockd.archive.protocol import Consignment
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from dockd.core.proof import Basis
from dockd.core.recording import ResumePoint, StoredObject
from tests.contract.stands.stand import PART_BYTES, SIZE, Backend, Stand, set_event
from tests.sim.cut_link import CutLink
from tests.sim.evidence import DOCK
from tests.sim.foreign_tus import ForeignTus, NodeTus, PySyncTus, PyTus


@asynccontextmanager
async def foreign_stand(server: ForeignTus, *, miscounts: bool = False) -> AsyncIterator[Stand]:
    """The tus client and a foreign server, with a link between them that can be cut."""
    up = set_event()
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(CutLink(server.port))
        archive = TusArchive(
            TusSettings(
                url=f"http://127.0.0.1:{link.port}/files/",
                dock=DOCK,
                pinned_keys=(),
                archive_id="tus-test",
                read_back=True,
                patch_size_bytes=PART_BYTES,
            ),
            SystemClock(),
        )
        stack.push_async_callback(archive.close)
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"Tus-Resumable": "1.0.0"}))

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
            values |= {"filename": file_name(values), "filetype": "application/octet-stream"}
            headers = {"Upload-Length": str(measured.size_bytes), "Upload-Metadata": metadata_header(values)}
            async with session.post(server.url, headers=headers) as answer:
                assert answer.status == 201
                name = answer.headers["Location"].rpartition("/")[2]
            headers = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            if sent:
                async with session.patch(f"{server.url}{name}", headers=headers, data=sent) as answer:
                    assert answer.headers["Upload-Offset"] == str(len(sent))
            return ResumePoint(f"http://127.0.0.1:{link.port}/files/{name}", nonce)

        def break_after(count: int) -> None:
            link.cut_after_bytes = count

        def hold() -> None:
            link.hold_after_bytes = SIZE // 2

        async def kill_midway() -> None:
            await asyncio.wait_for(link.holding.wait(), 10)
            up.clear()
            await asyncio.to_thread(server.restart)
            up.set()

        async def forget(point: ResumePoint) -> None:
            async with session.delete(server.url + point.url.rpartition("/")[2]) as answer:
                assert answer.status == 204

        async def read_back(stored: StoredObject) -> bytes:
            async with session.get(server.url + stored.object_id) as answer:
                assert answer.status == 200
                return await answer.read()

        stand = Stand(archive, begin, break_after, hold, kill_midway, forget, read_back, basis=Basis.READ_BACK, up=up)
        yield replace(stand, miscounts=miscounts)


NODE = Backend("tus-node", NodeTus, foreign_stand)
FASTAPI = Backend("tuspyserver", PyTus, partial(foreign_stand, miscounts=True))
RESUMABLE = Backend("resumable-upload", PySyncTus, foreign_stand)
