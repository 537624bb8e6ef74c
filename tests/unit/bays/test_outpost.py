"""A bay whose lookout is in another process tells the same as one whose lookout is here."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dockd.bays.directory import DirectoryBay
from dockd.bays.outpost import Outpost, serve
from dockd.bays.protocol import Inserted, Removed, Unrecognised
from dockd.errors import WorkerError
from tests.sim.cameras import make_camera
from tests.unit.bays.test_directory import DCF, OTHER, PATIENCE, telling


@asynccontextmanager
async def _manned() -> AsyncIterator[tuple[Outpost, asyncio.Task[None], asyncio.StreamWriter]]:
    """An outpost that serves in a thread, over the socket that the processes use."""
    ours, theirs = socket.socketpair()
    serving = asyncio.create_task(asyncio.to_thread(serve, theirs))
    reader, writer = await asyncio.open_connection(sock=ours)
    outpost = Outpost(reader, writer)
    running = asyncio.create_task(outpost.run())
    try:
        yield outpost, running, writer
    finally:
        running.cancel()
        await asyncio.wait([running])
        writer.close()
        await writer.wait_closed()
        await asyncio.wait([serving])
        theirs.close()


async def test_cameras_come_and_go_as_without_an_outpost(tmp_path: Path) -> None:
    """Two bays over one outpost each tell of their own camera, with the profile that knows it, and of a stranger."""
    make_camera(tmp_path / "camera", "X1", recordings=1, size_bytes=100)
    async with _manned() as (outpost, _, _):
        bays = [DirectoryBay(name, tmp_path / name, [OTHER, DCF], patience=PATIENCE, watch=outpost.watch) for name in "12"]
        async with telling(bays[0]) as first, telling(bays[1]) as second:
            assert [await first.next(), await second.next()] == [Removed("1"), Removed("2")]
            (tmp_path / "camera").rename(tmp_path / "2")
            assert await second.next() == Inserted("2", tmp_path / "2", DCF)
            (tmp_path / "1").mkdir()
            (tmp_path / "1" / "letter.txt").write_text("no camera")
            assert isinstance(await first.next(), Unrecognised)
            (tmp_path / "2").rename(tmp_path / "taken")
            assert await second.next_but_changed() == Removed("2")


async def test_the_end_of_the_outpost_is_no_secret() -> None:
    """Without it no camera would be noticed any more, so the daemon is told."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    theirs.close()
    with pytest.raises(WorkerError, match="watches the bays"):
        await Outpost(reader, writer).run()
    writer.close()
    await writer.wait_closed()


async def test_nonsense_is_a_bug_on_either_side() -> None:
    """An order or report that nobody defined ends the conversation instead of being guessed at."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    with theirs:
        theirs.sendall(json.dumps({"what": "?"}).encode() + b"\n")
        with pytest.raises(RuntimeError, match="no report"):
            await Outpost(reader, writer).run()
        writer.write(b'{"dance": 1}\n')
        with pytest.raises(RuntimeError, match="no order"):
            await asyncio.to_thread(serve, theirs)
    writer.close()
    await writer.wait_closed()
