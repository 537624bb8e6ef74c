"""What a USB device is, judged from its raw descriptors, and what of it stands at a bay's port.

A device may be used in a bay only if every interface of every configuration and every alternate setting is mass storage: the
SCSI command set over bulk-only transport (08:06:50) or UAS (08:06:62). Bytes that say anything else, or that cannot be read to
their end, are refused. The bytes are the device's own claim: what they allow is therefore no more than these interfaces.

A port is named as udev's ID_PATH names it: from the machine's bus to the socket, so that it stays the same whatever is in it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STORAGE = frozenset({(0x08, 0x06, 0x50), (0x08, 0x06, 0x62)})
"""Class, subclass and protocol of the interfaces that may be used."""

MOST_DESCRIPTOR_BYTES = 65_536
"""Far more than any camera says of itself; sysfs gives no more than this either."""

PORT = re.compile(r"(?:pci|platform|acpi)-[A-Za-z0-9.,:@_-]{1,128}-usb-0:[1-9]\d{0,2}(?:\.[1-9]\d{0,2}){0,5}", re.ASCII)
"""What a port's name looks like, with nothing in it that a udev rule could take for a pattern."""

_SCSI = re.compile(r"/\d+:\d+:\d+:(\d{1,9})/block/", re.ASCII)
_LEAST_SECTORS = 8  # a slot without a card has none, the shell of an extended partition two; no file system fits into either
_DEVICE, _CONFIGURATION, _INTERFACE = 1, 2, 4
_DEVICE_BYTES, _CONFIGURATION_BYTES, _INTERFACE_BYTES = 18, 9, 9
_HUB = 0x09
_INPUT = 0x03

_WORDS = {
    0x01: "a sound device",
    0x02: "a modem or network card",
    0x05: "a force-feedback device",
    0x06: "a camera that does not show itself as a disk (PTP or MTP)",
    0x07: "a printer",
    0x08: "a disk of a kind that is not used",
    _HUB: "a hub",
    0x0A: "a modem or network card",
    0x0B: "a smart card reader",
    0x0E: "a live video camera",
    0x10: "a sound and video device",
    0xE0: "a wireless or network adapter",
    0xFE: "a device that asks to be programmed",
    0xFF: "a device of its maker's own kind",
}
_INPUT_WORDS = {1: "a keyboard", 2: "a mouse"}


class DescriptorError(ValueError):
    """The descriptors are no USB descriptors."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One alternate setting of one interface.

    Attributes:
        kind: class, subclass and protocol.
    """

    configuration: int
    number: int
    alternate: int
    kind: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Described:
    """What a device says that it is."""

    vendor: int
    product: int
    device_class: int
    interfaces: tuple[Interface, ...]


def described(raw: bytes) -> Described:
    """Read the content of sysfs `descriptors`: the device's descriptor, then every configuration with all that belongs to it.

    Raises:
        DescriptorError: lengths or counts do not add up to the last byte, or a part is missing.
    """
    if len(raw) > MOST_DESCRIPTOR_BYTES:
        msg = f"{len(raw)} bytes of descriptors"
        raise DescriptorError(msg)
    if len(raw) < _DEVICE_BYTES or raw[0] != _DEVICE_BYTES or raw[1] != _DEVICE:
        msg = "there is no device descriptor"
        raise DescriptorError(msg)
    interfaces: list[Interface] = []
    offset, configurations = _DEVICE_BYTES, raw[17]
    for _ in range(configurations):
        found, offset = _configuration(raw, offset)
        interfaces += found
    if not configurations or offset != len(raw):
        msg = f"{configurations} configurations end at byte {offset} of {len(raw)}"
        raise DescriptorError(msg)
    return Described(_word(raw, 8), _word(raw, 10), raw[4], tuple(interfaces))


def _configuration(raw: bytes, offset: int) -> tuple[list[Interface], int]:
    """The interfaces of the configuration at `offset`, and where the next one begins."""
    if len(raw) - offset < _CONFIGURATION_BYTES or raw[offset] < _CONFIGURATION_BYTES or raw[offset + 1] != _CONFIGURATION:
        msg = f"there is no configuration at byte {offset}"
        raise DescriptorError(msg)
    end = offset + _word(raw, offset + 2)
    numbers, value = raw[offset + 4], raw[offset + 5]
    if not offset + raw[offset] <= end <= len(raw):
        msg = f"the configuration at byte {offset} ends at byte {end} of {len(raw)}"
        raise DescriptorError(msg)
    found: list[Interface] = []
    offset += raw[offset]
    while offset < end:
        length = raw[offset]
        if length < 2 or offset + length > end:  # noqa: PLR2004 - length and type
            msg = f"the descriptor at byte {offset} has {length} bytes"
            raise DescriptorError(msg)
        if raw[offset + 1] == _INTERFACE:
            if length < _INTERFACE_BYTES:
                msg = f"the interface at byte {offset} has {length} bytes"
                raise DescriptorError(msg)
            kind = (raw[offset + 5], raw[offset + 6], raw[offset + 7])
            found.append(Interface(value, raw[offset + 2], raw[offset + 3], kind))
        offset += length
    if not numbers or len({each.number for each in found}) != numbers:
        msg = f"configuration {value} promises {numbers} interfaces and has {len({each.number for each in found})}"
        raise DescriptorError(msg)
    return found, end


