"""What a start does about the stop before it, whatever kind of stop that was.

The journal is the truth and the spool's files are evidence for it: a copy that had its final name but no journal entry is
read back and accepted, bytes that the archive proved before the power went are discarded, and what waits for the archive goes
into the outbox.
"""

import asyncio

import structlog

from dockd.clock import Clock, parse_rfc3339
from dockd.core import custody, life
from dockd.core.recording import CopyDiffersError, Recording, Refusal, State, verify_copy
from dockd.delivery.keeping import discard_proved
from dockd.dock.board import TAKEN_LASTS_S, Taken
from dockd.dock.parts import Dock
from dockd.errors import JournalError, SourceChangedError, SpoolMismatchError
from dockd.journal import Journal
from dockd.offload.spool import Spool

_log = structlog.get_logger(__name__)

_AT_HOME_AGAIN_S = 15.0
"""So long a camera that stands in a bay has to be recognised after a start, before it is missed."""


async def open_journal(spool: Spool, clock: Clock) -> Journal:
    """The spool's journal; a new one only in a spool that holds nothing.

    Raises:
        JournalError: it cannot be used, or is missing although the spool holds recordings.
    """
    if await asyncio.to_thread(spool.journal.exists):
        return await Journal.open(spool.journal, clock)
    if await asyncio.to_thread(lambda: any(spool.manifests())):
        msg = f"{spool.journal}: the journal is missing, but the spool holds recordings"
        raise JournalError(msg, hint="Put the journal back, or run: dockd journal rebuild --config FILE")
    return await Journal.create(spool.journal, clock)


async def recover(dock: Dock) -> None:
    """Bring journal and spool to agree, and fill the outbox."""
    left_open = await dock.journal.open_dockings()
    if left_open:
        await dock.journal.record(*(custody.DockingEnded(each.docking, "the dock was interrupted") for each in left_open))
    spooled = await asyncio.to_thread(dock.spool.recording_ids)
    copying = [each for each in await dock.journal.recordings(states=[State.COPYING]) if each.recording_id in spooled]
    for recording in copying:
        await _accept_finished(dock, recording)
    waiting = await dock.journal.recordings(states=[State.VERIFIED, State.UPLOADING])
    for recording in waiting:
        if recording.recording_id in spooled:
            dock.outbox.put(recording)
        else:
            await _report_missing(dock, recording)
    discarded = await discard_proved(
        dock, await asyncio.to_thread(dock.spool.every_id) - {each.recording_id for each in [*waiting, *copying]}
    )
    await _discard_superseded(dock)
    await _remember_taken(dock)
    _log.info(
        "recovered", dockings_interrupted=len(left_open), copies_accepted=len(copying), waiting=len(waiting), discarded=discarded
    )


async def _remember_taken(dock: Dock) -> None:
    """Cameras that hold the only copy of something and were docked in the last hours: those that are not in a bay are missed."""
    uncopied: dict[str, list[int]] = {}
    for each in await dock.journal.recordings(states=[State.SEEN, State.COPYING]):
        uncopied.setdefault(each.camera, []).append(each.size_bytes)
    if not uncopied:
        return
    now = dock.clock.now()
    for known in await dock.journal.cameras():
        if known.camera not in uncopied or known.ended is None:
            continue
        when = parse_rfc3339(known.ended)
        age_s = (now - when).total_seconds()
        if not 0 <= age_s < TAKEN_LASTS_S:  # long ago, or the clock was set meanwhile
            continue
        sizes = uncopied[known.camera]
        refused = known.counts.get(State.REFUSED, 0)
        from_s = dock.clock.monotonic() + _AT_HOME_AGAIN_S
        dock.board.remember(
            Taken(
                camera=known.camera,
                officer=known.officer,
                bay=known.bay,
                when=when,
                looked_through=True,
                uncopied_files=len(sizes),
                uncopied_bytes=sum(sizes),
                refused_files=refused,
                from_s=from_s,
            )
        )


async def _accept_finished(dock: Dock, recording: Recording) -> None:
    """A copy was renamed but not recorded: read it back once more and record it, if it is what its manifest says."""
    manifest = await asyncio.to_thread(dock.spool.manifest, recording.recording_id)
    reading = await asyncio.to_thread(dock.spool.examine, recording.recording_id)
    if manifest is None or reading is None or manifest.recording_id != recording.recording_id:
        _log.error("unproved copy left in the spool", recording=recording.recording_id)
        return
    try:
        verified = verify_copy(recording.recording_id, from_camera=manifest.measured, from_medium=reading)
    except CopyDiffersError as exc:
        _log.error("unproved copy left in the spool", recording=recording.recording_id, why=str(exc))
        return
    await dock.journal.record(custody.Stepped(recording.recording_id, life.CopyVerified(verified)))


async def _report_missing(dock: Dock, recording: Recording) -> None:
    error = SpoolMismatchError(f"the spool no longer holds recording {recording.recording_id}")
    _log.error("recording refused", recording=recording.recording_id, code=error.code, why=error.message)
    await dock.journal.record(
        custody.Stepped(recording.recording_id, life.Refused(Refusal(error.code, error.message, error.hint)))
    )


async def _discard_superseded(dock: Dock) -> None:
    """Remove what was begun of files that changed on their camera: they are other recordings now, and nobody continues these."""
    unfinished = await asyncio.to_thread(dock.spool.unfinished_ids)
    for recording in await dock.journal.recordings(states=[State.REFUSED]) if unfinished else []:
        superseded = recording.refusal is not None and recording.refusal.code == SourceChangedError.code
        if superseded and recording.measured is None and recording.recording_id in unfinished:
            await asyncio.to_thread(dock.spool.discard, recording.recording_id)
