"""Battery readings from the kernel: the power_supply class, for cameras that report their battery over USB.

Source: Documentation/ABI/testing/sysfs-class-power. `capacity` is in per cent, `temp` in tenths of a degree Celsius.
"""

from collections.abc import Iterator
from pathlib import Path

from dockd.core.battery import FULL, Quality, Reading

_DEEPEST = 6
"""A battery hangs below its USB device by an interface, a HID device and its own class: never deeper than this."""


def reported(device: Path, time: str) -> Reading | None:
    """What the kernel reports of a battery in or below `device`; None if there is none, or it says nothing sensible.

    Args:
        device: the camera's folder in sysfs.
        time: now, RFC 3339.
    """
    for supply in _supplies(device, _DEEPEST):
        percent = _number(supply / "capacity")
        if percent is not None and 0 <= percent <= FULL and _text(supply / "type") in {"Battery", None}:
            tenths = _number(supply / "temp")
            return Reading(Quality.REPORTED, percent, "the camera over USB", time, None if tenths is None else tenths / 10)
    return None


def _supplies(folder: Path, deeper: int) -> Iterator[Path]:
    """Every power supply below `folder`; links lead to elsewhere in sysfs and are not followed."""
    try:
        inside = sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
    except OSError:
        return  # it left meanwhile
    for each in inside:
        if each.name == "power_supply":
            yield from sorted(each.iterdir())
        elif deeper:
            yield from _supplies(each, deeper - 1)


def _text(file: Path) -> str | None:
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeError):
        return None


def _number(file: Path) -> int | None:
    try:
        return int(_text(file) or "")
    except ValueError:
        return None
