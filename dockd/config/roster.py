"""The roster: a CSV file of cameras and whose they are, as admins keep it in a spreadsheet.

The first row names the columns: `serial`, and where wanted `officer`, `shift_ends` and `shift_starts`. What spreadsheets write is
read: commas, semicolons or tabs, quotes, a byte order mark, any line ends, empty rows. Every error names file, row and column.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dockd.config import rules
from dockd.config.office import Camera
from dockd.config.problems import Problems
from dockd.config.source import Place, bytes_of
from dockd.errors import ConfigError

COLUMNS = {"serial": rules.SERIAL, "officer": rules.NAME, "shift_ends": rules.TIME_OF_DAY, "shift_starts": rules.TIME_OF_DAY}
LIMIT_BYTES = 1 << 20

_ALSO = {
    "serial": ("serial number", "serial no", "serial no.", "camera", "camera serial", "device id"),
    "officer": ("assigned officer", "assigned to", "agent", "name"),
    "shift_ends": ("shift end", "shift ends", "end of shift"),
    "shift_starts": ("shift start", "shift starts", "start of shift"),
}
"""What spreadsheets call the columns."""


def read_roster(path: Path) -> tuple[Camera, ...]:
    """The cameras in a roster, in its order.

    Raises:
        ConfigError: with every row that is wrong, each on a line of its own.
    """
    return parse_roster(bytes_of(path, "a CSV file of cameras"), file=str(path))


def parse_roster(content: bytes, *, file: str) -> tuple[Camera, ...]:
    """The cameras that `content` lists; `file` names it in errors.

    Raises:
        ConfigError: as `read_roster`.
    """
    if len(content) > LIMIT_BYTES:
        msg = f"larger than {LIMIT_BYTES} bytes, expected a list of cameras"
        raise ConfigError(msg, file=file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        msg = f"byte 0x{content[exc.start]:02x} is not UTF-8, expected the file saved as CSV UTF-8"
        raise ConfigError(msg, file=file, line=line, column=1) from exc
    if "\0" in text:
        msg = "a zero byte, expected text"
        raise ConfigError(msg, file=file, line=text.count("\n", 0, text.index("\0")) + 1, column=1)
    rows = _rows(text, file)
    problems = Problems(file)
    columns = _columns(next(rows, (1, [])), problems)
    if problems:
        raise problems.error()
    cameras = _cameras(rows, columns, problems)
    if problems:
        raise problems.error()
    return cameras


def written(cameras: Iterable[Camera]) -> str:
    """A roster of these cameras, sorted by serial, so that two are compared line by line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    listed = sorted(cameras, key=lambda camera: camera.serial)
    columns = [key for key in COLUMNS if key != "shift_starts" or any(each.shift_starts for each in listed)]
    writer.writerow(columns)
    for each in listed:
        writer.writerow([getattr(each, key) or "" for key in columns])
    return out.getvalue()


def _rows(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the line on which it begins."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, [cell.strip() for cell in row]
            line = reader.line_num + 1
    except csv.Error as exc:
        msg = f"not CSV: {exc}"
        raise ConfigError(msg, file=file, line=line, column=1) from exc


def _columns(header: tuple[int, list[str]], problems: Problems) -> list[str]:
    """The meaning of each column."""
    line, names = header
    meanings = {known: key for key, others in _ALSO.items() for known in (key, *others)}
    found = []
    for number, name in enumerate(names, 1):
        key = meanings.get(" ".join(name.lower().split()))
        if key is None or key in found:
            near = rules.nearest(name, list(COLUMNS)) or ", ".join(COLUMNS)
            what = "is here twice" if key else f"is unknown, expected {near}"
            problems.add(Place(line, number), f"column {rules.shown(name)} {what}")
        found.append(key or name)
    if "serial" not in found:
        problems.add(Place(line, 1), f"the first row has no column serial, expected {','.join(COLUMNS)}")
    return found


def _cameras(rows: Iterator[tuple[int, list[str]]], columns: Sequence[str], problems: Problems) -> tuple[Camera, ...]:
    cameras: dict[str, Camera] = {}
    lines: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) > len(columns):
            problems.add(Place(line, len(columns) + 1), f"{len(cells)} cells, expected {len(columns)}: {', '.join(columns)}")
            continue
        values = _values(line, dict(zip(columns, cells, strict=False)), problems)
        serial = values.get("serial")
        if serial is None:
            continue
        if serial in cameras:
            msg = f"serial {serial} is also in line {lines[serial]}, expected it once"
            problems.add(Place(line, columns.index("serial") + 1), msg)
        others: dict[str, str | None] = {key: values.get(key) for key in COLUMNS if key != "serial"}
        cameras[serial] = Camera(serial=serial, **others)
        lines[serial] = line
    return tuple(cameras.values())


def _values(line: int, cells: dict[str, str], problems: Problems) -> dict[str, str]:
    values = {}
    for number, (key, cell) in enumerate(cells.items(), 1):
        if not cell:
            if key == "serial":
                problems.add(Place(line, number), "serial: is empty, expected the camera's serial")
            continue
        timed = COLUMNS[key] is rules.TIME_OF_DAY
        text = f"0{cell}" if timed and cell[1:2] == ":" else cell  # spreadsheets write 7:30
        try:
            values[key] = str(COLUMNS[key].read(text[:5] if timed and text[5:] == ":00" else text))
        except ValueError as exc:
            problems.add(Place(line, number), f"{key}: {exc}")
    return values
