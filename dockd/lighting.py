"""Keeps every lamp saying what the screens say.

The daemon's death needs no code here: the helper lets every lamp that this process lit ask for help when the connection ends.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import structlog

from dockd.board import Board
from dockd.clock import Clock
from dockd.core.readiness import Lamp
from dockd.errors import DockError, LampError

_log = structlog.get_logger(__name__)

_AGAIN_S = 5.0
_GOODNIGHT_S = 1.0


class Lights(Protocol):
    """Something that shows lamps."""

    async def show(self, states: Mapping[str, Lamp | None]) -> None:
        """Show these states, by bay; None is dark.

        Raises:
            LampError: one of them cannot be shown; the others are.
            DockError: nobody can be asked to.
        """
        ...


@asynccontextmanager
async def always(lights: Lights) -> AsyncIterator[Lights]:
    """Lights that need no connection, as `Keeper` wants them."""
    yield lights


class Keeper:
    """Keeps the lamps of some bays.

    Args:
        board: what they show.
        clock: to wait before another attempt.
        bays: that have such a lamp.
        connect: to what shows them; connected anew after each failure.
    """

    def __init__(
        self, board: Board, clock: Clock, bays: tuple[str, ...], connect: Callable[[], AbstractAsyncContextManager[Lights]]
    ) -> None:
        self._board, self._clock, self._bays, self._connect = board, clock, bays, connect
        self._failing = ""

    async def run(self) -> None:
        """Until cancelled; the lamps are dark then, for nobody watches the bays any more."""
        while True:
            try:
                async with self._connect() as lights:
                    try:
                        await self._keep(lights)
                    except asyncio.CancelledError:
                        await self._goodnight(lights)
                        raise
            except DockError as exc:
                self._report(exc)
                await self._clock.sleep(_AGAIN_S)

    async def _keep(self, lights: Lights) -> None:
        shown: dict[str, Lamp | None] = {}
        while True:
            wanted = {bay: self._state(bay) for bay in self._bays}
            changed = {bay: state for bay, state in wanted.items() if bay not in shown or shown[bay] is not state}
            if not changed:
                await self._board.news()
                continue
            try:
                await lights.show(changed)
            except LampError as exc:
                self._report(exc)  # one lamp is broken: the others must not suffer from attempts to mend it
            else:
                if self._failing:
                    _log.info("lamps are shown again")
                    self._failing = ""
            shown |= changed

    def _report(self, error: DockError) -> None:
        if error.message != self._failing:
            _log.error("lamps cannot be shown", why=error.message, hint=error.hint)
        self._failing = error.message

    def _state(self, bay: str) -> Lamp | None:
        readiness = self._board.bays[bay].lamp(self._board.needs)
        return self._board.rehearsed if readiness is None else readiness.lamp

    async def _goodnight(self, lights: Lights) -> None:
        try:
            async with asyncio.timeout(_GOODNIGHT_S):
                await lights.show(dict.fromkeys(self._bays))
        except (DockError, TimeoutError) as exc:
            _log.warning("lamps could not be darkened", why=str(exc))
