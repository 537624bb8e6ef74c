"""What lies in a journal's file: its tables, and the way from every older version to this one.

`MIGRATIONS[n]` leads from version n to n + 1, applied in one transaction together with `user_version`; a migration that was
released is never edited. Recordings keep their current state and nothing derived; custody entries and proofs are only ever
added, and the tables themselves refuse anything else. What the core promises is repeated as CHECKs, so that no bug can write
an archived recording that nothing proved.
"""

import sqlite3
from typing import TypeAlias

APPLICATION_ID = 0x646F636B  # "dock"

Migrations: TypeAlias = tuple[tuple[str, ...], ...]

MIGRATIONS: Migrations = (
    (
        """
        CREATE TABLE docking (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            docking TEXT NOT NULL UNIQUE,
            camera TEXT NOT NULL,
            bay TEXT NOT NULL,
            profile TEXT NOT NULL,
            officer TEXT,
            started TEXT NOT NULL,
            ended TEXT,
            end_reason TEXT,
            failure_code TEXT,
            failure_message TEXT,
            failure_hint TEXT,
            CHECK ((ended IS NULL) = (end_reason IS NULL)),
            CHECK ((failure_code IS NULL) = (failure_message IS NULL)),
            CHECK ((failure_code IS NULL) = (failure_hint IS NULL))
        ) STRICT
        """,
        "CREATE INDEX docking_open ON docking (number) WHERE ended IS NULL",
        # modified_ns is text: a hostile file system can name a time that no 64-bit count of nanoseconds holds.
        """
        CREATE TABLE recording (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            recording TEXT NOT NULL UNIQUE,
            camera TEXT NOT NULL,
            docking TEXT NOT NULL REFERENCES docking (docking),
            path BLOB NOT NULL,
            size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
            modified_ns TEXT NOT NULL,
            sidecar_of TEXT,
            priority INTEGER NOT NULL,
            seen TEXT NOT NULL,
            state TEXT NOT NULL
                CHECK (state IN ('seen', 'copying', 'verified', 'uploading', 'archived', 'erased', 'refused')),
            measured_bytes INTEGER,
            blake3 BLOB,
            sha256 BLOB,
            resume_url TEXT,
            resume_nonce TEXT,
            stored_archive TEXT,
            stored_object TEXT,
            stored_url TEXT,
            stored_nonce TEXT,
            stored_for TEXT,
            clearing INTEGER NOT NULL CHECK (clearing IN (0, 1)),
            refusal_code TEXT,
            refusal_message TEXT,
            refusal_hint TEXT,
            CHECK ((measured_bytes IS NULL) = (blake3 IS NULL) AND (blake3 IS NULL) = (sha256 IS NULL)),
            CHECK ((resume_url IS NULL) = (resume_nonce IS NULL)),
            CHECK (state NOT IN ('verified', 'uploading', 'archived', 'erased') OR blake3 IS NOT NULL),
            CHECK ((state IN ('archived', 'erased')) = (stored_object IS NOT NULL)),
            CHECK ((state = 'refused') = (refusal_code IS NOT NULL))
        ) STRICT
        """,
        "CREATE INDEX recording_camera ON recording (camera)",
        "CREATE INDEX recording_state ON recording (state)",
        "CREATE INDEX recording_digests ON recording (sha256, blake3) WHERE sha256 IS NOT NULL",
        """
        CREATE TABLE sighting (
            docking TEXT NOT NULL REFERENCES docking (docking),
            sequence INTEGER NOT NULL REFERENCES recording (sequence),
            PRIMARY KEY (docking, sequence)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE proof (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            sequence INTEGER NOT NULL REFERENCES recording (sequence),
            envelope BLOB NOT NULL
        ) STRICT
        """,
        "CREATE INDEX proof_recording ON proof (sequence)",
        """
        CREATE TRIGGER proof_never_changes BEFORE UPDATE ON proof
        BEGIN SELECT RAISE (ABORT, 'proofs are only added'); END
        """,
        """
        CREATE TRIGGER proof_never_goes BEFORE DELETE ON proof
        BEGIN SELECT RAISE (ABORT, 'proofs are only added'); END
        """,
        """
        CREATE TABLE hold (
            scope TEXT NOT NULL CHECK (scope IN ('camera', 'recording')),
            subject TEXT NOT NULL,
            placed_by TEXT NOT NULL,
            reason TEXT NOT NULL,
            placed TEXT NOT NULL,
            PRIMARY KEY (scope, subject)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE custody (
            seq INTEGER PRIMARY KEY,
            entry BLOB NOT NULL,
            leaf BLOB NOT NULL CHECK (length(leaf) = 32)
        ) STRICT
        """,
        # INSERT OR REPLACE deletes without the DELETE trigger, but it cannot come past this one.
        """
        CREATE TRIGGER custody_has_no_gap BEFORE INSERT ON custody
        WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM custody)
        BEGIN SELECT RAISE (ABORT, 'custody entries are numbered without gaps'); END
        """,
        """
        CREATE TRIGGER custody_never_changes BEFORE UPDATE ON custody
        BEGIN SELECT RAISE (ABORT, 'custody entries are only added'); END
        """,
        """
        CREATE TRIGGER custody_never_goes BEFORE DELETE ON custody
        BEGIN SELECT RAISE (ABORT, 'custody entries are only added'); END
        """,
    ),
    # A camera is asked for what it may still hold; years of what was erased from it are not read for that.
    (
        "DROP INDEX recording_camera",
        "CREATE INDEX recording_camera_state ON recording (camera, state)",
    ),
    # What admins said of cameras, beside the roster of the site file. A camera's last docking is looked up for their list.
    (
        """
        CREATE TABLE admission (
            camera TEXT NOT NULL PRIMARY KEY,
            verdict TEXT NOT NULL CHECK (verdict IN ('enrolled', 'barred')),
            decided_by TEXT NOT NULL,
            reason TEXT NOT NULL,
            decided TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX docking_camera ON docking (camera, number)",
    ),
    # Checkpoints of the custody log that the archive cosigned: evidence that outlives the archive. The tree itself is derived.
    (
        """
        CREATE TABLE checkpoint (
            size INTEGER PRIMARY KEY CHECK (size > 0),
            note BLOB NOT NULL,
            taken TEXT NOT NULL
        ) STRICT
        """,
    ),
    # What the agency's policy says of a recording; and alerts, each with its beginning, its end, and who was told of which.
    (
        "ALTER TABLE recording ADD COLUMN category TEXT",
        "ALTER TABLE recording ADD COLUMN first_amendment INTEGER NOT NULL DEFAULT 0 CHECK (first_amendment IN (0, 1))",
        """
        CREATE TABLE alert (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            message TEXT NOT NULL,
            begun TEXT NOT NULL,
            ended TEXT
        ) STRICT
        """,
        "CREATE UNIQUE INDEX alert_standing ON alert (kind, subject) WHERE ended IS NULL",
        """
        CREATE TABLE alert_told (
            alert INTEGER NOT NULL REFERENCES alert (number),
            phase TEXT NOT NULL CHECK (phase IN ('begun', 'ended')),
            channel TEXT NOT NULL,
            PRIMARY KEY (alert, phase, channel)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    # Where the newest note of each kind stands: the last start or backup is not looked for through a log of years. An index
    # would do, but SQLite takes no json_extract in the schema of a file that it does not trust. Of older notes, those asked for.
    (
        """
        CREATE TABLE newest_note (
            event TEXT NOT NULL PRIMARY KEY,
            seq INTEGER NOT NULL REFERENCES custody (seq)
        ) STRICT, WITHOUT ROWID
        """,
        """
        INSERT INTO newest_note
        SELECT json_extract(CAST(entry AS TEXT), '$.event') AS event, max(seq) FROM custody
        WHERE event IN ('daemon.started', 'daemon.stopped', 'archive.reconciled', 'journal.backed-up') GROUP BY event
        """,
    ),
    # Orders name officers and spans of time too, and two cases may want the same kept: what one lets go, the other still holds.
    (
        "ALTER TABLE hold RENAME TO hold_before",
        """
        CREATE TABLE hold (
            scope TEXT NOT NULL CHECK (scope IN ('camera', 'recording', 'officer', 'time')),
            subject TEXT NOT NULL,
            case_name TEXT NOT NULL,
            placed_by TEXT NOT NULL,
            reason TEXT NOT NULL,
            placed TEXT NOT NULL,
            PRIMARY KEY (scope, subject, case_name)
        ) STRICT, WITHOUT ROWID
        """,
        "INSERT INTO hold SELECT scope, subject, '', placed_by, reason, placed FROM hold_before",
        "DROP TABLE hold_before",
    ),
    # Whoever was marked after it was archived may have to be kept longer there: found without reading the whole log.
    (
        "CREATE TABLE marked (recording TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID",
        """
        INSERT INTO marked
        SELECT DISTINCT json_extract(CAST(entry AS TEXT), '$.recording') FROM custody
        WHERE json_extract(CAST(entry AS TEXT), '$.event') = 'recording.marked'
        """,
    ),
)


def migrate(connection: sqlite3.Connection, migrations: Migrations) -> None:
    """Bring the schema to the newest version, each step in a transaction of its own.

    Raises:
        sqlite3.Error: nothing of the failed step was kept.
    """
    for version in range(version_of(connection), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1:d}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def version_of(connection: sqlite3.Connection) -> int:
    """The schema's version, 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_of_version(connection: sqlite3.Connection, version: int, migrations: Migrations) -> bool:
    """Whether the file has exactly the tables, indices and triggers that `version` made."""
    with sqlite3.connect(":memory:", isolation_level=None) as model:
        migrate(model, migrations[:version])
        wanted = _definitions(model)
    model.close()
    return _definitions(connection) == wanted


def _definitions(connection: sqlite3.Connection) -> list[tuple[str, str, str, str | None]]:
    listed = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name"
    )
    return [tuple(row) for row in listed]
