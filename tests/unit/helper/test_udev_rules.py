import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dockd.helper import udev_rules
from tests.sim.bay_sysfs import PORT

ROOT = Path(__file__).parents[3]
PORTS = {"1": PORT, "2": "pci-0000:00:04.0-usb-0:1.3", "A-b": "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:2"}


def test_each_bay_and_each_root_hub_has_its_rule() -> None:
    """A bay's rule covers the port and all that is behind it and nothing beside it; each root hub is closed once."""
    text = udev_rules.rules(PORTS)
    assert f'ENV{{ID_PATH}}=="{PORT}|{PORT}.*|{PORT}:*", ENV{{DOCKD_BAY}}="1"' in text
    assert re.findall(r'KERNEL=="usb\[0-9\]\*", ENV\{ID_PATH\}=="([^"]*)"', text) == [
        "pci-0000:00:04.0",
        "platform-fd500000.pcie-pci-0000:01:00.0",
    ]


def test_no_file_system_is_looked_for_on_a_camera() -> None:
    """The rule that says so comes before those of systemd that would read the disk."""
    assert 'ENV{DOCKD_BAY}=="?*", ENV{UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG}="1"' in udev_rules.rules(PORTS)
    assert udev_rules.RULES_FILE.name < "60-persistent-storage.rules"


def test_no_rule_runs_a_program() -> None:
    """Neither those of the package nor those of the site."""
    for text in (udev_rules.rules(PORTS), (ROOT / "udev/70-dockd.rules").read_text()):
        assert not re.search(r"RUN|PROGRAM|IMPORT\{program\}", text)


def test_udev_understands_the_rules(tmp_path: Path) -> None:
    """Udev itself reads them without a complaint, where it can be asked."""
    udevadm = shutil.which("udevadm", path="/usr/bin:/bin:/usr/sbin")
    if udevadm is None or b"verify" not in subprocess.run([udevadm, "--help"], capture_output=True, check=True).stdout:
        pytest.skip("this udevadm cannot verify rules")
    file = tmp_path / "59-dockd-bays.rules"
    file.write_text(udev_rules.rules(PORTS))
    subprocess.run([udevadm, "verify", "--no-style", file, ROOT / "udev/70-dockd.rules"], check=True)


def test_rules_are_put_into_force_once(tmp_path: Path) -> None:
    """Udev is told to read them and to look again at what is there; rules that are in force already disturb nobody."""
    told = tmp_path / "told"
    udevadm = tmp_path / "udevadm"
    udevadm.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    udevadm.chmod(0o755)
    file = tmp_path / "rules.d" / "59.rules"
    for _ in range(2):
        udev_rules.install(PORTS, file, str(udevadm))
    assert file.read_text() == udev_rules.rules(PORTS)
    assert told.read_text().splitlines() == [
        "control --reload",
        "trigger --action=change --subsystem-match=usb --subsystem-match=block",
    ]
