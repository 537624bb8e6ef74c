"""Retry without end, and not too many at once."""

import asyncio
import random
from pathlib import Path

import pytest

from dockd.archive.limited import Limited
from dockd.archive.protocol import Archive
from dockd.archive.retrying import Retrying
from dockd.errors import (
    ArchiveBusyError,
    ArchiveDeniedError,
    ArchiveError,
    ArchiveRefusedError,
    ArchiveUnreachableError,
    ProofRefusedError,
    SpoolMismatchError,
    UploadLostError,
)
from tests.sim.archive import Faults, Lie, SimArchive
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.evidence import seen
from tests.sim.evidence import stored as stored_object

CONTENT = noise(10_000)


class Reports:
    """What status would show, and a hand on the archive's knobs at each failure."""

    def __init__(self) -> None:
        self.errors: list[ArchiveError] = []
        self.waits_s: list[float] = []

    def __call__(self, error: ArchiveError, next_try_s: float) -> None:
        """Implements `Report`."""
        self.errors.append(error)
        self.waits_s.append(next_try_s)


def retrying(inner: Archive, clock: HurriedClock, reports: Reports) -> Retrying:
    """With jitter that repeats."""
    return Retrying(inner, clock, reports, jitter=random.Random(7))


async def test_a_break_is_resumed_where_it_was_and_told_once(tmp_path: Path) -> None:
    """The second try goes on with the point that the first one placed; the caller's progress saw both."""
    sim, clock, reports, watched = SimArchive(piece_bytes=1000), HurriedClock(), Reports(), Watched()
    sim.faults.fail_after_bytes = 4321
    consignment = consign(tmp_path, CONTENT)
    stored = await retrying(sim, clock, reports).store(consignment, None, watched)
    assert sim.read_back(stored) == CONTENT
    assert len(sim.uploads) == 1
    assert [type(error) for error in reports.errors] == [ArchiveUnreachableError]
    assert reports.waits_s == clock.slept_s
    assert watched.story.count("placed") == 1
    assert 4321 in watched.offsets


async def test_an_upload_that_was_lost_between_two_tries_begins_again(tmp_path: Path) -> None:
    """`dropped` reaches the journal, and the new point is carried on."""
    sim, clock, watched = SimArchive(piece_bytes=1000), HurriedClock(), Watched()

    class Losing(Reports):
        def __call__(self, error: ArchiveError, next_try_s: float) -> None:
            super().__call__(error, next_try_s)
            if len(self.errors) == 1:
                sim.faults.lose_upload = True
                sim.faults.fail_after_bytes = 2000

    sim.faults.fail_after_bytes = 1000
    reports = Losing()
    stored = await retrying(sim, clock, reports).store(consign(tmp_path, CONTENT), None, watched)
    assert sim.read_back(stored) == CONTENT
    assert [word for word in watched.story if word != "sent"] == ["placed", "dropped", "placed"]
    assert len(reports.errors) == 2


async def test_transient_errors_are_tried_for_ever(tmp_path: Path) -> None:
    """Five hundred failures later it is stored; delays grow to a ceiling and are spread over it."""
    sim, clock, reports = SimArchive(), HurriedClock(), Reports()
    sim.faults = Faults(busy_times=500, busy_retry_after_s=None)
    stored = await retrying(sim, clock, reports).store(consign(tmp_path, CONTENT), None, Watched())
    assert sim.read_back(stored) == CONTENT
    assert len(clock.slept_s) == 500
    assert all(0 <= slept <= min(2.0**tried, 60) for tried, slept in enumerate(clock.slept_s))
    later = clock.slept_s[10:]
    assert max(later) > 50
    assert min(later) < 10


async def test_delays_begin_anew_once_bytes_moved(tmp_path: Path) -> None:
    """A link that breaks now and then is not treated like one that is down."""
    sim, clock = SimArchive(piece_bytes=1000), HurriedClock()

    class Breaking(Reports):
        def __call__(self, error: ArchiveError, next_try_s: float) -> None:
            super().__call__(error, next_try_s)
            if len(self.errors) < 9:
                sim.faults.fail_after_bytes = 1000

    sim.faults.fail_after_bytes = 1000
    await retrying(sim, clock, Breaking()).store(consign(tmp_path, CONTENT), None, Watched())
    assert len(clock.slept_s) == 9
    assert max(clock.slept_s) <= 1


