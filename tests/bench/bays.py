"""Eight cameras at the line rate of USB 2, through the whole real daemon: does the dock keep up, and what does it cost?

The archive is not there, as on a bad night: what is measured is the offload, and the machine is not busy with a vault as well.
A camera's file system is a FUSE process that sleeps to its rate; its own processor time is not the dock's.
"""

import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

from dockd.core.recording import State
from tests.bench.figures import Figure, Part, at_least, at_most, told
from tests.bench.measuring import cool_down, cpu_s, descendants, memory_bytes
from tests.bench.occasion import Occasion
from tests.bench.offload import make_camera
from tests.sim.camera_fs import CameraFs
from tests.sim.dock_process import DockProcess, Site

RATE_BYTES_S = 40_000_000
_CLIP = "DCIM/100MEDIA/CLIP{:04}.MP4"
_EVERY_S = 0.1
_DEADLINE_S = 120.0

_BARE = """
import select, sys, time
latest = 0.0
while True:
    began = time.monotonic()
    if select.select([sys.stdin], [], [], 0.02)[0]:
        break
    latest = max(latest, time.monotonic() - began - 0.02)
print(latest)
"""
"""A process that does nothing but wake up: what it is late is the machine's doing, not the daemon's."""


_DD = 'for clip in "$1"/DCIM/100MEDIA/*.MP4; do dd if="$clip" of=/dev/null bs=512K iflag=direct status=none; done'


