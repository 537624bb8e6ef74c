"""A new journal from what the spool says about itself, when the old one is lost or damaged.

Each manifest becomes a recording again: verified if the spool's medium still gives what was read from the camera, refused if
not. What the archive proved is forgotten on purpose: nothing counts as archived before the archive was asked again. The old
journal gets another name and is never deleted, and the custody log of the new one begins by saying that it was rebuilt, and
from what. What was held is held: see `dockd.journal.salvage`.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from secrets import token_hex

from dockd.clock import Clock, rfc3339
from dockd.core import life
from dockd.core.custody import Change, DockingRestored, HoldPlaced, Noted, RecordingSeen, Stepped
from dockd.core.manifest import Manifest
from dockd.core.recording import CopyDiffersError, MediumReading, Recording, Refusal, verify_copy
from dockd.errors import JournalError, SpoolBrokenError, SpoolMismatchError
from dockd.journal import file, tip
from dockd.journal.journal import Journal
from dockd.journal.salvage import salvage

_RECORDINGS_IN_ONE_TRANSACTION = 500


async def rebuild(path: Path, manifests: Iterable[tuple[Manifest, MediumReading | None]], clock: Clock, dock: str) -> Journal:
    """Make the journal in `path` anew.

    A crash leaves the old journal where it was, or the new one; in between, for one rename, there is none, and running this again
    ends the work.

    Args:
        path: of the journal; what lies there is moved aside.
        manifests: of the spool, each with what its medium gave when it was read again, None where it could not be read. They are
            taken in a thread of their own, so that the reading may happen as they are asked for.
        clock: of the dock.
        dock: the dock's name, for the record.

    Raises:
        JournalBusyError: a daemon owns the journal.
        JournalError: the disk refuses.
    """
    lock = await asyncio.to_thread(file.lock, path)
    try:
        spooled, repeated = await asyncio.to_thread(_without_repetitions, manifests)
        temporary = path.with_name(f".{path.name}.rebuilding")
        aside = f"{path.name}.aside-{clock.now():%Y%m%dT%H%M%SZ}-{token_hex(4)}" if file.present(path) else None
        old = await asyncio.to_thread(salvage, path)
        holds = old.holds({manifest.recording_id for manifest, _ in spooled}, rfc3339(clock.now()))
        note = {"dock": dock, "previous": aside, "repeated": repeated, "holds": len(holds), "holds_whole": old.whole}
        await _write(temporary, spooled, clock, note, holds)
        await asyncio.to_thread(_exchange, temporary, path, aside)
    finally:
        os.close(lock)
    return await Journal.open(path, clock)


def _without_repetitions(
    manifests: Iterable[tuple[Manifest, MediumReading | None]],
) -> tuple[list[tuple[Manifest, life.Step]], int]:
    """Each recording once, with the step that its copy allows; and how many manifests named one that was named before."""
    steps: dict[str, tuple[Manifest, life.Step]] = {}
    repeated = 0
    for manifest, reading in manifests:
        if manifest.recording_id in steps:
            repeated += 1
        else:
            steps[manifest.recording_id] = (manifest, _judge(manifest, reading))
    return list(steps.values()), repeated


def _judge(manifest: Manifest, reading: MediumReading | None) -> life.Step:
    if reading is None:
        error = SpoolBrokenError("The spool's disk cannot read this recording any more.")
        return life.Refused(Refusal(error.code, error.message, error.hint))
    try:
        return life.CopyVerified(verify_copy(manifest.recording_id, from_camera=manifest.measured, from_medium=reading))
    except CopyDiffersError as exc:
        mismatch = SpoolMismatchError(f"The spool no longer holds what was read from the camera: {exc}")
        return life.Refused(Refusal(mismatch.code, mismatch.message, mismatch.hint))


async def _write(
    temporary: Path,
    spooled: list[tuple[Manifest, life.Step]],
    clock: Clock,
    note: dict[str, str | int | None],
    holds: Iterable[HoldPlaced],
) -> None:
    """A whole new journal under a name that no daemon looks for."""
    try:
        await asyncio.to_thread(file.discard, temporary)
    except OSError as exc:
        msg = f"{temporary}: {exc.strerror}"
        raise JournalError(msg) from exc
    dockings = {manifest.docking: manifest.camera for manifest, _ in spooled}
    verified = sum(isinstance(step, life.CopyVerified) for _, step in spooled)
    counts = {"recordings": len(spooled), "verified": verified, "refused": len(spooled) - verified, "dockings": len(dockings)}
    journal = await Journal.create(temporary, clock)
    try:
        await journal.record(
            Noted("journal.rebuilt", {**note, **counts}),
            *holds,
            *(DockingRestored(docking, camera) for docking, camera in dockings.items()),
        )
        remaining = iter(spooled)
        while changes := list(_changes(islice(remaining, _RECORDINGS_IN_ONE_TRANSACTION))):
            await journal.record(*changes)
    finally:
        await journal.close()


def _changes(spooled: Iterable[tuple[Manifest, life.Step]]) -> Iterator[Change]:
    for manifest, step in spooled:
        yield RecordingSeen(
            Recording(
                recording_id=manifest.recording_id,
                sequence=0,
                camera=manifest.camera,
                docking=manifest.docking,
                path=manifest.path,
                size_bytes=manifest.measured.size_bytes,
                modified_ns=manifest.modified_ns,
                sidecar_of=manifest.sidecar_of,
                priority=manifest.priority,
                seen=manifest.seen,
            )
        )
        if isinstance(step, life.CopyVerified):
            yield Stepped(manifest.recording_id, life.CopyStarted())
        yield Stepped(manifest.recording_id, step)


def _exchange(temporary: Path, path: Path, aside: str | None) -> None:
    try:
        if aside is not None:
            file.move_aside(path, aside)
        file.put_in_place(temporary, path)
        temporary.with_name(temporary.name + ".lock").unlink()
        tip.beside(temporary).unlink()
    except OSError as exc:
        msg = f"{path}: {exc.strerror}"
        raise JournalError(msg) from exc
