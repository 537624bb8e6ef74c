"""The tus client and a real vault."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from dockd.archive.introduction import metadata_header
from dockd.archive.protocol import Consignment
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from dockd.core.recording import ResumePoint, StoredObject
from tests.contract.stands.stand import PART_BYTES, SIZE, Backend, Stand, set_event
from tests.sim.cut_link import CutLink
from tests.sim.evidence import DOCK
from tests.sim.vault_process import VaultProcess


@contextmanager
def serving(folder: Path) -> Iterator[tuple[VaultProcess, str]]:
    """One vault, and a token for it; the tests share nothing in it."""
    with VaultProcess(folder / "store") as running:
        yield running, running.token(DOCK)


@asynccontextmanager
async def vault_stand(server: tuple[VaultProcess, str]) -> AsyncIterator[Stand]:
    """The tus client and a real vault, with a link between them that can be cut."""
    vault, token = server
    up = set_event()
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(CutLink(vault.port))
        archive = TusArchive(
            TusSettings(
                url=f"http://127.0.0.1:{link.port}/files/",
                dock=DOCK,
                pinned_keys=(vault.public_key,),
                token=token,
                archive_id=vault.archive_id,
                patch_size_bytes=PART_BYTES,
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


BACKEND = Backend("vault", serving, vault_stand)
