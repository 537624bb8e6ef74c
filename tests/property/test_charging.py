"""Whatever comes and goes: no budget is exceeded by choice, nobody starves, nothing flaps."""

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dockd.core.charging import Charging, Plan, Port, Rules, plan

RULES = Rules()
STEP_S = 60.0

cameras = st.builds(
    Charging,
    draw_ma=st.sampled_from([300, 500, 900, 1500]),
    full_ma=st.sampled_from([0, 20, 50]),
    percent=st.none() | st.floats(0, 100),
    busy=st.booleans(),
    needed_at_s=st.none() | st.floats(0, 86400),
    celsius=st.none() | st.floats(-20, 70),
)
ports = st.builds(
    Port,
    bay=st.uuids().map(str),
    hub=st.sampled_from(["a", "b"]),
    switchable=st.booleans(),
    powered=st.booleans(),
    since_s=st.floats(-20_000, 0),
    camera=st.none() | cameras,
)


def may_be_cut(port: Port) -> bool:
    """Whether the planner has a choice."""
    return port.camera is not None and port.switchable and not port.camera.busy


def charging(bay: str) -> Port:
    """One that could be cut, and draws 900 mA."""
    return Port(bay, "a", switchable=True, powered=True, since_s=-20_000, camera=Charging(900, 0, 50))


@example([charging("1")], 899)
@example([charging("1"), charging("2")], 1799)
@example([charging("1"), charging("2"), charging("3")], 1800)
@given(st.lists(ports, min_size=3, max_size=16, unique_by=lambda port: port.bay), st.integers(0, 4000))
def test_what_is_chosen_never_exceeds_the_budget(several: list[Port], budget_ma: int) -> None:
    """Only what may not be cut can, and then nothing else gets power and the plan says so."""
    decided = plan(several, {"a": budget_ma, "b": budget_ma}, RULES, 0.0)
    assert set(decided.ports) == {port.bay for port in several}
    for hub in ("a", "b"):
        here = [port for port in several if port.hub == hub]
        forced_ma = sum(decided.ports[port.bay].draw_ma for port in here if not may_be_cut(port))
        chosen_ma = sum(decided.ports[port.bay].draw_ma for port in here if may_be_cut(port))
        assert chosen_ma == 0 or forced_ma + chosen_ma <= budget_ma
        assert (hub in decided.over_budget) == (forced_ma > budget_ma)
    for port in several:
        assert decided.ports[port.bay].power or may_be_cut(port)


@example([*[(300, 10.0, None)] * 7, (1500, 70.0, None)], 1500)  # one that starves unless what becomes free is kept for it
@example([(300, 10.0, None), (1500, 10.0, None)], 1500)  # two that flap unless they rest
@settings(deadline=None)  # seconds of a loaded machine say nothing here
@given(
    st.lists(
        st.tuples(st.sampled_from([300, 500, 900, 1500]), st.floats(0, 100), st.none() | st.floats(0, 86400)),
        min_size=1,
        max_size=8,
    ),
    st.integers(1500, 4000),
)
def test_nobody_starves_and_nothing_flaps(fleet: list[tuple[int, float, float | None]], budget_ma: int) -> None:
    """Half a day with cameras that never get any fuller: each has power again and again, and no port is switched too often."""
    since = dict.fromkeys(range(len(fleet)), -RULES.slice_s)
    power = dict.fromkeys(range(len(fleet)), True)
    toggles: dict[int, list[float]] = {number: [] for number in since}
    longest_s = dict.fromkeys(since, 0.0)
    now_s = 0.0
    while now_s < 43_200:
        decided = _step(fleet, since, power, budget_ma, now_s)
        for number in since:
            wanted = decided.ports[str(number)].power
            if wanted != power[number]:
                power[number], since[number] = wanted, now_s
                toggles[number].append(now_s)
            if not wanted:
                longest_s[number] = max(longest_s[number], now_s - since[number])
        now_s += STEP_S
    assert all(waited_s <= RULES.patience_s + len(fleet) * (RULES.slice_s + RULES.rest_s) for waited_s in longest_s.values())
    for times in toggles.values():
        assert all(later - earlier >= RULES.rest_s for earlier, later in pairwise(times))


def _step(
    fleet: list[tuple[int, float, float | None]], since: dict[int, float], power: dict[int, bool], budget_ma: int, now_s: float
) -> Plan:
    listed = [
        Port(
            str(number),
            "hub",
            switchable=True,
            powered=power[number],
            since_s=since[number],
            camera=Charging(draw, 0, percent, needed_at_s=needed),
        )
        for number, (draw, percent, needed) in enumerate(fleet)
    ]
    return plan(listed, {"hub": budget_ma}, RULES, now_s)
