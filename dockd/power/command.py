"""Lamps that a program of the site's drives: called with a bay and its state whenever one changes.

If the daemon dies, systemd calls the program once more, for each lamp that is lit, with `get help`
(packaging/systemd/lamp-command-asks-for-help), from notes: the program, and a file for each of these bays.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from dockd.core.readiness import Lamp
from dockd.errors import LampError

_log = structlog.get_logger(__name__)

NOTES = "lamps"
"""Their folder, in the daemon's own below /run."""

_COMMAND = ".command"
_PATIENCE_S = 5.0
_WORDS_LIMIT = 200


class CommandLamps:
    """Calls `COMMAND... BAY STATE`, one call after the other.

    Args:
        command: the program, by its absolute path, and what it is always told.
        notes: a folder that systemd looks into when this program has ended; None where nobody does.
    """

    def __init__(self, command: Sequence[str], notes: Path | None = None) -> None:
        self._command, self._notes = tuple(command), notes

    async def show(self, states: Mapping[str, Lamp | None]) -> None:
        """Show these states, by bay; None is `off`.

        Raises:
            LampError: the program failed for a bay, or was ended after five seconds; it was called for the others.
        """
        failed: LampError | None = None
        for bay, lamp in states.items():
            try:
                await self._show(bay, lamp)
            except LampError as exc:
                failed = exc
        if failed is not None:
            raise failed

    async def _show(self, bay: str, lamp: Lamp | None) -> None:
        if lamp is not None:
            await asyncio.to_thread(self._note, bay)
        await self._call(bay, "off" if lamp is None else lamp.value)
        if lamp is None:
            await asyncio.to_thread(self._forget, bay)

    async def lost(self) -> None:
        """Never: each call is a program of its own."""
        await asyncio.Event().wait()

    def _note(self, bay: str) -> None:
        if self._notes is None:
            return
        try:
            self._notes.mkdir(mode=0o700, exist_ok=True)
            (self._notes / _COMMAND).write_bytes(b"".join(os.fsencode(each) + b"\0" for each in self._command))
            (self._notes / bay).touch()
        except OSError as exc:
            _log.error("lamps may stay as they are if the daemon dies", why=str(exc))

    def _forget(self, bay: str) -> None:
        if self._notes is not None:
            (self._notes / bay).unlink(missing_ok=True)

    async def _call(self, bay: str, state: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, bay, state, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
        except OSError as exc:
            raise self._error(exc.strerror or str(exc)) from exc
        try:
            async with asyncio.timeout(_PATIENCE_S):
                _, said = await process.communicate()
        except TimeoutError as exc:
            why = f"it did not end within {_PATIENCE_S:.0f} s"
            raise self._error(why) from exc
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            words = said.decode(errors="replace").strip()[:_WORDS_LIMIT]
            why = f"it ended with {process.returncode}{': ' if words else ''}{words}"
            raise self._error(why)

    def _error(self, why: str) -> LampError:
        return LampError(
            f"the lamp command {self._command[0]} failed: {why}", hint="Admins: run it by hand as the daemon's user."
        )
