"""Alerts as the journal keeps them: which stand, and who was told of what.

An alert begins once and ends once. Who was told is kept for each channel, so that a dock that restarts tells nobody twice and
forgets nobody.
"""

import sqlite3
from dataclasses import dataclass

_UNFINISHED = """
SELECT number, kind, subject, message, begun, ended FROM alert
WHERE ended IS NULL OR (
    SELECT count(*) FROM alert_told WHERE alert_told.alert = alert.number AND phase = 'ended'
) < (
    SELECT count(*) FROM alert_told WHERE alert_told.alert = alert.number AND phase = 'begun'
)
ORDER BY number"""
_DOCKED = "SELECT camera, started, ended FROM docking WHERE number IN (SELECT max(number) FROM docking GROUP BY camera)"
_WAITING = """
SELECT camera, priority, count(*), min(seen) FROM recording
WHERE state IN ('seen', 'copying', 'verified', 'uploading', 'refused') GROUP BY camera, priority"""
_BEHIND = "SELECT coalesce(sum(size_bytes), 0) FROM recording WHERE state IN ('verified', 'uploading') AND seen < ?"
_CAME = "SELECT coalesce(sum(size_bytes), 0), min(seen) FROM recording WHERE seen >= ?"
_TOLD = "SELECT phase, channel FROM alert_told WHERE alert = ?"
_BEGIN = "INSERT INTO alert (kind, subject, message, begun) VALUES (?, ?, ?, ?)"
_END = "UPDATE alert SET ended = ? WHERE kind = ? AND subject = ? AND ended IS NULL"
_TELL = "INSERT INTO alert_told VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class AlertKept:
    """An alert that stands, or of whose end not everybody was told who heard of its beginning.

    Attributes:
        number: the journal's.
        kind, subject, message: what it says, of whom.
        begun, ended: RFC 3339; `ended` is None while it stands.
        told: who knows: phase (`begun` or `ended`) and channel.
    """

    number: int
    kind: str
    subject: str
    message: str
    begun: str
    ended: str | None
    told: frozenset[tuple[str, str]]


def unfinished(connection: sqlite3.Connection) -> list[AlertKept]:
    """Every alert that stands or has not been told to its end, oldest first."""
    rows = connection.execute(_UNFINISHED).fetchall()
    return [
        AlertKept(number, kind, subject, message, begun, ended, _told(connection, number))
        for number, kind, subject, message, begun, ended in rows
    ]


def _told(connection: sqlite3.Connection, number: int) -> frozenset[tuple[str, str]]:
    return frozenset((phase, channel) for phase, channel in connection.execute(_TOLD, (number,)))


def last_docked(connection: sqlite3.Connection) -> dict[str, tuple[str, str | None]]:
    """When each camera's last docking began, and ended unless it stands in a bay; RFC 3339, by serial."""
    return {camera: (started, ended) for camera, started, ended in connection.execute(_DOCKED)}


def waiting(connection: sqlite3.Connection) -> list[tuple[str, int, int, str]]:
    """Camera, priority, how many of its recordings the archive does not have, and when the oldest of them was seen first."""
    return connection.execute(_WAITING).fetchall()


def inflow(connection: sqlite3.Connection, *, behind_since: str, came_since: str) -> tuple[int, int, str | None]:
    """Bytes that wait here since before `behind_since`; if any do, bytes that came since `came_since`, and when the first did."""
    behind_bytes: int = connection.execute(_BEHIND, (behind_since,)).fetchone()[0]
    if not behind_bytes:
        return 0, 0, None
    came_bytes, first = connection.execute(_CAME, (came_since,)).fetchone()
    return behind_bytes, came_bytes, first


def begin(connection: sqlite3.Connection, kind: str, subject: str, message: str, now: str) -> None:
    """It stands from now on."""
    connection.execute(_BEGIN, (kind, subject, message, now))


def end(connection: sqlite3.Connection, kind: str, subject: str, now: str) -> int:
    """It stands no longer; how many alerts that were."""
    return connection.execute(_END, (now, kind, subject)).rowcount


def tell(connection: sqlite3.Connection, number: int, phase: str, channel: str) -> None:
    """A channel took the news."""
    connection.execute(_TELL, (number, phase, channel))
