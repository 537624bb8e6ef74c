"""Reading a whole journal to find out whether it still is what was written; slow, so it happens beside the daemon's work."""

import sqlite3
import threading
from concurrent.futures import Future  # noqa: TC003 - no second way of importing for the sake of two annotations
from contextlib import closing
from pathlib import Path

from dockd.core.note import NoteError, parse_checkpoint, parse_note
from dockd.errors import JournalCorruptError
from dockd.journal import file, log
from dockd.journal.rows import to_custody

_STEPS_BETWEEN_LOOKS = 10_000

# The last step that the custody log tells of each recording, beside the state that its row is in. In C and on SQLite's temporary
# disk, since neither the interpreter nor memory has room for a log of every recording that ever was.
_CONTRADICTIONS = """
WITH line AS (SELECT seq, CAST(entry AS TEXT) AS text FROM custody),
told AS (
    SELECT json_extract(text, '$.recording') AS recording, json_extract(text, '$.event') AS event, max(seq)
    FROM line
    WHERE json_extract(text, '$.event') GLOB 'recording.*' AND json_extract(text, '$.event') <> 'recording.met'
    GROUP BY 1
)
SELECT recording, state, event FROM told LEFT JOIN recording USING (recording)
WHERE NOT coalesce(
    CASE event
        WHEN 'recording.recognised' THEN state = 'archived'
        WHEN 'recording.proof-lost' THEN state = 'seen'
        WHEN 'recording.found-gone' THEN state = 'erased'
        WHEN 'recording.retried' THEN state IN ('seen', 'verified')
        ELSE event = 'recording.' || state
    END,
    FALSE
)
LIMIT 1
"""
_UNTOLD = """
SELECT recording FROM recording WHERE recording NOT IN (
    SELECT json_extract(text, '$.recording') FROM (SELECT CAST(entry AS TEXT) AS text FROM custody)
    WHERE json_extract(text, '$.event') = 'recording.seen'
)
LIMIT 1
"""

_HOLDS_TOLD = """
WITH line AS (SELECT seq, CAST(entry AS TEXT) AS text FROM custody),
told AS (
    SELECT json_extract(text, '$.scope') AS scope, json_extract(text, '$.subject') AS subject,
        coalesce(json_extract(text, '$.case'), '') AS case_name, json_extract(text, '$.event') = 'hold.placed' AS placed, max(seq)
    FROM line
    WHERE json_extract(text, '$.event') GLOB 'hold.*'
    GROUP BY 1, 2, 3
)
SELECT scope, subject, case_name FROM told WHERE placed ORDER BY 1, 2, 3
"""

_ADMISSIONS_TOLD = """
WITH line AS (SELECT seq, CAST(entry AS TEXT) AS text FROM custody),
told AS (
    SELECT json_extract(text, '$.camera') AS camera, substr(json_extract(text, '$.event'), 8) AS verdict, max(seq)
    FROM line
    WHERE json_extract(text, '$.event') IN ('camera.enrolled', 'camera.barred')
    GROUP BY 1
)
SELECT camera, verdict FROM told ORDER BY 1
"""


class Examination:
    """One look through the journal in `path`, which may be stopped from another thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let it end soon, found or not."""
        self._stopped.set()

    def run(self, found: "Future[None]") -> None:
        """Examine, and put the outcome into `found`."""
        if not found.set_running_or_notify_cancel():
            return
        try:
            self._look()
        except BaseException as exc:  # noqa: BLE001 - it is handed on to whoever waits
            found.set_exception(exc)
        else:
            found.set_result(None)

    def _look(self) -> None:
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                connection.set_progress_handler(self._stopped.is_set, _STEPS_BETWEEN_LOOKS)
                self._structure(connection)
                self._custody(connection)
                self._checkpoint(connection)
                self._states(connection)
                self._holds(connection)
        except file.FOREIGN_ERRORS as exc:
            if not self._stopped.is_set():
                raise file.as_journal_error(exc, self._path) from exc

    def _structure(self, connection: sqlite3.Connection) -> None:
        """Every page, index and CHECK, and every reference from row to row."""
        answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if answer != "ok":
            msg = f"{self._path}: the journal is damaged: {answer}"
            raise JournalCorruptError(msg)
        if (orphan := connection.execute("PRAGMA foreign_key_check").fetchone()) is not None:
            msg = f"{self._path}: a row of {orphan[0]} refers to one of {orphan[2]} that is not there"
            raise JournalCorruptError(msg)

    def _custody(self, connection: sqlite3.Connection) -> None:
        """Every custody entry; a few at a time, so that no long read keeps the write-ahead log from shrinking."""
        expected = 1
        while not self._stopped.is_set():
            rows = connection.execute("SELECT seq, entry, leaf FROM custody WHERE seq >= ? ORDER BY seq LIMIT 1000", (expected,))
            checked = [to_custody(row, number, self._path) for number, row in enumerate(rows, expected)]
            if not checked:
                return
            expected += len(checked)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """The log begins with what the archive cosigned last."""
        if (cosigned := log.newest(connection)) is None:
            return
        size, note = cosigned
        tree = log.CustodyTree(connection)
        while not self._stopped.is_set() and not tree.catch_up():
            pass
        if self._stopped.is_set():
            return
        try:
            wanted = parse_checkpoint(parse_note(note).text)
            same = (
                wanted.size == size and (head := tree.head()) is not None and head.size >= size and tree.root(size) == wanted.root
            )
        except NoteError:
            same = False
        if not same:
            msg = f"{self._path}: the custody log is not the one whose first {size} entries the archive cosigned"
            raise JournalCorruptError(msg)

    def _states(self, connection: sqlite3.Connection) -> None:
        """Every recording is in the state to which the custody log says that it came."""
        if (found := connection.execute(_CONTRADICTIONS).fetchone()) is not None:
            recording, state, event = found
            msg = f"{self._path}: recording {recording} is {state or 'missing'}, but the custody log last says {event}"
            raise JournalCorruptError(msg)
        if (found := connection.execute(_UNTOLD).fetchone()) is not None:
            msg = f"{self._path}: the custody log never tells of recording {found[0]}"
            raise JournalCorruptError(msg)

    def _holds(self, connection: sqlite3.Connection) -> None:
        """The holds and bars that stand are those that the custody log says were placed and not lifted."""
        connection.execute("BEGIN")  # all looks at the same instant, though the daemon goes on writing
        told = set(connection.execute(_HOLDS_TOLD).fetchall())
        standing = set(connection.execute("SELECT scope, subject, case_name FROM hold").fetchall())
        said = set(connection.execute(_ADMISSIONS_TOLD).fetchall())
        admitted = set(connection.execute("SELECT camera, verdict FROM admission").fetchall())
        connection.execute("COMMIT")
        if differing := said ^ admitted:
            msg = f"{self._path}: what was said of camera {min(differing)[0]} is not what the custody log says"
            raise JournalCorruptError(msg)
        if differing := told ^ standing:
            scope, subject, _ = found = min(differing, key=str)
            verdict = "stands, but the custody log does not say so" if found in standing else "was lost from its table"
            msg = f"{self._path}: the hold on {scope} {subject} {verdict}"
            raise JournalCorruptError(msg)
