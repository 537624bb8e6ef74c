"""A bay that is a folder: a camera is docked while the folder holds a camera's tree.

The kernel tells of every change, through inotify and the mount table; nothing is polled. Events arrive on other threads and are
folded into a few flags on the event loop, so that ten thousand of them cost no memory. Looking at the folder may block and is
the `lookout`'s; here it is only waited for, and no longer than `stalled_s`.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dockd.bays.lookout import Lookout, Sight, Touch
from dockd.bays.mounts import mount_changes
from dockd.bays.protocol import BayEvent, Changed, Inserted, Removed, Stalled, Unrecognised
from dockd.clock import Clock, SystemClock
from dockd.core.profile import Profile
from dockd.tasks import first_of

_CLOSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a directory bay waits.

    Attributes:
        settle_s: quiet time before a change, or a stranger, is told: a copy into the bay takes its time.
        latest_s: a tree that is never quiet is told as changed this often.
        stalled_s: a look that takes longer is a device that does not answer.
    """

    settle_s: float = 1.0
    latest_s: float = 5.0
    stalled_s: float = 30.0


class Watching(Protocol):
    """A bay's lookout, in this process or in another; see `Lookout`."""

    def start(self) -> None:
        """Begin to watch."""
        ...

    def look(self) -> None:
        """Ask for one look."""
        ...

    def stop(self) -> None:
        """Ask it to end."""
        ...


class Watch(Protocol):
    """Makes a bay's lookout; see `Lookout`."""

    def __call__(
        self,
        directory: Path,
        profiles: Sequence[Profile],
        *,
        touched: Callable[[Touch], None],
        seen: Callable[[Sight], None],
        ended: Callable[[], None],
    ) -> Watching:
        """A lookout that was not started."""
        ...


class DirectoryBay:
    """A `Bay` over a folder, which may be missing, empty, a mount point or a symbolic link, and may change at any time."""

    def __init__(
        self,
        bay_id: str,
        directory: Path,
        profiles: Sequence[Profile],
        *,
        clock: Clock | None = None,
        patience: Patience | None = None,
        watch: Watch = Lookout,
    ) -> None:
        self.bay_id = bay_id
        self._watch = watch
        self._directory = Path(directory).absolute()
        self._profiles = tuple(profiles)
        self._clock = clock or SystemClock()
        self._patience = patience or Patience()

    async def events(self) -> AsyncGenerator[BayEvent]:
        """See `Bay.events`."""
        inbox = _Inbox(asyncio.get_running_loop(), self._clock)
        lookout = self._watch(
            self._directory, self._profiles, touched=inbox.touched, seen=inbox.seen, ended=inbox.lookout_ended,
        )  # fmt: skip
        teller = _Teller(self.bay_id, self._patience)
        with mount_changes(lambda: inbox.touch(Touch.LOOK)):
            lookout.start()
            try:
                inbox.touch(Touch.LOOK)
                while True:
                    for event in self._turn(inbox, lookout, teller):
                        yield event
                    await inbox.news(self._rest_s(inbox, teller))
            finally:
                lookout.stop()
                await inbox.end(_CLOSE_S)

    def _turn(self, inbox: "_Inbox", lookout: Watching, teller: "_Teller") -> list[BayEvent]:
        """Everything that can be told now, and the next look if one is due."""
        now_s = self._clock.monotonic()
        told: list[BayEvent] = []
        sight, gone = inbox.take_sight()
        if sight is not None:
            told += teller.saw(sight, now_s, gone=gone)
            inbox.settle_account(covered=any(isinstance(event, Inserted) for event in told))
        if inbox.looking_since_s is None and inbox.take_look_due():
            lookout.look()
            inbox.looking_since_s = now_s
        told += teller.at(now_s, inbox)
        return told

    def _rest_s(self, inbox: "_Inbox", teller: "_Teller") -> float | None:
        """Seconds until something must be told even if nothing happens."""
        now_s = self._clock.monotonic()
        due_s = teller.due_s(inbox)
        return None if due_s is None else max(0.0, due_s - now_s)


