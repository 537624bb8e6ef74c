"""Lamps that a program of the site's drives: called with a bay and its state whenever one changes."""

import asyncio
from collections.abc import Mapping, Sequence

from dockd.core.readiness import Lamp
from dockd.errors import LampError

_PATIENCE_S = 5.0
_WORDS_LIMIT = 200


class CommandLamps:
    """Calls `COMMAND... BAY STATE`, one call after the other.

    Args:
        command: the program, by its absolute path, and what it is always told.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    async def show(self, states: Mapping[str, Lamp | None]) -> None:
        """Show these states, by bay; None is `off`.

        Raises:
            LampError: the program fails, or has not ended after five seconds; it is ended then.
        """
        for bay, lamp in states.items():
            await self._call(bay, "off" if lamp is None else lamp.value)

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