def _word(raw: bytes, offset: int) -> int:
    return int.from_bytes(raw[offset : offset + 2], "little")


def refusal(raw: bytes) -> str:
    """Why a device with these descriptors may not be used in a bay, as what it is; empty if it may."""
    try:
        device = described(raw)
    except DescriptorError as exc:
        return f"a device whose description of itself is broken ({exc})"
    kinds = {each.kind for each in device.interfaces}
    foreign = sorted(kinds - STORAGE)
    words = list(dict.fromkeys(_named(kind) for kind in foreign))
    if device.device_class == _HUB and _WORDS[_HUB] not in words:
        words.insert(0, _WORDS[_HUB])
    if words and kinds & STORAGE:
        words.insert(0, "a disk that is also")
        return f"{words[0]} {' and '.join(words[1:])}"
    return " and ".join(words)


def _named(kind: tuple[int, int, int]) -> str:
    if kind[0] == _INPUT:
        return _INPUT_WORDS.get(kind[2], "an input device")
    return _WORDS.get(kind[0], f"a device of class {kind[0]:02x}")


def port_path(chain: Iterable[tuple[str, str]]) -> str:
    """The name of the port that a device is plugged into, as udev's path_id makes it; empty if it has none.

    Args:
        chain: subsystem and kernel's name of the USB device, then of its parents up to the root of the tree.
    """
    parts: list[str] = []
    previous = ""
    for subsystem, name in chain:
        if subsystem == "usb" and previous != "usb":
            _, dash, ports = name.partition("-")
            if not dash or ":" in ports:
                return ""
            parts.append(f"usb-0:{ports}")
        elif subsystem in {"pci", "platform", "acpi"} and subsystem != previous:
            parts.append(f"{subsystem}-{name}")
        previous = subsystem or previous
    path = "-".join(reversed(parts))
    return path if PORT.fullmatch(path) else ""


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system that a camera shows: a whole disk, or one partition of it.

    Attributes:
        diskseq: the kernel's number for this very disk; a later one never has it again.
        partition: its number, 0 for the disk itself.
        lun: which of the camera's disks it is on, as the camera numbers them.
    """

    diskseq: int
    partition: int
    lun: int = 0


@dataclass(frozen=True, slots=True)
class UsbSource:
    """A camera in a USB bay, as the bay's worker asks the helper for it.

    Attributes:
        bay: the bay's id.
        serial: the device's own, empty if it shows none; the camera's serial where its profile names no other.
        volumes: what it shows, in the order in which it is looked at.
        helper: path of the helper's socket.
    """

    bay: str
    serial: str
    volumes: tuple[Volume, ...]
    helper: str


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """A USB device as udev tells of it.

    Attributes:
        path: below /sys.
        port: its ID_PATH.
        address: bus and device number; another one after each plugging.
    """

    path: str
    port: str
    address: tuple[int, int]
    serial: str
    name: str


@dataclass(frozen=True, slots=True)
class SeenDisk:
    """A disk or partition as udev tells of it.

    Attributes:
        path: below /sys.
        partition: its number, 0 for a whole disk.
        size_sectors: 0 for a card reader without a card.
    """

    path: str
    diskseq: int
    partition: int
    size_sectors: int


@dataclass(frozen=True, slots=True)
class Plugged:
    """What is at one port."""

    address: tuple[int, int]
    serial: str
    name: str
    volumes: tuple[Volume, ...]


def plugged(port: str, devices: Iterable[SeenDevice], disks: Sequence[SeenDisk]) -> Plugged | None:
    """What is at `port`, None for an empty one.

    While a device is exchanged the old one may still be listed; the newest, which has the highest number, is meant.
    """
    there = [each for each in devices if each.port == port]
    if not there:
        return None
    device = max(there, key=lambda each: each.address)
    below = [each for each in disks if each.path.startswith(device.path + "/") and each.size_sectors >= _LEAST_SECTORS]
    split = {each.diskseq for each in below if each.partition}
    volumes = (Volume(each.diskseq, each.partition, _lun(each)) for each in below if each.partition or each.diskseq not in split)
    ordered = sorted(volumes, key=lambda each: (each.lun, each.diskseq, each.partition))
    return Plugged(device.address, device.serial, device.name, tuple(ordered))


def _lun(disk: SeenDisk) -> int:
    """The last of the four numbers by which SCSI names a disk; 0 for what is none of its."""
    found = _SCSI.search(disk.path)
    return int(found[1]) if found else 0
