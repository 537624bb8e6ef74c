"""The facts about the machine without which a figure means nothing."""

import os
import platform
import time
from mmap import mmap
from pathlib import Path

import msgspec

from tests.bench.measuring import caches_can_be_dropped, cool_down

_PIECE_BYTES = 4 << 20


class Machine(msgspec.Struct, frozen=True):
    """Where the bench ran."""

    cpu: str
    cores: int
    kernel: str
    python: str
    memory_bytes: int
    file_system: str
    disk_write_bytes_s: float
    disk_read_bytes_s: float
    load_average_at_start: float
    caches_dropped: bool
    priority: int
    started: str

    @property
    def caches(self) -> str:
        """In words, what was in the page cache."""
        return "page cache emptied before each run" if self.caches_dropped else "page cache NOT emptied: that takes root"

    @property
    def shown(self) -> str:
        """In a line."""
        return (
            f"{self.cores} cores {self.cpu}, Linux {self.kernel}, {self.file_system}: "
            f"writes {self.disk_write_bytes_s / 1e6:,.0f} MB/s, reads {self.disk_read_bytes_s / 1e6:,.0f} MB/s; "
            f"load {self.load_average_at_start} at the start; {self.caches}"
        )


def look(folder: Path, *, disk_bytes: int) -> Machine:
    """Look at the machine, and measure the disk that `folder` is on, one piece at a time past the page cache."""
    load = os.getloadavg()[0]
    write_s, read_s = _disk_s(folder / "disk", disk_bytes)
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        file_system=_file_system(folder),
        disk_write_bytes_s=round(disk_bytes / write_s),
        disk_read_bytes_s=round(disk_bytes / read_s),
        load_average_at_start=round(load, 2),
        caches_dropped=caches_can_be_dropped(),
        priority=os.getpriority(os.PRIO_PROCESS, 0),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Kind of the file system with the longest mount point above `folder`."""
    best, kind = "", "unknown"
    where = f"{folder.resolve()}/"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, this, *_ = line.split()
        if where.startswith(mount.rstrip("/") + "/") and len(mount) >= len(best):
            best, kind = mount, this
    return kind


def _disk_s(path: Path, size_bytes: int) -> tuple[float, float]:
    cool_down()
    with mmap(-1, _PIECE_BYTES) as piece:
        piece.write(os.urandom(_PIECE_BYTES))
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
        try:
            began_s = time.monotonic()
            for offset in range(0, size_bytes, _PIECE_BYTES):
                os.pwrite(descriptor, piece, offset)
            os.fdatasync(descriptor)
            written_s = time.monotonic()
            for offset in range(0, size_bytes, _PIECE_BYTES):
                os.preadv(descriptor, [piece], offset)
            return written_s - began_s, time.monotonic() - written_s
        finally:
            os.close(descriptor)
            path.unlink()
