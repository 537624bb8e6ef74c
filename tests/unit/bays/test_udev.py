"""The monitor: with a fake one where it must fail, and with libudev itself on devices of umockdev in a process of its own."""

import asyncio
import os
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import pyudev

from dockd.bays.udev import Port, Sight, Udev, drain, look_around
from dockd.clock import SystemClock
from dockd.core.usb import Plugged, SeenDevice, Volume

PORTS = ("pci-0000:00:04.0-usb-0:1.2", "pci-0000:00:04.0-usb-0:1.3")
MOCKED = "umockdev" in os.environ.get("LD_PRELOAD", "")


@asynccontextmanager
async def listening(udev: Udev) -> AsyncIterator[list[Port]]:
    """Views of both ports, with the monitor running."""
    ports = [udev.port(name) for name in PORTS]
    task = asyncio.create_task(udev.run())
    try:
        yield ports
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(port: Port, wanted: Callable[[Plugged | None], bool]) -> Plugged | None:
    """What is at the port once it is as wanted."""
    async with asyncio.timeout(10):
        while True:
            await port.changed()
            if wanted(port.plugged):
                return port.plugged


class FakeMonitor:
    """A socket pair for the kernel's; each datagram is an event."""

    def __init__(self) -> None:
        self.kernel, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.setblocking(False)
        self.started = False

    def start(self) -> None:
        """Begin to listen."""
        self.started = True

    def fileno(self) -> int:
        """What the loop watches."""
        return self._ours.fileno()

    def close(self) -> None:
        """Close both ends."""
        self.kernel.close()
        self._ours.close()


def storm() -> None:
    """More events of a real device than a small buffer holds, without a pause, so that nobody listens meanwhile."""
    for _ in range(500):
        Path("/sys/class/mem/null/uevent").write_text("change")


class Looks:
    """What is there, and how often it was looked at."""

    def __init__(self) -> None:
        self.seen: Sight = ([], [])
        self.count = 0

    def __call__(self) -> Sight:
        """One look."""
        self.count += 1
        return self.seen


