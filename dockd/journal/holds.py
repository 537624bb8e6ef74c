"""The orders that stand in the journal, and which of its recordings they keep. All read through its own connection."""

import json
import sqlite3
from collections.abc import Collection
from datetime import datetime

from dockd.clock import parse_rfc3339
from dockd.core.changes import HoldLifted, HoldPlaced
from dockd.core.holds import Holds, checked, nanoseconds
from dockd.core.names import plain

_PLACE = """
INSERT INTO hold (scope, subject, case_name, placed_by, reason, placed) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (scope, subject, case_name) DO NOTHING
"""
_OFFICERS = "SELECT DISTINCT officer FROM docking WHERE officer IS NOT NULL"
_THEIRS = """
SELECT DISTINCT recording FROM docking JOIN sighting USING (docking) JOIN recording USING (sequence)
WHERE officer IN (SELECT value FROM json_each(?))
"""
_RECORDINGS = """
SELECT recording, camera, modified_ns, seen FROM recording WHERE ?1 IS NULL OR recording IN (SELECT value FROM json_each(?1))
"""


def place(connection: sqlite3.Connection, order: HoldPlaced, now: str) -> None:
    """From `now` on it stands; RuntimeError for an order that nobody could understand later."""
    try:
        checked(order.scope, order.subject)
    except ValueError as exc:
        raise RuntimeError(str(exc)) from exc
    connection.execute(_PLACE, (order.scope, order.subject, order.case, order.by, order.reason, now))


def lift(connection: sqlite3.Connection, order: HoldLifted) -> None:
    """It no longer stands."""
    query = "DELETE FROM hold WHERE scope = ? AND subject = ? AND case_name = ?"
    connection.execute(query, (order.scope, order.subject, order.case))


def standing(connection: sqlite3.Connection, now: datetime) -> Holds:
    """Every order that stands, with the recordings of each officer's cameras named one by one."""
    holds = Holds.of(connection.execute("SELECT scope, subject FROM hold").fetchall(), now)
    theirs = _of_officers(connection, holds)
    return Holds(holds.cameras, holds.recordings | theirs, holds.officers, holds.spans, holds.as_of_ns)


def held(connection: sqlite3.Connection, now: datetime, among: Collection[str] | None = None) -> set[str]:
    """The recordings that an order keeps, erased ones too; only of those in `among`, if that is given."""
    holds = standing(connection, now)
    if not (holds.cameras or holds.recordings or holds.spans):
        return set()
    rows = connection.execute(_RECORDINGS, (None if among is None else json.dumps(sorted(among)),))
    return {
        recording
        for recording, camera, modified_ns, seen in rows
        if camera in holds.cameras
        or recording in holds.recordings
        or any(span.may_hold(int(modified_ns), nanoseconds(parse_rfc3339(seen))) for span in holds.spans)
    }


def _of_officers(connection: sqlite3.Connection, holds: Holds) -> frozenset[str]:
    """The recordings that came from a camera while it named one of the officers on hold."""
    if not holds.officers:
        return frozenset()
    named = [officer for (officer,) in connection.execute(_OFFICERS) if plain(officer) in holds.officers]
    return frozenset(recording for (recording,) in connection.execute(_THEIRS, (json.dumps(named),)))
