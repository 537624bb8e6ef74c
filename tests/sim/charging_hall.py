"""A dock's ports over a day, second by simulated second: cameras come and go by the shifts, and some strategy gives power.

The batteries are the simulation's own truth; what the strategy is told of them is what a dock would know: nothing but what was
read while the port had power.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from dockd.core.battery import FULL, Curve
from dockd.core.charging import Charging, Port, Rules, plan

LITHIUM = Curve(((0, 0), (80, 96), (95, 150), (100, 180)))
"""Three hours at full draw, the last fifth slower: constant current, then constant voltage."""

STEP_S = 60.0
DAY_S = 86_400.0
HUB_PORTS = 8

Strategy = Callable[["Hall", float], dict[int, float]]
"""Given the hall and the time: by slot, the share of its full draw that each camera gets."""


@dataclass(slots=True)
class Slot:
    """One bay: the camera's true charge, or None while it is out."""

    hub: str
    percent: float | None = None
    busy_until_s: float = 0.0
    docked_s: float = 0.0
    needed_at_s: float = 0.0
    ready_s: float | None = None
    told: float | None = None
    powered: bool = True
    since_s: float = -DAY_S
    toggles: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Day:
    """How a day went.

    Attributes:
        ready_at_shift: cameras that were charged enough when their shift began.
        shifts: how many should have been.
        minutes_to_ready: of each docking that became ready, from docking.
        ready_share: share of the docked cameras that were ready, at each step.
        most_ma: by hub, the most that was ever drawn.
    """

    ready_at_shift: int = 0
    shifts: int = 0
    minutes_to_ready: list[float] = field(default_factory=list)
    ready_share: list[float] = field(default_factory=list)
    most_ma: dict[str, float] = field(default_factory=dict)

    def all_ready_minutes(self) -> float:
        """When the slowest camera that became ready was."""
        return max(self.minutes_to_ready, default=0.0)


class Hall:
    """The bays of one dock.

    Args:
        bays: how many; eight to a hub.
        budget_ma: of each hub.
        draw_ma: of a charging camera.
        seed: of the officers' habits.
    """

    def __init__(self, bays: int, *, budget_ma: int, draw_ma: int = 900, full_ma: int = 50, seed: int = 1) -> None:
        self.slots = [Slot(f"hub-{number // HUB_PORTS + 1}") for number in range(bays)]
        self.budget_ma, self.draw_ma, self.full_ma = budget_ma, draw_ma, full_ma
        self.rules = Rules()
        self._random = Random(seed)

    @property
    def hubs(self) -> list[str]:
        """Their names."""
        return sorted({slot.hub for slot in self.slots})

    def run(self, strategy: Strategy, shifts_s: Sequence[float] = (6 * 3600.0, 14 * 3600.0, 22 * 3600.0)) -> Day:
        """One day: a third of the officers begin at each shift and come back eight hours later, all within twenty minutes."""
        day = Day()
        events = self._events(shifts_s)
        now_s = 0.0
        while now_s < DAY_S:
            while events and events[0][0] <= now_s:
                _, number, comes = events.pop(0)
                self._dock(number, now_s, shifts_s) if comes else self._leave(number, day)
            self._charge(strategy(self, now_s), now_s, day)
            now_s += STEP_S
        return day

    def _events(self, shifts_s: Sequence[float]) -> list[tuple[float, int, bool]]:
        """When each camera leaves and comes back; all begin the day in the dock but those that are out since yesterday."""
        events = []
        for number in range(len(self.slots)):
            begins_s = shifts_s[number % len(shifts_s)]
            ends_s = (begins_s + 8 * 3600.0) % DAY_S
            events.append((ends_s + self._random.uniform(0, 1200.0), number, True))
            events.append((begins_s + self._random.uniform(0, 600.0), number, False))
            if begins_s < DAY_S - 8 * 3600.0:  # in the dock since yesterday
                self.slots[number].percent = self._random.uniform(5, 60)
                self.slots[number].needed_at_s = begins_s
        return sorted(events)

    def _dock(self, number: int, now_s: float, shifts_s: Sequence[float]) -> None:
        slot = self.slots[number]
        slot.percent = self._random.uniform(3, 45)
        slot.docked_s, slot.busy_until_s, slot.ready_s = now_s, now_s + self._random.uniform(300, 1500), None
        begins_s = shifts_s[number % len(shifts_s)]
        slot.needed_at_s = begins_s if begins_s > now_s else begins_s + DAY_S

    def _leave(self, number: int, day: Day) -> None:
        slot = self.slots[number]
        if slot.percent is None:
            return
        day.shifts += 1
        day.ready_at_shift += slot.percent >= self.rules.ready_percent
        slot.percent = slot.told = None

    def _charge(self, shares: dict[int, float], now_s: float, day: Day) -> None:
        drawn = dict.fromkeys(self.hubs, 0.0)
        for number, slot in enumerate(self.slots):
            share = shares.get(number, 0.0)
            if slot.percent is None or not share:
                continue
            drawn[slot.hub] += share * (self.full_ma if slot.percent >= FULL else self.draw_ma)
            slot.percent = LITHIUM.percent_after(slot.percent, share * STEP_S / 60)
            if slot.ready_s is None and slot.percent >= self.rules.ready_percent:
                slot.ready_s = now_s
                day.minutes_to_ready.append((now_s - slot.docked_s) / 60)
        docked = [slot for slot in self.slots if slot.percent is not None]
        ready = sum((slot.percent or 0) >= self.rules.ready_percent for slot in docked)
        day.ready_share.append(ready / len(docked) if docked else 1.0)
        for hub, ma in drawn.items():
            day.most_ma[hub] = max(day.most_ma.get(hub, 0.0), ma)


