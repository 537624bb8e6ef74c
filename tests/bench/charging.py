"""The planner beside what docks usually do: all ports always on, and first come first served; over days of shifts, simulated.

The figures depend on nothing of the machine: the same seeds give the same days everywhere. docs/charging.md has them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure, Part, told
from tests.bench.occasion import Occasion
from tests.sim.charging_hall import Hall, Strategy, always, first_come, planned

_HOUR_S = 3600.0
SHIFTS = {
    "one shift": (6 * _HOUR_S,),
    "two shifts": (6 * _HOUR_S, 18 * _HOUR_S),
    "three shifts": (6 * _HOUR_S, 14 * _HOUR_S, 22 * _HOUR_S),
}
BUDGETS_MA = (3600, 1800)
STRATEGIES: dict[str, Strategy] = {"by plan": planned, "all always": always, "first come": first_come}
SEEDS = range(1, 5)
"""Of the officers' habits: as many days of each kind."""

_COLOURS = {"by plan": "#0072B2", "all always": "#E69F00", "first come": "#999999"}
PLOT = "charging.svg"
_WIDTH, _PANEL, _LEFT, _TOP = 960, 170, 60, 46


@dataclass(frozen=True, slots=True)
class Row:
    """What one way of charging came to under one circumstance.

    Attributes:
        ready_percent: of the cameras, those that were charged enough when their shift began.
        minutes: until the last camera of a day that became ready was, from its docking; the median over the days.
    """

    bays: int
    budget_ma: int
    shifts: str
    strategy: str
    ready_percent: int
    minutes: int


def rows(bays: int) -> Iterator[Row]:
    """Every circumstance, for a dock of so many bays, eight to a hub."""
    for budget_ma in BUDGETS_MA:
        for shifts, begins_s in SHIFTS.items():
            for name, strategy in STRATEGIES.items():
                days = [Hall(bays, budget_ma=budget_ma, seed=seed).run(strategy, begins_s) for seed in SEEDS]
                ready = sum(day.ready_at_shift for day in days) / sum(day.shifts for day in days)
                yield Row(
                    bays, budget_ma, shifts, name, round(100 * ready), round(median(day.all_ready_minutes() for day in days))
                )


def measure(occasion: Occasion, *, bays: tuple[int, ...], plot: Path) -> Part:
    """All of it; the plot lies beside the figures."""
    found: list[Row] = []
    for count in bays:
        occasion.say(f"charging: {count} bays")
        found += rows(count)
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_text(drawn(found), "utf-8")
    plot.with_suffix(".md").write_text(table(found), "utf-8")
    what = f"Days of {', '.join(SHIFTS)} with {' and '.join(map(str, bays))} bays, eight to a hub, 900 mA each."
    return Part("charging", what, list(_figures(found)), occasion.quick)


def _figures(found: list[Row]) -> Iterator[Figure]:
    """Cameras that are ready at shift start must never be fewer than by any other way; how long it takes is told."""
    for row in found:
        where = f"{row.bays} bays, {row.budget_ma} mA, {row.shifts}, {row.strategy}"
        if row.strategy == "by plan":
            others = max(each.ready_percent for each in found if _same(each, row) and each.strategy != row.strategy)
            met = row.ready_percent >= others
            yield Figure(f"{where}: ready at shift start", row.ready_percent, "%", f"at least {others} %", met)
        else:
            yield told(f"{where}: ready at shift start", row.ready_percent, "%")
        yield told(f"{where}: until the last is ready", row.minutes, "min")


def _same(one: Row, other: Row) -> bool:
    return (one.bays, one.budget_ma, one.shifts) == (other.bays, other.budget_ma, other.shifts)


HEAD = (
    "| bays | hub's budget | day | charged | ready at shift start | until the last is ready |\n"
    "| ---: | ---: | --- | --- | ---: | ---: |\n"
)


def table(found: list[Row]) -> str:
    """As Markdown."""
    return HEAD + "".join(
        f"| {row.bays} | {row.budget_ma} mA | {row.shifts} | {row.strategy} | {row.ready_percent} % | {row.minutes} min |\n"
        for row in found
    )


def drawn(found: list[Row]) -> str:
    """Both measures as bars, a group for each circumstance."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {2 * _PANEL + 160}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, name in enumerate(STRATEGIES):
        x = _LEFT + 110 * number
        lines += [f'<rect x="{x}" y="10" width="12" height="12" fill="{_COLOURS[name]}"/>', _text(x + 18, 20, name)]
    most_min = max(row.minutes for row in found)
    lines += _panel(found, _TOP, "cameras ready at shift start, %", 100, [row.ready_percent for row in found])
    lines += _panel(found, _TOP + _PANEL + 30, "minutes until the last is ready", most_min, [row.minutes for row in found])
    return "\n".join([*lines, *_names(found, _TOP + 2 * _PANEL + 40), "</svg>"]) + "\n"


def _panel(found: list[Row], top: int, title: str, most: int, values: list[int]) -> Iterator[str]:
    floor = top + _PANEL - 20
    yield _text(_LEFT, top - 4, title)
    for row, value, x in zip(found, values, _places(found), strict=True):
        height = round((_PANEL - 40) * value / most)
        width = _group(found) // 4
        yield f'<rect x="{x}" y="{floor - height}" width="{width}" height="{height}" fill="{_COLOURS[row.strategy]}"/>'
        yield _text(x + width // 2, floor - height - 3, str(value), middle=True, size=9)
    yield f'<path d="M{_LEFT - 5} {floor}H{_WIDTH - 10}" stroke="#333"/>'


def _names(found: list[Row], top: int) -> Iterator[str]:
    for row, x in zip(found, _places(found), strict=True):
        if row.strategy == "by plan":
            middle = x + _group(found) * 3 // 8
            for line, words in enumerate((f"{row.bays} bays", f"{row.budget_ma} mA", row.shifts)):
                yield _text(middle, top + 14 * line, words, middle=True)


def _group(found: list[Row]) -> int:
    return (_WIDTH - _LEFT - 10) * len(STRATEGIES) // len(found)


def _places(found: list[Row]) -> list[int]:
    each = _group(found)
    return [_LEFT + each * (at // len(STRATEGIES)) + each // 4 * (at % len(STRATEGIES)) for at in range(len(found))]


def _text(x: int, y: int, words: str, *, middle: bool = False, size: int = 11) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text x="{x}" y="{y}" font-size="{size}"{anchor}>{words}</text>'


def read(text: str) -> list[Row]:
    """The rows of a document that has the table."""
    lines = text.partition(HEAD)[2].partition("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        Row(int(bays), int(budget.split()[0]), shifts, strategy, int(ready.split()[0]), int(minutes.split()[0]))
        for bays, budget, shifts, strategy, ready, minutes in cells
    ]
