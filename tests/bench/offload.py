"""Offload, proved, against what an admin would script instead: copy, sync, and hash or compare both ends."""

import os
import shutil
from pathlib import Path

from tests.bench.figures import Figure, Part, at_most, told
from tests.bench.measuring import Runs, Took, command, cool_down
from tests.bench.occasion import Occasion
from tests.bench.offloading_dock import OffloadingDock

DOCKD = "dockd"
CP_WARM, CP_COLD = "cp+sync+b3sum, caches as cp left them", "cp+sync+b3sum, caches dropped before b3sum"
RSYNC = "rsync --checksum twice"
RCLONE = "rclone copy + check --download"
CP_ALONE = "cp+sync alone, proving nothing"

_PIECE_BYTES = 4 << 20


def make_camera(root: Path, *, files: int, size_bytes: int) -> None:
    """A DCF camera with random content: neither a disk nor a program can make it smaller."""
    for number in range(files):
        place = root / "DCIM" / f"{100 + number // 999}MEDIA" / f"CLIP{number % 999 + 1:04}.MP4"
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            for start in range(0, size_bytes, _PIECE_BYTES):
                file.write(os.urandom(min(_PIECE_BYTES, size_bytes - start)))
    (root / "MISC").mkdir()
    (root / "MISC" / "CAMERA.TXT").write_text("serial: BENCH-1\n")


def _copied(source: Path, target: Path) -> Took:
    copy = command("cp", "-r", f"{source}/DCIM", str(target))
    return copy + command("sync", "-f", str(target))


def _hashed(*roots: Path) -> Took:
    """`b3sum` as a person would call it: every file, as many threads as there are cores."""
    return command("bash", "-c", 'find "$@" -type f -print0 | xargs -0 b3sum', "b3sum", *(str(each) for each in roots))


def _rsync(source: Path, target: Path) -> Took:
    once = ("rsync", "-a", "--checksum", f"{source}/DCIM", str(target))
    return command(*once) + command("sync", "-f", str(target)) + command(*once)


def _rclone(source: Path, target: Path) -> Took:
    quiet = ("rclone", "--config", "/dev/null", "--log-level", "ERROR")
    copy = command(*quiet, "copy", f"{source}/DCIM", f"{target}/DCIM") + command("sync", "-f", str(target))
    return copy + command(*quiet, "check", "--download", f"{source}/DCIM", f"{target}/DCIM")


def measure(name: str, occasion: Occasion, *, files: int, size_bytes: int) -> Part:
    """Every contender once in each round, each on cold caches and into an empty folder."""
    work, rounds = occasion.work, occasion.rounds
    camera, target = work / "camera", work / "target"
    make_camera(camera, files=files, size_bytes=size_bytes)
    took: dict[str, list[Took]] = {}
    with OffloadingDock() as dock:

        def fresh() -> None:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            cool_down()

        for number in range(rounds):
            occasion.say(f"{name}: round {number + 1} of {rounds}")
            fresh()
            took.setdefault(DOCKD, []).append(dock.run(camera, target))
            fresh()
            copied = _copied(camera, target)
            took.setdefault(CP_ALONE, []).append(copied)
            took.setdefault(CP_WARM, []).append(copied + _hashed(camera, target))
            cool_down()
            took.setdefault(CP_COLD, []).append(copied + _hashed(camera, target))
            fresh()
            took.setdefault(RSYNC, []).append(_rsync(camera, target))
            fresh()
            took.setdefault(RCLONE, []).append(_rclone(camera, target))
    shutil.rmtree(work)
    contenders = {key: Runs(runs) for key, runs in took.items()}
    what = (
        f"{files:,} files of {_size(size_bytes)}, copied, made durable and proved on the same disk, {occasion.caches}; "
        f"every contender in turn, {rounds} rounds, medians."
    )
    return Part(name, what, _figures(contenders, files * size_bytes, files), occasion.quick, contenders)


def _size(size_bytes: int) -> str:
    return f"{size_bytes >> 20} MiB" if size_bytes >> 20 else f"{size_bytes >> 10} KiB"


def _figures(contenders: dict[str, Runs], total_bytes: int, files: int) -> list[Figure]:
    dockd = contenders[DOCKD]
    ratios = [
        at_most(f"time, as share of {other}", dockd.median_s / contenders[other].median_s, 1.0, "x", below="below")
        for other in (CP_COLD, CP_WARM, RSYNC, RCLONE)
    ]
    return [
        *ratios,
        told(f"time, as share of {CP_ALONE}", dockd.median_s / contenders[CP_ALONE].median_s, "x"),
        told("processor time, as share of cp+sync+b3sum", dockd.median_cpu_s / contenders[CP_COLD].median_cpu_s, "x"),
        told("processor time for each GiB", dockd.median_cpu_s / (total_bytes / 2**30), "CPU-s"),
        told("recordings a second", files / dockd.median_s, "1/s"),
        told("worker's largest memory", dockd.peak_rss_bytes / 2**20, "MiB"),
    ]
