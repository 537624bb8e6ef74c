"""Keeps every lamp saying what the screens say.

A dock that stops in order leaves its lamps dark; one that fails lets those that were lit ask for help. Its death needs no code
here: the helper lets every lamp that this process lit ask for help when the connection ends, and systemd tells the program of the
site's.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from dockd.clock import Clock
from dockd.config.model import Site
from dockd.core.readiness import Lamp
from dockd.dock.board import Board
from dockd.dock.parts import Dock
from dockd.errors import DockError, LampError
from dockd.helper import client
from dockd.helper.wire import SOCKET
from dockd.power.command import NOTES, CommandLamps
from dockd.tasks import first_of

_log = structlog.get_logger(__name__)

_AGAIN_S = 5.0
_MEND_S = 30.0
"""A lamp that is broken for good must not trouble the others, nor one that stumbled say for ever what is no longer so."""
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

    async def lost(self) -> None:
        """Wait until whoever shows them is gone, and they may show anything; not while they are being shown.

        Raises:
            DockError: it is so.
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
        stopping: whether the dock is meant to stop when it does.
    """

    def __init__(
        self,
        board: Board,
        clock: Clock,
        bays: tuple[str, ...],
        connect: Callable[[], AbstractAsyncContextManager[Lights]],
        stopping: Callable[[], bool],
    ) -> None:
        self._board, self._clock, self._bays, self._connect, self._stopping = board, clock, bays, connect, stopping
        self._failing = ""
        self._shown: dict[str, Lamp | None] = {}

    async def run(self) -> None:
        """Until cancelled; nobody watches the bays any more then, and no lamp says what somebody did."""
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
        shown = self._shown = {}
        failed: set[str] = set()
        again_s: float | None = None
        while True:
            seen = self._board.change
            if again_s is not None and self._clock.monotonic() >= again_s:
                failed = {bay for bay in sorted(failed) if not await self._shows(lights, {bay: shown[bay]})}
                again_s = self._clock.monotonic() + _MEND_S if failed else None
            wanted = {bay: self._state(bay) for bay in self._bays}
            changed = {bay: state for bay, state in wanted.items() if bay not in shown or shown[bay] is not state}
            if not changed:
                await self._news(lights, seen, again_s)
                continue
            shown |= changed  # before they are: whoever ends this must know what may be lit
            if not await self._shows(lights, changed):
                failed |= changed.keys()
                again_s = again_s or self._clock.monotonic() + _MEND_S

    async def _shows(self, lights: Lights, states: Mapping[str, Lamp | None]) -> bool:
        """Show these; whether they all are. Of one that is not nobody knows what it says, so it is tried again, but not often."""
        try:
            await lights.show(states)
        except LampError as exc:
            self._report(exc)
            return False
        if self._failing:
            _log.info("lamps are shown again")
            self._failing = ""
        return True

    async def _news(self, lights: Lights, seen: int, again_s: float | None) -> None:
        """Wait for news of the board, until the lamps show who knows what, or until one that failed is tried again."""
        for each in await first_of(self._board.news_by(seen, again_s), lights.lost()):
            each.result()

    def _report(self, error: DockError) -> None:
        if error.message != self._failing:
            _log.error("lamps cannot be shown", why=error.message, hint=error.hint)
        self._failing = error.message

    def _state(self, bay: str) -> Lamp | None:
        readiness = self._board.bays[bay].lamp(self._board.needs)
        return self._board.rehearsed if readiness is None else readiness.lamp

    async def _goodnight(self, lights: Lights) -> None:
        last: dict[str, Lamp | None] = dict.fromkeys(self._bays)
        if not self._stopping():
            last = {bay: Lamp.HELP for bay, state in self._shown.items() if state is not None}
        try:
            async with asyncio.timeout(_GOODNIGHT_S):
                await lights.show(last)
        except (DockError, TimeoutError) as exc:
            _log.warning("lamps may say what is no longer so", why=str(exc))


def keepers_of(site: Site, dock: Dock, stopping: Callable[[], bool]) -> list[Keeper]:
    """Whoever keeps a site's lamps: those that the kernel drives, through the helper, and those of a program of the site's.

    Args:
        site: whose lamps they are.
        dock: what they show.
        stopping: whether the dock is meant to stop when they do.
    """
    wired = tuple(bay.id for bay in site.bays if bay.lamp is not None)
    keepers = [Keeper(dock.board, dock.clock, wired, partial(client.lamps, SOCKET), stopping)] if wired else []
    if site.lamps is not None:
        folder = os.environ.get("RUNTIME_DIRECTORY")  # systemd.exec(5); without systemd nobody looks into it
        command = CommandLamps(site.lamps.command, Path(folder) / NOTES if folder else None)
        every = tuple(bay.id for bay in site.bays)
        keepers.append(Keeper(dock.board, dock.clock, every, partial(always, command), stopping))
    return keepers
