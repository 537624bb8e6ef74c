"""Descriptors of USB devices, made as a device makes them."""

from collections.abc import Sequence

Kind = tuple[int, int, int]

BULK: Kind = (0x08, 0x06, 0x50)
UAS: Kind = (0x08, 0x06, 0x62)
KEYBOARD: Kind = (0x03, 0x01, 0x01)
MOUSE: Kind = (0x03, 0x01, 0x02)
NETWORK: Kind = (0x02, 0x06, 0x00)
HUB: Kind = (0x09, 0x00, 0x00)

_ENDPOINT = bytes([7, 5, 0x81, 2, 0, 2, 0])


def _interface(number: int, alternate: int, kind: Kind) -> bytes:
    return bytes([9, 4, number, alternate, 1, *kind, 0]) + _ENDPOINT


def configuration(value: int, kinds: Sequence[Kind], alternates: Sequence[Kind] = ()) -> bytes:
    """One configuration with an interface of each kind, and alternate settings of the first."""
    body = b"".join(_interface(number, 0, kind) for number, kind in enumerate(kinds))
    body += b"".join(_interface(0, alternate, kind) for alternate, kind in enumerate(alternates, 1))
    return bytes([9, 2, *(9 + len(body)).to_bytes(2, "little"), len(kinds), value, 0, 0x80, 50]) + body


def descriptors(
    *kinds: Kind, vendor: int = 0x2C9B, product: int = 0x0011, device_class: int = 0, more: Sequence[bytes] = ()
) -> bytes:
    """What sysfs `descriptors` holds for a device: its first configuration has `kinds`, `more` are further ones."""
    configurations = ([configuration(1, kinds)] if kinds else []) + list(more)
    head = bytes([18, 1, 0, 2, device_class, 0, 0, 64])
    numbers = vendor.to_bytes(2, "little") + product.to_bytes(2, "little") + bytes([0, 1, 1, 2, 3, len(configurations)])
    return head + numbers + b"".join(configurations)
