"""Reading a journal that somebody else may be writing: one instant of it, and never one whose end was lost."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dockd.journal import file, tip


@contextmanager
def onlooking(journal: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads, and changes nothing, also while the daemon runs. Blocks.

    Raises:
        JournalError: there is none, or it cannot be read.
        JournalCorruptError: it is damaged, or (JournalCutError) goes less far than it once did.
    """
    file.find(journal)
    written = tip.read(journal)
    try:
        with closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")  # all of it at one instant, though the daemon goes on writing
            tip.check(connection, journal, written)
            yield connection
    except file.FOREIGN_ERRORS as exc:
        raise file.as_journal_error(exc, journal) from exc
