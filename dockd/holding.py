"""Keeps the helper's holds in step with the journal's: what the journal holds, the helper holds as well, of its own knowledge.

The daemon only ever places holds there. The helper obeys root alone when one is lifted, so that nobody who got hold of the daemon
can have a camera erased that an order protects.
"""

import asyncio
from typing import Literal, cast

import structlog

from dockd.errors import DockError
from dockd.helper import client
from dockd.journal import Journal

_log = structlog.get_logger(__name__)

_Scope = Literal["camera", "recording"]


class HelperHolds:
    """The holds that the helper knows.

    Args:
        path: of the helper's socket.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def place(self, scope: str, subject: str, by: str, reason: str) -> None:
        """Have it hold that too.

        Raises:
            DockError: it cannot be asked, or could not write it down.
        """
        await asyncio.to_thread(client.place_hold, cast("_Scope", scope), subject, by, reason, path=self._path)

    async def standing(self) -> set[tuple[str, str]]:
        """Scope and subject of each of its holds; raises as `place`."""
        return {(each.scope, each.subject) for each in await asyncio.to_thread(client.list_holds, path=self._path)}

    async def catch_up(self, journal: Journal) -> None:
        """Place what the journal holds and the helper does not: a start does this, for it may have been away, or be new."""
        try:
            standing = await self.standing()
            for each in await journal.hold_orders():
                if (each.scope, each.subject) not in standing:
                    await self.place(each.scope, each.subject, each.by, each.reason)
        except DockError as exc:
            _log.error("helper not told of holds", why=exc.message, hint=exc.hint)
