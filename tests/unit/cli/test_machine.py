"""What the self-test finds of the machine that it runs on, and of one that the test makes."""

from pathlib import Path

import pytest

from dockd import clock
from dockd.cli import machine
from dockd.core.fitness import Grade


def write(path: Path, text: str) -> None:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_this_machine_says_something_of_each_part() -> None:
    """Whatever it is, the kernel's real answers are understood."""
    checks = machine.checks()
    assert [each.part for each in checks] == ["clock", "memory", "temperature"]
    assert "0.0 GB of 0.0 GB" not in checks[1].reason


def test_memory_is_what_programs_can_still_have(tmp_path: Path) -> None:
    """Not what is free: a cache is given back when it is needed."""
    write(tmp_path / "proc/meminfo", "MemTotal:  4000000 kB\nMemFree: 1000 kB\nMemAvailable:  2000000 kB\nHugePages_Total: 0\n")
    assert machine.memory(tmp_path).reason == "2.0 GB of 4.1 GB of memory are available."


def test_the_hottest_sensor_counts(tmp_path: Path) -> None:
    """Of both kinds; one that is switched off is left out."""
    write(tmp_path / "sys/class/hwmon/hwmon0/name", "nvme\n")
    write(tmp_path / "sys/class/hwmon/hwmon0/temp1_input", "41850\n")
    write(tmp_path / "sys/class/hwmon/hwmon0/temp2_input", "off\n")
    write(tmp_path / "sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n")
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", "92000\n")
    check = machine.temperature(tmp_path)
    assert check.grade is Grade.BAD
    assert "x86_pkg_temp temp, says 92" in check.reason
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", "\n")
    assert "nvme temp1, says 42" in machine.temperature(tmp_path).reason


@pytest.mark.parametrize(
    ("state", "offset", "status", "grade"),
    [
        (0, 1_000, 0, Grade.GOOD),
        (0, 5_000_000, 0, Grade.LOOK),
        (0, 5_000_000, 0x2000, Grade.GOOD),
        (5, 0, 0x40, Grade.BAD),
        (-1, 0, 0, Grade.LOOK),
    ],
)
def test_the_clock_is_what_the_kernel_says(
    monkeypatch: pytest.MonkeyPatch, state: int, offset: int, status: int, grade: Grade
) -> None:
    """In sync, far off, in nanoseconds, not in sync, or not to be asked."""

    class Kernel:
        """adjtimex(2) as libc has it."""

        def adjtimex(self, asked: object) -> int:
            """Fill the structure that was passed."""
            given = asked._obj  # type: ignore[attr-defined]  # ctypes keeps what byref was made of
            given.offset, given.status = offset, status
            return state

    monkeypatch.setattr(clock, "_libc", Kernel())
    assert machine.clock().grade is grade
