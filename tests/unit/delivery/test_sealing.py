"""Verified copies are sealed where the file system can, when no camera is being copied; nothing waits for it."""

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from dockd.core.expiry import Keep
from dockd.core.recording import State
from dockd.delivery.keeping import discard_proved
from dockd.delivery.sealing import Sealer
from dockd.dock.board import Phase
from dockd.dock.parts import Dock
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.dock_here import dock_here
from tests.sim.dock_of import dock_in, docked, spooled
from tests.sim.running import running
from tests.sim.sealing_kernel import SealingKernel

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> SealingKernel:
    """One that seals."""
    return SealingKernel(monkeypatch)


@pytest.fixture
async def dock(tmp_path: Path, kernel: SealingKernel) -> AsyncIterator[Dock]:
    """A dock with two verified recordings, on a file system that can."""
    assert kernel.refuses is None
    async with dock_in(tmp_path) as built:
        await docked(built)
        await spooled(built, A, b"x")
        await spooled(built, B, b"y" * 10_000)
        yield built


@asynccontextmanager
async def sealing(dock: Dock) -> AsyncIterator[None]:
    """The sealer runs, and tries again at once what it could not seal."""
    async with running(Sealer(dock, again_s=0.01).run()):
        yield


async def test_what_lay_there_and_what_comes_is_sealed(dock: Dock, kernel: SealingKernel) -> None:
    """At a start everything, later what was finished since; somebody else's file is left alone."""
    dock.spool.path_of("stranger").write_bytes(b"?")
    async with sealing(dock):
        await kernel.has_sealed(map(dock.spool.path_of, [A, B]))
        await spooled(dock, C, b"z")
        dock.sealing_due.set()
        await kernel.has_sealed([dock.spool.path_of(C)])
    assert dock.spool.unsealed([A, B, C, "stranger", "gone"]) == {"stranger"}


async def test_no_camera_is_kept_waiting(dock: Dock, kernel: SealingKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read again for a seal while one is being copied; a bay that waits for room holds up none."""
    bay, other = dock.board.bays.values()
    bay.phase, other.phase = Phase.COPYING, Phase.WAITING
    waits, news = asyncio.Event(), dock.board.news

    async def asked_for_news() -> None:
        waits.set()
        await news()

    monkeypatch.setattr(dock.board, "news", asked_for_news)
    async with sealing(dock), asyncio.timeout(30):
        await waits.wait()
        assert dock.spool.unsealed([A, B]) == {A, B}
        bay.phase = Phase.WAITING
        dock.board.tell()
        await kernel.has_sealed(map(dock.spool.path_of, [A, B]))


async def test_a_copy_is_sealed_when_its_camera_is_done_and_leaves_as_any_other(tmp_path: Path, kernel: SealingKernel) -> None:
    """The whole way, from the camera's file to a sealed one that was sent from; removing it is allowed."""
    make_camera(tmp_path / "C1", "C1", recordings=3, size_bytes=50_000)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock, sealing(dock.dock):
        dock.dock.live.now = replace(dock.dock.live.now, keep=Keep(days=7))
        dock.insert(tmp_path / "C1")
        await dock.until(lambda: bool(dock.bay().present) and dock.bay().phase is Phase.WAITING)
        there = dock.dock.spool.recording_ids()
        await kernel.has_sealed(map(dock.dock.spool.path_of, there))
        await dock.until(lambda: {each.recording.state for each in dock.bay().present.values()} == {State.ARCHIVED})
        dock.dock.live.now = replace(dock.dock.live.now, keep=Keep())
        assert await discard_proved(dock.dock, there) == len(there) == len(dock.bay().present)
        assert dock.dock.spool.recording_ids() == set()


async def test_what_cannot_be_sealed_now_is_told_once_and_tried_again(dock: Dock, kernel: SealingKernel) -> None:
    """Somebody who has one open for writing keeps that one from being sealed, and not the others."""
    file = dock.spool.path_of(A)
    kernel.busy.add(file.stat().st_ino)
    with structlog.testing.capture_logs() as log:
        async with sealing(dock):
            await kernel.has_sealed([dock.spool.path_of(B)])
            await kernel.has_refused(3)
            kernel.busy.clear()
            await kernel.has_sealed([file])
    assert [(each["event"], each["recording"], each["why"]) for each in log] == [("recording is not sealed", A, "Text file busy")]


async def test_a_seal_takes_no_room_that_is_kept_free(dock: Dock, kernel: SealingKernel) -> None:
    """Its hash tree needs some; the journal's room is not for that. When others have left it is sealed."""
    told = asyncio.Event()
    dock.ledger.keep_free_bytes = 1 << 60

    def heard(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        told.set()
        return event

    with structlog.testing.capture_logs(processors=[heard]) as log:
        async with sealing(dock), asyncio.timeout(30):
            await told.wait()
            assert dock.spool.unsealed([A, B]) == {A, B}
            dock.ledger.keep_free_bytes = 0
            await kernel.has_sealed(map(dock.spool.path_of, [A, B]))
    assert {each["why"].partition(":")[0] for each in log} == {"the dock's disk is full"}


async def test_a_stop_waits_for_no_seal(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a large file cannot be interrupted; the daemon ends without it."""
    began, ends = threading.Event(), threading.Event()

    def slow(_: str) -> None:
        began.set()
        ends.wait(30)

    monkeypatch.setattr(dock.spool, "seal", slow)
    async with sealing(dock):
        async with asyncio.timeout(30):
            await asyncio.to_thread(began.wait)
    ends.set()


async def test_where_nothing_can_be_sealed_it_is_said_once_and_goes_on(tmp_path: Path, kernel: SealingKernel) -> None:
    """By the file system's own word, when the spool is prepared; another error is named as it is."""
    kernel.refuses = errno.EOPNOTSUPP
    async with dock_in(tmp_path) as dock:
        with structlog.testing.capture_logs() as log:
            await Sealer(dock).run()
        assert [each["event"] for each in log] == ["spool is not sealed"]
        assert log[0]["why"] == dock.spool.unsealed_why == "its file system has no fs-verity"
        kernel.refuses = errno.ENOSPC
        dock.spool.prepare()
        assert dock.spool.unsealed_why == "No space left on device"
