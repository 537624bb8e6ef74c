"""The vault's SQLite ledger: which uploads there are, how far each is durable, and what became of it.

Every method is one transaction and blocks until it is on the medium; `Ledger` is used by one thread at a time. A file that is
damaged, foreign or of another version is refused, never replaced.
"""

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self, TypeVar

from dockd.clock import parse_rfc3339, rfc3339
from dockd.core.recording import Digests, Measured
from dockd.errors import VaultError
from dockd.vault import witness

_APPLICATION_ID = 0x646B7661  # "dkva"
_VERSION = 2
_BUSY_S = 10.0  # `dockd vault token` writes beside the running server
_TOKEN_BYTES = 32

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE tokens (digest BLOB PRIMARY KEY, dock TEXT NOT NULL, created TEXT NOT NULL) STRICT;
CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  dock TEXT NOT NULL,
  length_bytes INTEGER NOT NULL CHECK (length_bytes >= 0),
  offset_bytes INTEGER NOT NULL CHECK (offset_bytes BETWEEN 0 AND length_bytes),
  state TEXT NOT NULL CHECK (state IN ('receiving', 'complete', 'object', 'rejected', 'gone')),
  metadata TEXT NOT NULL,
  created TEXT NOT NULL,
  expires TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX uploads_by_state ON uploads (state, expires);
