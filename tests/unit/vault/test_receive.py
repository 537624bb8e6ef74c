import asyncio
import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockd.vault import receive
from dockd.vault.receive import Landing
from dockd.vault.refusal import BrokenBodyError, RefusedError


class Pieces:
    """A body of given pieces, then its end or an error."""

    def __init__(self, pieces: list[bytes], *, broken: bool = False) -> None:
        self._pieces = list(pieces)
        self._broken = broken

    async def read(self) -> bytes:
        """The next piece."""
        await asyncio.sleep(0)
        if self._pieces:
            return self._pieces.pop(0)
        if self._broken:
            raise BrokenBodyError
        return b""


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    """Where batches are written."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def run(
    path: Path,
    executor: ThreadPoolExecutor,
    body: receive.Body,
    *,
    length: int,
    start: int = 0,
    checkpoints: list[int] | None = None,
) -> None:
    """Receive at `start`."""
    landing = Landing(path, start, length, None)
    reached = [] if checkpoints is None else checkpoints

    async def durable(offset: int) -> None:
        reached.append(offset)

    try:
        await receive.receive(body, landing, executor=executor, durable=durable)
    finally:
        landing.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, 9000),
    sizes=st.lists(st.one_of(st.integers(1, 9000), st.integers(900_000, 5_000_000)), max_size=4),
    broken=st.booleans(),
)
def test_pieces_of_any_size_land_at_any_offset(
    tmp_path: Path, executor: ThreadPoolExecutor, start: int, sizes: list[int], broken: bool
) -> None:
    """Whatever the alignment of start, pieces and end, and however the body ends, the file is what was sent."""
    random = Random(start)
    before, pieces = random.randbytes(start), [random.randbytes(size) for size in sizes]
    path = tmp_path / "upload"
    path.write_bytes(before)
    try:
        asyncio.run(run(path, executor, Pieces(pieces, broken=broken), length=start + sum(sizes), start=start))
    except BrokenBodyError:
        assert broken
    assert path.read_bytes() == before + b"".join(pieces)


async def test_a_body_beyond_the_end_is_refused(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    """Not one byte is written beyond the upload's length."""
    path = tmp_path / "upload"
    path.write_bytes(b"")
    with pytest.raises(RefusedError) as refused:
        await run(path, executor, Pieces([b"x" * 3_000_000, b"y"]), length=3_000_000)
    assert refused.value.status == 413
    assert path.stat().st_size <= 3_000_000


async def test_memory_is_bounded_while_the_disk_is_slow(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    """No more than the two buffers and one piece is ever taken from the network before it is written."""
    path = tmp_path / "upload"
    path.write_bytes(b"")
    length = 64 * 1024 * 1024
    landing = Landing(path, 0, length, None)
    ahead: list[int] = []

    class Endless(Pieces):
        taken = 0

        async def read(self) -> bytes:
            await asyncio.sleep(0)
            ahead.append(Endless.taken - landing.position_bytes)
            if Endless.taken == length:
                return b""
            Endless.taken += 256 * 1024
            return b"x" * 256 * 1024

    async def durable(_offset: int) -> None:
        """Nothing to do."""

    await receive.receive(Endless([]), landing, executor=executor, durable=durable)
    landing.close()
    assert path.stat().st_size == length
    assert max(ahead) <= 2 * (receive.BATCH_LIMIT_BYTES + 4096) + 256 * 1024


async def test_a_long_body_is_made_durable_on_the_way(
    tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash late in a long body does not cost its beginning."""
    monkeypatch.setattr(receive, "CHECKPOINT_BYTES", 2_000_000)
    path = tmp_path / "upload"
    path.write_bytes(b"")
    checkpoints: list[int] = []
    await run(path, executor, Pieces([b"x" * 500_000] * 60), length=30_000_000, checkpoints=checkpoints)
    assert checkpoints
    assert checkpoints == sorted(checkpoints)
    assert checkpoints[-1] < 30_000_000


async def test_silence_ends_a_body(tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that says nothing more is given up, and what it sent is written."""

    class Silent(Pieces):
        async def read(self) -> bytes:
            piece = await super().read()
            if not piece:
                await asyncio.Event().wait()
            return piece

    monkeypatch.setattr(receive, "STALL_S", 0.05)
    path = tmp_path / "upload"
    path.write_bytes(b"")
    with pytest.raises(RefusedError) as refused:
        await run(path, executor, Silent([b"heard"]), length=100)
    assert refused.value.status == 408
    assert path.read_bytes() == b"heard"


async def test_a_cancelled_body_leaves_no_writer_behind(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    """Cancelling a request waits for its batch, so that no thread writes through a closed descriptor."""
    waiting = asyncio.Event()

    class Interrupted(Pieces):
        async def read(self) -> bytes:
            piece = await super().read()
            if not piece:
                waiting.set()
                await asyncio.Event().wait()
            return piece

    path = tmp_path / "upload"
    path.write_bytes(b"")
    task = asyncio.create_task(run(path, executor, Interrupted([b"x" * 2_000_000]), length=3_000_000))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert path.stat().st_size == 2_000_000


async def test_a_full_disk_stops_a_body(tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk's error reaches the caller, with the position of what was really written."""
    real = os.pwrite

    def full(descriptor: int, data: memoryview, position: int) -> int:
        if position >= 1_000_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[: 1_000_448 - position], position)

    monkeypatch.setattr(os, "pwrite", full)
    path = tmp_path / "upload"
    path.write_bytes(b"")
    with pytest.raises(OSError, match="No space"):
        await run(path, executor, Pieces([b"x" * 500_000] * 20), length=10_000_000)
    assert path.stat().st_size == 1_000_448


def test_a_write_after_the_end_of_its_request_does_nothing(tmp_path: Path) -> None:
    """A worker that comes too late does not touch a descriptor that may be another file's by now."""
    path = tmp_path / "upload"
    path.write_bytes(b"")
    landing = Landing(path, 0, 10, None)
    landing.close()
    landing.write(memoryview(b"late"))
    assert path.read_bytes() == b""
