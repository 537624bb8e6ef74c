"""The dock's own hand: signs the custody log as it is, and has the archive witness it after every docking and every hour.

What the archive cosigned is kept in the journal. One that witnesses nothing is given the checkpoint to keep. If it refuses, for
the log is not the one that it knows, that is recorded, and shown until it takes it again; copying and archiving go on, for they
lose nothing by it.
"""

import asyncio
from datetime import UTC, datetime

import structlog

from dockd.archive.protocol import Cosigned, Deposited, Elsewhere, NoWitness, Witness
from dockd.clock import rfc3339
from dockd.core import custody
from dockd.core.note import Checkpoint, origin_of
from dockd.dock.board import LogLink
from dockd.dock.parts import Dock
from dockd.dsse import SigningKey
from dockd.errors import ArchiveError, LogRefusedError

_log = structlog.get_logger(__name__)

EVERY_S = 3600.0
DEPOSITED = "log.deposited"
_ATTEMPTS = 3


class Notary:
    """Owner of everything that is signed in the dock's name.

    Args:
        dock: whose log it is.
        key: the dock's.
        witness: the archive, with its retry around it.
        every_s: longest time between two checkpoints.
    """

    def __init__(self, dock: Dock, key: SigningKey, witness: Witness, *, every_s: float = EVERY_S) -> None:
        self._dock, self._key, self._witness, self._every_s = dock, key, witness, every_s
        self.public_key = key.public_text
        self._alarm = ""

    async def run(self) -> None:
        """Until cancelled."""
        if (kept := await self._dock.journal.checkpoint()) is not None:
            self._dock.board.log = LogLink(size=kept[0])
        while True:
            self._dock.checkpoint_due.clear()
            try:
                await self.checkpoint()
            except LogRefusedError as exc:
                await self._refused(exc)
            except ArchiveError as exc:
                _log.warning("checkpoint not witnessed", code=exc.code, why=exc.message)
            await self._until_due()

    async def checkpoint(self) -> None:
        """Sign the log as it is now and have it cosigned.

        Raises:
            LogRefusedError: the archive knows another log under this name.
            ArchiveError: it cannot be asked.
        """
        journal = self._dock.journal
        head = await journal.tree_head()
        last = await journal.last_note(DEPOSITED)
        if head is None or (last is not None and last["seq"] == head.size == last["size"] + 1):
            return  # nothing happened since but that the archive was given the log as it was
        note = self._key.checkpoint(Checkpoint(origin_of(self._dock.name, head.first_leaf), head.size, head.root))
        kept = await journal.checkpoint()
        old_size = kept[0] if kept else 0
        for _ in range(_ATTEMPTS):
            proof = await journal.consistency(old_size, head.size)
            match await self._witness.add_checkpoint(note, old_size=old_size, proof=proof, key=self._key.public_text):
                case Cosigned() as cosigned:
                    await self._keep(head.size, cosigned)
                    return
                case Elsewhere(size):
                    if size > head.size:
                        msg = f"this log has {head.size} entries, but the archive has cosigned {size}: it was rolled back"
                        raise LogRefusedError(msg)
                    old_size = size
                case Deposited(archive, object_id):
                    await self._deposited(head.size, archive, object_id)
                    return
                case NoWitness():
                    return

    async def _keep(self, size: int, cosigned: Cosigned) -> None:
        await self._dock.journal.keep_checkpoint(size, cosigned.note.encode())
        if self._alarm:
            _log.warning("custody log is witnessed again", size=size)
        self._alarm = ""
        self._dock.board.log = LogLink(size, rfc3339(datetime.fromtimestamp(cosigned.time_s, UTC)))
        self._dock.board.tell()
        _log.info("checkpoint cosigned", size=size)

    async def _deposited(self, size: int, archive: str, object_id: str) -> None:
        """Nobody has witnessed anything; what is shown as witnessed stays as it was."""
        await self._dock.journal.record(custody.Noted(DEPOSITED, {"size": size, "archive": archive, "object": object_id}))
        if self._alarm:
            link = self._dock.board.log
            self._dock.board.log, self._alarm = LogLink(link.size, link.time), ""
            self._dock.board.tell()
        _log.info("checkpoint deposited", size=size)

    async def _refused(self, error: LogRefusedError) -> None:
        """Record and show the alarm; the same refusal of a log that only grew is told once."""
        link = self._dock.board.log
        self._dock.board.log = LogLink(link.size, link.time, error.message)
        self._dock.board.tell()
        _log.error("custody log refused", why=error.message)
        if not self._alarm:
            await self._dock.journal.record(custody.Noted("log.refused", {"message": error.message, "hint": error.hint}))
        self._alarm = error.message

    async def _until_due(self) -> None:
        try:
            async with asyncio.timeout(self._every_s):
                await self._dock.checkpoint_due.wait()
        except TimeoutError:
            return
