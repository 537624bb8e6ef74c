"""A sysfs with one USB port in it, made of plain files; disks in it may be the machine's own loop devices."""

import ctypes
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dockd.core.profile import Profile, UsbId
from dockd.helper.permitted import Permitted
from dockd.helper.sysfs import Sysfs
from tests.sim.usb_devices import BULK, Kind, descriptors

PORT = "pci-0000:00:04.0-usb-0:1.2"
BAY = "3"
CAMERA = Profile("cam", "DCIM", ("DCIM",), ("*.MP4",), usb=(UsbId("2c9b"),), filesystem="ext4")
PERMITTED = Permitted({BAY: PORT, "4": "pci-0000:00:04.0-usb-0:1.3"}, (CAMERA,))


class BaySysfs:
    """The tree, and what can be plugged into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("bus/usb/devices", "bus/pci", "class/block"):
            (root / folder).mkdir(parents=True)
        (root / "bus/usb/drivers_probe").write_text("")
        self.hub = root / "devices/pci0000:00/0000:00:04.0/usb1/1-1"
        self.hub.mkdir(parents=True)
        self._belongs(self.hub.parents[1], "pci")
        for path in (self.hub.parent, self.hub):
            self._belongs(path, "usb")
        self.sysfs = Sysfs(root)

    def _belongs(self, path: Path, bus: str) -> None:
        (path / "subsystem").symlink_to(self.root / "bus" / bus)

    def plug(self, *kinds: Kind, name: str = "1-1.2", raw: bytes | None = None, authorized: str = "0", number: int = 5) -> Path:
        """A device at a port, with its interfaces as they will be once it is configured."""
        device = self.hub / name
        device.mkdir()
        self._belongs(device, "usb")
        (self.root / "bus/usb/devices" / name).symlink_to(device)
        for attribute, content in {"busnum": "1", "devnum": str(number), "authorized": authorized}.items():
            (device / attribute).write_text(content + "\n")
        kinds = kinds or (BULK,)
        (device / "descriptors").write_bytes(descriptors(*kinds) if raw is None else raw)
        for index, kind in enumerate(kinds):
            self.interface(device, index, kind)
        return device

    def port(self, number: int, *, bus: int = 1) -> Path:
        """A port of the hub, as the kernel has it for each; on bus 2, of the half of it that fast devices meet."""
        hub = self.hub if bus == 1 else self.hub.parents[1] / f"usb{bus}/{bus}-1"
        if not hub.exists():
            hub.mkdir(parents=True)
            for path in (hub.parent, hub):
                self._belongs(path, "usb")
        return self._port(hub, f"{bus}-1", f"{bus}-1", number)

    def root_port(self, number: int) -> Path:
        """A port of the root hub."""
        return self._port(self.hub.parent, "1-0", "usb1", number)

    def _port(self, hub: Path, interface: str, name: str, number: int) -> Path:
        link = self.root / "bus/usb/devices" / hub.name
        if not link.exists():
            link.symlink_to(hub)
        path = hub / f"{interface}:1.0/{name}-port{number}"
        path.mkdir(parents=True)
        (path / "disable").write_text("0\n")
        return path

    def interface(self, device: Path, index: int, kind: Kind) -> Path:
        """One interface of a device."""
        path = device / f"{device.name}:1.{index}"
        path.mkdir()
        for part, value in zip(("Class", "SubClass", "Protocol"), kind, strict=True):
            (path / f"bInterface{part}").write_text(f"{value:02x}\n")
        (path / "authorized").write_text("0\n")
        (self.root / "bus/usb/devices" / path.name).symlink_to(path)
        return path

    def disk(self, above: Path, node: Path, partitions: Sequence[int] = ()) -> Path:
        """A disk below a device: the loop device `node`, and its partitions by number."""
        path = above / "host2" / "block" / node.name
        self._block(path, node)
        for each in partitions:
            part = path / f"{node.name}p{each}"
            self._block(part, node.with_name(part.name))
            (part / "partition").write_text(f"{each}\n")
        return path

    def _block(self, path: Path, node: Path) -> None:
        path.mkdir(parents=True)
        number = node.stat().st_rdev
        (path / "dev").write_text(f"{os.major(number)}:{os.minor(number)}\n")
        for attribute in ("size", "start"):
            real = Path("/sys/class/block", node.name, attribute)
            if real.exists():
                (path / attribute).write_text(real.read_text())
        (self.root / "class/block" / path.name).symlink_to(path)


@contextmanager
def loop_device(image: Path) -> Iterator[Path]:
    """The loop device of an image, with its partitions."""
    done = subprocess.run(["losetup", "--find", "--show", "--partscan", image], capture_output=True, check=True, text=True)
    node = Path(done.stdout.strip())
    try:
        yield node
    finally:
        # Unlike a camera's disk, a loop device comes back, and would be write-blocked still.
        subprocess.run(["blockdev", "--setrw", node], check=True)
        subprocess.run(["losetup", "--detach", node], check=True)


def diskseq(node: Path) -> int:
    """The kernel's number for a disk."""
    return int(Path("/sys/class/block", node.name, "diskseq").read_text())


def add_partition(node: Path, number: int, begin_bytes: int, size_bytes: int) -> None:
    """Tell the kernel of a partition, whatever table it knows; its device file is made by this machine's udev, or here."""
    partition = ctypes.create_string_buffer(struct.pack("=qqi64s64s4x", begin_bytes, size_bytes, number, b"", b""))
    order = struct.pack("@iiiP", 1, 0, len(partition), ctypes.addressof(partition))  # BLKPG_ADD_PARTITION of linux/blkpg.h
    disk = os.open(node, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(disk, 0x1269, order)  # BLKPG
    finally:
        os.close(disk)
    made = Path(f"{node}p{number}")
    if not made.exists():
        major, minor = Path("/sys/class/block", made.name, "dev").read_text().split(":")
        os.mknod(made, 0o60600, os.makedev(int(major), int(minor)))
