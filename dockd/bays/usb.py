"""A bay that is a USB port: whatever is plugged in there is let in by the helper if it is a camera, and shown if it is not.

There are two policies. What is plugged in while the daemon runs is shut off until the helper has let it in. What was there
before, at boot or while the daemon was down, may be in use already: it is judged in the same way before anything is read from it,
and the helper takes it out of use if it is refused. Neither is believed anything for having been there first.

The disks of a camera come one by one; it is told of when nothing has changed at the port for a moment.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from dockd.bays.protocol import BayEvent, Claims, Inserted, Removed, Stalled, Unrecognised
from dockd.bays.udev import Port
from dockd.clock import Clock
from dockd.core.profile import Profile
from dockd.core.usb import Plugged, UsbSource
from dockd.errors import CameraGoneError, CameraUnknownError, DockError

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a USB bay waits.

    Attributes:
        settle_s: a port that has not changed for so long has shown all its disks.
        disks_s: a camera without any disk after that has none.
        stalled_s: a device that has not been judged after that does not answer.
        helper_s: time between attempts to reach a helper that does not answer.
    """

    settle_s: float = 0.3
    disks_s: float = 20.0
    stalled_s: float = 30.0
    helper_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Helper:
    """The privileged helper, as a bay sees it; see `dockd.helper.client`.

    Attributes:
        path: of its socket, for the bay's worker.
        bays: asks which bays it guards.
        authorise: has the camera in a bay let in; the name of the profile that recognised it.
    """

    path: str
    bays: Callable[[], Awaitable[Sequence[str]]]
    authorise: Callable[[str], Coroutine[Any, Any, str]]


class UsbBay:
    """A `Bay` at a USB port."""

    def __init__(
        self,
        bay_id: str,
        port: Port,
        profiles: Sequence[Profile],
        helper: Helper,
        *,
        clock: Clock,
        patience: Patience | None = None,
    ) -> None:
        self.bay_id = bay_id
        self._port, self._helper, self._clock = port, helper, clock
        self._profiles = {profile.name: profile for profile in profiles if profile.usb}
        self._patience = patience or Patience()

    async def events(self) -> AsyncGenerator[BayEvent]:
        """See `Bay.events`."""
        async with aclosing(self._unguarded()) as unguarded:
            async for words in unguarded:
                yield Unrecognised(self.bay_id, words)
        await self._port.changed()
        policy = "present at start"
        while True:
            device = self._port.plugged
            if device is None:
                yield Removed(self.bay_id)
                policy = "inserted"
                while self._port.plugged is None:
                    await self._port.changed()
                continue
            _log.info("plugged in", bay=self.bay_id, device=device.name, serial=device.serial, policy=policy)
            told = await self._told(device, policy)
            policy = "inserted"
            if isinstance(told, Inserted):
                yield told
                # Compared with what was told, and not with what is there by now: a disk's number may have changed in between.
                while (now := self._port.plugged) and (now.address, self._source(now)) == (device.address, told.root):
                    await self._port.changed()
            elif told is not None:
                yield told
                await self._left(device)
            if self._port.plugged is not None:  # another one, however quick the hands
                yield Removed(self.bay_id)

    async def _unguarded(self) -> AsyncGenerator[str]:
        """Until the helper guards this bay; why it does not, each time that it is otherwise than before."""
        last = ""
        while True:
            try:
                if self.bay_id in await self._helper.bays():
                    return
                words = f"Bay {self.bay_id} is not guarded: the helper has read another site file. Restart dockd-helper."
            except DockError as exc:
                words = f"Bay {self.bay_id} is not guarded: {exc.message}."
            if words != last:
                last = words
                yield words
            await self._clock.sleep(self._patience.helper_s)

    async def _told(self, device: Plugged, policy: str) -> BayEvent | None:
        """What is to be told of the device; None if it left or changed, so that all begins anew."""
        try:
            name = await self._unless_replugged(device, self._helper.authorise(self.bay_id), self._patience.stalled_s)
        except TimeoutError:
            return Stalled(self.bay_id, f"Bay {self.bay_id} has not answered for {self._patience.stalled_s:.0f} s.")
        except CameraUnknownError as exc:
            _log.warning("refused", bay=self.bay_id, device=device.name, serial=device.serial, why=exc.message)
            return Unrecognised(self.bay_id, exc.message, exc.hint, Claims(device.name, device.serial, policy))
        except CameraGoneError:
            return await self._gone_for_the_helper(device)
        except DockError as exc:
            return Unrecognised(self.bay_id, f"Bay {self.bay_id}: {exc.message}.", exc.hint)
        if name is None:
            return None
        profile = self._profiles.get(name)
        if profile is None:
            return Unrecognised(self.bay_id, f"the helper knows a profile {name!r} that the daemon does not: restart both")
        return await self._with_disks(device, profile)

    async def _gone_for_the_helper(self, device: Plugged) -> BayEvent | None:
        """The kernel has told the helper already what udev is about to tell; if it does not, something is wrong there."""
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            await self._unless_replugged(device, _awaited(never), self._patience.disks_s)
        except TimeoutError:
            return Unrecognised(self.bay_id, f"the device in bay {self.bay_id} cannot be used")
        return None

    async def _with_disks(self, device: Plugged, profile: Profile) -> BayEvent | None:
        """The camera, once it has shown its disks."""
        until_s = self._clock.monotonic() + self._patience.disks_s
        while (now := self._port.plugged) is not None and now.address == device.address:
            wait_s = self._patience.settle_s if now.volumes else max(0.0, until_s - self._clock.monotonic())
            try:
                await self._within(self._port.changed(), wait_s)
            except TimeoutError:
                if now.volumes:
                    return Inserted(self.bay_id, self._source(now), profile)
                return Unrecognised(self.bay_id, f"the camera in bay {self.bay_id} shows no disk")
        return None

    def _source(self, now: Plugged) -> UsbSource:
        return UsbSource(self.bay_id, now.serial, now.volumes, self._helper.path)

    async def _unless_replugged(self, device: Plugged, work: Coroutine[Any, Any, _T], within_s: float) -> _T | None:
        """The result of `work`; None if the device leaves before.

        Raises:
            TimeoutError: neither came.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._left(device))
        try:
            await self._within(asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED), within_s)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def _left(self, device: Plugged) -> None:
        while self._port.plugged is not None and self._port.plugged.address == device.address:
            await self._port.changed()

    async def _within(self, work: Coroutine[Any, Any, object], within_s: float) -> None:
        """Wait for `work`, by the dock's clock.

        Raises:
            TimeoutError: it took longer.
        """
        task = asyncio.ensure_future(work)
        alarm = asyncio.ensure_future(self._clock.sleep(within_s))
        try:
            await asyncio.wait([task, alarm], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise TimeoutError
        finally:
            task.cancel()
            alarm.cancel()
            await asyncio.gather(task, alarm, return_exceptions=True)


async def _awaited(future: asyncio.Future[_T]) -> _T:
    return await future
