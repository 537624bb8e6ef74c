"""Tell a slow disk of the dock's own from a camera that hangs.

The daemon takes long silence for a camera that hangs. While the dock's own disk is busy for long there is nothing to report
either, so signs of life are given then; but never while a camera has been waited for, or its hanging would go unnoticed. Each
thread of a worker therefore says whose turn it is.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event, Thread, get_ident
from typing import Self

from dockd.clock import Clock

SIGN_OF_LIFE_S = 5.0

SOON_S = 1.0
"""A camera that answers at all does so within this time; a busy one is heard of by its bytes anyway."""

PATIENCE_S = 600.0
"""A disk that takes longer for one thing is broken, and its silence may be noticed."""


@dataclass(frozen=True, slots=True)
class _Turn:
    on_camera: bool
    since_s: float


class _Block(AbstractContextManager[None]):
    """A turn of the thread that enters it; afterwards the turn that it was before begins anew."""

    def __init__(self, turns: dict[int, _Turn], clock: Clock, *, on_camera: bool) -> None:
        self._turns, self._clock, self._on_camera = turns, clock, on_camera
        self._me = get_ident()
        self._before: _Turn | None = None

    def __enter__(self) -> None:
        self._before = self._turns.get(self._me)
        self._turns[self._me] = _Turn(self._on_camera, self._clock.monotonic())

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del self._turns[self._me]
        else:
            self._turns[self._me] = _Turn(self._before.on_camera, self._clock.monotonic())


class Turns:
    """Who is waited for, by each thread; its `with` block has signs of life given.

    Args:
        clock: for intervals.
        alive: gives a sign of life; called from a thread of its own.
    """

    def __init__(self, clock: Clock, alive: Callable[[], None]) -> None:
        self._clock, self._alive = clock, alive
        self._turns: dict[int, _Turn] = {}  # each thread changes only its own entry, which the interpreter does at once
        self._done = Event()
        self._thread = Thread(target=self._tell, name="sign of life")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def camera(self) -> AbstractContextManager[None]:
        """In its block the calling thread waits for the camera, except within `disk`."""
        return _Block(self._turns, self._clock, on_camera=True)

    def disk(self) -> AbstractContextManager[None]:
        """In its block the calling thread waits for the dock's own disk, or for who does."""
        return _Block(self._turns, self._clock, on_camera=False)

    def camera_hangs(self) -> bool:
        """Whether some thread has waited for the camera longer than one that answers makes it wait."""
        now_s = self._clock.monotonic()
        return any(turn.on_camera and now_s - turn.since_s > SOON_S for turn in list(self._turns.values()))

    def only_disk(self) -> bool:
        """Whether the dock's own disk, and no camera, is to blame for silence."""
        now_s = self._clock.monotonic()
        waits = [turn for turn in list(self._turns.values()) if not turn.on_camera]
        return not self.camera_hangs() and any(now_s - turn.since_s < PATIENCE_S for turn in waits)

    def _tell(self) -> None:
        while not self._done.wait(SIGN_OF_LIFE_S):
            if self.only_disk():
                self._alive()
