"""Whether everything that is written to a disk is encrypted on its way, from what the kernel says lies below it.

A block device is encrypted if it is a dm-crypt device itself, or if it stands on other devices and every one of them is. A name
proves nothing (`/dev/mapper/crypt` may be a plain volume): the device mapper's own identifier does, which cryptsetup begins with
`CRYPT-` and the kind (cryptsetup, `dm_prepare_uuid`). dm-verity and dm-integrity are cryptsetup's too, and encrypt nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_ENCRYPTING = frozenset({"LUKS1", "LUKS2", "PLAIN", "LOOPAES", "TCRYPT", "BITLK", "FVAULT2"})


@dataclass(frozen=True, slots=True)
class Layer:
    """One block device, and those that it stands on.

    Attributes:
        name: as the kernel calls it, such as dm-0 or sda1.
        dm_uuid: the device mapper's identifier, empty for every other kind of device.
        below: what it stands on; nothing below a real disk.
    """

    name: str
    dm_uuid: str = ""
    below: "tuple[Layer, ...]" = ()


def encrypted(device: Layer) -> bool:
    """Whether nothing reaches a disk through `device` but what dm-crypt made of it."""
    return not any(_bare(device))


def bare_disks(device: Layer) -> tuple[str, ...]:
    """Names of the disks that are written in the clear, each once."""
    return tuple(dict.fromkeys(_bare(device)))


def _bare(device: Layer) -> Iterator[str]:
    if _encrypts(device.dm_uuid):
        return
    if not device.below:
        yield device.name
    for each in device.below:
        yield from _bare(each)


def _encrypts(dm_uuid: str) -> bool:
    prefix, _, rest = dm_uuid.partition("-")
    return prefix == "CRYPT" and rest.partition("-")[0] in _ENCRYPTING
