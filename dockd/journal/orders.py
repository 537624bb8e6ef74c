"""What people ordered and what they may want to see of cameras: holds, admissions, the cameras that were ever docked.

Each function but the last reads through the journal's own connection, in its thread.
"""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dockd.core.recording import State
from dockd.errors import JournalError
from dockd.journal import file

_CAMERAS = """
SELECT camera, bay, officer, started, ended FROM docking
WHERE number IN (SELECT max(number) FROM docking GROUP BY camera) ORDER BY camera
"""
_COUNTS = "SELECT camera, state, count(*) FROM recording GROUP BY camera, state"

_PAGES_AT_ONCE = 4096


class Verdict(StrEnum):
    """What an admin said of a camera."""

    ENROLLED = "enrolled"
    BARRED = "barred"


@dataclass(frozen=True, slots=True)
class HoldOrdered:
    """One hold that stands.

    Attributes:
        scope: as in `core.holds`.
        subject: a serial, a recording's id, a name, or a span.
        case: the name under which it was placed, empty for none.
        by, reason: who placed it, and why.
        placed: when, RFC 3339.
    """

    scope: str
    subject: str
    case: str
    by: str
    reason: str
    placed: str


@dataclass(frozen=True, slots=True)
class Admission:
    """What an admin last said of one camera, why, and when (RFC 3339)."""

    camera: str
    verdict: Verdict
    by: str
    reason: str
    decided: str


@dataclass(frozen=True, slots=True)
class CameraKnown:
    """One camera that was docked here.

    Attributes:
        camera: serial.
        bay, officer: of its last docking.
        docked: when that began, RFC 3339.
        ended: when that ended, None while it stands in the bay.
        counts: of its recordings, by state.
    """

    camera: str
    bay: str
    officer: str | None
    docked: str
    ended: str | None
    counts: dict[State, int]


def holds(connection: sqlite3.Connection) -> list[HoldOrdered]:
    """Every hold that stands, oldest first."""
    query = "SELECT scope, subject, case_name, placed_by, reason, placed FROM hold ORDER BY placed, scope, subject, case_name"
    rows = connection.execute(query)
    return [HoldOrdered(*row) for row in rows]


def admissions(connection: sqlite3.Connection) -> list[Admission]:
    """What was said of every camera of which anything was said, by serial."""
    rows = connection.execute("SELECT camera, verdict, decided_by, reason, decided FROM admission ORDER BY camera")
    return [Admission(camera, Verdict(verdict), *rest) for camera, verdict, *rest in rows]


def admission(connection: sqlite3.Connection, camera: str) -> Admission | None:
    """What was last said of one camera."""
    query = "SELECT verdict, decided_by, reason, decided FROM admission WHERE camera = ?"
    row = connection.execute(query, (camera,)).fetchone()
    return None if row is None else Admission(camera, Verdict(row[0]), *row[1:])


def cameras(connection: sqlite3.Connection) -> list[CameraKnown]:
    """Every camera that was ever docked, by serial."""
    counts: defaultdict[str, dict[State, int]] = defaultdict(dict)
    for camera, state, count in connection.execute(_COUNTS):
        counts[camera][State(state)] = count
    rows = connection.execute(_CAMERAS).fetchall()
    return [CameraKnown(camera, bay, officer, docked, ended, counts[camera]) for camera, bay, officer, docked, ended in rows]


def head(connection: sqlite3.Connection) -> int:
    """The number of the newest custody entry, 0 in an empty log."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM custody").fetchone()[0])


def last_note(connection: sqlite3.Connection, events: Sequence[str]) -> int | None:
    """The number of the newest custody entry that notes one of these events, None if there is none."""
    query = "SELECT max(seq) FROM newest_note WHERE event IN (SELECT value FROM json_each(?))"
    number: int | None = connection.execute(query, (json.dumps(events),)).fetchone()[0]
    return number


def archive_of_last_proof(connection: sqlite3.Connection) -> str | None:
    """Where the recording lies that was archived last."""
    query = "SELECT stored_archive FROM recording WHERE stored_archive IS NOT NULL ORDER BY sequence DESC LIMIT 1"
    row = connection.execute(query).fetchone()
    return None if row is None else str(row[0])


def copy(path: Path, to: Path) -> None:
    """The journal in `path` as it is at one instant, in the new file `to`; through a connection of its own, some pages at a time.

    Raises:
        JournalError: it cannot be read, or `to` not written.
    """
    try:
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        origin = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(origin, uri=True)) as source, closing(sqlite3.connect(to)) as copied:
            source.backup(copied, pages=_PAGES_AT_ONCE)
            copied.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, with nothing beside it
    except OSError as exc:
        msg = f"{to}: {exc.strerror}"
        raise JournalError(msg) from exc
    except file.FOREIGN_ERRORS as exc:
        raise file.as_journal_error(exc, path) from exc