CREATE TABLE blobs (
  blake3 BLOB PRIMARY KEY,
  sha256 BLOB NOT NULL,
  size_bytes INTEGER NOT NULL,
  damage TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE objects (
  id TEXT PRIMARY KEY REFERENCES uploads (id),
  blake3 BLOB NOT NULL REFERENCES blobs (blake3),
  retain_until TEXT NOT NULL,
  receipt BLOB NOT NULL
) STRICT;
"""

_UPLOAD_COLUMNS = "id, dock, length_bytes, offset_bytes, state, metadata, created, expires, reason"


class UploadState(StrEnum):
    """What became of an upload."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    OBJECT = "object"
    REJECTED = "rejected"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload, as the ledger has it.

    Attributes:
        upload_id: 32 hexadecimal digits; the object's id too, once it is one.
        dock: its owner.
        offset_bytes: how much is on the medium.
        metadata: the Upload-Metadata header as it came.
        expires: when it is removed if it is still unfinished.
        reason: why it was rejected or is gone.
    """

    upload_id: str
    dock: str
    length_bytes: int
    offset_bytes: int
    state: UploadState
    metadata: str
    created: datetime
    expires: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HeldObject:
    """An upload that became an object.

    Attributes:
        measured: what was read from the medium when it did.
        retain_until: it is kept at least as long.
        receipt: the signed envelope, made once.
        damage: what a later reading found wrong, empty when nothing.
    """

    upload: Upload
    measured: Measured
    retain_until: datetime
    receipt: bytes
    damage: str


class Ledger:
    """One open ledger."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, may_create: bool) -> Self:
        """The ledger in `path`; a new one only where there is none and `may_create`.

        Raises:
            VaultError: it is damaged, another program's, another version's, or missing.
        """
        if not may_create and not path.exists():
            msg = f"{path} is missing, but the store beside it is not empty"
            raise VaultError(msg, hint="Restore the ledger from its backup; the vault never starts afresh over existing blobs.")
        try:
            connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection, path)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as exc:
            msg = f"{path} cannot be used as the vault's ledger: {exc}"
            raise VaultError(msg, hint="Keep the file for examination and restore the ledger from its backup.") from exc
        return cls(connection)

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        self._connection.close()

    def meta(self, key: str, default: str) -> str:
        """The value stored for `key`; `default` is stored when there is none."""
        with self._transaction() as cursor:
            cursor.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", (key, default))
            return str(cursor.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])

    def issue_token(self, dock: str, now: datetime, *, replace: bool) -> str:
        """A new token for `dock`; only its SHA-256 is kept. With `replace`, older ones of the dock end."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        with self._transaction() as cursor:
            if replace:
                cursor.execute("DELETE FROM tokens WHERE dock = ?", (dock,))
            cursor.execute("INSERT INTO tokens VALUES (?, ?, ?)", (_token_digest(token), dock, rfc3339(now)))
        return token

    def dock_of(self, token: str) -> str | None:
        """Whose token this is, None for nobody's."""
        digest = _token_digest(token)
        with self._reading() as cursor:
            row = cursor.execute("SELECT digest, dock FROM tokens WHERE digest = ?", (digest,)).fetchone()
        if row is None or not hmac.compare_digest(row[0], digest):
            return None
        return str(row[1])

    def create(self, upload: Upload) -> None:
        """Note a new upload."""
        with self._transaction() as cursor:
            cursor.execute(
                f"INSERT INTO uploads ({_UPLOAD_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
                (
                    upload.upload_id,
                    upload.dock,
                    upload.length_bytes,
                    upload.offset_bytes,
                    upload.state,
                    upload.metadata,
                    rfc3339(upload.created),
                    rfc3339(upload.expires),
                    upload.reason,
                ),
            )

    def upload(self, upload_id: str) -> Upload | None:
        """The upload of that id, in whatever state."""
        with self._reading() as cursor:
            row = cursor.execute(f"SELECT {_UPLOAD_COLUMNS} FROM uploads WHERE id = ?", (upload_id,)).fetchone()  # noqa: S608
        return None if row is None else _upload(row)

    def unsettled(self) -> list[Upload]:
        """Uploads that still live in `uploads/`: receiving or complete, oldest first."""
        with self._reading() as cursor:
            rows = cursor.execute(
                f"SELECT {_UPLOAD_COLUMNS} FROM uploads WHERE state IN ('receiving', 'complete') ORDER BY rowid"  # noqa: S608
            ).fetchall()
        return [_upload(row) for row in rows]

    def overdue(self, now: datetime) -> list[Upload]:
        """Unfinished uploads whose time is over."""
        with self._reading() as cursor:
            rows = cursor.execute(
                f"SELECT {_UPLOAD_COLUMNS} FROM uploads WHERE state = 'receiving' AND expires <= ?",  # noqa: S608
                (rfc3339(now),),
            ).fetchall()
        return [_upload(row) for row in rows]

    def advance(self, upload_id: str, offset_bytes: int, expires: datetime) -> None:
        """Move the offset of a receiving upload; its bytes are on the medium. At its length it is complete."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE uploads SET offset_bytes = ?1, expires = ?2, "
                "state = CASE WHEN ?1 = length_bytes THEN 'complete' ELSE state END WHERE id = ?3 AND state = 'receiving'",
                (offset_bytes, rfc3339(expires), upload_id),
            )
            _one(cursor)

    def accept(self, upload_id: str, measured: Measured, retain_until: datetime, receipt: bytes) -> None:
        """Make a complete upload an object; its blob is in place, re-read just now, and so undamaged."""
        digests = measured.digests
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO blobs VALUES (?, ?, ?, '') ON CONFLICT (blake3) DO UPDATE SET damage = ''",
                (digests.blake3, digests.sha256, measured.size_bytes),
            )
            cursor.execute("INSERT INTO objects VALUES (?, ?, ?, ?)", (upload_id, digests.blake3, rfc3339(retain_until), receipt))
            cursor.execute("UPDATE uploads SET state = 'object' WHERE id = ? AND state = 'complete'", (upload_id,))
            _one(cursor)

    def reject(self, upload_id: str, reason: str) -> None:
        """A complete upload is not what was announced."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE uploads SET state = 'rejected', reason = ? WHERE id = ? AND state = 'complete'", (reason, upload_id)
            )
            _one(cursor)

    def drop(self, upload_id: str, reason: str) -> None:
        """An unfinished upload ends; its row stays, so that 410 can be answered."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE uploads SET state = 'gone', reason = ? WHERE id = ? AND state = 'receiving'", (reason, upload_id)
            )
            _one(cursor)

    def forget(self, upload_id: str) -> None:
        """Remove the row of an upload whose creation never finished."""
        with self._transaction() as cursor:
            cursor.execute("DELETE FROM uploads WHERE id = ? AND state = 'receiving' AND offset_bytes = 0", (upload_id,))
            _one(cursor)

    def held(self, upload_id: str) -> HeldObject | None:
        """The object of that id."""
        with self._reading() as cursor:
            row = cursor.execute(
                f"SELECT {', '.join('u.' + c for c in _UPLOAD_COLUMNS.split(', '))}, "  # noqa: S608 - constants
                "b.size_bytes, b.blake3, b.sha256, o.retain_until, o.receipt, b.damage FROM objects o "
                "JOIN uploads u ON u.id = o.id JOIN blobs b ON b.blake3 = o.blake3 WHERE o.id = ?",
                (upload_id,),
            ).fetchone()
        if row is None:
            return None
        *upload, size_bytes, blake3, sha256, retain_until, receipt, damage = row
        measured = Measured(size_bytes, Digests(blake3, sha256))
        return HeldObject(_upload(tuple(upload)), measured, parse_rfc3339(retain_until), receipt, damage)

    def keep_until(self, object_id: str, asked: datetime) -> datetime:
        """Keep the object at least until `asked`; until when it is kept then, which is never sooner than before."""
        with self._transaction() as cursor:
            row = cursor.execute("SELECT retain_until FROM objects WHERE id = ?", (object_id,)).fetchone()
            until = max(parse_rfc3339(row[0]), asked)
            cursor.execute("UPDATE objects SET retain_until = ? WHERE id = ?", (rfc3339(until), object_id))
            _one(cursor)
        return until

    def mark_damaged(self, blake3: bytes, damage: str) -> None:
        """Every object with this blob is no longer what was received; kept until good bytes replace it."""
        with self._transaction() as cursor:
            cursor.execute("UPDATE blobs SET damage = ? WHERE blake3 = ?", (damage, blake3))
            _one(cursor)

    def change(self, step: Callable[[sqlite3.Cursor], T]) -> T:
        """What `step` does, as one transaction."""
        with self._transaction() as cursor:
            return step(cursor)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        """All or nothing, on the medium when the block ends."""
        with self._reading() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Cursor]:
        cursor = self._connection.cursor()
        try:
            yield cursor
        except sqlite3.Error as exc:
            msg = f"the vault's ledger failed: {exc}"
            raise VaultError(msg, hint="Look at the vault's disk: is it full or failing?") from exc
        finally:
            cursor.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set the pragmas, make the schema in an empty file, refuse everything that is not ours."""
    connection.execute("BEGIN IMMEDIATE")
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    begun = empty and application == 0 and version == 0
    if begun or (application == _APPLICATION_ID and version == 1):
        for statement in ((_SCHEMA if begun else "") + witness.SCHEMA).split(";")[:-1]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    elif application != _APPLICATION_ID:
        msg = f"{path} is another program's database"
        raise VaultError(msg, hint="Give the vault a folder of its own with --root.")
    elif version != _VERSION:
        msg = f"{path} has version {version}; this dockd reads version {_VERSION}"
        raise VaultError(msg, hint="Install the dockd version that wrote it, or a newer one.")
    connection.execute("COMMIT")
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _one(cursor: sqlite3.Cursor) -> None:
    if cursor.rowcount != 1:
        msg = f"a ledger step touched {cursor.rowcount} rows instead of one"
        raise RuntimeError(msg)


def _token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _upload(row: tuple[str, str, int, int, str, str, str, str, str]) -> Upload:
    upload_id, dock, length_bytes, offset_bytes, state, metadata, created, expires, reason = row
    return Upload(
        upload_id,
        dock,
        length_bytes,
        offset_bytes,
        UploadState(state),
        metadata,
        parse_rfc3339(created),
        parse_rfc3339(expires),
        reason,
    )
