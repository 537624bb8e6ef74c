"""A kernel that can fs-verity, where this machine's may not: the two ioctls, and what they answer; nothing else of it.

It keeps no writer out and checks no read: that it is asked rightly, and what dockd makes of its answers, is shown with it. What a
sealed file really resists is shown on a real kernel.
"""

import asyncio
import errno
import os
import struct
from collections.abc import Callable, Iterable
from fcntl import F_GETFL, fcntl
from pathlib import Path
from threading import Condition

import pytest

_ENABLE, _MEASURE = 0x40806685, 0xC0046686
_ARGUMENT = struct.Struct("=IIIIQII8x88x")
_DIGEST = struct.Struct("=HH64s")


class SealingKernel:
    """Stands behind `dockd.verity` until the test ends.

    Attributes:
        refuses: the error of every further attempt to seal; None if it seals.
        busy: inodes that somebody has open for writing.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuses: int | None = None
        self.busy: set[int] = set()
        self._sealed: set[int] = set()
        self._refused = 0
        self._news = Condition()
        monkeypatch.setattr("dockd.verity.ioctl", self._ioctl)

    async def has_sealed(self, files: Iterable[Path]) -> None:
        """Wait until each of these is."""
        wanted = {each.stat().st_ino for each in files}
        await self._until(lambda: wanted <= self._sealed)

    async def has_refused(self, times: int) -> None:
        """Wait until it said no so often, since it was made."""
        await self._until(lambda: self._refused >= times)

    async def _until(self, come: Callable[[], bool]) -> None:
        def wait() -> bool:
            with self._news:
                return self._news.wait_for(come, timeout=30)

        assert await asyncio.to_thread(wait)

    def _ioctl(self, descriptor: int, request: int, argument: bytes) -> bytes:
        inode = os.fstat(descriptor).st_ino
        if request == _MEASURE:
            algorithm, room, _ = _DIGEST.unpack(argument)
            if inode not in self._sealed:
                raise _error(errno.ENODATA)
            assert (algorithm, room >= 32) == (0, True), "EOVERFLOW"
            return _DIGEST.pack(1, 32, bytes(32))
        assert request == _ENABLE, f"ENOTTY: {request:#x}"
        version, algorithm, block, salt, salt_at, signature, reserved = _ARGUMENT.unpack(argument)
        assert (version, algorithm, block, salt, salt_at, signature, reserved) == (1, 1, 4096, 0, 0, 0, 0), "EINVAL"
        assert not any(argument[40:]), "EINVAL: reserved"
        assert fcntl(descriptor, F_GETFL) & os.O_ACCMODE == os.O_RDONLY, "ETXTBSY: its own descriptor writes"
        with self._news:
            self._news.notify_all()
            refusal = self.refuses if self.refuses is not None else errno.ETXTBSY if inode in self.busy else None
            if refusal is not None:
                self._refused += 1
                raise _error(refusal)
            if inode in self._sealed:
                raise _error(errno.EEXIST)
            self._sealed.add(inode)
        return argument


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
