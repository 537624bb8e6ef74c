"""A person's marks on a recording: recorded, and then obeyed by every queue that the recording stands in or comes to."""

import asyncio
from collections.abc import Callable

import msgspec

from dockd.control.holding import HelperHolds
from dockd.core.changes import HoldPlaced
from dockd.core.marking import FIRST_AMENDMENT, Mark, marked_by_person
from dockd.core.policy import Category
from dockd.core.recording import Recording
from dockd.dock.parts import Dock
from dockd.errors import ControlError
from dockd.web.lists import MarkOrder


class Marking:
    """Owner of what a mark does, once it is recorded.

    Args:
        dock: whose recordings they are.
        look_again: makes every bay begin another round, in which what was marked is copied first.
        helper: its holds, None where no bay is a USB port.
    """

    def __init__(self, dock: Dock, look_again: Callable[[], None], helper: HelperHolds | None) -> None:
        self._dock, self._look_again, self._helper = dock, look_again, helper
        self._turn = asyncio.Lock()

    async def mark(self, recording: Recording, order: MarkOrder, by: str) -> Recording:
        """Mark it and its sidecars; the recording as it is then.

        Raises:
            ControlError: the site's policy has no such category, or it is a sidecar.
            DockError: it is marked and held, but the helper could not be told of the hold.
        """
        if recording.sidecar_of is not None:
            msg = f"{recording.recording_id} belongs to recording {recording.sidecar_of}"
            raise ControlError(msg, hint="Mark that one; what belongs to it is marked with it.")
        mark = Mark(by, order.reason, self._category(order), critical=order.critical, first_amendment=order.first_amendment)
        async with self._turn:
            of_camera = await self._dock.journal.recordings(camera=recording.camera)
            ids = [each.recording_id for each in of_camera if recording.recording_id in {each.recording_id, each.sidecar_of}]
            before = [each for each in of_camera if each.recording_id in ids]
            await self._dock.journal.record(*marked_by_person(before, mark))
            after = [await self._dock.journal.recording(each) for each in ids]
            self._dock.board.marked(after)
            for each in after:
                self._dock.outbox.hurry(each)
        self._look_again()
        self._dock.retention_due.set()
        if mark.first_amendment and self._helper is not None:
            for each in after:
                await self._helper.place(HoldPlaced("recording", each.recording_id, by, FIRST_AMENDMENT))
        return next(each for each in after if each.recording_id == recording.recording_id)

    def _category(self, order: MarkOrder) -> Category | None:
        if order.category is msgspec.UNSET:
            return None
        policy = self._dock.live.now.policy
        known = policy.known(order.category)
        if known is None:
            names = ", ".join(each.name for each in policy.categories)
            msg = f"this site's policy has no category {order.category!r}"
            raise ControlError(msg, hint=f"It has: {names}." if names else "Name the agency's categories in the site file first.")
        return known
