"""What is plugged into which port, as udev tells: one monitor for all USB bays, on the event loop.

An event says only that something happened; what is there now is then enumerated afresh, in a thread. So nothing is lost when more
events come than the kernel keeps (ENOBUFS): that is one more reason to look. The monitor listens before the first look, so that
nothing falls between the two.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable, Iterator

import pyudev
import structlog

from dockd.clock import Clock
from dockd.core.usb import Plugged, SeenDevice, SeenDisk, plugged

TAG = "dockd"
"""The tag that dockd's udev rules give to everything in a bay; other devices' events never wake the daemon."""

_log = structlog.get_logger(__name__)

_BUFFER_BYTES = 128 * 1024
_MOST_EVENTS_AT_ONCE = 64
_BETWEEN_LOOKS_S = 0.05

Sight = tuple[list[SeenDevice], list[SeenDisk]]


class Port:
    """One port, as it was last seen. Everything happens on the event loop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.plugged: Plugged | None = None
        self._changed = asyncio.Event()

    def saw(self, now: Plugged | None, *, first: bool) -> None:
        """What one look found."""
        if first or now != self.plugged:
            self.plugged = now
            self._changed.set()

    async def changed(self) -> None:
        """Wait until it was seen otherwise than when this was last waited for; the first look counts."""
        await self._changed.wait()
        self._changed.clear()


class Udev:
    """Owner of the monitor.

    Args:
        look: enumerates what there is; runs in a thread.
        monitor: makes a monitor that was not started.
    """

    def __init__(
        self, clock: Clock, *, look: "Callable[[], Sight] | None" = None, monitor: "Callable[[], pyudev.Monitor] | None" = None
    ) -> None:
        self._clock, self._look, self._make_monitor = clock, look or look_around, monitor or _monitor
        self._ports: list[Port] = []
        self._news = asyncio.Event()

    def port(self, name: str) -> Port:
        """A view of the port; ask for it before `run`."""
        port = Port(name)
        self._ports.append(port)
        return port

    def look_again(self) -> None:
        """Look soon, though udev said nothing."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            OSError: udev cannot be listened to.
        """
        loop = asyncio.get_running_loop()
        monitor = self._make_monitor()
        monitor.start()
        loop.add_reader(monitor.fileno(), self._drain, monitor)
        try:
            self._news.set()
            first = True
            while True:
                await self._news.wait()
                self._news.clear()
                devices, disks = await asyncio.to_thread(self._look)
                for port in self._ports:
                    port.saw(plugged(port.name, devices, disks), first=first)
                first = False
                await self._clock.sleep(_BETWEEN_LOOKS_S)  # a burst of events costs few looks
        finally:
            loop.remove_reader(monitor.fileno())

    def _drain(self, monitor: pyudev.Monitor) -> None:
        if drain(monitor):
            _log.warning("udev told more than could be heard; looking at everything again")
        self._news.set()


def drain(monitor: pyudev.Monitor) -> bool:
    """Take events off the socket, few at a time so that a loop goes on; whether the kernel says that it had to drop some.

    Their content is not needed, and not read: what is there now is looked at afresh. pyudev's own poll cannot be used: it takes
    what the kernel says of an overrun for a broken descriptor, and leaves it pending, so that the socket is readable for ever.
    """
    overrun = False
    for _ in range(_MOST_EVENTS_AT_ONCE):
        try:
            os.read(monitor.fileno(), 1)  # the rest of a datagram goes with it; libudev made the socket so that it never blocks
        except BlockingIOError:
            break
        except OSError as exc:
            if exc.errno != errno.ENOBUFS:
                raise
            overrun = True
    return overrun


def _monitor() -> pyudev.Monitor:
    monitor = pyudev.Monitor.from_netlink(pyudev.Context())
    monitor.filter_by_tag(TAG)
    with contextlib.suppress(OSError):  # smaller machines have smaller buffers; an overrun is no loss
        monitor.set_receive_buffer_size(_BUFFER_BYTES)
    return monitor


def look_around() -> Sight:
    """Every USB device and disk that udev has finished with. Reads sysfs: call it in a thread."""
    context = pyudev.Context()
    return list(_devices(context)), list(_disks(context))


def _devices(context: pyudev.Context) -> Iterator[SeenDevice]:
    for device in context.list_devices(subsystem="usb", DEVTYPE="usb_device"):
        with leaving():
            told = device.properties
            if "ID_PATH" in told:  # set by dockd's rules: udev has finished with it
                yield SeenDevice(
                    device.sys_path,
                    told["ID_PATH"],
                    (int(told["BUSNUM"]), int(told["DEVNUM"])),
                    told.get("ID_SERIAL_SHORT", ""),
                    told.get("ID_MODEL", ""),
                )


def _disks(context: pyudev.Context) -> Iterator[SeenDisk]:
    for device in context.list_devices(subsystem="block"):
        with leaving():
            told = device.properties
            size_sectors = device.attributes.asint("size")
            if "ID_PATH" in told and "ID_CDROM" not in told:  # drivers for some other system
                yield SeenDisk(device.sys_path, int(told["DISKSEQ"]), int(told.get("PARTN", "0")), size_sectors)


@contextlib.contextmanager
def leaving() -> Iterator[None]:
    """A device that goes while it is looked at, or is none of ours, is not there; another event tells the rest."""
    with contextlib.suppress(KeyError, ValueError, OSError, pyudev.DeviceNotFoundError):
        yield
