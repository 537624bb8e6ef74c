"""Work that is finished whoever stops waiting for it."""

import asyncio

import pytest

from dockd.tasks import to_its_end


async def test_work_is_finished_though_who_waits_is_cancelled_again_and_again() -> None:
    """Each cancellation waits until the work is done, and is then heeded."""
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go_on.wait()
        done.set()

    waiting = asyncio.create_task(to_its_end(work()))
    await begun.wait()
    for _ in range(3):
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done.is_set()


async def test_work_that_fails_says_so() -> None:
    """What goes wrong is for whoever waits."""

    async def work() -> None:
        msg = "the disk is full"
        raise OSError(msg)

    with pytest.raises(OSError, match="the disk is full"):
        await to_its_end(work())
