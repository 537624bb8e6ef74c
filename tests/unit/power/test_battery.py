"""What the kernel says of a camera's battery, from a folder that has sysfs' shape."""

from pathlib import Path

import pytest

from dockd.core.battery import Quality, Reading
from dockd.power.battery import reported


def supply(device: Path, **files: str) -> Path:
    """A battery as the HID driver hangs it below a USB device."""
    folder = device / "1-1.2:1.1" / "0003:054C:0CE6.0001" / "power_supply" / "hid-battery"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content + "\n")
    return folder


def test_battery_below_the_device_is_read_with_its_temperature(tmp_path: Path) -> None:
    """Tenths of a degree, as the kernel gives them."""
    supply(tmp_path, type="Battery", capacity="62", temp="315")
    assert reported(tmp_path, "t") == Reading(Quality.REPORTED, 62, "the camera over USB", "t", 31.5)


def test_battery_without_a_temperature_is_read(tmp_path: Path) -> None:
    """Most report none."""
    supply(tmp_path, capacity="0")
    assert reported(tmp_path, "t") == Reading(Quality.REPORTED, 0, "the camera over USB", "t")


@pytest.mark.parametrize(
    "files",
    [{}, {"capacity": "many"}, {"capacity": "101"}, {"capacity": "-1"}, {"capacity": ""}, {"capacity": "50", "type": "Mains"}],
)
def test_nonsense_is_no_reading(tmp_path: Path, files: dict[str, str]) -> None:
    """No guess is made from it."""
    supply(tmp_path, **files)
    assert reported(tmp_path, "t") is None


def test_device_that_left_or_has_no_battery_reports_none(tmp_path: Path) -> None:
    """Nor is anything followed that leads to another device."""
    assert reported(tmp_path / "gone", "t") is None
    assert reported(tmp_path, "t") is None
    elsewhere = supply(tmp_path / "other", capacity="50")
    (tmp_path / "this").mkdir()
    (tmp_path / "this" / "power_supply_link").symlink_to(elsewhere.parent.parent)
    assert reported(tmp_path / "this", "t") is None
