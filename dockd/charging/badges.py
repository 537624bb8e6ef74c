"""Reads a badge reader: a keyboard of its own, which nothing else may listen to, and each badge checks out a camera."""

import asyncio
import errno
import fcntl
import os
import struct
from collections.abc import Mapping
from pathlib import Path

import structlog

from dockd.charging.checkout import Desk
from dockd.clock import Clock
from dockd.core.badge import Badges
from dockd.errors import ControlError

_log = structlog.get_logger(__name__)

EVENT = struct.Struct("llHHi")
"""struct input_event of linux/input.h: seconds, microseconds, type, code, value."""
_EVIOCGRAB = 0x40044590
_MOST_AT_ONCE = 64
_AGAIN_S = 30.0


class BadgeReader:
    """Owner of one reader.

    Args:
        device: its evdev device.
        officers: whose each badge is; one that is not in it stands for itself.
        desk: checks out.
        clock: to wait for a reader that is not there.
    """

    def __init__(self, device: Path, officers: Mapping[str, str], desk: Desk, clock: Clock) -> None:
        self._device, self._officers, self._desk, self._clock = device, officers, desk, clock

    async def run(self) -> None:
        """Until cancelled; a reader that goes is waited for."""
        said = ""
        while True:
            try:
                reader = await asyncio.to_thread(_opened, self._device)
                said = ""
                _log.info("badge reader is there", device=str(self._device))
                try:
                    await self._listen(reader)
                finally:
                    os.close(reader)
            except OSError as exc:
                why = exc.strerror or str(exc)
                if why != said:
                    _log.error("badge reader cannot be used", device=str(self._device), why=why)
                said = why
            await self._clock.sleep(_AGAIN_S)

    async def _listen(self, reader: int) -> None:
        """Until it is gone, which is an OSError, or its end is reached."""
        badges, loop = Badges(), asyncio.get_running_loop()
        while True:
            readable: asyncio.Future[None] = loop.create_future()
            loop.add_reader(reader, _set, readable)
            try:
                await readable
            finally:
                loop.remove_reader(reader)
            content = os.read(reader, EVENT.size * _MOST_AT_ONCE)
            if not content:
                return
            for _, _, kind, code, value in EVENT.iter_unpack(content[: len(content) // EVENT.size * EVENT.size]):
                badge = badges.feed(kind, code, value)
                if badge is not None:
                    await self._check_out(badge)

    async def _check_out(self, badge: str) -> None:
        try:
            await self._desk.check_out(self._officers.get(badge, f"badge {badge}"), "badge")
        except ControlError as exc:
            _log.warning("no camera for a badge", badge=badge, why=exc.message)


def _set(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


def _opened(device: Path) -> int:
    """The device, whose keys reach nobody else from here on; blocks."""
    reader = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        fcntl.ioctl(reader, _EVIOCGRAB, 1)
    except OSError as exc:
        if exc.errno != errno.ENOTTY:  # what is no evdev device types for nobody else
            os.close(reader)
            raise
    return reader
