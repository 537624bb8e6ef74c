"""Takes out of a journal what a bundle about some recordings needs; reads, and changes nothing, also while the daemon runs."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockd.clock import parse_rfc3339
from dockd.core.canonical import Json
from dockd.core.holds import nanoseconds
from dockd.core.names import plain
from dockd.core.note import parse_checkpoint, parse_note
from dockd.core.recording import Recording
from dockd.core.selection import Subject, select
from dockd.errors import JournalCorruptError, JournalError
from dockd.journal import log
from dockd.journal.onlooking import onlooking
from dockd.journal.rows import to_custody, to_recording

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a bundle is asked for; several conditions narrow it down, none takes all.

    Attributes:
        recordings: ids.
        camera: serial.
        since, until: RFC 3339; recordings that the dock first saw from the one and before the other.
        whole_log: every entry is shown, not only those of these recordings.
    """

    recordings: tuple[str, ...] = ()
    camera: str | None = None
    since: str | None = None
    until: str | None = None
    whole_log: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the journal has about some recordings.

    Attributes:
        recordings: in the order of their discovery.
        entries: number and exact bytes.
        statements: the archive's envelopes, by their SHA-256.
        size, root: of the log that the entries are shown to be in.
        first_leaf: by which the log is known.
        hidden: stands for the entries that are not shown.
        cosigned: the last checkpoint that the archive cosigned, with its size.
        consistency: from there to `size`.
    """

    recordings: tuple[Recording, ...]
    entries: tuple[tuple[int, bytes], ...]
    statements: Mapping[str, bytes]
    size: int
    root: bytes
    first_leaf: bytes
    hidden: tuple[bytes, ...]
    cosigned: tuple[int, bytes] | None
    consistency: tuple[bytes, ...] = field(default=())

    def parsed(self) -> Iterator[dict[str, Json]]:
        """The entries as values."""
        for _, entry in self.entries:
            yield json.loads(entry)


def gather(journal: Path, wish: Wish) -> Gathered:
    """What `journal` has about the recordings that `wish` names. Blocks.

    Raises:
        JournalError: it cannot be read, or has no such recordings.
        JournalCorruptError: it is not what was written.
    """
    with onlooking(journal) as connection:
        return _gather(connection, journal, wish)


def _gather(connection: sqlite3.Connection, journal: Path, wish: Wish) -> Gathered:
    recordings = _recordings(connection, journal, wish)
    ids = {each.recording_id for each in recordings}
    sightings = connection.execute("SELECT sighting.docking, recording.recording FROM sighting JOIN recording USING (sequence)")
    dockings = {each.docking for each in recordings} | {docking for docking, recording in sightings if recording in ids}
    named = connection.execute("SELECT docking, officer FROM docking WHERE officer IS NOT NULL")
    officers = {plain(officer) for docking, officer in named if docking in dockings}
    times = [(each.modified_ns, nanoseconds(parse_rfc3339(each.seen))) for each in recordings]
    subject = Subject(ids, dockings, {each.camera for each in recordings}, officers, times)
    head = int(connection.execute("SELECT coalesce(max(seq), 0) FROM custody").fetchone()[0])
    numbers = list(range(1, head + 1)) if wish.whole_log else select(_entries(connection, journal), subject)
    tree = log.CustodyTree(connection)
    while not tree.catch_up():
        pass
    cosigned, whole = log.newest(connection), tree.head()
    if whole is None or (cosigned is not None and not _continues(tree, head, cosigned)):
        msg = f"{journal}: the custody log is not the one whose checkpoint the archive cosigned"
        raise JournalCorruptError(msg)
    size = cosigned[0] if cosigned is not None and cosigned[0] >= numbers[-1] else head
    return Gathered(
        recordings=recordings,
        entries=tuple(_bytes_of(connection, journal, numbers)),
        statements=_statements(connection, None if wish.whole_log else ids),
        size=size,
        root=tree.root(size),
        first_leaf=whole.first_leaf,
        hidden=tuple(tree.disclosure(numbers, size)),
        cosigned=cosigned,
        consistency=tuple(tree.consistency(cosigned[0], size)) if cosigned is not None else (),
    )


def _continues(tree: log.CustodyTree, head: int, cosigned: tuple[int, bytes]) -> bool:
    """Whether the log begins with what the archive cosigned."""
    size, note = cosigned
    return size <= head and parse_checkpoint(parse_note(note).text).root == tree.root(size)


def _recordings(connection: sqlite3.Connection, journal: Path, wish: Wish) -> tuple[Recording, ...]:
    """Those that meet every condition."""
    query = """
        SELECT * FROM recording
        WHERE (?1 IS NULL OR camera = ?1) AND (?2 IS NULL OR seen >= ?2) AND (?3 IS NULL OR seen < ?3)
        ORDER BY sequence"""
    rows = connection.execute(query, (wish.camera, wish.since, wish.until)).fetchall()
    found = tuple(to_recording(row, journal) for row in rows if not wish.recordings or row["recording"] in wish.recordings)
    if missing := set(wish.recordings) - {each.recording_id for each in found}:
        msg = f"no recording {min(missing)} is known here, or it is not of that camera and time"
        raise JournalError(msg, hint="Look it up with: dockd status, or dockd recordings")
    if not found:
        msg = "no recording is of that camera and time"
        raise JournalError(msg, hint="Nothing was written.")
    return found


def _entries(connection: sqlite3.Connection, journal: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    for expected, row in enumerate(connection.execute("SELECT seq, entry, leaf FROM custody ORDER BY seq"), 1):
        entry = to_custody(row, expected, journal)
        yield entry.seq, json.loads(entry.entry)


def _bytes_of(connection: sqlite3.Connection, journal: Path, numbers: list[int]) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(numbers), _AT_ONCE):
        part = numbers[start : start + _AT_ONCE]
        query = "SELECT seq, entry, leaf FROM custody WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"
        for expected, row in zip(part, connection.execute(query, (json.dumps(part),)), strict=True):
            entry = to_custody(row, expected, journal)
            yield entry.seq, entry.entry


def _statements(connection: sqlite3.Connection, ids: set[str] | None) -> dict[str, bytes]:
    """Of these recordings, or of all."""
    rows = connection.execute("SELECT recording, envelope FROM proof JOIN recording USING (sequence) ORDER BY number")
    return {hashlib.sha256(envelope).hexdigest(): envelope for recording, envelope in rows if ids is None or recording in ids}