class _Line(HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(slots=True)
class Watch:
    """Looks at a daemon from outside while it works: how late it answers, how much memory it and its workers hold."""

    dock: DockProcess
    answers_s: list[float] = field(default_factory=list)
    pss_bytes: int = 0
    processes: int = 0
    why_no_answer: str = ""
    bare_late_s: float = 0.0
    _bare: subprocess.Popen[bytes] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._ask), threading.Thread(target=self._weigh)]
        for each in self._threads:
            each.start()
        self._bare = subprocess.Popen(
            [sys.executable, "-c", _BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()
        if self._bare is not None:
            self.bare_late_s = float(self._bare.communicate()[0])

    def _ask(self) -> None:
        """Every answer passes through the daemon's event loop: what blocks the loop makes it late."""
        while not self._stop.wait(_EVERY_S):
            began_s = time.monotonic()
            try:
                line = _Line(self.dock.control)
                line.request("GET", "/api/v1/status")
                line.getresponse().read()
                line.close()
            except OSError as exc:
                self.why_no_answer = str(exc)
            else:
                self.answers_s.append(time.monotonic() - began_s)

    def _weigh(self) -> None:
        while not self._stop.wait(_EVERY_S * 3):
            family = descendants(self.dock.pid)
            self.processes = max(self.processes, len(family))
            self.pss_bytes = max(self.pss_bytes, sum(memory_bytes(pid, "Pss") for pid in family))


@dataclass(slots=True)
class _Reading:
    """When a camera's first and last byte were read."""

    began_s: float = 0.0
    ended_s: float = 0.0

    def follow(self, camera: CameraFs, clips: int, size_bytes: int) -> None:
        """Wait for both; each wait on the camera is short, so that a slow run does not run into its deadline."""
        camera.wait_read(_CLIP.format(1), 1)
        self.began_s = time.monotonic()
        for number in range(1, clips + 1):
            for part in range(1, 5):
                camera.wait_read(_CLIP.format(number), size_bytes * part // 4)
        self.ended_s = time.monotonic()

    def dock(self, camera: CameraFs, clips: int, size_bytes: int) -> None:
        """Dock it, and follow."""
        camera.open()
        self.follow(camera, clips, size_bytes)

    def share(self, total_bytes: int) -> float:
        """Of the line rate."""
        return total_bytes / (self.ended_s - self.began_s) / RATE_BYTES_S


def measure(occasion: Occasion, *, bays: int, clips: int, clip_bytes: int) -> Part:
    """Dock every camera at once, and watch."""
    work = occasion.work
    occasion.say(f"bays: {bays} cameras of {clips * clip_bytes >> 20} MiB at {RATE_BYTES_S // 1_000_000} MB/s each")
    total_bytes = bays * clips * clip_bytes
    with ExitStack() as stack:
        for number in range(1, bays + 1):
            backing = work / f"camera-{number}"
            make_camera(backing, files=clips, size_bytes=clip_bytes)
            (backing / "MISC" / "CAMERA.TXT").write_text(f"serial: BENCH-{number}\n")
        cool_down()
        dock = stack.enter_context(DockProcess(work / "dock", None, Site(bays=bays, erase="never", needs="verified")))
        readings = [_Reading() for _ in range(bays)]
        cpu_before_s = _family_cpu_s(dock.pid)
        with Watch(dock) as watch:
            lines = [
                (CameraFs(work / f"camera-{number}", dock.bay(number), rate_bytes_s=RATE_BYTES_S), reading)
                for number, reading in enumerate(readings, 1)
            ]
            for camera, _ in lines:
                stack.callback(camera.close)
            with ThreadPoolExecutor(bays) as pool:
                for followed in [pool.submit(reading.dock, camera, clips, clip_bytes) for camera, reading in lines]:
                    followed.result()
            while len(dock.recordings(State.VERIFIED, State.UPLOADING)) < bays * clips:
                time.sleep(_EVERY_S)
            verified_s = time.monotonic()
            cpu_used_s = _family_cpu_s(dock.pid) - cpu_before_s
        for camera, _ in lines:
            camera.close()
        dock.stop()
        occasion.say("bays: the same cameras, only read, by dd")
        plain = _only_read(work, bays, clips, clip_bytes)
    shutil.rmtree(work)
    # Mounting takes FUSE processes a while each; every camera is judged from its own first byte.
    shares = [each.share(clips * clip_bytes) for each in readings]
    began_s = min(each.began_s for each in readings)
    what = (
        f"{bays} cameras of {clips} x {clip_bytes >> 20} MiB, each limited to {RATE_BYTES_S // 1_000_000} MB/s, docked together; "
        "the archive is not there. The cameras' own processes run on the same cores and are not counted."
    )
    together_s = max(each.ended_s for each in readings) - began_s
    figures = _figures(watch, shares, plain, cpu_used_s, verified_s - began_s, total_bytes, together_s, bays)
    return Part("bays", what, figures, occasion.quick)


def _only_read(work: Path, bays: int, clips: int, clip_bytes: int) -> list[float]:
    """What share of their line rate the same cameras give to a dd each, which only reads them: the machine's limit."""
    with ExitStack() as stack:
        cameras = [
            stack.enter_context(CameraFs(work / f"camera-{number}", work / f"plain-{number}", rate_bytes_s=RATE_BYTES_S))
            for number in range(1, bays + 1)
        ]
        readings = [_Reading() for _ in cameras]
        with ThreadPoolExecutor(bays) as pool:
            followed = [
                pool.submit(reading.follow, *each)
                for reading, each in zip(readings, ((c, clips, clip_bytes) for c in cameras), strict=True)
            ]
            readers = [subprocess.Popen(["/bin/sh", "-c", _DD, "dd", str(each.mount)]) for each in cameras]
            for reader in readers:
                reader.wait()
            for follower in followed:
                follower.result()
        return [each.share(clips * clip_bytes) for each in readings]


def _family_cpu_s(pid: int) -> float:
    return sum(cpu_s(each) for each in descendants(pid))


def _figures(
    watch: Watch,
    shares: list[float],
    plain: list[float],
    cpu_used_s: float,
    verified_s: float,
    total_bytes: int,
    together_s: float,
    bays: int,
) -> list[Figure]:
    answers = sorted(watch.answers_s)
    if answers:
        late = [
            at_most("event loop: latest answer to a status request while busy", answers[-1] * 1000, 100, "ms"),
            told("event loop: answer in the middle", answers[len(answers) // 2] * 1000, "ms"),
            told("event loop: answered sooner than this, 99 of 100", answers[-1 - len(answers) // 100] * 1000, "ms"),
            told("beside it, a bare process that only sleeps: latest awakening", watch.bare_late_s * 1000, "ms"),
        ]
    else:
        late = [Figure(f"event loop: no answer: {watch.why_no_answer}", 0.0, "ms", "at most 100 ms", met=False)]
    return [
        at_least("rate, as share of the sources' line rate", 100 * sum(shares) / len(shares), 97, "%"),
        told("beside it, the same cameras only read, each by a dd: share of their line rate", 100 * sum(plain) / len(plain), "%"),
        told("rate of the slowest bay, as share of its line", 100 * min(shares), "%"),
        told("rate together, from the first byte of any to the last byte of any", total_bytes / together_s / 1e6, "MB/s"),
        told("last recording verified after the last byte was read", verified_s - together_s, "s"),
        at_most("processor, from docking to verified", cpu_used_s / verified_s, 1.0, "cores", below="under"),
        told("processor time for each GiB", cpu_used_s / (total_bytes / 2**30), "CPU-s"),
        at_most(f"memory of daemon, zygote and {bays} workers (PSS)", watch.pss_bytes / 2**20, 96, "MiB", below="under"),
        told("processes", float(watch.processes), ""),
        *late,
    ]
