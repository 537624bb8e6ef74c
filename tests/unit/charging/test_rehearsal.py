"""The lamp test shows every state over empty bays, and never another than the true one over a camera."""

import asyncio

from dockd.charging.rehearsal import Rehearsal
from dockd.core.readiness import Lamp
from dockd.dock.board import Phase
from tests.sim.standing_clock import StandingClock
from tests.unit.charging.test_lighting import Row, kept, two_bays


async def test_lamps_over_empty_bays_show_all_they_can() -> None:
    """In turn, and dark again afterwards; a second order while one is under way is the same test."""
    board, row, clock = two_bays(), Row(), StandingClock()
    board.bays["2"].phase = Phase.SCANNING
    rehearsal = Rehearsal(board, clock)
    running = asyncio.create_task(rehearsal.run())
    async with kept(row, board):
        assert await row.next() == {"1": None, "2": Lamp.LEAVE}
        assert rehearsal.begin() == ("1",)
        seen = []
        for _ in range(4):
            seen.append((await row.next())["1"])
            clock.skip()  # each state stays until it was seen
            assert row.lamps["2"] is Lamp.LEAVE
        assert seen == [Lamp.TAKE, Lamp.LEAVE, Lamp.HELP, None]
    running.cancel()
    await asyncio.wait([running])
    assert board.rehearsed is None
