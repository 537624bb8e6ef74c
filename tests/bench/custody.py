"""What the custody log costs: appending to it beside an offload on the same disk, and checking one of years."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dockd.clock import SystemClock
from dockd.core import life
from dockd.core.custody import CameraDocked, Change, Noted, RecordingSeen, Stepped, UploadPlaced
from dockd.core.recording import ResumePoint
from dockd.evidence.exporting import single_file, write
from dockd.evidence.gathering import Wish
from dockd.journal import Journal
from tests.bench.figures import Part, at_most, told
from tests.bench.measuring import cool_down
from tests.bench.occasion import Occasion
from tests.bench.offload import make_camera
from tests.bench.offloading_dock import OffloadingDock
from tests.sim.bundle_of import Story, tell
from tests.sim.evidence import Notary, seen, stored, verified

_CONTENT = b"content"
_AT_ONCE = 10_000
_MEMBERS = {"note": "as long as an entry of a recording usually is: " + "x" * 200}


def measure(occasion: Occasion, *, files: int, size_bytes: int, entries: int) -> Part:
    """An offload, then all that the journal writes about these recordings; then a log of so many entries, checked."""
    occasion.say(f"custody: an offload of {files} files, and what is written about it")
    camera, spool = occasion.work / "camera", occasion.work / "spool"
    make_camera(camera, files=files, size_bytes=size_bytes)
    cool_down()
    with OffloadingDock() as dock:
        offload_s = dock.run(camera, spool).seconds
    append_s, appended = asyncio.run(_appending(occasion.work / "journal.sqlite", files))
    occasion.say(f"custody: a log of {entries} entries")
    installed_s, alone_s, size = _checking(occasion.work / "story", entries)
    what = (
        f"{files} files of {size_bytes >> 20} MiB offloaded, and the {appended} entries about them until they are archived, each "
        f"durable by itself, as the daemon at its slowest writes them; {entries:,} entries, a bundle of {size >> 20} MiB."
    )
    return Part(
        "custody",
        what,
        [
            at_most(
                "appending, with the changes that the entries record, of the offload's time", 100 * append_s / offload_s, 5, "%"
            ),
            told("the same for each entry", 1000 * append_s / appended, "ms"),
            at_most("checking all entries", installed_s, 5, "s", below="under"),
            at_most("checking all entries, by the one file, without any package", alone_s, 5, "s", below="under"),
        ],
        occasion.quick,
    )


async def _appending(path: Path, files: int) -> tuple[float, int]:
    """How long the journal took for all that it records of so many recordings, and how many entries that were."""
    journal, notary = await Journal.create(path, SystemClock()), Notary()
    try:
        await journal.record(CameraDocked("d1", "C1", "dcf", "1", "badge 7"))
        before = await journal.head()
        changes = [change for number in range(files) for change in _story_of(f"{number:032x}", notary)]
        began_s = time.monotonic()
        for change in changes:
            await journal.record(change)
        await journal.tree_head()
        return time.monotonic() - began_s, await journal.head() - before
    finally:
        await journal.close()


def _story_of(name: str, notary: Notary) -> Iterator[Change]:
    recording = seen(name, camera="C1", docking="d1", path=name.encode(), size_bytes=len(_CONTENT))
    at = stored(recording, _CONTENT)
    yield RecordingSeen(recording)
    yield Stepped(name, life.CopyStarted())
    yield Stepped(name, life.CopyVerified(verified(name, _CONTENT)))
    yield Stepped(name, life.UploadStarted())
    yield UploadPlaced(name, ResumePoint(at.url, at.nonce))
    yield Stepped(name, life.UploadProved(notary.receipt(at, camera="C1"), at))


def _checking(folder: Path, entries: int) -> tuple[float, float, int]:
    """How long the installed verifier and the one file took, and the bundle's size."""
    folder.mkdir()
    story = asyncio.run(_long(folder, entries))
    bundle, alone = folder / "all.zip", folder / "verify.py"
    write(story.bundle(Wish(whole_log=True)), bundle)
    alone.write_text(single_file(), "utf-8")
    installed = (str(Path(sys.executable).with_name("dockd")), "verify")
    return _timed(story, bundle, *installed), _timed(story, bundle, sys.executable, "-I", "-S", str(alone)), bundle.stat().st_size


async def _long(folder: Path, entries: int) -> Story:
    story = await tell(folder)
    for _ in range(entries // _AT_ONCE):
        await story.record(*(Noted("daemon.test", _MEMBERS) for _ in range(_AT_ONCE)))
    await story.witness()
    return story


def _timed(story: Story, bundle: Path, *command: str) -> float:
    """Seconds from the start of the process to its end; everything must have been proved."""
    keys = (f"--archive-key={story.archive.key.public_text}", f"--dock-key={story.key.public_text}")
    began_s = time.monotonic()
    subprocess.run([*command, str(bundle), *keys], check=True, capture_output=True)
    return time.monotonic() - began_s
