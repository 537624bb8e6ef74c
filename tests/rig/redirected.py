"""USB devices of any shape for a machine: what QEMU has no model of, spoken over its redirection protocol (usbredir 0.7).

Such a device says who it is, and does nothing else: whatever is asked of it beyond descriptors and settings stalls.
"""

import asyncio
import contextlib
import itertools
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.rig.machine import BAYS, Machine

_HELLO, _CONNECT, _INTERFACES, _ENDPOINTS = 0, 1, 4, 5
_SET_CONFIGURATION, _CONFIGURATION_STATUS, _SET_ALTERNATE, _ALTERNATE_STATUS = 6, 8, 9, 11
_CONTROL, _BULK = 100, 101
_HELLO_HEADER, _HEADER = struct.Struct("<III"), struct.Struct("<IIQ")
_CONTROL_HEADER, _BULK_HEADER = struct.Struct("<BBBBHHH"), struct.Struct("<BBHIH")
# Without these an xHCI controller takes no device: sizes of packets with the endpoints, ids of 64 and lengths of 32 bits.
_ABILITIES = struct.pack("<I", 1 << 4 | 1 << 5 | 1 << 6)
_VERSION = b"tests.rig".ljust(64, b"\0")
_GONE, _STALL, _FULL_SPEED = 255, 4, 1
_OF_BULK, _OF_INTERRUPT, _PACKET_BYTES = 2, 3, 64
_GET_DESCRIPTOR, _DEVICE, _CONFIGURATION, _STRING = 6, 1, 2, 3
_IN = 0x80


@dataclass(frozen=True, slots=True)
class Function:
    """One interface.

    Attributes:
        kind: class, subclass and protocol.
        endpoints: address and kind of each: 2 is bulk, 3 interrupt.
        more: descriptors of its class.
    """

    kind: tuple[int, int, int]
    endpoints: tuple[tuple[int, int], ...]
    more: bytes = b""


DISK = Function((0x08, 0x06, 0x50), ((0x81, _OF_BULK), (0x02, _OF_BULK)))
# A boot keyboard; its HID descriptor names a report descriptor of 63 bytes.
KEYBOARD = Function((0x03, 0x01, 0x01), ((0x83, _OF_INTERRUPT),), struct.pack("<BBHBBBH", 9, 0x21, 0x0111, 0, 1, 0x22, 63))


@dataclass(frozen=True, slots=True)
class Redirected:
    """A device with these interfaces, which claims to be this camera."""

    vendor: int
    product: int
    serial: str
    functions: tuple[Function, ...]

    def _device(self) -> bytes:
        return struct.pack("<BBHBBBBHHHBBBB", 18, _DEVICE, 0x0200, 0, 0, 0, 64, self.vendor, self.product, 0x0100, 0, 0, 1, 1)

    def _configuration(self) -> bytes:
        parts = []
        for number, each in enumerate(self.functions):
            parts.append(struct.pack("<BBBBBBBBB", 9, 4, number, 0, len(each.endpoints), *each.kind, 0))
            parts.append(each.more)
            parts += [struct.pack("<BBBBHB", 7, 5, address, kind, _PACKET_BYTES, 10) for address, kind in each.endpoints]
        body = b"".join(parts)
        return struct.pack("<BBHBBBBB", 9, _CONFIGURATION, 9 + len(body), len(self.functions), 1, 0, 0x80, 50) + body

    def descriptor(self, value: int) -> bytes | None:
        """What it answers to GET_DESCRIPTOR; nothing if it has none such."""
        text = self.serial.encode("utf-16-le")
        has = {
            (_DEVICE, 0): self._device(),
            (_CONFIGURATION, 0): self._configuration(),
            (_STRING, 0): struct.pack("<BBH", 4, _STRING, 0x0409),
            (_STRING, 1): struct.pack("<BB", 2 + len(text), _STRING) + text,
        }
        return has.get((value >> 8, value & 0xFF))

    def interfaces(self) -> bytes:
        """As usbredir lists them, of 32 at most."""
        kinds = zip(*(each.kind for each in self.functions), strict=True)
        numbers = bytes(range(len(self.functions)))
        return struct.pack("<I", len(numbers)) + b"".join(bytes(each).ljust(32, b"\0") for each in (numbers, *kinds))

    def endpoints(self) -> bytes:
        """As usbredir lists them: 16 out, 16 in; kind, interval, interface and size of packets of each."""
        kinds, intervals, numbers = bytearray([_GONE] * 32), bytearray(32), bytearray(32)
        kinds[0] = kinds[16] = 0
        for number, function in enumerate(self.functions):
            for address, kind in function.endpoints:
                place = address & 0x0F | (address & _IN) >> 3
                kinds[place], intervals[place], numbers[place] = kind, 10, number
        return bytes(kinds + intervals + numbers) + struct.pack("<32H", *[_PACKET_BYTES] * 32)


