"""Keeps the helper's holds in step with the journal's: what the journal holds, the helper holds as well, of its own knowledge.

The daemon only ever places holds there. The helper obeys root alone when one is lifted, so that nobody who got hold of the daemon
can have a camera erased that an order protects. Whoever places one by hand is answered once the helper has it too; those that the
journal gets from elsewhere (recordings marked as of First Amendment activity, a helper that was away) follow at once, unasked.
"""

import asyncio
from typing import TYPE_CHECKING, cast

import structlog

from dockd.clock import Clock
from dockd.core.changes import HoldPlaced
from dockd.errors import DockError
from dockd.helper import client
from dockd.journal import Journal
from dockd.journal.orders import HoldOrdered

if TYPE_CHECKING:
    from dockd.helper.wire import Scope

_log = structlog.get_logger(__name__)

_AGAIN_S = 30.0


class HelperHolds:
    """The holds that the helper knows.

    Args:
        path: of the helper's socket.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def place(self, order: HoldPlaced | HoldOrdered) -> None:
        """Have it hold that too.

        Raises:
            DockError: it cannot be asked, or could not write it down.
        """
        scope = cast("Scope", order.scope)
        await asyncio.to_thread(client.place_hold, scope, order.subject, order.by, order.reason, case=order.case, path=self._path)

    async def standing(self) -> set[tuple[str, str, str]]:
        """Scope, subject and case of each of its holds; raises as `place`."""
        return {(each.scope, each.subject, each.case) for each in await asyncio.to_thread(client.list_holds, path=self._path)}

    async def follow(self, journal: Journal, clock: Clock) -> None:
        """Tell it of every hold in the journal that it does not know, now and whenever one is placed; until cancelled."""
        while True:
            ordered = journal.next_order()
            if await self.catch_up(journal):
                await ordered.wait()
            else:
                await clock.sleep(_AGAIN_S)

    async def catch_up(self, journal: Journal) -> bool:
        """Place what the journal holds and the helper does not; whether it knows all of them now."""
        try:
            standing = await self.standing()
            for each in await journal.hold_orders():
                if (each.scope, each.subject, each.case) not in standing:
                    await self.place(each)
        except DockError as exc:
            _log.error("helper not told of holds", why=exc.message, hint=exc.hint)
            return False
        return True
