"""Which of the volumes that a camera shows is which, by the names that its profile gives them.

A camera with a fixed memory and a card, or with two partitions, is one folder with a folder for each volume: `internal/DCIM/...`
and `card/DCIM/...`. Each volume has a name in the profile, so that every path is the same at each docking, whatever is in the
card slot. A volume that has none may hold footage that nobody would look for, and one that is missing may be broken: both are for
a person. A profile that names no volumes is for cameras that show exactly one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dockd.core.usb import Volume


class VolumesError(ValueError):
    """The camera does not show what the profile says; the words are a clause."""


@dataclass(frozen=True, slots=True)
class NamedVolume:
    """One volume of a kind of camera.

    Attributes:
        name: the folder that it is.
        lun: the disk, as the camera numbers them from 0.
        partition: of that disk; None for its only one, or the disk itself.
        optional: a slot that may be empty.
        filesystem: what it is mounted as.
        fills: new recordings go onto it, so that its room is the camera's.
    """

    name: str
    lun: int
    partition: int | None
    optional: bool
    filesystem: str
    fills: bool = False


def named(volumes: Sequence[Volume], names: Sequence[NamedVolume]) -> dict[str, Volume]:
    """The camera's volumes by their names.

    Args:
        volumes: all that the camera shows.
        names: the profile's.

    Raises:
        VolumesError: a volume has no name, a name has no volume, or one that should be alone on its disk is not.
    """
    left = list(volumes)
    found: dict[str, Volume] = {}
    for each in names:
        fitting = [volume for volume in left if volume.lun == each.lun and each.partition in {None, volume.partition}]
        if len(fitting) > 1:
            msg = f"its disk {each.lun} shows {len(fitting)} volumes, and {each.name} is to be the only one there"
            raise VolumesError(msg)
        if fitting:
            found[each.name] = fitting[0]
            left.remove(fitting[0])
        elif not each.optional:
            msg = f"it does not show its volume {each.name}"
            raise VolumesError(msg)
    if left:
        where = ", ".join(
            f"disk {each.lun} partition {each.partition}" if each.partition else f"disk {each.lun}" for each in left
        )
        msg = f"it shows {'a volume' if len(left) == 1 else 'volumes'} that its profile does not name ({where})"
        raise VolumesError(msg)
    if not found:
        msg = "it shows none of its volumes"
        raise VolumesError(msg)
    return found
