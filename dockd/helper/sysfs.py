"""What the kernel says of the devices at a port. Nothing that a client names is ever looked up but through a bay's port."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dockd.core.usb import MOST_DESCRIPTOR_BYTES, port_path


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk or partition of a camera.

    Attributes:
        path: in sysfs.
        node: its device file.
        number: major and minor, as the device file must have them.
        partition: 0 for the disk itself.
    """

    path: Path
    node: Path
    number: int
    partition: int


class Sysfs:
    """Sysfs and the device files that belong to it; tests have trees of their own."""

    def __init__(self, root: Path = Path("/sys"), devices: Path = Path("/dev")) -> None:
        self.root, self._devices = root, devices

    def at(self, port: str) -> Path | None:
        """The USB device that is plugged in at `port`, the newest if an old one is still listed."""
        found = [path for path in self._usb_devices() if self._port_of(path) == port]
        return max(found, key=lambda path: (number(path / "busnum"), number(path / "devnum")), default=None)

    def _usb_devices(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self.root / "bus" / "usb" / "devices") as links:
            names = [link.name for link in links if ":" not in link.name]
            yield from ((self.root / "bus" / "usb" / "devices" / name).resolve() for name in names)

    def every_port(self) -> Iterator[Path]:
        """The ports of every hub, as the kernel's own folders of them."""
        for hub in self._usb_devices():
            yield from sorted(hub.glob("*:*/*-port[0-9]*"))

    def ports(self, port: str) -> list[Path]:
        """The ports that a device in `port` may be on: more than one, where slow and fast devices meet different hubs."""
        return [each for each in self.every_port() if self._name_of(each) == port]

    def _name_of(self, port: Path) -> str:
        """What a device at this port would be called."""
        hub, number = port.parents[1], port.name.rpartition("-port")[2]
        name = hub.name.removeprefix("usb") + "-" if hub.name.startswith("usb") else hub.name + "."
        return port_path([("usb", name + number), *self._chain(hub)])

    def _port_of(self, device: Path) -> str:
        return port_path(self._chain(device))

    def _chain(self, device: Path) -> list[tuple[str, str]]:
        """Subsystem and name of a device and of everything that it hangs on."""
        chain: list[tuple[str, str]] = []
        for path in (device, *device.parents):
            if path in {self.root, Path("/")}:
                break
            subsystem = path / "subsystem"
            chain.append((subsystem.resolve().name if subsystem.is_symlink() else "", path.name))
        return chain

    def interfaces(self, device: Path) -> list[Path]:
        """The interfaces of a device's present configuration."""
        return sorted(path for path in device.iterdir() if ":" in path.name and (path / "bInterfaceClass").exists())

    def address(self, device: Path) -> tuple[int, int]:
        """Bus and device number: another one after each plugging."""
        return number(device / "busnum"), number(device / "devnum")

    def disks(self, device: Path) -> list[Disk]:
        """The whole disks that belong to a device."""
        with os.scandir(self.root / "class" / "block") as links:
            paths = sorted((self.root / "class" / "block" / link.name).resolve() for link in links)
        return [self._disk(path, 0) for path in paths if device in path.parents and not (path / "partition").exists()]

    def partitions(self, disk: Disk) -> list[Disk]:
        """The partitions of a disk."""
        parts = sorted(path.parent for path in disk.path.glob("*/partition"))
        return [self._disk(path, number(path / "partition")) for path in parts]

    def _disk(self, path: Path, partition: int) -> Disk:
        major, _, minor = text(path / "dev").partition(":")
        device = os.makedev(int(major or 0), int(minor or 0))
        return Disk(path, self._devices / path.name.replace("!", "/"), device, partition)


def text(path: Path) -> str:
    """An attribute; empty if it is not there, or its device is going away."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def number(path: Path, base: int = 10) -> int:
    """An attribute that is a number; -1 if it is not there."""
    try:
        return int(text(path), base)
    except ValueError:
        return -1


def serial(device: Path) -> str:
    """The device's own serial number as the daemon knows it, from udev's ID_SERIAL_SHORT; empty if it shows none."""
    words = "_".join(text(device / "serial").split())
    return re.sub(r"[^A-Za-z0-9#+.:=@_-]", "_", words)


def size_bytes(disk: Disk) -> int:
    """Of a disk or partition; 0 for a slot without a card."""
    return max(0, number(disk.path / "size")) * 512


def descriptors(device: Path) -> bytes:
    """The raw descriptors of a device; empty if they cannot be read, which no judgement lets through."""
    try:
        with (device / "descriptors").open("rb") as file:
            return file.read(MOST_DESCRIPTOR_BYTES + 1)
    except OSError:
        return b""
