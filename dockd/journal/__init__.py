"""The journal: SQLite, the only mutable truth; custody entries are written in the same transaction as what they record."""

from dockd.journal.journal import Journal
from dockd.journal.rows import CustodyEntry, Docking

__all__ = ["CustodyEntry", "Docking", "Journal"]
