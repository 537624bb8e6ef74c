"""What the self-test asks the machine itself: clock, memory, temperature. The daemon is locked in and sees none of these."""

from pathlib import Path

from dockd.clock import discipline
from dockd.core import fitness
from dockd.core.fitness import Check


def checks(root: Path = Path("/")) -> list[Check]:
    """Every part; files are looked for below `root`."""
    return [clock(), memory(root), temperature(root)]


def clock() -> Check:
    """Asks the kernel, which knows whether somebody keeps its clock right, and how far off it still is."""
    kept = discipline()
    if kept is None:
        return fitness.clock(synchronised=None)
    return fitness.clock(synchronised=kept.synchronised, offset_s=kept.offset_s)


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
