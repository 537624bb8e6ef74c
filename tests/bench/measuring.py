"""How one run is measured: the same way for dockd and for what it is compared with."""

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_TICKS_S = os.sysconf("SC_CLK_TCK")


class Took(msgspec.Struct, frozen=True):
    """One run: wall clock, processor time of every process that did the work, and the largest of them in memory."""

    seconds: float
    cpu_s: float
    peak_rss_bytes: int = 0

    def __add__(self, other: "Took") -> "Took":
        return Took(self.seconds + other.seconds, self.cpu_s + other.cpu_s, max(self.peak_rss_bytes, other.peak_rss_bytes))


class Runs(msgspec.Struct):
    """Every run of one contender, in order, and what they come to."""

    runs: list[Took]
    median_s: float = 0.0
    median_cpu_s: float = 0.0
    peak_rss_bytes: int = 0

    def __post_init__(self) -> None:
        self.median_s = round(statistics.median(each.seconds for each in self.runs), 4)
        self.median_cpu_s = round(statistics.median(each.cpu_s for each in self.runs), 4)
        self.peak_rss_bytes = max(each.peak_rss_bytes for each in self.runs)


def caches_can_be_dropped() -> bool:
    """Whether the page cache can be emptied between runs: root's privilege."""
    return os.access(DROP_CACHES, os.W_OK)


def cool_down() -> None:
    """Nothing left to write, and, where allowed, nothing of any file left in memory."""
    os.sync()
    if caches_can_be_dropped():
        DROP_CACHES.write_text("3\n")


def command(*argv: str, cwd: Path | None = None) -> Took:
    """Run a program and everything that it starts to its end.

    Raises:
        RuntimeError: it failed, with what it said.
    """
    began_s = time.monotonic()
    with subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        said = process.stderr.read() if process.stderr is not None else b""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        msg = f"{argv[0]} ended with {process.returncode}: {said.decode(errors='replace')[-500:]}"
        raise RuntimeError(msg)
    return Took(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def cpu_s(pid: int) -> float:
    """Processor time that a process and its ended threads used so far, in the kernel's ticks; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def running_s(pid: int) -> float:
    """Processor time of the threads that a process has now, to the nanosecond; for what uses less than a tick."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_bytes(pid: int, field: str) -> int:
    """One line of a process's memory: `VmHWM` of status or `Pss` of smaps_rollup; 0 once it is gone."""
    name = "status" if field.startswith("Vm") else "smaps_rollup"
    try:
        for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def descendants(pid: int) -> list[int]:
    """`pid` and every process below it."""
    found = [pid]
    for parent in found:
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            for task in tasks:
                found += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@dataclass(slots=True)
class Stopwatch:
    """How long a block took."""

    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Measure a block."""
    watch, began_s = Stopwatch(), time.monotonic()
    yield watch
    watch.seconds = time.monotonic() - began_s


def median(numbers: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(numbers)
