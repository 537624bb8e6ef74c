"""The journal's file as a file: who owns it, whether it is one at all, and how a new one comes into being whole.

SQLite would take an empty file for a new database, and a stale -wal for the truth about whatever lies beside it; so both are
looked at before SQLite is let near.
"""

import fcntl
import os
import sqlite3
from pathlib import Path

from dockd import crashpoint
from dockd.durable import sync_path
from dockd.errors import JournalBusyError, JournalCorruptError, JournalError, JournalForeignError
from dockd.journal import schema, tip

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_APPLICATION_ID = slice(68, 72)
_COMPANIONS = ("-wal", "-shm", "-journal", tip.SUFFIX)

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


FOREIGN_ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What the binding raises when SQLite, or what it reads, is in trouble: even its error messages quote damaged text."""


def as_journal_error(error: sqlite3.DatabaseError | UnicodeDecodeError, path: Path) -> JournalError:
    """What SQLite's `error` means for the journal in `path`."""
    # An error without a code comes from the binding itself, which could not make sense of what the file holds.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in _CORRUPT:
        return JournalCorruptError(f"{path}: the journal is damaged: {error}")
    if code in _BUSY:
        return JournalBusyError(f"{path}: another program has locked the journal: {error}")
    if code == sqlite3.SQLITE_FULL:
        return JournalError(f"{path}: no room to write the journal", hint="Make room on the dock's disk; the cameras keep all.")
    return JournalError(f"{path}: {error}", hint="Have the dock's disk examined. The cameras keep their recordings.")


def lock(path: Path) -> int:
    """Own the journal in `path` until the returned descriptor is closed; the kernel gives it back if the process dies.

    Raises:
        JournalBusyError: another process, or another Journal of this one, owns it.
        JournalError: the lock's file cannot be made.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        msg = f"{beside}: {exc.strerror}"
        raise JournalError(msg) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        if isinstance(exc, BlockingIOError):
            msg = f"{path}: another process owns the journal"
            raise JournalBusyError(msg) from exc
        msg = f"{beside}: {exc.strerror}"
        raise JournalError(msg) from exc
    return descriptor


def find(path: Path) -> None:
    """Refuse to look for a journal where there is no file, before anything is made for it.

    Raises:
        JournalError: it is not there.
    """
    if not os.path.lexists(path):
        msg = f"{path}: there is no journal"
        raise JournalError(msg, hint="If this spool had one, find it, or run: dockd journal rebuild --config FILE")


def inspect(path: Path) -> None:
    """Refuse what is not a journal, from its first bytes and without changing one.

    The caller holds the lock: closing a file that this process has open elsewhere would give up SQLite's own locks on it.

    Raises:
        JournalCorruptError: not an SQLite file, or not enough of one.
        JournalForeignError: another program's.
        JournalError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as exc:
        msg = f"{path}: {exc.strerror}"
        raise JournalError(msg) from exc
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        msg = f"{path}: this is no SQLite database, so it is not a journal, or no longer"
        raise JournalCorruptError(msg)
    if int.from_bytes(header[_APPLICATION_ID], "big") != schema.APPLICATION_ID:
        msg = f"{path}: an SQLite database of another program"
        raise JournalForeignError(msg)


def make(path: Path) -> None:
    """A new, empty journal in `path`, all of it or nothing, whenever the power fails. The caller holds the lock.

    Raises:
        JournalError: something is there already, or the disk refuses.
    """
    if in_the_way := present(path):
        msg = f"{path}: {', '.join(each.name for each in in_the_way)} exists; a new journal never takes the place of an old one"
        raise JournalError(msg)
    temporary = path.with_name(f".{path.name}.new")
    try:
        discard(temporary)
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            schema.migrate(connection, schema.MIGRATIONS)
        finally:
            connection.close()
        put_in_place(temporary, path)
    except OSError as exc:
        msg = f"{path}: {exc.strerror}"
        raise JournalError(msg) from exc
    except sqlite3.DatabaseError as exc:
        raise as_journal_error(exc, path) from exc


def discard(temporary: Path) -> None:
    """Delete what an earlier attempt left of a journal that never got its name.

    Raises:
        OSError: it cannot be deleted.
    """
    for each in present(temporary):
        each.unlink()


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a closed journal its final name, durably.

    Raises:
        OSError: it has not got it.
    """
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    crashpoint.passing("journal.placing")
    temporary.rename(path)
    sync_path(path.parent)
    crashpoint.passing("journal.placed")


def present(path: Path) -> tuple[Path, ...]:
    """What there is of a journal in `path`: the file, what SQLite keeps beside it, and its tip."""
    return tuple(each for each in (path, *_companions(path)) if os.path.lexists(each))


def move_aside(path: Path, name: str) -> None:
    """Call whatever there is of a journal in `path` `name` from now on; nothing is deleted.

    The main file goes first: as long as a -wal without its journal lies in the way, `make` refuses.

    Raises:
        OSError: it cannot be renamed.
    """
    for each in present(path):
        crashpoint.passing("journal.setting-aside")
        each.rename(path.with_name(name + each.name.removeprefix(path.name)))
    sync_path(path.parent)
    crashpoint.passing("journal.set-aside")


def _companions(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + suffix) for suffix in _COMPANIONS)
