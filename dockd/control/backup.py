"""Copies of the journal for whoever may act: made at one instant, handed out, and recorded once they were taken to safety."""

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dockd.core import custody
from dockd.dock.parts import Dock
from dockd.errors import ControlError
from dockd.web.lists import BackupOrder, KeyBackupOrder
from dockd.web.routes import JournalCopy

BACKED_UP = "journal.backed-up"
KEY_BACKED_UP = "key.backed-up"
_PREFIX = ".journal-copy-"
_REMEMBERED = 16


class Backups:
    """One at a time; each copy lies in the spool's folder until it was sent."""

    def __init__(self, dock: Dock) -> None:
        self._dock = dock
        self._turn = asyncio.Lock()
        self._given: deque[JournalCopy] = deque(maxlen=_REMEMBERED)

    @asynccontextmanager
    async def copy(self) -> AsyncIterator[JournalCopy]:
        """A copy, removed afterwards.

        Raises:
            JournalError: it cannot be made.
        """
        async with self._turn:
            await asyncio.to_thread(_remove_left, self._dock.spool.directory)
            path = self._dock.spool.directory / f"{_PREFIX}{secrets.token_hex(8)}"
            try:
                await self._dock.journal.copy(path)
                made = JournalCopy(path, *await asyncio.to_thread(_measured, path))
                self._given.append(made)
                yield made
            finally:
                await asyncio.to_thread(_remove, path)

    async def taken(self, order: BackupOrder, by: str) -> None:
        """Record that a copy reached its place.

        Raises:
            ControlError: no copy with that digest was handed out.
        """
        found = next((each for each in self._given if each.sha256 == order.sha256), None)
        if found is None:
            msg = "no copy of the journal with that digest was handed out"
            raise ControlError(msg, hint="Take a new one: dockd journal backup FILE")
        details = {"by": by, "to": order.to, "bytes": str(found.size_bytes), "sha256": found.sha256}
        await self._dock.journal.record(custody.Noted(BACKED_UP, details))

    async def key_taken(self, order: KeyBackupOrder, by: str) -> None:
        """Record that a copy of the dock's signing key reached its place, where it was read again."""
        details = {"by": by, "to": order.to, "key": order.key}
        await self._dock.journal.record(custody.Noted(KEY_BACKED_UP, details))


def _remove_left(folder: Path) -> None:
    """What a crash left of earlier copies; there is one at a time, so nobody needs them."""
    for path in folder.glob(f"{_PREFIX}*"):
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _measured(path: Path) -> tuple[int, str]:
    """Size and SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()
