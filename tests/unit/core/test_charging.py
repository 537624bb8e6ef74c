"""Which ports get power when there is not enough for all."""

from dataclasses import replace

import pytest

from dockd.core.charging import Charging, Port, Rules, Why, plan
from tests.sim.charging_hall import Hall, planned

RULES = Rules()
LONG_AGO_S = -10_000.0
NOW_S = 0.0


def port(
    bay: str,
    percent: float | None = 50,
    *,
    draw_ma: int = 900,
    powered: bool = True,
    since_s: float = -1000.0,
    busy: bool = False,
    needed_at_s: float | None = None,
    celsius: float | None = None,
    switchable: bool = True,
) -> Port:
    """A port with a camera in it, which has had power for longer than a slice."""
    camera = Charging(draw_ma, 50, percent, busy, needed_at_s, celsius)
    return Port(bay, "hub", switchable, powered, since_s, camera)


def powered(*ports: Port, budget_ma: int | None, rules: Rules = RULES) -> dict[str, Why]:
    """The bays that get power, and why."""
    budgets = {} if budget_ma is None else {"hub": budget_ma}
    return {bay: each.why for bay, each in plan(ports, budgets, rules, NOW_S).ports.items() if each.power}


def test_hub_with_enough_feeds_all() -> None:
    """A budget that nobody set is no reason to switch anything."""
    assert set(powered(port("1"), port("2"), port("3"), budget_ma=None)) == {"1", "2", "3"}
    assert set(powered(port("1"), port("2"), budget_ma=1800)) == {"1", "2"}


def test_soonest_needed_goes_first_then_nearly_ready_then_emptiest() -> None:
    """The order that a sergeant would take."""
    soon, late = port("soon", 60, needed_at_s=3600), port("late", 5, needed_at_s=7200)
    nearly, empty, half = port("nearly", 85), port("empty", 5), port("half", 50)
    ready = port("ready", 95)
    order = []
    waiting = [half, ready, empty, nearly, late, soon]
    while waiting:
        (first,) = powered(*waiting, budget_ma=900)
        order.append(first)
        waiting = [each for each in waiting if each.bay != first]
    assert order == ["soon", "late", "nearly", "empty", "half", "ready"]


def test_of_two_nearly_ready_the_nearer_one_goes_first() -> None:
    """One camera that can go is worth more than two that nearly can."""
    assert set(powered(port("1", 78), port("2", 88), budget_ma=900)) == {"2"}


def test_power_is_never_cut_where_data_is_in_use() -> None:
    """Not even for a camera that is needed sooner, and not even over the budget, which is said."""
    busy, urgent = port("busy", 99, busy=True), port("urgent", 5, needed_at_s=10)
    assert powered(busy, urgent, budget_ma=900) == {"busy": Why.BUSY}
    decided = plan([busy, port("other", busy=True)], {"hub": 900}, RULES, NOW_S)
    assert all(each.power for each in decided.ports.values())
    assert decided.over_budget == {"hub"}


def test_what_cannot_switch_stays_on_and_counts() -> None:
    """The planner knows the difference."""
    fixed = port("fixed", 20, switchable=False)
    assert powered(fixed, port("2"), budget_ma=900) == {"fixed": Why.FIXED}
    assert powered(port("full", 100, switchable=False), port("2"), budget_ma=950) == {"full": Why.FIXED, "2": Why.CHARGING}


def test_empty_port_keeps_power() -> None:
    """A camera is noticed only under power."""
    assert powered(Port("1", "hub", switchable=True, powered=True, since_s=0, camera=None), budget_ma=0) == {"1": Why.EMPTY}


def test_full_camera_keeps_its_little_power_and_its_green_light() -> None:
    """Cutting its port would end what the dock knows of it."""
    assert powered(port("full", 100), port("2"), budget_ma=950) == {"full": Why.READY, "2": Why.CHARGING}
    assert powered(port("full", 100), port("2"), budget_ma=900) == {"full": Why.READY}


def test_given_power_stays_for_a_slice() -> None:
    """Nothing flaps because an emptier camera came; a camera whose data is copied is another matter."""
    charging, emptier = port("1", 50, since_s=-60), port("2", 5, powered=False, since_s=LONG_AGO_S / 5)
    assert set(powered(charging, emptier, budget_ma=900)) == {"1"}
    assert set(powered(replace(charging, since_s=-RULES.slice_s), emptier, budget_ma=900)) == {"2"}
    assert set(powered(charging, port("3", busy=True), budget_ma=900)) == {"3"}


def test_cut_port_rests_before_it_is_powered_again() -> None:
    """Also where the budget would allow it at once; the plan says when to look again."""
    resting = port("1", powered=False, since_s=-100)
    decided = plan([resting], {"hub": 900}, RULES, NOW_S)
    assert decided.ports["1"].why is Why.RESTING
    assert decided.again_at_s == -100 + RULES.rest_s
    assert set(powered(replace(resting, since_s=-RULES.rest_s), budget_ma=900)) == {"1"}


def test_hot_battery_is_not_charged_and_looked_at_again() -> None:
    """It says so; after a rest its port gets power again, and whoever is still hot is cut at once."""
    hot = port("1", celsius=50)
    decided = plan([hot], {}, RULES, NOW_S)
    assert decided.ports["1"].why is Why.HOT
    assert decided.again_at_s == RULES.rest_s
    assert set(powered(port("1", powered=False, since_s=-RULES.rest_s), budget_ma=None)) == {"1"}
    assert set(powered(port("1", celsius=45), budget_ma=None)) == {"1"}


def test_whoever_waited_too_long_goes_first_even_if_it_needs_more_than_becomes_free() -> None:
    """Small ones do not slip past a large one for ever."""
    large = port("large", 95, draw_ma=1500, powered=False, since_s=-RULES.patience_s)
    small = [port(str(n), 5, draw_ma=500, since_s=-RULES.slice_s if n == 1 else -10.0) for n in range(1, 4)]
    assert set(powered(large, *small, budget_ma=1500)) == {"2", "3"}
    assert set(powered(replace(large, since_s=-100), *small, budget_ma=1500)) == {"1", "2", "3"}
    over = replace(large, camera=Charging(2000, 50, 95.0))
    assert set(powered(over, *small, budget_ma=1500)) == {"1", "2", "3"}


def test_equal_cameras_take_turns() -> None:
    """A fair share for all: nobody is more than one slice ahead."""
    hall = Hall(4, budget_ma=900)
    for slot in hall.slots:
        slot.percent, slot.told, slot.needed_at_s = 10.0, 10.0, 1e9
    minutes = dict.fromkeys(range(4), 0)
    for minute in range(240):
        for number in planned(hall, minute * 60.0):
            minutes[number] += 1
            hall.slots[number].percent = 10.0 + minutes[number] / 10
    assert max(minutes.values()) - min(minutes.values()) <= RULES.slice_s / 60
    assert sum(minutes.values()) == 240


@pytest.mark.parametrize("bays", [8, 32])
def test_a_day_of_three_shifts_has_every_camera_ready(bays: int) -> None:
    """With half of what all would draw, everybody finds a charged camera."""
    hall = Hall(bays, budget_ma=3600)
    day = hall.run(planned)
    assert day.ready_at_shift == day.shifts == bays
    assert all(ma <= 3600 for ma in day.most_ma.values())
