"""Notices whoever touches a verified recording in the spool: nothing of dockd's writes where these lie.

A change is written down with what the medium gives back now, and is an alert until the archive has proved the recording. It is a
sentry, not a proof: a write through a memory map, or by whoever can stop this process, is seen only where every change is seen,
for each recording is hashed again as it is sent.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import structlog
from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from dockd.core import custody
from dockd.core.alerts import Kind
from dockd.core.names import shown
from dockd.core.recording import Recording, State
from dockd.dock.parts import Dock
from dockd.errors import COPY_FAILED

_log = structlog.get_logger(__name__)

_AGAIN_S = 10.0
_HERE = frozenset({State.VERIFIED, State.UPLOADING, State.REFUSED})
"""In these the spool has the bytes, and nobody of dockd's takes them away."""

_GONE = InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVED_FROM
_MASK = Mask(
    InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_MOVED_TO
    | _GONE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
)
_SELF = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_UNMOUNT


class Touch(StrEnum):
    """What was done to a name, in words that complete "the spool's copy was ..."."""

    CAME = "put there"
    REPLACED = "replaced"
    WRITTEN = "written to"
    ATTRIBUTES = "given other attributes"
    WENT = "removed"


class SpoolWatch:
    """Watches one dock's spool for as long as it runs.

    Attributes:
        watching: set while every touch is heard.
    """

    def __init__(self, dock: Dock) -> None:
        self.watching = asyncio.Event()
        self._dock = dock
        self._touched: dict[str, Touch] = {}
        self._news, self._lost = asyncio.Event(), False
        self._there: dict[str, int] = {}
        self._found: dict[str, dict[str, str]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        await self._end_old_alerts()
        while True:
            try:
                with self._watching():
                    await self._compare()
                    self.watching.set()
                    while not self._lost:
                        await self._news.wait()
                        await self._judge_all()
            except OSError as exc:
                _log.error("spool is not watched", why=exc.strerror, next_try_s=_AGAIN_S)
            self.watching.clear()
            await self._dock.clock.sleep(_AGAIN_S)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Hear of every touch, until what was heard is not all any more.

        Raises:
            OSError: the kernel lets nobody watch, or there is nothing to watch.
        """
        loop = asyncio.get_running_loop()
        self._lost = False
        instance = InotifyFD()
        instance.start()
        try:
            ear = _Ear(lambda name, mask: loop.call_soon_threadsafe(self._heard, name, mask))
            instance.add_callback(os.fsencode(self._dock.spool.verified), _MASK, ear, CallbackId(1))
            yield
        finally:
            instance.stop()
            instance.join()

    def _heard(self, name: str, mask: int) -> None:
        """On the event loop. Of several touches the gravest counts, and one that took the name away above all."""
        if not name:
            self._lost = True
        elif mask & _GONE:
            self._there.pop(name, None)
            self._touched[name] = Touch.WENT
        elif mask & InotifyConstants.IN_MOVED_TO:
            self._touched[name] = Touch.CAME
        elif mask & InotifyConstants.IN_MODIFY:
            self._touched[name] = Touch.WRITTEN
        else:
            self._touched.setdefault(name, Touch.ATTRIBUTES)
        self._news.set()

    async def _compare(self) -> None:
        """What happened while nobody watched: only what is missing can be seen without reading everything."""
        now = await asyncio.to_thread(_inodes, self._dock.spool.verified)
        for name in self._there.keys() - now.keys():
            self._touched[name] = Touch.WENT
        self._there = now
        await self._judge_all()

    async def _judge_all(self) -> None:
        self._news.clear()
        while self._touched:
            name = next(iter(self._touched))
            await self._judge(name, self._touched.pop(name))

    async def _judge(self, name: str, touch: Touch) -> None:
        """Tell the dock's own doings from others', and write down the others'."""
        try:
            recording = await self._dock.journal.recording(name)
        except KeyError:
            if touch is not Touch.WENT:
                _log.error("unknown file in the spool", file=name)
            return
        if touch is Touch.CAME:
            now = (await asyncio.to_thread(_inodes, self._dock.spool.verified, name)).get(name)
            before = self._there.get(name)
            if now is not None:
                self._there[name] = now
            if before in {None, now}:
                return  # a copy was finished
            touch = Touch.REPLACED
        if recording.state not in _HERE:
            if touch is Touch.WENT:  # the archive proved it, or it is to be copied again
                await self._end_alert(name)
            return
        if touch is Touch.WENT and recording.refusal is not None and recording.refusal.code in COPY_FAILED:
            return  # set aside
        found = {"touched": touch.value, **await asyncio.to_thread(self._medium, recording, touch)}
        if self._found.get(name) == found:
            return
        self._found[name] = found
        await self._tell(recording, found)

    def _medium(self, recording: Recording, touch: Touch) -> dict[str, str]:
        """What the medium gives back now; blocks."""
        reading = None if touch is Touch.WENT else self._dock.spool.examine(recording.recording_id)
        if reading is None:
            return {"bytes": "cannot be read"}
        measured = recording.measured
        same = measured is not None and reading.is_of(measured)
        return {"bytes": "are those that were verified" if same else "are others", "blake3": reading.blake3.hex()}

    async def _tell(self, recording: Recording, found: dict[str, str]) -> None:
        what = f"the spool's copy of {shown(recording.path)} of camera {recording.camera} was {found['touched']} by somebody else"
        message = f"{what} than the dock: its bytes {found['bytes']}"
        _log.error("spool changed", recording=recording.recording_id, why=message)
        changes: list[custody.Change] = [custody.Noted("spool.changed", {"recording": recording.recording_id, **found})]
        if not await self._standing(recording.recording_id):
            changes.append(custody.AlertBegun(Kind.SPOOL, recording.recording_id, message))
        await self._dock.journal.record(*changes)
        self._dock.board.tell()

    async def _standing(self, subject: str) -> bool:
        alerts = await self._dock.journal.alerts()
        return any(each.kind == Kind.SPOOL and each.subject == subject and each.ended is None for each in alerts)

    async def _end_alert(self, subject: str) -> None:
        self._found.pop(subject, None)
        if await self._standing(subject):
            await self._dock.journal.record(custody.AlertEnded(Kind.SPOOL, subject))
            self._dock.board.tell()

    async def _end_old_alerts(self) -> None:
        """Those whose recording left the spool in good order just before the last stop."""
        for each in await self._dock.journal.alerts():
            if each.kind == Kind.SPOOL and each.ended is None:
                recording = await self._dock.journal.recording(each.subject)
                if recording.state not in _HERE:
                    await self._end_alert(each.subject)


def _inodes(folder: Path, only: str = "") -> dict[str, int]:
    """The inode of each file that lies there, or of one: a copy that took another's name is another file. Blocks."""
    found: dict[str, int] = {}
    for name in [only] if only else os.listdir(folder):  # noqa: PTH208 - names only
        with contextlib.suppress(FileNotFoundError):
            found[name] = (folder / name).stat(follow_symlinks=False).st_ino
    return found


class _Ear:
    """Passes on what the kernel says, from the instance's thread; without a name, that it will say no more."""

    def __init__(self, heard: Callable[[str, int], object]) -> None:
        self._heard = heard

    def on_event(self, event: InotifyEvent) -> None:
        """The name is watchdog's."""
        self._heard("" if event.mask & _SELF else os.fsdecode(event.name), event.mask)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The name is watchdog's; at a stop of the watch, and when its folder is gone."""

    def on_queue_overflow(self) -> None:
        """The name is watchdog's."""
        self._heard("", 0)
