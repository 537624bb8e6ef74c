"""Which ports get power, when a hub cannot feed all of them: a pure decision, made afresh whenever something changes.

In this order, hub by hub:

1. Ports that may not be cut come first: those that cannot switch, whose camera's data is in use or is being cleared, and empty
   ones, for a camera is noticed only under power.
2. A full camera keeps its little power: cutting a port ends what the dock knows, and the lamp could not stay green.
3. A port that was given power keeps it for a slice of time, so that nothing flaps; one that was cut rests for a while.
4. What is left of the budget goes, as long as it reaches, to cameras that waited too long (nobody starves), then to those needed
   soonest, then to the nearly ready, then to the emptiest, then to who has waited longest. One that does not fit is passed over,
   unless it waited too long: then nobody behind it gets what it needs.

Too hot a battery is not charged. A budget is never exceeded by what the plan adds: what may not be cut can alone exceed it, and
is then said to.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from math import inf

from dockd.core.battery import FULL, Appetite, Reading

_ENOUGH_MA = 1 << 40
_HALF = 50.0
"""What an unknown charge counts as."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The site's rules, in seconds, per cent and degrees.

    Attributes:
        slice_s: a port that was given power keeps it for so long, if the budget allows.
        rest_s: a port that was cut is not powered sooner, so that a port is never switched more than twice in this time.
        patience_s: whoever waited so long goes first.
        ready_percent: charged enough to go.
        nearly_percent: below ready by so much is nearly ready.
        hot_celsius: no charging above.
    """

    slice_s: float = 900.0
    rest_s: float = 300.0
    patience_s: float = 7200.0
    ready_percent: int = 90
    nearly_percent: int = 15
    hot_celsius: float = 45.0


@dataclass(frozen=True, slots=True)
class Charging:
    """A camera in a port, as far as charging goes.

    Attributes:
        draw_ma: what it draws while it charges.
        full_ma: what it draws when it is full.
        percent: 0 to 100, None if unknown.
        busy: its data is in use, or it is being cleared.
        needed_at_s: when its officer's shift begins, None if unknown.
        celsius: temperature of its battery, None if unknown; only what was read since its port has power.
    """

    draw_ma: int
    full_ma: int
    percent: float | None = None
    busy: bool = False
    needed_at_s: float | None = None
    celsius: float | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """One bay's port as it is now.

    Attributes:
        bay: its id.
        hub: whose budget it uses.
        switchable: whether its power can be cut, as was probed.
        powered: whether it has power.
        since_s: since when.
        camera: what is in it; what was in it, while its power is cut.
    """

    bay: str
    hub: str
    switchable: bool
    powered: bool
    since_s: float
    camera: Charging | None


def until_s(begins: time, now: datetime) -> float:
    """Seconds from `now`, which is in the office's time zone, until it is `begins` there next."""
    then = now.replace(hour=begins.hour, minute=begins.minute, second=0, microsecond=0)
    return ((then if then > now else then + timedelta(days=1)) - now).total_seconds()


class Why(StrEnum):
    """Why a port has power, or has none."""

    FIXED = "its hub cannot switch it"
    EMPTY = "it waits for a camera"
    BUSY = "its data is in use"
    READY = "ready"
    CHARGING = "charging"
    RESTING = "resting: other cameras go first"
    HOT = "too hot to charge"


@dataclass(frozen=True, slots=True)
class Resting:
    """A camera whose port is about to lose its power, or has lost it: all that the dock still knows of it.

    Attributes:
        battery: how full it was when its port had power last.
        why: whether others go first, or it is too hot.
        appetite: what it draws when it has power.
    """

    camera: str
    officer: str | None
    battery: Reading
    why: Why
    appetite: Appetite