def planned(hall: Hall, now_s: float) -> dict[int, float]:
    """The planner of dockd, told what a dock would know."""
    ports = []
    for number, slot in enumerate(hall.slots):
        busy = now_s < slot.busy_until_s
        if slot.powered:
            slot.told = slot.percent
        camera = Charging(hall.draw_ma, hall.full_ma, slot.told, busy, slot.needed_at_s) if slot.percent is not None else None
        ports.append(Port(str(number), slot.hub, switchable=True, powered=slot.powered, since_s=slot.since_s, camera=camera))
    decided = plan(ports, dict.fromkeys(hall.hubs, hall.budget_ma), hall.rules, now_s)
    shares = {}
    for number, slot in enumerate(hall.slots):
        power = decided.ports[str(number)].power
        if power != slot.powered:
            slot.powered, slot.since_s = power, now_s
            slot.toggles.append(now_s)
        if power:
            shares[number] = 1.0
    return shares


def always(hall: Hall, now_s: float) -> dict[int, float]:
    """All ports on: where that is more than the hub has, it gives each less."""
    shares: dict[int, float] = {}
    for hub in hall.hubs:
        drawing = [n for n, slot in enumerate(hall.slots) if slot.hub == hub and slot.percent is not None]
        wanted = sum(hall.full_ma if (hall.slots[n].percent or 0) >= FULL else hall.draw_ma for n in drawing)
        shares |= dict.fromkeys(drawing, min(1.0, hall.budget_ma / wanted) if wanted else 0.0)
    return shares


def first_come(hall: Hall, now_s: float) -> dict[int, float]:
    """In the order in which they were docked, each until it is full."""
    shares = {}
    for hub in hall.hubs:
        left = hall.budget_ma
        here = [n for n, slot in enumerate(hall.slots) if slot.hub == hub and slot.percent is not None]
        for number in sorted(here, key=lambda each: hall.slots[each].docked_s):
            draw = hall.full_ma if (hall.slots[number].percent or 0) >= FULL else hall.draw_ma
            if draw <= left:
                left -= draw
                shares[number] = 1.0
    return shares


def fresh(hall: Hall) -> Hall:
    """The same hall before its day."""
    return Hall(len(hall.slots), budget_ma=hall.budget_ma, draw_ma=hall.draw_ma, full_ma=hall.full_ma)
