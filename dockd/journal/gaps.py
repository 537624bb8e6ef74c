"""What a reconciliation reads of the journal: what never got on, what the archive proved lately, and a sample of the rest."""

import base64
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockd.core.recording import Recording
from dockd.journal.rows import to_recording

RECONCILED = "archive.reconciled"

_SINCE = """
SELECT DISTINCT json_extract(CAST(entry AS TEXT), '$.recording') FROM custody
WHERE seq > ? AND seq <= ? AND json_extract(CAST(entry AS TEXT), '$.event') IN ('recording.archived', 'recording.recognised')
"""
_PART_OF = """
SELECT seq FROM custody
WHERE seq > ? AND json_extract(CAST(entry AS TEXT), '$.event') IN ('recording.archived', 'recording.recognised')
ORDER BY seq LIMIT 1 OFFSET ?
"""
_THESE = """
SELECT * FROM recording
WHERE state IN ('archived', 'erased') AND recording IN (SELECT value FROM json_each(?)) ORDER BY sequence
"""
_OTHERS = """
SELECT * FROM recording
WHERE state IN ('archived', 'erased') AND recording NOT IN (SELECT value FROM json_each(?)) ORDER BY random() LIMIT ?
"""
_MARKED = """
SELECT * FROM recording WHERE state IN ('archived', 'erased') AND recording IN (SELECT recording FROM marked) ORDER BY sequence
"""
_PAGE = """
SELECT * FROM recording WHERE state IN ('archived', 'erased') AND sequence > ? ORDER BY sequence LIMIT ?
"""
_MOST_AT_ONCE = 5000
"""A dock that reconciles for the first time in years writes down in between how far it has come."""
_ALL = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Kept:
    """An archived recording, when the archive first proved it, and until when it promised last to keep it; RFC 3339."""

    recording: Recording
    archived: str
    until: str


def stuck(connection: sqlite3.Connection, path: Path) -> list[Recording]:
    """Recordings that were found and not copied, or refused; in order of discovery."""
    rows = connection.execute("SELECT * FROM recording WHERE state IN ('seen', 'copying', 'refused') ORDER BY sequence")
    return [to_recording(row, path) for row in rows.fetchall()]


def part_of(connection: sqlite3.Connection, since: int) -> int | None:
    """Up to which custody entry the archive proved as many after `since` as are asked for at once; None if it were fewer."""
    row = connection.execute(_PART_OF, (since, _MOST_AT_ONCE - 1)).fetchone()
    return None if row is None else int(row[0])


def proved(
    connection: sqlite3.Connection, path: Path, *, since: int, sample: int, also: Sequence[str] = (), until: int | None = None
) -> list[Recording]:
    """All that the archive proved after custody entry `since`, those in `also`, and as many others as `sample`, at random."""
    new = [row[0] for row in connection.execute(_SINCE, (since, _ALL if until is None else until))]
    chosen = json.dumps([*new, *also])
    rows = connection.execute(_THESE, (chosen,)).fetchall() + connection.execute(_OTHERS, (chosen, sample)).fetchall()
    return [to_recording(row, path) for row in rows]


def kept_until(connection: sqlite3.Connection, recordings: Sequence[Recording]) -> dict[str, str]:
    """Until when the archive said that it keeps each of these, RFC 3339, by their ids."""
    query = "SELECT envelope FROM proof WHERE sequence = ? ORDER BY number DESC LIMIT 1"
    found = {}
    for each in recordings:
        row = connection.execute(query, (each.sequence,)).fetchone()
        if row is not None:
            found[each.recording_id] = _statement(row[0])["retain_until"]
    return found


def marked(connection: sqlite3.Connection, path: Path) -> list[Kept]:
    """Every archived recording of which somebody said what it is, in order of discovery."""
    return _kept(connection, connection.execute(_MARKED).fetchall(), path)


def archived_page(connection: sqlite3.Connection, path: Path, *, after: int, most: int) -> tuple[list[Kept], int | None]:
    """The next archived recordings that were discovered after number `after`, and the last one's; None behind the last page."""
    rows = connection.execute(_PAGE, (after, most)).fetchall()
    return _kept(connection, rows, path), rows[-1]["sequence"] if rows else None


def kept(connection: sqlite3.Connection, path: Path, recordings: Sequence[str]) -> list[Kept]:
    """Those of these recordings that are archived, by their ids; in order of discovery."""
    return _kept(connection, connection.execute(_THESE, (json.dumps(recordings),)).fetchall(), path)


def _kept(connection: sqlite3.Connection, rows: Iterable[sqlite3.Row], path: Path) -> list[Kept]:
    found = [to_recording(row, path) for row in rows]
    query = "SELECT envelope FROM proof WHERE sequence = ? ORDER BY number"
    kept = []
    for each in found:
        statements = [_statement(row[0]) for row in connection.execute(query, (each.sequence,))]
        if statements:
            kept.append(Kept(each, str(statements[0]["time"]), str(statements[-1]["retain_until"])))
    return kept


def reconciled_to(connection: sqlite3.Connection) -> int:
    """Up to which custody entry the last reconciliation went, 0 if there was none."""
    query = """
        SELECT json_extract(CAST(entry AS TEXT), '$.until') FROM custody
        WHERE seq = (SELECT seq FROM newest_note WHERE event = ?)"""
    row = connection.execute(query, (RECONCILED,)).fetchone()
    return 0 if row is None else int(row[0])


def _statement(envelope: bytes) -> dict[str, str]:
    """The members of a statement, or of the one in the dock's own record of what it found."""
    members = json.loads(envelope)
    text = base64.b64decode(members["payload"]) if "payload" in members else members["statement"]
    statement: dict[str, str] = json.loads(text)
    return statement
