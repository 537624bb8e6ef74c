"""What a part of the bench hands back, as JSON for machines and as a table for people; a miss is shown as a miss."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.bench.machine import Machine
from tests.bench.measuring import Runs


class Figure(msgspec.Struct, frozen=True):
    """One line of the table.

    Attributes:
        name: what was measured.
        target: in words; empty for what is only told.
        value: measured, in `unit`.
        met: whether the target is; None without a target.
    """

    name: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None

    @property
    def shown(self) -> str:
        """The value as people read it."""
        return f"{self.value:,.3g} {self.unit}" if abs(self.value) < 100 else f"{self.value:,.0f} {self.unit}"


class Part(msgspec.Struct):
    """One part of the bench.

    Attributes:
        part: its name, and that of its JSON file.
        what: what was done, in a sentence or two.
        figures: the results.
        quick: whether sizes were small and runs few, so that the figures say little.
        contenders: every run of everything that was compared.
        machine: where.
    """

    part: str
    what: str
    figures: list[Figure]
    quick: bool
    contenders: dict[str, Runs] = msgspec.field(default_factory=dict)
    machine: Machine | None = None


def at_most(name: str, value: float, limit: float, unit: str, *, below: str = "at most") -> Figure:
    """A figure that must not exceed `limit`."""
    return Figure(name, value, unit, f"{below} {limit:g} {unit}", value <= limit)


def at_least(name: str, value: float, limit: float, unit: str) -> Figure:
    """A figure that must reach `limit`."""
    return Figure(name, value, unit, f"at least {limit:g} {unit}", value >= limit)


def told(name: str, value: float, unit: str) -> Figure:
    """A figure without a target."""
    return Figure(name, value, unit)


def write(folder: Path, part: Part) -> None:
    """One file for each part."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part.part}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(part), indent=1) + b"\n")


def show(console: Console, part: Part) -> None:
    """The table of one part."""
    table = Table(title=f"{part.part}{' (quick: sizes too small to judge)' if part.quick else ''}", title_justify="left")
    table.add_column("figure")
    table.add_column("target")
    table.add_column("measured", justify="right")
    table.add_column("met")
    for each in part.figures:
        table.add_row(each.name, each.target, each.shown, {True: "yes", False: "NO", None: ""}[each.met])
    console.print(part.what)
    console.print(table)