class _Inbox:
    """Folds what other threads tell into a few flags; everything but `touched`, `seen` and `lookout_ended` is the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop, self._clock = loop, clock
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._lock = threading.Lock()
        self._posted: set[Touch] = set()
        self._sight: Sight | None = None
        self._look_due = self._gone = False
        self._gone_before_look = False
        self.looking_since_s: float | None = None
        self.first_change_s: float | None = None
        self._change_before_look_s: float | None = None
        self.last_touch_s = clock.monotonic()

    def touched(self, touch: Touch) -> None:
        """From any thread; at most one callback waits on the loop, however many events come."""
        with self._lock:
            waiting = bool(self._posted)
            self._posted.add(touch)
        if not waiting:
            self._call(self._collect)

    def seen(self, sight: Sight) -> None:
        """From the lookout's thread."""
        self._call(self._take, sight)

    def lookout_ended(self) -> None:
        """From the lookout's thread."""
        self._call(self._ended.set)

    def _call(self, callback: Callable[..., object], *arguments: object) -> None:
        # A bay that was abandoned outlives its loop.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _collect(self) -> None:
        with self._lock:
            touches, self._posted = self._posted, set()
        for touch in touches:
            self.touch(touch)

    def _take(self, sight: Sight) -> None:
        self._sight, self.looking_since_s = sight, None
        self._news.set()

    def touch(self, touch: Touch) -> None:
        """Something happened."""
        now_s = self.last_touch_s = self._clock.monotonic()
        if touch is Touch.CONTENT and self.first_change_s is None:
            self.first_change_s = now_s
        self._look_due = self._look_due or touch is not Touch.CONTENT
        self._gone = self._gone or touch is Touch.GONE
        self._news.set()

    def take_sight(self) -> tuple[Sight | None, bool]:
        """The answer to the last look, and whether what was there had been deleted before it."""
        sight, gone = self._sight, self._gone_before_look
        if sight is not None:
            self._sight, self._gone_before_look = None, False
        return sight, gone

    def take_look_due(self) -> bool:
        """Whether a look is due; it takes the blame for everything that was heard until now."""
        due, self._look_due = self._look_due, False
        if due:
            self._gone_before_look, self._gone = self._gone, False
            self._change_before_look_s, self.first_change_s = self.first_change_s, None
        return due

    def settle_account(self, *, covered: bool) -> None:
        """A change that was heard before the look needs no telling if the look told of a whole new camera."""
        before_s, self._change_before_look_s = self._change_before_look_s, None
        if before_s is not None and not covered:
            self.first_change_s = before_s

    async def news(self, within_s: float | None) -> None:
        """Wait until something happened, or for `within_s`."""
        if within_s is None:
            await self._news.wait()
        else:
            await first_of(self._news.wait(), self._clock.sleep(within_s))
        self._news.clear()

    async def end(self, within_s: float) -> None:
        """Wait for the lookout's end; a thread that stands in a dead device is left to it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._ended.wait()


class _Teller:
    """Decides what is told; knows no thread and no loop."""

    def __init__(self, bay_id: str, patience: Patience) -> None:
        self._bay, self._patience = bay_id, patience
        self._told: Sight | None = None
        self._stranger: Sight | None = None
        self._stranger_since_s = 0.0
        self._stalled = False

    def saw(self, sight: Sight, now_s: float, *, gone: bool) -> list[BayEvent]:
        """What a look changes at once; a stranger waits until the folder is quiet, for it may become a camera."""
        told: list[BayEvent] = []
        before, was_stalled, self._stalled = self._told, self._stalled, False
        docked = before is not None and before.profile is not None
        waiting, self._stranger = self._stranger, None
        if sight.profile is not None and sight.root is not None:
            if before is not None and docked and not gone and _same_camera(before, sight):
                return [Changed(self._bay)] if was_stalled else []
            told = [Removed(self._bay)] if docked else []
            told.append(Inserted(self._bay, sight.root, sight.profile))
        elif sight.message:
            told = [Removed(self._bay)] if docked else []
            if before is None or before.message != sight.message or was_stalled:
                self._stranger = sight
                self._stranger_since_s = now_s if waiting is None else self._stranger_since_s
                self._told = Sight() if docked else before
                return told
        elif before is None or docked or before.message or was_stalled:
            told = [Removed(self._bay)]
        self._told = sight
        return told

    def at(self, now_s: float, inbox: _Inbox) -> list[BayEvent]:
        """What time brings."""
        told: list[BayEvent] = []
        if inbox.looking_since_s is not None:
            if not self._stalled and now_s >= inbox.looking_since_s + self._patience.stalled_s:
                self._stalled = True
                told.append(Stalled(self._bay, f"Bay {self._bay} has not answered for {self._patience.stalled_s:.0f} s."))
            return told
        due_s = self.due_s(inbox)
        if due_s is None or now_s < due_s:
            return told
        inbox.first_change_s = None
        if self._stranger is not None:
            self._told, self._stranger = self._stranger, None
            told.append(Unrecognised(self._bay, self._told.message))
        elif self._told is not None and self._told.profile is not None:
            told.append(Changed(self._bay))
        return told

    def due_s(self, inbox: _Inbox) -> float | None:
        """When `at` has something to say, on the monotonic clock."""
        if inbox.looking_since_s is not None:
            return None if self._stalled else inbox.looking_since_s + self._patience.stalled_s
        first_s = inbox.first_change_s if self._stranger is None else self._stranger_since_s
        return None if first_s is None else min(inbox.last_touch_s + self._patience.settle_s, first_s + self._patience.latest_s)


def _same_camera(one: Sight, other: Sight) -> bool:
    return (one.root, one.identity, one.profile) == (other.root, other.identity, other.profile)
