"""The owner of one bay: begins a docking when a camera comes, ends it when the camera leaves."""

import asyncio
from contextlib import aclosing

import structlog

from dockd.bays.protocol import Bay, Changed, Claims, Inserted, Removed, Stalled, Unrecognised
from dockd.core import custody
from dockd.core.recording import Refusal
from dockd.dock.board import BayBoard, Phase
from dockd.dock.parts import Dock
from dockd.docking.journey import Docking
from dockd.errors import CameraStalledError, CameraUnknownError
from dockd.offload.workers import Workers

_log = structlog.get_logger(__name__)

PULLED = "the camera was taken out"
CUT = "its port was switched off so that others charge or its battery cools; it is docked anew when the power is back"
STOPPED = "the dock was stopped"


class Attendant:
    """Attends one bay for as long as the daemon runs."""

    def __init__(self, dock: Dock, bay: Bay, workers: Workers, *, stall_after_s: float) -> None:
        self._dock, self._bay, self._workers, self._stall_after_s = dock, bay, workers, stall_after_s
        self._board: BayBoard = dock.board.bays[bay.bay_id]
        self._docking: Docking | None = None
        self._task: asyncio.Task[None] | None = None
        self._reason = STOPPED

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group, aclosing(self._bay.events()) as events:
            async for event in events:
                match event:
                    case Inserted():
                        await self._end(PULLED)
                        self._board.resting = None
                        self._dock.board.left(self._board)
                        self._task = group.create_task(self._attend(event), name=f"docking in bay {self._bay.bay_id}")
                    case Removed():
                        cut = self._board.resting is not None
                        await self._end(CUT if cut else PULLED)
                        if cut and self._board.resting is not None:  # else the charger took its word back meanwhile
                            self._board.rest()
                        else:
                            self._dock.board.left(self._board)
                            self._board.clear()
                    case Changed():
                        self.look_again()
                    case Unrecognised():
                        await self._end(PULLED)
                        self._dock.board.left(self._board)
                        self._board.clear()
                        self._fail(Refusal(CameraUnknownError.code, event.message, event.hint))
                        if event.refused is not None:
                            await self._dock.journal.record(_refused(event, event.refused))
                    case Stalled(message=message):
                        await self._end(message)
                        self._fail(Refusal(CameraStalledError.code, message, CameraStalledError.default_hint))
                self._dock.board.tell()

    def look_again(self) -> None:
        """Something that the docking rests on may have changed: the camera, a hold, a person's decision."""
        if self._docking is not None:
            self._docking.look_again()

    async def _attend(self, inserted: Inserted) -> None:
        """One docking, from here to the removal; a failed one waits for it too, with its worker gone and its reason shown."""
        docking = Docking(self._dock, self._board, self._workers, self._stall_after_s)
        self._docking, self._reason = docking, STOPPED
        try:
            await docking.run(inserted.root, inserted.profile)
            await asyncio.Event().wait()
        finally:
            self._docking = None
            await docking.end(self._reason)

    async def _end(self, reason: str) -> None:
        task, self._task, self._reason = self._task, None, reason
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _fail(self, refusal: Refusal) -> None:
        _log.error("bay needs help", bay=self._bay.bay_id, code=refusal.code, why=refusal.message)
        self._board.resting = None  # it is there, with power
        self._board.failure = self._board.failure or refusal
        self._board.phase = Phase.FAILED


def _refused(event: Unrecognised, device: Claims) -> custody.Noted:
    """For the custody log: who looks for missing footage later also asks what else was in the bays."""
    claims = {"name": device.name, "serial": device.serial, "policy": device.policy}
    return custody.Noted("device.refused", {"bay": event.bay, "message": event.message} | claims)
