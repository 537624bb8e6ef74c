"""What the journeys through one dock share: the parts that `app` built."""

from dataclasses import dataclass

from dockd.archive.protocol import Archive
from dockd.board import Board
from dockd.clock import Clock
from dockd.journal import Journal
from dockd.offload.spool import Ledger, Spool
from dockd.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Dock:
    """One dock.

    Attributes:
        name: the dock's id.
        archive: with its retry and limits around it.
        may_erase: the site's policy lets cameras in directory bays be erased; those in USB bays never are by this version.
        pinned_keys: the archive's, as texts, for the eraser's own check.
    """

    name: str
    journal: Journal
    spool: Spool
    ledger: Ledger
    archive: Archive
    board: Board
    outbox: Outbox
    clock: Clock
    may_erase: bool
    pinned_keys: tuple[str, ...]