@dataclass(frozen=True, slots=True)
class Decision:
    """What one port gets; `draw_ma` is what the plan reckons with."""

    power: bool
    why: Why
    draw_ma: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What every port gets.

    Attributes:
        ports: by bay.
        again_at_s: when to plan again if nothing happens until then; None if time alone changes nothing.
        over_budget: hubs where what may not be cut is more than the budget.
    """

    ports: Mapping[str, Decision]
    again_at_s: float | None
    over_budget: frozenset[str]


def plan(ports: Iterable[Port], budgets_ma: Mapping[str, int], rules: Rules, now_s: float) -> Plan:
    """Decide for all ports.

    Args:
        ports: each bay's; bays are unique.
        budgets_ma: by hub; a hub that is not named has enough for all its ports.
        rules: of the site.
        now_s: the clock that the ports' times are of.
    """
    hubs: dict[str, list[Port]] = defaultdict(list)
    for port in ports:
        hubs[port.hub].append(port)
    decisions: dict[str, Decision] = {}
    over: set[str] = set()
    changes: list[float] = []
    for hub, several in hubs.items():
        forced = {port.bay: decision for port in several if (decision := _forced(port)) is not None}
        decisions |= forced
        free_ma = budgets_ma.get(hub, _ENOUGH_MA) - sum(each.draw_ma for each in forced.values())
        if free_ma < 0:
            over.add(hub)
        waiting = [(port, port.camera) for port in several if port.bay not in forced and port.camera is not None]
        waiting.sort(key=lambda each: _precedence(each[0], each[1], rules, now_s))
        left_ma = free_ma
        for port, camera in waiting:
            decision, again_s = _choose(port, camera, left_ma, rules, now_s)
            decisions[port.bay] = decision
            changes.append(again_s)
            left_ma -= decision.draw_ma
            if decision.why is Why.RESTING and _starves(port, rules, now_s) and _draw_ma(camera) <= free_ma:
                left_ma = 0  # what becomes free is kept for it
    return Plan(decisions, min((each for each in changes if each > now_s), default=None), frozenset(over))


def _forced(port: Port) -> Decision | None:
    """What a port gets that may not be cut; None where there is a choice."""
    camera = port.camera
    if camera is None:
        return Decision(power=True, why=Why.EMPTY, draw_ma=0)
    if not port.switchable:
        return Decision(power=True, why=Why.FIXED, draw_ma=_draw_ma(camera))
    if camera.busy:
        return Decision(power=True, why=Why.BUSY, draw_ma=camera.draw_ma)
    return None


def _draw_ma(camera: Charging) -> int:
    return camera.full_ma if _is_full(camera) else camera.draw_ma


def _choose(port: Port, camera: Charging, left_ma: int, rules: Rules, now_s: float) -> tuple[Decision, float]:
    """What a port with a choice gets, and when time alone may change that."""
    rested_s = port.since_s + rules.rest_s
    if port.powered and camera.celsius is not None and camera.celsius > rules.hot_celsius:
        return Decision(power=False, why=Why.HOT, draw_ma=0), now_s + rules.rest_s
    if not port.powered and now_s < rested_s:
        return Decision(power=False, why=Why.RESTING, draw_ma=0), rested_s
    draw_ma = _draw_ma(camera)
    if draw_ma > left_ma:
        return Decision(power=False, why=Why.RESTING, draw_ma=0), now_s + rules.rest_s
    why = Why.READY if _is_ready(camera, rules) else Why.CHARGING
    return Decision(power=True, why=why, draw_ma=draw_ma), (port.since_s if port.powered else now_s) + rules.slice_s


def _is_ready(camera: Charging, rules: Rules) -> bool:
    return camera.percent is not None and camera.percent >= rules.ready_percent


def _is_full(camera: Charging) -> bool:
    return camera.percent is not None and camera.percent >= FULL


def _starves(port: Port, rules: Rules, now_s: float) -> bool:
    return not port.powered and now_s - port.since_s >= rules.patience_s


def _precedence(port: Port, camera: Charging, rules: Rules, now_s: float) -> tuple[object, ...]:
    """Smaller goes first."""
    percent = _HALF if camera.percent is None else camera.percent
    nearly = rules.ready_percent - rules.nearly_percent <= percent < rules.ready_percent
    return (
        not _is_full(camera),
        not (port.powered and now_s - port.since_s < rules.slice_s),
        not _starves(port, rules, now_s),
        _is_ready(camera, rules),  # enough to go: the others first
        inf if camera.needed_at_s is None else camera.needed_at_s,
        not nearly,
        -percent if nearly else percent,
        port.powered,
        port.since_s,
        port.bay,
    )
