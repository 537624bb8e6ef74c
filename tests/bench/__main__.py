"""`make bench`: dockd's numbers beside what others reach, in one run on one disk.

    python -m tests.bench [--quick] [--only PART ...] [--work FOLDER] [--out FOLDER]

It takes about ten minutes; `--quick` takes one or two, and says whether everything can be measured, not how fast anything is.
"""

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from tests.bench import bays, charging, custody, daemon, figures, kiosk, machine, offload, s3, upload
from tests.bench.occasion import Occasion
from tests.scale import measure as scale
from tests.sim.camera_fs import fuse_missing

_MIB = 1 << 20
_ROOT = Path(__file__).parents[2]
_PRIORITY = -15


PARTS = ("offload", "small-files", "upload", "s3", "bays", "daemon", "custody", "kiosk", "charging", "fleet")


def _measured(part: str, occasion: Occasion, out: Path) -> figures.Part:
    """One part, with as much of everything as its kind of run allows."""
    quick = occasion.quick
    match part:
        case "offload":
            return offload.measure(part, occasion, files=8, size_bytes=(16 if quick else 256) * _MIB)
        case "small-files":
            return offload.measure(part, occasion, files=300 if quick else 10_000, size_bytes=4096)
        case "upload":
            return upload.measure(occasion, size_bytes=(32 if quick else 1024) * _MIB, breaks=3 if quick else 50)
        case "s3":
            return s3.measure(occasion, size_bytes=(32 if quick else 512) * _MIB, breaks=3 if quick else 50)
        case "bays":
            return bays.measure(
                occasion, bays=2 if quick else 8, clips=2 if quick else 8, clip_bytes=(16 if quick else 64) * _MIB
            )
        case "kiosk":
            return kiosk.measure(
                occasion,
                bays=32,
                recordings=20 if quick else 200,
                seconds=2.0 if quick else 20.0,
                facts=4 if quick else 100,
            )
        case "custody":
            return custody.measure(
                occasion, files=8, size_bytes=(16 if quick else 256) * _MIB, entries=10_000 if quick else 100_000
            )
        case "charging":
            return charging.measure(occasion, bays=(8,) if quick else (8, 32), plot=out / charging.PLOT)
        case "fleet":
            return scale.measure(
                occasion, docks=(2, 4) if quick else (10, 25, 50, 100, 200), large_bytes=(1 if quick else 4) * _MIB
            )
        case _:
            return daemon.measure(
                occasion,
                idle_s=2.0 if quick else 20.0,
                journal_recordings=1000 if quick else 100_000,
                sizes_bytes=(64 * _MIB, (128 if quick else 4096) * _MIB),
                counts=(100, 300 if quick else 10_000),
            )


def main(arguments: list[str]) -> int:
    """Measure, write, show; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures dockd beside what others reach.")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: shows that it works, not how fast")
    parser.add_argument("--only", action="append", metavar="PART", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="how often every contender runs, in turn")
    parser.add_argument("--work", type=Path, default=_ROOT / "build" / "bench-work", help="on the disk to be measured")
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "bench", help="where the JSON goes")
    options = parser.parse_args(arguments)
    options.work = options.work.absolute()  # the contenders run in folders of their own
    if missing := fuse_missing():
        parser.error(f"the bays cannot be measured: {missing}")
    console = Console()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)  # of all contenders alike, so that others on the machine disturb less
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    try:
        here = machine.look(options.work, disk_bytes=(64 if options.quick else 1024) * _MIB)
        console.print(here.shown)
        missed = 0
        for name in options.only or PARTS:
            work = options.work / name
            work.mkdir()
            rounds = 1 if options.quick else options.rounds
            part = _measured(name, Occasion(work, rounds, options.quick, here.caches, _saying(console)), options.out)
            shutil.rmtree(work, ignore_errors=True)
            part.machine = here
            figures.write(options.out, part)
            figures.show(console, part)
            missed += sum(each.met is False for each in part.figures)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    console.print(f"{missed} targets missed" if missed else "every target met")
    return 1 if missed and not options.quick else 0


def _saying(console: Console) -> Callable[[str], None]:
    return partial(console.print, style="dim")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
