"""Which port is which bay: somebody plugs a camera into one bay after the other, and the port where it appears is that bay's.

Works on any machine with udev, whether or not a dock runs there: a device that is let in by nobody has its place all the same.
"""

import select
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TextIO

import pyudev

from dockd.bays.udev import drain, leaving
from dockd.core.usb import port_path

_HUB = "09"


@dataclass(frozen=True, slots=True)
class Connected:
    """A USB device that is no hub, as the kernel shows it.

    Attributes:
        port: its ID_PATH, as a site file names bays.
        address: bus and device number; another one after each plugging.
        name, serial: what it says of itself.
    """

    port: str
    address: tuple[int, int]
    name: str
    serial: str


class Watch(Protocol):
    """What the machine shows."""

    def look(self) -> list[Connected]:
        """Everything that is plugged in now."""
        ...

    def wait(self) -> bool:
        """Until something may have changed; False when whoever plugs says that there are no more bays."""
        ...


class UdevWatch:
    """The machine itself, told by udev.

    Args:
        person: where a line says that there are no more bays; None where nobody types.
    """

    def __init__(self, person: TextIO | None) -> None:
        self._context = pyudev.Context()
        self._person = person
        self._monitor = pyudev.Monitor.from_netlink(self._context)
        self._monitor.filter_by("usb", "usb_device")
        self._monitor.start()

    def look(self) -> list[Connected]:
        """See `Watch.look`."""
        found = []
        for device in self._context.list_devices(subsystem="usb", DEVTYPE="usb_device"):
            with leaving():
                if device.attributes.asstring("bDeviceClass") == _HUB:
                    continue
                chain = [(each.subsystem or "", each.sys_name) for each in (device, *device.ancestors)]
                if port := port_path(chain):
                    told = device.properties
                    address = (int(told["BUSNUM"]), int(told["DEVNUM"]))
                    found.append(Connected(port, address, told.get("ID_MODEL", ""), told.get("ID_SERIAL_SHORT", "")))
        return found

    def wait(self) -> bool:
        """See `Watch.wait`."""
        heard = self._monitor.fileno()
        ready, _, _ = select.select([heard, *([self._person.fileno()] if self._person else [])], [], [])
        if heard not in ready:
            return False
        drain(self._monitor)
        return True


def learned(bays: Iterable[str], watch: Watch, say: Callable[[str], None]) -> dict[str, Connected]:
    """The device that was plugged into each bay, by the bay's id, in this order.

    Args:
        bays: ids, one camera for each; endless where whoever plugs says when it is enough.
        watch: what the machine shows.
        say: tells whoever plugs what to do.
    """
    found: dict[str, Connected] = {}
    for bay in bays:
        say(f"Plug one camera into bay {bay}. If one is in it, take it out and put it in again.")
        device = _plugged(watch, found, say)
        if device is None:
            break
        found[bay] = device
        serial = f", serial {device.serial}" if device.serial else ", which shows no serial"
        say(f"Bay {bay} is {device.port} ({device.name or 'a device without a name'}{serial}).")
    return found


def _plugged(watch: Watch, found: dict[str, Connected], say: Callable[[str], None]) -> Connected | None:
    """The next device that is plugged into a port that is no bay's yet; None if there are no more bays."""
    known = {(each.port, each.address) for each in watch.look()}
    while watch.wait():
        now = watch.look()
        fresh = [each for each in now if (each.port, each.address) not in known]
        known = {(each.port, each.address) for each in now}
        taken = {device.port: bay for bay, device in found.items()}
        for each in fresh:
            if each.port in taken:
                say(f"That is bay {taken[each.port]} again; take the next one.")
        fresh = [each for each in fresh if each.port not in taken]
        if len(fresh) == 1:
            return fresh[0]
        if fresh:
            say(f"{len(fresh)} devices came at once ({', '.join(each.port for each in fresh)}). Take them out and plug in one.")
    return None
