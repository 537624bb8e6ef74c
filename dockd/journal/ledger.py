"""The one connection to the journal's file: what is checked when it opens, and how changes become rows. One thread owns it.

Opening proves only what can be proved quickly, whatever the size: the header, the exact schema, and the newest custody entries
against their leaf hashes. The whole is proved by `examine`, which the daemon runs beside its work; a page that SQLite finds
damaged is refused whenever it is read.
"""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar, assert_never

from dockd import crashpoint
from dockd.core import custody, life
from dockd.core.canonical import leaf_hash
from dockd.core.custody import Change
from dockd.core.recording import Measured, Recording, State
from dockd.errors import JournalCorruptError, JournalError, JournalForeignError
from dockd.journal import alerts, file, holds, log, schema, tip
from dockd.journal.orders import Verdict
from dockd.journal.rows import CustodyEntry, Docking, of_recording, to_custody, to_docking, to_recording

_T = TypeVar("_T")

_CHECKED_ON_OPEN = 1000

_INSERT_RECORDING = """
INSERT INTO recording VALUES (
    NULL, :recording, :camera, :docking, :path, :size_bytes, :modified_ns, :sidecar_of, :priority, :seen, :state,
    :measured_bytes, :blake3, :sha256, :resume_url, :resume_nonce,
    :stored_archive, :stored_object, :stored_url, :stored_nonce, :stored_for, :clearing,
    :refusal_code, :refusal_message, :refusal_hint, :category, :first_amendment
)"""
_UPDATE_RECORDING = """
UPDATE recording SET
    path = :path, state = :state, measured_bytes = :measured_bytes, blake3 = :blake3, sha256 = :sha256,
    resume_url = :resume_url, resume_nonce = :resume_nonce,
    stored_archive = :stored_archive, stored_object = :stored_object, stored_url = :stored_url,
    stored_nonce = :stored_nonce, stored_for = :stored_for, clearing = :clearing,
    refusal_code = :refusal_code, refusal_message = :refusal_message, refusal_hint = :refusal_hint,
    priority = :priority, category = :category, first_amendment = :first_amendment
WHERE recording = :recording"""
_INSERT_DOCKING = "INSERT INTO docking (docking, camera, bay, profile, officer, started) VALUES (?, ?, ?, ?, ?, ?)"
_FAIL_DOCKING = """
UPDATE docking SET
    failure_code = coalesce(failure_code, ?),
    failure_message = coalesce(failure_message, ?),
    failure_hint = coalesce(failure_hint, ?)
WHERE docking = ?"""
_END_DOCKING = "UPDATE docking SET ended = coalesce(ended, ?), end_reason = coalesce(end_reason, ?) WHERE docking = ?"
_SIGHT = "INSERT INTO sighting SELECT ?, sequence FROM recording WHERE recording = ? ON CONFLICT DO NOTHING"
_PROVE = "INSERT INTO proof (sequence, envelope) SELECT sequence, ? FROM recording WHERE recording = ?"
_NEWEST_NOTE = "INSERT OR REPLACE INTO newest_note (event, seq) VALUES (?, ?)"
_ADMIT = "INSERT OR REPLACE INTO admission (camera, verdict, decided_by, reason, decided) VALUES (?, ?, ?, ?, ?)"


