"""How far the custody log was written, in a small file of its own beside the journal: so that a lost end of it is noticed.

SQLite keeps what was committed last in `-wal`. A journal beside which that file is missing, or half of it, is a whole database to
it, only an older one: entries, and orders with them, would be gone without a word. The tip names the newest entry. It is written
after each commit and not waited for; with each checkpoint that an archive cosigned, and at the end, it is made durable. So it may
be behind the journal, and is never ahead of it. Against whoever changes both on purpose stands the archive, as a witness.
"""

import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from dockd.durable import sync_path
from dockd.errors import JournalCutError, JournalError

SUFFIX = "-tip"

_log = structlog.get_logger(__name__)
_TEXT = re.compile(rb"([0-9]{20}) ([0-9a-f]{64})\n")
"""Of one length, within one sector: it is there as it was, or as it is."""


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest entry of the custody log, by its number and leaf hash; number 0 of an empty one."""

    seq: int
    leaf: bytes


class TipFile:
    """The file of one journal, open for as long as the journal is. Every method runs in the journal's thread."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    @classmethod
    def open(cls, journal: Path) -> Self:
        """Have a file beside `journal`, durably.

        Raises:
            OSError: the disk refuses.
        """
        path = beside(journal)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        sync_path(path.parent)
        return cls(path, descriptor)

    def put(self, tip: Tip) -> None:
        """The log was written up to there. Where the disk refuses, the file stays behind, which harms nothing that is there."""
        try:
            os.pwrite(self._descriptor, b"%020d %b\n" % (tip.seq, tip.leaf.hex().encode()), 0)
        except OSError as exc:
            _log.error("tip of the log not written", file=str(self._path), why=exc.strerror)

    def sync(self) -> None:
        """Make it durable; where the disk refuses, as `put`."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as exc:
            _log.error("tip of the log not written", file=str(self._path), why=exc.strerror)

    def close(self) -> None:
        """Make it durable and give it back."""
        self.sync()
        os.close(self._descriptor)


def beside(journal: Path) -> Path:
    """Where the tip of `journal` lies."""
    return journal.with_name(journal.name + SUFFIX)


def read(journal: Path) -> Tip | None:
    """The tip beside `journal`, None if there is none: an older dockd wrote none, and a power cut may keep one from being whole.

    Read it before the journal, which may be written meanwhile.

    Raises:
        JournalError: it is there, and cannot be read: how far the log went is not known, and an order may be lost with its end.
    """
    path = beside(journal)
    try:
        found = _TEXT.fullmatch(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as exc:
        msg = f"{path}: how far the custody log was written cannot be read: {exc.strerror}"
        hint = "Have the dock's disk examined. Then: dockd journal rebuild --config FILE"
        raise JournalError(msg, hint=hint) from exc
    return None if found is None else Tip(int(found[1]), bytes.fromhex(found[2].decode()))


def check(connection: sqlite3.Connection, journal: Path, tip: Tip | None) -> None:
    """Refuse a journal whose log does not go as far as it once did.

    Raises:
        JournalCutError: its end is lost, or another.
    """
    if tip is None or not tip.seq:
        return
    row = connection.execute("SELECT leaf FROM custody WHERE seq = ?", (tip.seq,)).fetchone()
    if row is None:
        head = connection.execute("SELECT coalesce(max(seq), 0) FROM custody").fetchone()[0]
        msg = f"{journal}: the custody log ends with entry {head}, but {tip.seq} were written: the last ones are lost"
    elif row[0] != tip.leaf:
        msg = f"{journal}: entry {tip.seq} of the custody log is not the one that was written"
    else:
        return
    raise JournalCutError(msg)
