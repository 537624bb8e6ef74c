import asyncio

import pytest

from dockd.vault import seats
from dockd.vault.refusal import RefusedError, TakenOverError
from dockd.vault.seats import Seats


class Stream:
    """A body that waits until it is ended."""

    def __init__(self) -> None:
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def set_exception(self, exc: BaseException) -> None:
        """End it; the first reason counts."""
        if not self._ended.done():
            self._ended.set_exception(exc)

    async def until_ended(self) -> None:
        """Raises what ended it."""
        await self._ended


async def receive(all_seats: Seats, stream: Stream, seated: asyncio.Event) -> int:
    """Hold a seat until ended; the status that is answered."""
    try:
        async with all_seats.take("upload", stream):
            seated.set()
            await stream.until_ended()
    except TakenOverError as ended:
        return ended.answer.status
    except RefusedError as refused:
        return refused.status
    return 204


async def test_the_newest_request_owns_the_upload() -> None:
    """A newer body ends the older one, and one that waits in between gives way as well."""
    all_seats = Seats()
    streams = [Stream() for _ in range(3)]
    events = [asyncio.Event() for _ in range(3)]
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(receive(all_seats, streams[0], events[0]))
        await events[0].wait()
        second = tasks.create_task(receive(all_seats, streams[1], events[1]))
        third = tasks.create_task(receive(all_seats, streams[2], events[2]))
        await events[2].wait()
        assert (await first, await second) == (423, 423)
        assert not events[1].is_set()
        async with all_seats.take("upload"):
            assert await third == 423
    assert not all_seats.busy("upload")


async def test_uploads_do_not_disturb_each_other() -> None:
    """A seat is one upload's."""
    all_seats = Seats()
    stream = Stream()
    async with all_seats.take("one", stream), all_seats.take("two", Stream()):
        assert not stream._ended.done()
    stream._ended.cancel()


async def test_a_stuck_owner_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the older request cannot be ended in time, the newer one is told to come back."""
    monkeypatch.setattr(seats, "HANDOVER_S", 0.02)
    all_seats = Seats()
    async with all_seats.take("upload"):
        with pytest.raises(RefusedError) as refused:
            async with all_seats.take("upload"):
                pytest.fail("two owners")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (423, "1")


async def test_a_stop_ends_all_bodies_and_takes_no_more() -> None:
    """While the vault stops, whoever sends is answered 503."""
    all_seats = Seats()
    seated = asyncio.Event()
    task = asyncio.create_task(receive(all_seats, Stream(), seated))
    await seated.wait()
    all_seats.close()
    assert await task == 503
    with pytest.raises(RefusedError, match="stopping"):
        async with all_seats.take("other"):
            pytest.fail("a new owner")


async def test_bodies_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """One body more than the limit is told to come back; asking where an upload stands is not limited."""
    monkeypatch.setattr(seats, "_STREAMS_LIMIT", 1)
    all_seats = Seats()
    async with all_seats.take("one", Stream()):
        with pytest.raises(RefusedError) as refused:
            async with all_seats.take("two", Stream()):
                pytest.fail("one too many")
        async with all_seats.take("three"):
            pass
    assert refused.value.status == 503
