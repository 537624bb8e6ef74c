"""The udev rules that only a site's bays make: which ports are bays, and which root hubs let nothing in by themselves.

udev/70-dockd.rules, which is the same on every dock, does the rest with the properties that these rules set.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from dockd.logs import logger

RULES_FILE = Path("/run/udev/rules.d/59-dockd-bays.rules")
"""Before 60-persistent-storage.rules, which looks for file systems on every disk, and so reads what a camera made up."""

_UDEVADM = "/usr/bin/udevadm"
_UDEVADM_WITHIN_S = 30

_log = logger(__name__)


def rules(ports: Mapping[str, str]) -> str:
    """The rules for these ports, each by its bay's id; neither ids nor ports can hold what udev takes for a pattern."""
    lines = [
        "# Made by dockd-helper from the site file each time it starts; what is edited here is lost.",
        'ACTION=="remove", GOTO="dockd_bays_end"',
        'SUBSYSTEM!="usb|block", GOTO="dockd_bays_end"',
        'ENV{ID_PATH}!="?*", IMPORT{builtin}="path_id"',
        "",
        "# Whatever is plugged in at a bay, and all that belongs to it.",
        *(f'ENV{{ID_PATH}}=="{port}|{port}.*|{port}:*", ENV{{DOCKD_BAY}}="{bay}"' for bay, port in sorted(ports.items())),
        'SUBSYSTEM=="block", ENV{DOCKD_BAY}=="?*", ENV{UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG}="1"',
        "",
        "# Root hubs that serve bays let nothing in by themselves; 70-dockd.rules lets in what hangs on them beside the bays.",
    ]
    for bus in sorted({port.rpartition("-usb-0:")[0] for port in ports.values()}):
        closed = 'ATTR{authorized_default}="0", ATTR{interface_authorized_default}="0"'
        lines.append(f'SUBSYSTEM=="usb", KERNEL=="usb[0-9]*", ENV{{ID_PATH}}=="{bus}", {closed}')
        lines.append(f'SUBSYSTEM=="usb", ENV{{DOCKD_BAY}}!="?*", ENV{{ID_PATH}}=="{bus}-usb-0:*", ENV{{DOCKD_BESIDE_BAY}}="1"')
    lines += ["", 'LABEL="dockd_bays_end"']
    return "\n".join(lines) + "\n"


def install(ports: Mapping[str, str], file: Path = RULES_FILE, udevadm: str = _UDEVADM) -> None:
    """Put the rules into force, for what is plugged in already too.

    Raises:
        OSError: they cannot be written, or udev cannot be told.
        subprocess.SubprocessError: udev refuses or does not answer.
    """
    wanted = rules(ports)
    if file.exists() and file.read_text("utf-8") == wanted:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(wanted, "utf-8")
    for arguments in (
        ("control", "--reload"),
        ("trigger", "--action=change", "--subsystem-match=usb", "--subsystem-match=block"),
    ):
        subprocess.run([udevadm, *arguments], check=True, timeout=_UDEVADM_WITHIN_S)  # noqa: S603 - a fixed program
    _log.info("bays are guarded", bays=sorted(ports), file=str(file))
