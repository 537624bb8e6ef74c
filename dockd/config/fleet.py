"""From one spreadsheet of a whole fleet to a folder for each of its docks: site file and roster, checked.

    dock,division,site,time_zone,serial,officer,shift_ends
    balt-ero-01,ERO,Baltimore,America/New_York,X60A00001,badge 1001,18:00

Each dock's site file is the template with `$dock`, `$division`, `$site` and `$time_zone` put in; its cameras are in `roster.csv`.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from dockd.config.office import Camera
from dockd.config.roster import parse_roster, written
from dockd.config.site import load_site
from dockd.config.source import bytes_of
from dockd.errors import ConfigError

OFFICE = ("dock", "division", "site", "time_zone")
COLUMNS = (*OFFICE, "serial", "officer", "shift_ends")


@dataclass(slots=True)
class DockOfFleet:
    """One dock.

    Attributes:
        office: what its site file says of it, by the names of the columns.
        line: of the spreadsheet, on which it was named first.
    """

    office: dict[str, str]
    line: int
    cameras: list[Camera] = field(default_factory=list)


def read_fleet(spreadsheet: Path) -> list[DockOfFleet]:
    """The docks in a spreadsheet, in the order in which it names them.

    Raises:
        ConfigError: naming the first row that is wrong.
    """
    docks: dict[str, DockOfFleet] = {}
    listed: dict[str, int] = {}
    for line, row in _rows(spreadsheet):
        office = {name: row[name] for name in OFFICE}
        dock = docks.setdefault(row["dock"], DockOfFleet(office, line))
        if dock.office != office:
            msg = f"dock {row['dock']} stands elsewhere than in line {dock.line}, expected the same division, site and time_zone"
            raise ConfigError(msg, file=str(spreadsheet), line=line, column=1)
        if row["serial"] in listed:
            msg = f"serial {row['serial']} is also in line {listed[row['serial']]}, expected it once in a fleet"
            raise ConfigError(msg, file=str(spreadsheet), line=line, column=1)
        listed[row["serial"]] = line
        one = written([Camera(serial=row["serial"], officer=row["officer"] or None, shift_ends=row["shift_ends"] or None)])
        try:
            dock.cameras += parse_roster(one.encode(), file="")
        except ConfigError as exc:
            words = exc.message.partition(":2:")[2].partition(": ")[2]
            raise ConfigError(words, file=str(spreadsheet), line=line, column=1) from exc
    return list(docks.values())


def write_fleet(spreadsheet: Path, template: Path, output: Path) -> list[Path]:
    """Write every dock's folder below `output`; the site files that were written, each of them good.

    Raises:
        ConfigError: the spreadsheet, the template, or what comes of them is wrong, or nothing can be written there.
    """
    pattern = Template(bytes_of(template).decode("utf-8", "replace"))
    site_files = []
    for dock in read_fleet(spreadsheet):
        folder = output / dock.office["dock"]
        try:
            text = pattern.substitute(dock.office)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "roster.csv").write_text(written(dock.cameras), encoding="utf-8")
            (folder / "site.yaml").write_text(text, encoding="utf-8")
        except KeyError as exc:
            msg = f"${exc.args[0]} stands for nothing, expected {', '.join('$' + name for name in OFFICE)}"
            raise ConfigError(msg, file=str(template)) from exc
        except ValueError as exc:
            msg = f"a $ that stands for nothing ({exc}), expected $$ for a plain one"
            raise ConfigError(msg, file=str(template)) from exc
        except OSError as exc:
            msg = f"cannot be written ({exc.strerror})"
            raise ConfigError(msg, file=str(folder)) from exc
        load_site(folder / "site.yaml")
        site_files.append(folder / "site.yaml")
    return site_files


def _rows(spreadsheet: Path) -> Iterator[tuple[int, dict[str, str]]]:
    content = bytes_of(spreadsheet, "a CSV file of a fleet").decode("utf-8-sig", "replace")
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            msg = f"the first row has no column {', '.join(missing)}, expected {','.join(COLUMNS)}"
            raise ConfigError(msg, file=str(spreadsheet), line=1, column=1)
        for row in reader:
            if None in row or None in row.values() or not row["dock"]:
                msg = f"expected {len(COLUMNS)} cells: {', '.join(COLUMNS)}"
                raise ConfigError(msg, file=str(spreadsheet), line=reader.line_num, column=1)
            yield reader.line_num, {name: row[name].strip() for name in COLUMNS}
    except csv.Error as exc:
        msg = f"not CSV: {exc}"
        raise ConfigError(msg, file=str(spreadsheet), line=reader.line_num, column=1) from exc