async def test_retry_after_is_never_undercut() -> None:
    """The archive said when; a little jitter keeps docks apart."""
    stored = stored_object(seen("ab" * 16), CONTENT)
    sim, clock, reports = SimArchive(), HurriedClock(), Reports()
    sim.faults = Faults(busy_times=20, busy_retry_after_s=300.0)
    with pytest.raises(UploadLostError):
        await retrying(sim, clock, reports).prove(stored, camera="C1")
    assert len(clock.slept_s) == 20
    assert all(300 <= slept <= 301 for slept in clock.slept_s)
    assert len(set(clock.slept_s)) > 1
    assert all(isinstance(error, ArchiveBusyError) for error in reports.errors)


async def test_a_denied_token_is_tried_again_because_an_admin_can_mend_it(tmp_path: Path) -> None:
    """Nothing is refused for good because a token expired."""
    sim, clock = SimArchive(), HurriedClock()

    class Mending(Reports):
        def __call__(self, error: ArchiveError, next_try_s: float) -> None:
            super().__call__(error, next_try_s)
            sim.faults.denied = len(self.errors) < 3

    sim.faults.denied = True
    reports = Mending()
    await retrying(sim, clock, reports).store(consign(tmp_path, CONTENT), None, Watched())
    assert [type(error) for error in reports.errors] == [ArchiveDeniedError] * 3


async def test_permanent_errors_are_raised_at_once(tmp_path: Path) -> None:
    """A refusal, a spool that changed, a lie: nothing of that gets better by asking again."""
    sim, clock, reports = SimArchive(), HurriedClock(), Reports()
    client = retrying(sim, clock, reports)
    sim.faults.refuse = "too large"
    with pytest.raises(ArchiveRefusedError, match="too large"):
        await client.store(consign(tmp_path, CONTENT), None, Watched())
    sim.faults.refuse = None
    spoiled = consign(tmp_path, CONTENT)
    spoiled.path.write_bytes(b"!" + CONTENT[1:])
    with pytest.raises(SpoolMismatchError):
        await client.store(spoiled, None, Watched())
    stored = await client.store(consign(tmp_path, CONTENT), None, Watched())
    sim.faults.lie = Lie.DIGEST
    with pytest.raises(ProofRefusedError):
        await client.prove(stored, camera="C1")
    sim.faults.lose_objects = True
    with pytest.raises(UploadLostError):
        await client.prove_again(stored, "ab" * 16, camera="C1")
    assert reports.errors == []
    assert clock.slept_s == []


async def test_cancellation_is_not_an_error_to_retry(tmp_path: Path) -> None:
    """A stop ends the store where it is."""
    sim, clock, reports = SimArchive(), HurriedClock(), Reports()
    sim.gate.clear()
    task = asyncio.create_task(retrying(sim, clock, reports).store(consign(tmp_path, CONTENT), None, Watched()))
    await asyncio.wait_for(sim.waiting.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reports.errors == []


async def test_no_more_than_so_many_go_at_once(tmp_path: Path) -> None:
    """Three recordings, two turns: the third begins when one of the others is done; proofs do not wait behind them."""
    sim = SimArchive()
    client = Limited(sim, 2)
    stored = await client.store(consign(tmp_path, CONTENT), None, Watched())
    sim.calls.clear()
    sim.gate.clear()
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(client.store(consign(tmp_path, CONTENT), None, Watched()))
        await asyncio.wait_for(sim.waiting.wait(), 10)
        assert (await client.prove(stored, camera="C1")).statement.measured == stored.measured
        assert sim.calls.count("store") <= 2
        sim.gate.set()
    assert sim.calls.count("store") == 3
    assert len(sim.objects()) == 4


def test_a_limit_of_nothing_is_refused() -> None:
    """It would never send anything."""
    with pytest.raises(ValueError, match="never"):
        Limited(SimArchive(), 0)


async def test_closing_a_wrapper_closes_what_is_inside() -> None:
    """From the outermost in."""
    sim = SimArchive()
    await retrying(Limited(sim, 1), HurriedClock(), Reports()).close()
    assert sim.closed
