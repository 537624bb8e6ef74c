"""Finds out, with a camera in the bay, whether a port's power can be switched: descriptors promise it and hubs then do nothing.

Three things are looked at: whether the hub, asked after it was told, says that the power is off; whether the camera leaves the
bus; and whether it comes back when the power does. A hub that shares one switch among its ports, or that has none and says
otherwise, is found out by none of these: only a meter at the port, or the camera's own battery reading, shows that (HARDWARE.md).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dockd.bays.udev import Port
from dockd.clock import Clock
from dockd.core.usb import Plugged
from dockd.errors import CameraGoneError


class Verdict(StrEnum):
    """What a probe found."""

    SWITCHES = "switches"
    IGNORES = "ignores"
    STAYS = "stays"
    LOST = "lost"


WORDS = {
    Verdict.SWITCHES: "the hub says that the port's power was off, and the camera left and came back",
    Verdict.IGNORES: "the hub says that the port's power stayed on although it was told to switch it off",
    Verdict.STAYS: "the camera stayed although the port was switched off",
    Verdict.LOST: "the camera did not come back after the power was switched on again: take it out and put it in again",
}


class Power(Protocol):
    """The power of one port; see `dockd.helper.client.PortPower`."""

    async def switch(self, *, on: bool) -> bool:
        """Switch it; whether the hub says that it did."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a probe waits for the camera to leave and to come back, and how long the power is off."""

    leave_s: float = 10.0
    off_s: float = 2.0
    return_s: float = 60.0


async def probed(power: Power, port: Port, clock: Clock, patience: Patience) -> Verdict:
    """Whether the power of a port can be switched. The camera in it leaves the machine for a moment.

    Args:
        power: of the port.
        port: a view of it of the probe's own, that udev has not been asked about yet.
        clock: the machine's.
        patience: how long to wait.

    Raises:
        CameraGoneError: the bay is empty, so nothing can be found out.
        DockError: as `Power.switch`.
    """
    await port.changed()
    before = port.plugged
    if before is None:
        msg = "the bay is empty"
        raise CameraGoneError(msg, hint="Put a camera into it: without one nothing shows whether the power goes.")
    obeyed = await power.switch(on=False)
    left = await _seen(port, lambda now: now is None, patience.leave_s)
    await clock.sleep(patience.off_s)
    await power.switch(on=True)
    if not left:
        return Verdict.STAYS
    if not await _seen(port, lambda now: now is not None and now.address != before.address, patience.return_s):
        return Verdict.LOST
    return Verdict.SWITCHES if obeyed else Verdict.IGNORES


async def _seen(port: Port, wanted: Callable[[Plugged | None], bool], within_s: float) -> bool:
    """Whether the port was seen so in time."""
    try:
        async with asyncio.timeout(within_s):
            while not wanted(port.plugged):
                await port.changed()
    except TimeoutError:
        return False
    return True
