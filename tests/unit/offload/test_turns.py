"""A slow disk of the dock's own gives signs of life; a camera that hangs is never covered by them."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event, Lock

import pytest

from dockd import durable
from dockd.clock import SystemClock
from dockd.offload import messages, turns
from dockd.offload.handful import SMALL_BYTES
from dockd.offload.turns import Turns
from tests.sim.cameras import write_file
from tests.unit.offload.conftest import Bench

_DEADLINE_S = 30.0


class Standing(SystemClock):
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        """As set."""
        return self.now_s


class Scene:
    """Another thread that waits for the camera or the disk, for as long as the test likes."""

    def __init__(self) -> None:
        self.clock = Standing()
        self.turns = Turns(self.clock, lambda: None)
        self._pool = ThreadPoolExecutor(1)
        self._blocks = ExitStack()

    def elsewhere(self, *, on_camera: bool) -> None:
        """The other thread's turn begins."""
        self._pool.submit(lambda: self._blocks.enter_context(self.turns.camera() if on_camera else self.turns.disk())).result()

    def elsewhere_done(self) -> None:
        """The other thread's last turn ends."""
        self._pool.submit(self._blocks.close).result()
        self._pool.shutdown()


def test_nobody_waits_and_nothing_is_said() -> None:
    """A worker that does nothing gives no signs of life by itself."""
    assert not Scene().turns.only_disk()


def test_slow_disk_is_told_from_a_camera_that_hangs() -> None:
    """Silence is the disk's while it alone is waited for; once the camera has been waited for too, it is the camera's."""
    scene = Scene()
    with scene.turns.disk():
        scene.clock.now_s += 29
        assert scene.turns.only_disk()
        scene.elsewhere(on_camera=True)
        assert scene.turns.only_disk()
        scene.clock.now_s += turns.SOON_S * 1.5
        assert scene.turns.camera_hangs()
        assert not scene.turns.only_disk()
        scene.elsewhere_done()
        assert scene.turns.only_disk()


def test_thread_that_copies_waits_for_the_disk_in_between() -> None:
    """Within a camera's turn the disk may be slow; when the camera's turn goes on it begins anew."""
    scene = Scene()
    with scene.turns.camera():
        with scene.turns.disk():
            scene.clock.now_s += 40
            assert scene.turns.only_disk()
        assert not scene.turns.camera_hangs()
        assert not scene.turns.only_disk()
        scene.clock.now_s += turns.SOON_S * 1.5
        assert scene.turns.camera_hangs()
    assert not scene.turns.camera_hangs()


def test_disk_that_never_answers_is_covered_only_for_so_long() -> None:
    """A disk that is silent for minutes is broken, and that must come out."""
    scene = Scene()
    with scene.turns.disk():
        scene.clock.now_s += turns.PATIENCE_S - 1
        assert scene.turns.only_disk()
        scene.clock.now_s += 2
        assert not scene.turns.only_disk()


@pytest.mark.parametrize(
    ("size_bytes", "owner", "call"),
    [
        (5000, durable, "sync_file_system"),
        (SMALL_BYTES + 1, os, "fdatasync"),
        (SMALL_BYTES + 1, os, "posix_fallocate"),
        (SMALL_BYTES + 1, durable, "sync_folder"),
    ],
)
def test_slow_step_of_the_docks_own_disk_gives_signs_of_life(
    size_bytes: int, owner: object, call: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the dock's disk takes for a step, the daemon hears that the worker lives, and of which file."""
    path = b"CLIP.MP4"
    digest = write_file(bench.camera, path, size_bytes, "slow")
    slow = getattr(owner, call)
    lived, waiting, lock = Event(), Event(), Lock()

    def slowly(*arguments: int) -> None:
        if not lived.is_set():
            waiting.set()
            assert lived.wait(_DEADLINE_S)
        slow(*arguments)

    def hear(report: messages.Report) -> None:
        with lock:
            if waiting.is_set() and report == messages.Moved(path, 0, reading=False):
                lived.set()

    monkeypatch.setattr(turns, "SIGN_OF_LIFE_S", 0.01)
    monkeypatch.setattr(owner, call, slowly)
    bench.copy(bench.jobs(), hear)
    assert lived.is_set()
    assert bench.sha256(path) == digest


def test_read_back_says_nothing_while_a_camera_hangs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes back from the dock's disk is no sign of life of the camera."""
    write_file(bench.camera, b"CLIP.MP4", SMALL_BYTES + 1, "hangs")
    monkeypatch.setattr(Turns, "camera_hangs", lambda _: True)
    bench.copy(bench.jobs())
    assert len(bench.copied()) == 1
    assert not [each for each in bench.reports if isinstance(each, messages.Moved) and not each.reading]
