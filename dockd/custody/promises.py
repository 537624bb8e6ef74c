"""Has the archive promise to keep a recording longer, and writes down what it promised; whoever wants it longer asks here."""

import secrets
from datetime import datetime

from dockd.archive.retrying import answered
from dockd.clock import parse_rfc3339
from dockd.core.custody import RecordingKeptLonger
from dockd.core.recording import StoredObject
from dockd.dock.parts import Dock
from dockd.journal.gaps import Kept


async def kept_longer(dock: Dock, kept: Kept, stored: StoredObject, until: datetime, patience_s: float) -> datetime:
    """Until when the archive keeps it now, which is asked to do so at least until `until`; it never shortens.

    Args:
        dock: whose archive and journal.
        kept: the recording, and what was promised last.
        stored: where it lies.
        until: that is wanted.
        patience_s: how long an answer is waited for.

    Raises:
        ArchiveError: it cannot be asked, or does not hold it.
    """
    asking = dock.archive.prove_again(stored, secrets.token_hex(16), camera=kept.recording.camera, retain_until=until)
    proof = await answered(asking, stored, patience_s)
    if proof.statement.retain_until > parse_rfc3339(kept.until):
        await dock.journal.record(RecordingKeptLonger(kept.recording.recording_id, proof))
    return proof.statement.retain_until