class _Line:
    """The conversation with QEMU about one device."""

    def __init__(self, device: Redirected, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._device, self._reader, self._writer = device, reader, writer

    def _say(self, kind: int, number: int, *parts: bytes) -> None:
        body = b"".join(parts)
        self._writer.write(_HEADER.pack(kind, len(body), number) + body)

    async def run(self) -> None:
        """Until QEMU hangs up, or the test does."""
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
                await self._talk()
        finally:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _talk(self) -> None:
        device = self._device
        self._writer.write(_HELLO_HEADER.pack(_HELLO, len(_VERSION + _ABILITIES), 0) + _VERSION + _ABILITIES)
        _, length, _ = _HELLO_HEADER.unpack(await self._reader.readexactly(_HELLO_HEADER.size))
        await self._reader.readexactly(length)
        self._say(_ENDPOINTS, 0, device.endpoints())
        self._say(_INTERFACES, 0, device.interfaces())
        self._say(_CONNECT, 0, struct.pack("<BBBBHH", _FULL_SPEED, 0, 0, 0, device.vendor, device.product))
        while True:
            kind, length, number = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
            self._answer(kind, number, await self._reader.readexactly(length))

    def _answer(self, kind: int, number: int, body: bytes) -> None:
        if kind == _SET_CONFIGURATION:
            self._say(_CONFIGURATION_STATUS, number, b"\0", body[:1])
        elif kind == _SET_ALTERNATE:
            self._say(_ALTERNATE_STATUS, number, b"\0", body[:2])
        elif kind == _CONTROL:
            self._control(number, body)
        elif kind == _BULK:
            endpoint, _, _, stream, _ = _BULK_HEADER.unpack_from(body)
            self._say(_BULK, number, _BULK_HEADER.pack(endpoint, _STALL, 0, stream, 0))

    def _control(self, number: int, body: bytes) -> None:
        endpoint, request, way, _, value, index, length = _CONTROL_HEADER.unpack_from(body)
        said = self._device.descriptor(value) if way == _IN and request == _GET_DESCRIPTOR else None
        status, data = (_STALL, b"") if said is None else (0, said[:length])
        self._say(_CONTROL, number, _CONTROL_HEADER.pack(endpoint, request, way, status, value, index, len(data)), data)


_NUMBERS = itertools.count(1)


@contextlib.asynccontextmanager
async def plugged(machine: Machine, device: Redirected, place: Path, *, port: str) -> AsyncIterator[None]:
    """It is in this port of the bays' controller until the end of the block, if the machine lasts as long."""
    name = f"redirected{next(_NUMBERS)}"
    talks: list[asyncio.Task[None]] = []

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.create_task(_Line(device, reader, writer).run()))

    async with await asyncio.start_unix_server(take, place / name):
        line = {"type": "unix", "data": {"path": str(place / name)}}
        backend = {"type": "socket", "data": {"addr": line, "server": False}}
        await machine.qmp.order("chardev-add", {"id": name, "backend": backend})
        await machine.plug_other("usb-redir", name=f"{name}-device", port=port, controller=BAYS, chardev=name)
        try:
            yield
        finally:
            for each in talks:
                each.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
