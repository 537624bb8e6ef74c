"""Seals what is verified, where the spool's file system can: from then on nobody can write to it, root included.

Sealing reads each file once more, so it waits while any camera is being copied, and stands behind everything else. Nothing waits
for a seal: what is sent is hashed again all the same, and a copy that is not sealed yet is watched as the others are.
"""

import asyncio
from concurrent.futures import Future
from threading import Thread

import structlog

from dockd import verity
from dockd.archive.reading import stand_back
from dockd.core.recording import Recording
from dockd.dock.board import Phase
from dockd.dock.parts import Dock
from dockd.errors import SpoolFullError
from dockd.offload.spool import Spool

_log = structlog.get_logger(__name__)

_AGAIN_S = 60.0


class Sealer:
    """Of one dock's spool.

    Args:
        dock: whose spool.
        again_s: until what could not be sealed is tried again.
    """

    def __init__(self, dock: Dock, again_s: float = _AGAIN_S) -> None:
        self._dock, self._again_s = dock, again_s
        self._sealed: set[str] = set()
        self._told: set[str] = set()

    async def run(self) -> None:
        """Until cancelled, or at once where nothing can be sealed."""
        if self._dock.spool.unsealed_why:
            _log.info("spool is not sealed", why=self._dock.spool.unsealed_why)
            return
        while True:
            self._dock.sealing_due.clear()
            everything = await self._seal_all()
            try:
                async with asyncio.timeout(None if everything else self._again_s):
                    await self._dock.sealing_due.wait()
            except TimeoutError:
                pass

    async def _seal_all(self) -> bool:
        """Whether nothing is left that could not be sealed now."""
        lying_there = await asyncio.to_thread(self._dock.spool.recording_ids)
        self._sealed &= lying_there
        self._told &= lying_there
        everything = True
        for recording_id in sorted(lying_there - self._sealed):
            await self._quiet()
            try:
                recording = await self._dock.journal.recording(recording_id)
            except KeyError:
                continue  # somebody else's file is left alone, and the watch has named it
            if await self._seal(recording):
                self._sealed.add(recording_id)
            else:
                everything = False
        return everything

    async def _quiet(self) -> None:
        """Wait until no camera is being copied: none waits longer for this, and none that is copied has its file open."""
        while any(bay.phase is Phase.COPYING for bay in self._dock.board.bays.values()):
            await self._dock.board.news()

    async def _seal(self, recording: Recording) -> bool:
        """Whether it is sealed now, or gone."""
        try:
            with self._dock.ledger.reserved(verity.tree_bytes(recording.size_bytes)):
                await _in_thread(self._dock.spool, recording.recording_id)
        except (OSError, SpoolFullError) as exc:
            if recording.recording_id not in self._told:
                self._told.add(recording.recording_id)
                why = exc.strerror if isinstance(exc, OSError) else exc.message
                _log.warning("recording is not sealed", recording=recording.recording_id, why=why)
            return False
        return True


async def _in_thread(spool: Spool, recording_id: str) -> None:
    # A plain daemon thread, since reading a large file cannot be interrupted and must not hold up a stop: the kernel then takes
    # back what it has begun, and the next start seals it.
    done: Future[None] = Future()
    done.set_running_or_notify_cancel()
    Thread(target=_work, args=(spool, recording_id, done), name="seal", daemon=True).start()
    await asyncio.wrap_future(done)


def _work(spool: Spool, recording_id: str, done: "Future[None]") -> None:
    try:
        stand_back()
        spool.seal(recording_id)
    except BaseException as exc:  # noqa: BLE001 - it is raised where it is waited for
        done.set_exception(exc)
    else:
        done.set_result(None)