class Ledger:
    """The owner of one journal's file. Every method runs in the thread that opened it."""

    def __init__(
        self, path: Path, lock: int, connection: sqlite3.Connection, counts: dict[State, int], written: tip.TipFile
    ) -> None:
        self._path = path
        self._lock = lock
        self._written = written
        self._connection = connection
        self._counts = counts
        self._moved = Counter[State]()

    @classmethod
    def open(cls, path: Path, *, new: bool) -> Self:
        """Own the journal in `path`; with `new`, make it first.

        Raises:
            JournalError: or one of its kinds, as `Journal.open` and `Journal.create` say.
        """
        if not new:
            file.find(path)
        lock = file.lock(path)
        try:
            if new:
                file.make(path)
            file.inspect(path)
            connection, counts = _connect(path)
            try:
                written = _tip_of(connection, path)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock, connection, counts, written)

    def close(self) -> None:
        """Give back connection and lock."""
        self._connection.close()
        self._written.close()
        os.close(self._lock)

    def record(self, changes: tuple[Change, ...], now: str) -> None:
        """Apply `changes` and append their custody entries, all or none."""
        with self._wrapping():
            self._connection.execute("BEGIN IMMEDIATE")
            self._moved.clear()
            try:
                seq, leaf = self._head(), b""
                for seq, change in enumerate(changes, seq + 1):  # noqa: B020 - it goes on from the head
                    self._apply(change, now)
                    entry = custody.encode(change, seq=seq, time=now)
                    leaf = leaf_hash(entry)
                    self._connection.execute("INSERT INTO custody VALUES (?, ?, ?)", (seq, entry, leaf))
                    if isinstance(change, custody.Noted):
                        self._connection.execute(_NEWEST_NOTE, (change.event, seq))
                crashpoint.passing("journal.committing")
                self._connection.execute("COMMIT")
                self._written.put(tip.Tip(seq, leaf))
                self._counts = {state: count + self._moved[state] for state, count in self._counts.items()}
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        crashpoint.passing("journal.committed")

    def recording(self, recording_id: str) -> Recording:
        """The recording of that id; KeyError if there is none."""
        with self._wrapping():
            row = self._connection.execute("SELECT * FROM recording WHERE recording = ?", (recording_id,)).fetchone()
        if row is None:
            raise KeyError(recording_id)
        return to_recording(row, self._path)

    def recordings(self, camera: str | None, docking: str | None, states: Collection[State] | None) -> list[Recording]:
        """Those that meet every condition that is not None, by sequence."""
        conditions, values = ["TRUE"], list[str]()
        if camera is not None:
            conditions.append("camera = ?")
            values.append(camera)
        if docking is not None:
            conditions.append("sequence IN (SELECT sequence FROM sighting WHERE docking = ?)")
            values.append(docking)
        if states is not None:
            conditions.append("state IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(sorted(states)))
        query = f"SELECT * FROM recording WHERE {' AND '.join(conditions)} ORDER BY sequence"  # noqa: S608 - only the texts above
        with self._wrapping():
            rows = self._connection.execute(query, values).fetchall()
        return [to_recording(row, self._path) for row in rows]

    def by_digests(self, measured: Measured) -> list[Recording]:
        """Every camera's recordings of exactly these bytes, by sequence."""
        query = "SELECT * FROM recording WHERE sha256 = ? AND blake3 = ? AND measured_bytes = ? ORDER BY sequence"
        values = (measured.digests.sha256, measured.digests.blake3, measured.size_bytes)
        with self._wrapping():
            rows = self._connection.execute(query, values).fetchall()
        return [to_recording(row, self._path) for row in rows]

    def docking(self, docking_id: str) -> Docking:
        """The docking of that id; KeyError if there is none."""
        with self._wrapping():
            row = self._connection.execute("SELECT * FROM docking WHERE docking = ?", (docking_id,)).fetchone()
        if row is None:
            raise KeyError(docking_id)
        return to_docking(row)

    def open_dockings(self) -> list[Docking]:
        """Those whose camera has not left, oldest first."""
        with self._wrapping():
            rows = self._connection.execute("SELECT * FROM docking WHERE ended IS NULL ORDER BY number").fetchall()
        return [to_docking(row) for row in rows]

    def read(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """The answer to one of `orders`' questions."""
        with self._wrapping():
            return question(self._connection)

    def keep_checkpoint(self, size: int, note: bytes, taken: str) -> None:
        """Keep a checkpoint that the archive cosigned, and how far the log was written."""
        self.read(lambda connection: log.keep(connection, size, note, taken))
        self._written.sync()

    def counts(self) -> dict[State, int]:
        """How many recordings are in each state, as of the last commit. Any thread may ask, and none waits."""
        return dict(self._counts)

    def custody(self, first: int, limit: int) -> list[CustodyEntry]:
        """At most `limit` entries from number `first` on, each checked against its leaf hash."""
        query = "SELECT seq, entry, leaf FROM custody WHERE seq >= ? ORDER BY seq LIMIT ?"
        with self._wrapping():
            rows = self._connection.execute(query, (first, limit)).fetchall()
        return [to_custody(row, expected, self._path) for expected, row in enumerate(rows, first)]

    def proof(self, recording_id: str) -> bytes | None:
        """The envelope that was last accepted for a recording; KeyError if there is no such recording."""
        query = """
            SELECT (SELECT envelope FROM proof WHERE proof.sequence = recording.sequence ORDER BY number DESC LIMIT 1)
            FROM recording WHERE recording = ?"""
        with self._wrapping():
            row = self._connection.execute(query, (recording_id,)).fetchone()
        if row is None:
            raise KeyError(recording_id)
        envelope: bytes | None = row[0]
        return envelope

    def _apply(self, change: Change, now: str) -> None:  # noqa: C901 - one case for each member of a closed union
        """Write what `change` means for the rows."""
        execute = self._connection.execute
        match change:
            case custody.Noted() | custody.CameraCleared() | custody.ClearanceFinished():
                return
            case custody.CameraDocked(docking, camera, profile, bay, officer):
                execute(_INSERT_DOCKING, (docking, camera, bay, profile, officer, now))
            case custody.DockingRestored(docking, camera):
                execute(_INSERT_DOCKING, (docking, camera, "", "", None, now))
                execute(_END_DOCKING, (now, "the journal was rebuilt", docking))
            case custody.DockingFailed(docking, code, message, hint):
                _one(execute(_FAIL_DOCKING, (code, message, hint, docking)), f"there is no docking {docking}")
            case custody.DockingEnded(docking, reason):
                _one(execute(_END_DOCKING, (now, reason, docking)), f"there is no docking {docking}")
            case custody.RecordingSeen(recording):
                self._insert(recording, now)
            case custody.RecordingMet(recording_id, docking, path, _):
                self._change(recording_id, lambda known: life.met(known, path))
                execute(_SIGHT, (docking, recording_id))
            case custody.Stepped(recording_id, step):
                self._change(recording_id, lambda known: life.take(known, step))
                self._keep_evidence(recording_id, step)
            case custody.UploadPlaced(recording_id, resume):
                self._change(recording_id, lambda known: replace(known, resume=resume))
            case custody.UploadDropped(recording_id, _):
                self._change(recording_id, lambda known: replace(known, resume=None))
            case custody.ClearanceBegun(permit):
                for covered in permit.covered:
                    self._change(covered.recording_id, life.erasing)
            case custody.RecordingMarked(recording_id, category, priority, first_amendment, _, _):
                self._change(
                    recording_id,
                    lambda known: replace(known, category=category, priority=priority, first_amendment=first_amendment),
                )
                execute("INSERT OR IGNORE INTO marked VALUES (?)", (recording_id,))
            case custody.RecordingKeptLonger(recording_id, proof):
                _one(execute(_PROVE, (proof.envelope, recording_id)), f"there is no recording {recording_id}")
            case custody.AlertBegun(kind, subject, message):
                alerts.begin(self._connection, kind, subject, message, now)
            case custody.AlertEnded(kind, subject):
                if alerts.end(self._connection, kind, subject, now) != 1:
                    msg = f"no alert {kind} stands for {subject}"
                    raise RuntimeError(msg)
            case custody.AlertTold(number, phase, channel):
                alerts.tell(self._connection, number, phase, channel)
            case custody.HoldPlaced():
                holds.place(self._connection, change, now)
            case custody.HoldLifted():
                holds.lift(self._connection, change)
            case custody.CameraEnrolled(camera, by, reason):
                execute(_ADMIT, (camera, Verdict.ENROLLED, by, reason, now))
            case custody.CameraBarred(camera, by, reason):
                execute(_ADMIT, (camera, Verdict.BARRED, by, reason, now))
            case _:  # pragma: no cover - the type checker proves that this is never reached
                assert_never(change)

    def _insert(self, recording: Recording, now: str) -> None:
        fresh = Recording(
            recording_id=recording.recording_id,
            sequence=0,
            camera=recording.camera,
            docking=recording.docking,
            path=recording.path,
            size_bytes=recording.size_bytes,
            modified_ns=recording.modified_ns,
            sidecar_of=recording.sidecar_of,
            priority=recording.priority,
            seen=recording.seen,
            category=recording.category,
            first_amendment=recording.first_amendment,
        )
        if recording != fresh:
            msg = f"recording {recording.recording_id} was seen just now, but it has a past: {recording}"
            raise RuntimeError(msg)
        self._connection.execute(_INSERT_RECORDING, of_recording(replace(fresh, seen=fresh.seen or now)))
        self._connection.execute(_SIGHT, (recording.docking, recording.recording_id))
        self._moved[fresh.state] += 1

    def _change(self, recording_id: str, changed: Callable[[Recording], Recording]) -> None:
        before = self._known(recording_id)
        after = changed(before)
        self._connection.execute(_UPDATE_RECORDING, of_recording(after))
        self._moved[before.state] -= 1
        self._moved[after.state] += 1

    def _keep_evidence(self, recording_id: str, step: life.Step) -> None:
        """Keep the very envelope on whose word the step was taken."""
        match step:
            case life.Recognised(proof, _) | life.UploadProved(proof, _):
                self._connection.execute(_PROVE, (proof.envelope, recording_id))
            case life.Erased(permit):
                envelope = custody.holding_of(permit, recording_id).envelope
                self._connection.execute(_PROVE, (envelope, recording_id))
            case _:
                return

    def _known(self, recording_id: str) -> Recording:
        try:
            return self.recording(recording_id)
        except KeyError as exc:
            msg = f"there is no recording {recording_id}"
            raise RuntimeError(msg) from exc

    def _head(self) -> int:
        return int(self._connection.execute("SELECT coalesce(max(seq), 0) FROM custody").fetchone()[0])

    @contextmanager
    def _wrapping(self) -> Generator[None]:
        """Make SQLite's errors dockd's own: a wrong call is a RuntimeError, a bad world a JournalError."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError) as exc:
            msg = f"the journal was asked for something impossible: {exc}"
            raise RuntimeError(msg) from exc
        except file.FOREIGN_ERRORS as exc:
            raise file.as_journal_error(exc, self._path) from exc


def _connect(path: Path) -> tuple[sqlite3.Connection, dict[State, int]]:
    """A checked connection to an existing journal, and how many recordings are in each state.

    Raises:
        JournalError: or one of its kinds.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        _check_schema(connection, path)
        if (mode := connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]) != "wal":
            msg = f"{path}: the file system under the journal allows no write-ahead log, only {mode}"
            raise file.as_journal_error(sqlite3.OperationalError(msg), path)
        schema.migrate(connection, schema.MIGRATIONS)
        _check_custody(connection, path)
        tip.check(connection, path, tip.read(path))
        found = dict(connection.execute("SELECT state, count(*) FROM recording GROUP BY state").fetchall())
    except BaseException as exc:
        if connection is not None:
            connection.close()
        if isinstance(exc, file.FOREIGN_ERRORS):
            raise file.as_journal_error(exc, path) from exc
        raise
    return connection, {state: found.get(state.value, 0) for state in State}


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    version = schema.version_of(connection)
    if version > len(schema.MIGRATIONS):
        msg = f"{path}: a journal of version {version}; this dockd knows versions up to {len(schema.MIGRATIONS)}"
        raise JournalForeignError(msg)
    if not schema.is_of_version(connection, version, schema.MIGRATIONS):
        msg = f"{path}: its tables are not those of a journal of version {version}"
        raise JournalCorruptError(msg)


def _check_custody(connection: sqlite3.Connection, path: Path) -> None:
    """The newest entries must be numbered without gaps and hash to what stands beside them."""
    newest = connection.execute("SELECT seq, entry, leaf FROM custody ORDER BY seq DESC LIMIT ?", (_CHECKED_ON_OPEN,)).fetchall()
    for age, row in enumerate(newest):
        to_custody(row, newest[0]["seq"] - age, path)


def _tip_of(connection: sqlite3.Connection, path: Path) -> tip.TipFile:
    """The file beside a journal that was checked; it says how far the log is written now.

    Raises:
        JournalError: the disk refuses.
    """
    try:
        written = tip.TipFile.open(path)
    except OSError as exc:
        msg = f"{tip.beside(path)}: {exc.strerror}"
        raise JournalError(msg) from exc
    newest = connection.execute("SELECT seq, leaf FROM custody ORDER BY seq DESC LIMIT 1").fetchone()
    written.put(tip.Tip(0, bytes(32)) if newest is None else tip.Tip(newest["seq"], newest["leaf"]))
    return written


def _one(cursor: sqlite3.Cursor, otherwise: str) -> None:
    if cursor.rowcount != 1:
        raise RuntimeError(otherwise)
