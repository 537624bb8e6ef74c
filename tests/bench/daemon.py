"""What a dock costs when it does nothing, how soon it is ready, and whether its memory grows with what it copies."""

import asyncio
import os
import shutil
import threading
import time
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from dockd.core.recording import State
from tests.bench.figures import Figure, Part, at_most, told
from tests.bench.measuring import cool_down, descendants, median, memory_bytes, running_s
from tests.bench.occasion import Occasion
from tests.bench.offload import make_camera
from tests.bench.offloading_dock import OffloadingDock
from tests.sim.dock_process import DockProcess, Site
from tests.sim.journal_of import build

_DEADLINE_S = 60.0
_SETTLE_S = 3.0


def measure(
    occasion: Occasion, *, idle_s: float, journal_recordings: int, sizes_bytes: tuple[int, int], counts: tuple[int, int]
) -> Part:
    """One after the other."""
    work, rounds = occasion.work, occasion.rounds
    occasion.say("daemon: insertion to first byte, idle")
    figures = _inserted_and_idle(work / "dock", rounds, idle_s)
    occasion.say(f"daemon: start with {journal_recordings} recordings in the journal")
    figures += _started(work / "start", rounds, journal_recordings)
    occasion.say("daemon: memory with file size and count")
    figures += _memory(work / "memory", sizes_bytes, counts)
    what = "One daemon with two bays (eight for the start) and no archive; then one worker alone for its memory."
    return Part("daemon", what, figures, occasion.quick)


class _FirstBytes(FileSystemEventHandler):
    """Hears the first writes into a copy: the first is its preallocation, the second its first byte."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.at_s = 0.0
        self._writes = 0

    def on_modified(self, event: FileSystemEvent) -> None:
        if os.fsdecode(event.src_path).endswith(".part"):
            self._writes += 1
            if self._writes == 2:
                self.at_s = time.monotonic()
                self.came.set()


def _inserted_and_idle(root: Path, rounds: int, idle_s: float) -> list[Figure]:
    root.mkdir(parents=True)
    waits: list[float] = []
    with DockProcess(root, None, Site(bays=2, erase="never", needs="verified")) as dock:
        for number in range(rounds):
            camera = root / f"camera-{number}"
            make_camera(camera, files=1, size_bytes=16 << 20)
            (camera / "MISC" / "CAMERA.TXT").write_text(f"serial: BENCH-{number}\n")
            cool_down()
            heard, observer = _FirstBytes(), Observer()
            observer.schedule(heard, str(dock.spool / "recordings"))
            observer.start()
            try:
                mark, began_s = dock.mark(), time.monotonic()
                camera.rename(dock.bay(1))
                if not heard.came.wait(_DEADLINE_S):
                    msg = "nothing was copied"
                    raise RuntimeError(msg)
                waits.append(heard.at_s - began_s)
            finally:
                observer.stop()
                observer.join()
            while len(dock.recordings(State.VERIFIED, State.UPLOADING)) <= number:
                time.sleep(0.05)
            dock.bay(1).rename(camera)
            dock.wait_for("docking ended", after=mark)
        time.sleep(_SETTLE_S)
        family = descendants(dock.pid)
        before_s = sum(running_s(pid) for pid in family)
        time.sleep(idle_s)
        idle = (sum(running_s(pid) for pid in family) - before_s) / idle_s
        resident = sum(memory_bytes(pid, "Pss") for pid in family)
    return [
        at_most("insertion to first byte copied", median(waits), 1.0, "s", below="under"),
        told("insertion to first byte copied, the slowest", max(waits), "s"),
        at_most(f"idle for {idle_s:g} s, archive away", idle * 100, 0.2, "% of a core", below="under"),
        told("memory of daemon and zygote, idle (PSS)", resident / 2**20, "MiB"),
    ]


def _started(root: Path, rounds: int, recordings: int) -> list[Figure]:
    """From exec to the line `ready`, interpreter and imports included."""
    spool = root / "spool"
    (spool / "recordings/verified").mkdir(parents=True)
    asyncio.run(build(spool / "journal.sqlite", recordings))
    site = Site(bays=8, erase="never", needs="verified")
    for recording in DockProcess(root, None, site).recordings(State.VERIFIED, State.UPLOADING):
        (spool / "recordings/verified" / recording.recording_id).touch()
    took: list[float] = []
    for _ in range(rounds):
        dock = DockProcess(root, None, site)
        cool_down()
        began_s = time.monotonic()
        with dock:
            took.append(time.monotonic() - began_s)
    return [
        at_most(f"start to ready with {recordings:,} recordings in the journal", median(took), 2.0, "s", below="under"),
        told("start to ready, the slowest", max(took), "s"),
    ]


def _memory(root: Path, sizes_bytes: tuple[int, int], counts: tuple[int, int]) -> list[Figure]:
    peaks: dict[str, int] = {}
    with OffloadingDock() as dock:
        for size in sizes_bytes:
            peaks[f"size {size}"] = _peak(dock, root, files=1, size_bytes=size)
        for count in counts:
            peaks[f"count {count}"] = _peak(dock, root, files=count, size_bytes=4096)
    of_size, of_count = (
        [peaks[f"{kind} {each}"] for each in these] for kind, these in (("size", sizes_bytes), ("count", counts))
    )
    return [
        at_most(
            f"worker's peak with a file of {sizes_bytes[1] >> 20} MiB, against {sizes_bytes[0] >> 20} MiB",
            of_size[1] / of_size[0], 1.1, "x",
        ),
        at_most(f"worker's peak with {counts[1]:,} files, against {counts[0]:,}", of_count[1] / of_count[0], 1.5, "x"),
        told(f"worker's peak with {counts[1]:,} files (RSS, pages shared with the zygote included)", of_count[1] / 2**20, "MiB"),
    ]  # fmt: skip


def _peak(dock: OffloadingDock, root: Path, *, files: int, size_bytes: int) -> int:
    """The worker's largest resident set; large files are sparse, so that the disk has only the copy to write."""
    camera, spool = root / "camera", root / "spool"
    make_camera(camera, files=files, size_bytes=min(size_bytes, 4096))
    if size_bytes > 4096:
        os.truncate(camera / "DCIM/100MEDIA/CLIP0001.MP4", size_bytes)
    spool.mkdir()
    try:
        return dock.run(camera, spool).peak_rss_bytes
    finally:
        shutil.rmtree(root)
