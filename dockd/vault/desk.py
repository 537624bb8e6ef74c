"""Asks the ledger from the event loop: one worker thread, so that its transactions never overlap and never block a connection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from dockd.vault.ledger import Ledger

P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """The ledger and its thread."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def ask(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a method of `ledger`. When the caller is cancelled the transaction still runs to its end."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(method, *args, **kwargs))

    def close(self) -> None:
        """Finish what was asked, then close the ledger. Blocks."""
        self._thread.shutdown()
        self.ledger.close()
