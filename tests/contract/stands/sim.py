"""The simulated archive, which all other tests use."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from dockd.archive.protocol import Consignment
from dockd.core.recording import ResumePoint, StoredObject
from tests.contract.stands.stand import Backend, Stand
from tests.sim.archive import SimArchive, SimObject
from tests.sim.evidence import DOCK


@asynccontextmanager
async def sim_stand(_server: None) -> AsyncIterator[Stand]:
    """The simulated archive."""
    sim = SimArchive(dock=DOCK, piece_bytes=10_000)

    async def begin(consignment: Consignment, sent: bytes) -> ResumePoint:
        object_id = secrets.token_hex(16)
        sim.uploads[object_id] = SimObject(consignment, secrets.token_hex(16), bytearray(sent))
        return ResumePoint(f"sim:{object_id}", sim.uploads[object_id].nonce)

    def break_after(count: int) -> None:
        sim.faults.fail_after_bytes = count

    def hold() -> None:
        sim.gate.clear()

    async def kill_midway() -> None:
        await asyncio.wait_for(sim.waiting.wait(), 10)
        sim.faults.fail_after_bytes = 0
        sim.gate.set()

    async def forget(point: ResumePoint) -> None:
        del sim.uploads[point.url.removeprefix("sim:")]

    async def read_back(stored: StoredObject) -> bytes:
        return sim.read_back(stored)

    yield Stand(sim, begin, break_after, hold, kill_midway, forget, read_back, holds=True)


BACKEND = Backend("sim", lambda _folder: nullcontext(), sim_stand)