if not MOCKED:

    @pytest.mark.parametrize("events", [1, 200])
    async def test_an_event_and_a_storm_are_reasons_to_look(events: int) -> None:
        """The monitor listens before the first look; whatever it hears, what is there now is told."""
        monitor, looks = FakeMonitor(), Looks()

        def first_look() -> Sight:
            assert monitor.started
            return looks()

        udev = Udev(SystemClock(), look=first_look, monitor=lambda: cast("pyudev.Monitor", monitor))
        async with listening(udev) as (port, other):
            assert await until(port, lambda now: True) is None
            assert await until(other, lambda now: True) is None
            looks.seen = ([SeenDevice("/sys/d", PORTS[0], (1, 2), "", "")], [])
            for _ in range(events):
                monitor.kernel.send(b"event")
            assert await until(port, lambda now: now is not None) == Plugged((1, 2), "", "", ())
            assert looks.count < 10
        monitor.close()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can have the kernel tell of a device")
    async def test_an_overrun_of_the_kernels_buffer_is_a_reason_to_look() -> None:
        """The kernel itself drops events of a real device: one look finds all, and the next overrun is heard as well."""
        monitor = pyudev.Monitor.from_netlink(pyudev.Context(), "kernel")
        monitor.set_receive_buffer_size(4096)
        looks = Looks()
        udev = Udev(SystemClock(), look=looks, monitor=lambda: monitor)
        async with listening(udev) as (port, _):
            await until(port, lambda now: True)
            for number in (2, 3):
                looks.seen = ([SeenDevice("/sys/d", PORTS[0], (1, number), "", "")], [])
                storm()
                assert await until(port, lambda now: now is not None) == Plugged((1, number), "", "", ())

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can have the kernel tell of a device")
    def test_after_an_overrun_the_socket_is_quiet() -> None:
        """What the kernel says of it is said once: a loop that left it pending would look for ever."""
        monitor = pyudev.Monitor.from_netlink(pyudev.Context(), "kernel")
        monitor.set_receive_buffer_size(4096)
        monitor.start()
        storm()
        assert drain(monitor)
        while select.select([monitor], [], [], 0)[0]:
            assert not drain(monitor)

    async def test_a_look_can_be_asked_for() -> None:
        """Without any event."""
        monitor, looks = FakeMonitor(), Looks()
        udev = Udev(SystemClock(), look=looks, monitor=lambda: cast("pyudev.Monitor", monitor))
        async with listening(udev) as (port, _):
            await until(port, lambda now: True)
            looks.seen = ([SeenDevice("/sys/d", PORTS[0], (1, 2), "", "")], [])
            udev.look_again()
            await until(port, lambda now: now is not None)
        monitor.close()

    async def test_the_machine_itself_can_be_listened_to() -> None:
        """The real monitor with its tag and buffer starts, and the first look comes."""
        async with listening(Udev(SystemClock())) as (port, _):
            assert await until(port, lambda now: True) is None

    @pytest.mark.skipif(shutil.which("umockdev-wrapper") is None, reason="umockdev is not installed")
    def test_libudev_tells_of_devices() -> None:
        """The scenes below, with libudev seeing a test bed."""
        command = ["umockdev-wrapper", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

else:
    from tests.sim.mock_udev import MockUdev

    def _monitor() -> pyudev.Monitor:
        """As in the product, but for the tag: umockdev's events carry none."""
        return pyudev.Monitor.from_netlink(pyudev.Context())

    class Bench:
        """A hub with ports."""

        def __init__(self) -> None:
            self.udev = MockUdev()
            self.pci = self.udev.add("pci", "0000:00:04.0", None, {}, {})
            self.hub = self.udev.add("usb", "1-1", self.pci, {}, {"DEVTYPE": "usb_device", "BUSNUM": "1", "DEVNUM": "2"})

        def plug(self, port: str, number: int) -> str:
            """A camera at a port."""
            properties = {"DEVTYPE": "usb_device", "BUSNUM": "1", "DEVNUM": str(number), "ID_PATH": port, "ID_SERIAL_SHORT": "S1"}
            name = "1-" + port.rpartition(":")[2]
            return self.udev.add("usb", name, self.hub, {}, properties | {"ID_MODEL": "Cam"})

        def disk(self, above: str, name: str, diskseq: int, partition: int = 0, sectors: int = 100) -> str:
            """A disk or partition."""
            properties = {"DEVTYPE": "partition" if partition else "disk", "DISKSEQ": str(diskseq), "ID_PATH": "x"}
            properties |= {"PARTN": str(partition)} if partition else {}
            return self.udev.add("block", name, above, {"size": f"{sectors}\n"}, properties)

    async def test_plugging_and_pulling() -> None:
        """A camera with a partitioned disk, a card slot and an empty slot comes and goes, and its neighbour stays."""
        bench = Bench()
        async with listening(Udev(SystemClock(), monitor=_monitor)) as (port, other):
            await until(port, lambda now: True)
            await until(other, lambda now: True)
            camera = bench.plug(PORTS[0], 5)
            bench.udev.tell(camera, "add")
            assert await until(port, lambda now: now is not None) == Plugged((1, 5), "S1", "Cam", ())
            disk = bench.disk(camera, "sdb", 7)
            bench.disk(disk, "sdb1", 7, 1)
            bench.disk(camera, "sdc", 8)
            bench.disk(camera, "sdd", 9, sectors=0)
            bench.udev.tell(disk, "add")
            seen = await until(port, lambda now: now is not None and bool(now.volumes))
            assert seen is not None
            assert seen.volumes == (Volume(7, 1), Volume(8, 0))
            neighbour = bench.plug(PORTS[1], 6)
            bench.udev.tell(neighbour, "add")
            await until(other, lambda now: now is not None)
            bench.udev.remove(camera)
            bench.udev.tell(neighbour, "change")
            assert await until(port, lambda now: now is None) is None
            assert other.plugged == Plugged((1, 6), "S1", "Cam", ())

    async def test_a_hub_that_goes_takes_all_bays_with_it() -> None:
        """One event is enough to see all of them empty."""
        bench = Bench()
        for number, name in enumerate(PORTS, 5):
            bench.plug(name, number)
        async with listening(Udev(SystemClock(), monitor=_monitor)) as ports:
            for port in ports:
                await until(port, lambda now: now is not None)
            bench.udev.remove(bench.hub)
            bench.udev.tell(bench.pci, "change")
            for port in ports:
                assert await until(port, lambda now: now is None) is None

    def test_devices_that_udev_has_not_finished_with_are_not_there() -> None:
        """Without the properties that dockd's rules set, nothing is told of a device or disk."""
        bench = Bench()
        bench.udev.add("block", "sdz", bench.hub, {"size": "1"}, {"DEVTYPE": "disk", "DISKSEQ": "3"})
        assert look_around() == ([], [])
