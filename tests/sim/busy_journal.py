"""A journal that takes its time at the moment in which a test wants it to."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from dockd.core import custody
from dockd.journal import Journal
from dockd.journal.ledger import Ledger
from tests.sim.dock_here import DockHere

_AT_MOST_S = 30.0


class BusyJournal:
    """One kind of change takes long to be durable, the first time: until the camera was pulled.

    Args:
        monkeypatch: of the test.
        when: of which change.
        begun: whether the change itself takes so long; else it waits behind other work, and whoever gives it up is heeded.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, when: Callable[[custody.Change], bool], *, begun: bool) -> None:
        self._when, self._busy, self._free = when, asyncio.Event(), threading.Event()
        self._loop = asyncio.get_running_loop()
        record, write = Journal.record, Ledger.record

        async def behind_others(journal: Journal, *changes: custody.Change) -> None:
            if self._is_due(changes):
                journal._thread.submit(self._wait)
            await record(journal, *changes)

        def slowly(ledger: Ledger, changes: tuple[custody.Change, ...], now: str) -> None:
            if self._is_due(changes):
                self._wait()
            write(ledger, changes, now)

        if begun:
            monkeypatch.setattr(Ledger, "record", slowly)
        else:
            monkeypatch.setattr(Journal, "record", behind_others)

    def _is_due(self, changes: tuple[custody.Change, ...]) -> bool:
        return any(map(self._when, changes)) and not self._free.is_set()

    def _wait(self) -> None:
        self._loop.call_soon_threadsafe(self._busy.set)
        self._free.wait(_AT_MOST_S)

    async def meanwhile(self, happens: Callable[[], object]) -> None:
        """Have this happen while the change is to become durable, and let it only then."""
        await self._busy.wait()
        happens()
        for _ in range(20):  # whoever hears of it does what he does then
            await asyncio.sleep(0)
        self._free.set()

    async def pulled(self, dock: DockHere) -> None:
        """Pull the camera out of bay 1 meanwhile."""
        await self.meanwhile(dock.remove)
        await dock.until(lambda: dock.bay().phase == "empty")
