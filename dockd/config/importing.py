"""Takes an admin's spreadsheet as the roster of a site file."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from dockd.config.office import Camera
from dockd.config.roster import read_roster, written
from dockd.config.site import load_site_without_roster, roster_of
from dockd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written.

    Attributes:
        roster: where.
        cameras: what.
        changes: a line for each camera that comes, goes or changes.
    """

    roster: Path
    cameras: tuple[Camera, ...]
    changes: tuple[str, ...]


def imported(site_file: Path, sheet: Path) -> Plan:
    """What taking `sheet` as the roster of `site_file` means; nothing is written.

    Raises:
        ConfigError: a row is wrong, the site file is, or it names no roster.
    """
    cameras = read_roster(sheet)
    site = load_site_without_roster(site_file)
    roster = roster_of(site, site_file)
    if roster is None:
        msg = "names no roster, so nothing would read it"
        raise ConfigError(msg, file=str(site_file), hint="Add the line: roster: roster.csv")
    before = {each.serial: each for each in (read_roster(roster) if roster.exists() else ())}
    after = {each.serial: each for each in cameras}
    for serial in {each.serial for each in site.cameras} & after.keys():
        msg = f"camera {serial} stands in the site file itself, expected it in one of them"
        raise ConfigError(msg, file=str(sheet))
    lines = [f"+ {_line(each)}" for serial, each in after.items() if serial not in before]
    lines += [f"- {_line(each)}" for serial, each in before.items() if serial not in after]
    lines += [
        f"~ {_line(each)} (was {_line(before[serial])})"
        for serial, each in after.items()
        if serial in before and before[serial] != each
    ]
    return Plan(roster, cameras, tuple(lines))


def write_roster(plan: Plan) -> None:
    """Write it, as a whole or not at all.

    Raises:
        ConfigError: this user may not, or the disk refuses.
    """
    temporary = plan.roster.with_name(f".{plan.roster.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(written(plan.cameras))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(plan.roster)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        msg = f"cannot be written ({exc.strerror})"
        raise ConfigError(msg, file=str(plan.roster), hint="Run this as root.") from exc


def _line(camera: Camera) -> str:
    return ", ".join(part for part in (camera.serial, camera.officer, camera.shift_ends) if part)
