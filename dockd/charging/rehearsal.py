"""A lamp test: every lamp over an empty bay shows its three states in turn. One over a camera keeps saying what is so."""

import asyncio

from dockd.clock import Clock
from dockd.core.readiness import Lamp
from dockd.dock.board import Board, Phase

EACH_S = 2.0


class Rehearsal:
    """Owner of the test.

    Args:
        board: whose bays they are; it carries what is rehearsed, for whoever shows lamps.
        clock: to let each state be seen.
    """

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board, self._clock = board, clock
        self._wanted = asyncio.Event()

    def begin(self) -> tuple[str, ...]:
        """Begin it soon, if none is under way; the bays whose lamps take part, for they are empty now."""
        self._wanted.set()
        return tuple(name for name, bay in self._board.bays.items() if bay.phase is Phase.EMPTY)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                for lamp in Lamp:
                    self._board.rehearsed = lamp
                    self._board.tell()
                    await self._clock.sleep(EACH_S)
            finally:
                self._board.rehearsed = None
                self._board.tell()
            self._wanted.clear()
