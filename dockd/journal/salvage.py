"""The orders that an old journal knew of, whatever its state: one that is made anew has to go on holding what was held.

Its custody log tells of every order and of its end. An order on a recording that the new journal does not know, or on an officer
whose dockings it does not know, keeps the whole camera from then on. Where the log cannot be read whole, an order may be missing;
then everything that was recorded until now is held, until an admin who has looked at the orders releases it.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from dockd.core.changes import HoldPlaced
from dockd.core.holds import Scope, checked
from dockd.core.names import plain
from dockd.errors import JournalError
from dockd.journal import file, tip
from dockd.journal.rows import to_custody

_log = structlog.get_logger(__name__)

IN_DOUBT = "journal-rebuilt"
"""The case under which everything is held where orders may be missing: `dockd release --case journal-rebuilt`."""
_WHY_IN_DOUBT = "Not all orders of the old journal could be read. Release this once all that must stand were placed again."


@dataclass(slots=True)
class Salvaged:
    """What an old journal gave.

    Attributes:
        orders: those that stood, by scope, subject and case.
        camera_of: each recording's.
        cameras_of: the cameras that were docked with an officer's name in them, by that name as `plain` makes it.
        whole: the log was read from its first entry to its last, and the file is sound.
    """

    orders: dict[tuple[str, str, str], HoldPlaced] = field(default_factory=dict)
    camera_of: dict[str, str] = field(default_factory=dict)
    cameras_of: dict[str, set[str]] = field(default_factory=dict)
    whole: bool = False

    def holds(self, known: Collection[str], now: str) -> list[HoldPlaced]:
        """The orders that a new journal has to have.

        Args:
            known: ids of the recordings that it knows.
            now: RFC 3339.
        """
        found = dict(self.orders)
        for order in self.orders.values():
            for camera in sorted(self._cameras(order, known)):
                reason = f"{order.reason} (was: {order.scope} {order.subject})"
                whole_camera = HoldPlaced(Scope.CAMERA, camera, order.by, reason, order.case)
                found.setdefault(_known_by(whole_camera), whole_camera)
        if not self.whole:
            everything = HoldPlaced(Scope.TIME, f"../{now}", "dockd journal rebuild", _WHY_IN_DOUBT, IN_DOUBT)
            found[_known_by(everything)] = everything
        return list(found.values())

    def _cameras(self, order: HoldPlaced, known: Collection[str]) -> set[str]:
        if order.scope == Scope.OFFICER:
            return self.cameras_of.get(plain(order.subject), set())
        if order.scope == Scope.RECORDING and order.subject not in known and order.subject in self.camera_of:
            return {self.camera_of[order.subject]}
        return set()


def salvage(path: Path) -> Salvaged:
    """What the journal in `path`, of which the caller has the lock, or the last that was set aside there, still says. Blocks."""
    found = Salvaged()
    old = path if path.exists() else max(path.parent.glob(f"{path.name}.aside-*[0-9a-f]"), default=None)
    if old is None:
        return found
    try:
        file.inspect(old)
        written, told = _tip_of(old)
        # Without a log of writes beside it nothing has to be made there to read it.
        how = "mode=ro" if old.with_name(old.name + "-wal").exists() else "immutable=1"
        with closing(sqlite3.connect(f"{old.absolute().as_uri()}?{how}", uri=True, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            lost_none = told and not _goes_less_far(connection, old, written)
            for row in connection.execute("SELECT scope, subject, placed_by, reason, case_name FROM hold"):
                _stands(found, HoldPlaced(*row))
            for entry in _entries(connection, old):
                _take(found, entry)
            sound = [row[0] for row in connection.execute("PRAGMA integrity_check")] == ["ok"]
            found.whole = sound and lost_none and (old == path or _was_set_aside_last(path, old.name))
    except (JournalError, *file.FOREIGN_ERRORS, ValueError, KeyError, TypeError) as exc:
        # What was read until here counts, and that it is not all is known.
        _log.warning("old journal not read whole", file=str(old), why=str(exc))
    return found


def _tip_of(path: Path) -> tuple[tip.Tip | None, bool]:
    """How far the log was written, as far as that is known; and whether it could be read."""
    try:
        return tip.read(path), True
    except JournalError as exc:
        _log.warning("old journal not read whole", file=str(path), why=exc.message)
        return None, False


def _goes_less_far(connection: sqlite3.Connection, path: Path, written: tip.Tip | None) -> bool:
    """Whether the end of the log is lost, and with it perhaps an order; what is left of it counts all the same."""
    try:
        tip.check(connection, path, written)
    except JournalError as exc:
        _log.warning("old journal not read whole", file=str(path), why=exc.message)
        return True
    return False


def _was_set_aside_last(path: Path, name: str) -> bool:
    """Whether a rebuild that was cut off had moved `name` away just before: what it had made says so, and has no name yet."""
    made = path.with_name(f".{path.name}.rebuilding")
    if file.present(path) or not made.exists():
        return False  # of a file of writes that was not moved yet, what it holds is not in the other
    with closing(sqlite3.connect(f"{made.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        told = (entry for entry in _entries(connection, made) if entry["event"] == "journal.rebuilt")
        return next(told, {}).get("previous") == name


def _entries(connection: sqlite3.Connection, path: Path) -> Iterator[dict[str, Any]]:
    for expected, row in enumerate(connection.execute("SELECT seq, entry, leaf FROM custody ORDER BY seq"), 1):
        yield json.loads(to_custody(row, expected, path).entry)


def _known_by(order: HoldPlaced) -> tuple[str, str, str]:
    return order.scope, order.subject, order.case


def _stands(found: Salvaged, order: HoldPlaced) -> None:
    checked(order.scope, order.subject)
    found.orders.setdefault(_known_by(order), order)


def _take(found: Salvaged, entry: dict[str, Any]) -> None:
    match entry["event"]:
        case "hold.placed":
            _stands(found, HoldPlaced(entry["scope"], entry["subject"], entry["by"], entry["reason"], entry.get("case") or ""))
        case "hold.lifted":
            found.orders.pop((entry["scope"], entry["subject"], entry.get("case") or ""), None)
        case "recording.seen":
            found.camera_of[entry["recording"]] = entry["camera"]
        case "camera.docked" if entry["officer"]:
            found.cameras_of.setdefault(plain(entry["officer"]), set()).add(entry["camera"])
