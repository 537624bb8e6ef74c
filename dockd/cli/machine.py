"""What the self-test asks the machine itself: clock, memory, temperature. The daemon is locked in and sees none of these."""

import ctypes
from pathlib import Path

from dockd.core import fitness
from dockd.core.fitness import Check

_TIME_ERROR = 5
_NANOSECONDS = 0x2000  # STA_NANO of adjtimex(2)


class _Timex(ctypes.Structure):
    """The beginning of struct timex of adjtimex(2), and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def checks(root: Path = Path("/")) -> list[Check]:
    """Every part; files are looked for below `root`."""
    return [clock(), memory(root), temperature(root)]


def clock() -> Check:
    """Asks the kernel, which knows whether somebody keeps its clock right, and how far off it still is."""
    said = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(said))
    if state < 0:
        return fitness.clock(synchronised=None)
    offset_s = said.offset / (1e9 if said.status & _NANOSECONDS else 1e6)
    return fitness.clock(synchronised=state != _TIME_ERROR, offset_s=offset_s)


def memory(root: Path) -> Check:
    """What the kernel says that programs can still have."""
    lines = (root / "proc/meminfo").read_text("ascii").splitlines()
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return fitness.memory(kib["MemAvailable"] * 1024, kib["MemTotal"] * 1024)


def temperature(root: Path) -> Check:
    """Every sensor of hwmon and every thermal zone that answers."""
    sensors_c: dict[str, float] = {}
    for folder, pattern, naming in (("hwmon", "hwmon*/temp*_input", "name"), ("thermal", "thermal_zone*/temp", "type")):
        for file in (root / "sys/class" / folder).glob(pattern):
            try:
                name = (file.parent / naming).read_text("utf-8").strip()
                sensors_c[f"{name} {file.name.partition('_')[0]}"] = int(file.read_text("ascii")) / 1000
            except (OSError, ValueError):
                continue  # a sensor that is switched off gives an error instead of a number
    return fitness.temperature(sensors_c)
