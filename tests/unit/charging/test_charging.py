"""The charger: whose port is cut and when, what the bay says then, and what it does where something is not as it should be."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.charging.charger import Charger, Hubs, Power, Ways
from dockd.core import custody
from dockd.core.battery import UNKNOWN, Appetite, Curve, Quality, Reading
from dockd.core.charging import Rules
from dockd.core.fitness import Grade
from dockd.core.readiness import Lamp, Needs
from dockd.core.recording import Refusal
from dockd.dock.board import Phase
from dockd.dock.parts import Dock
from dockd.errors import CameraUnknownError, WorkerError
from tests.sim.busy_journal import BusyJournal
from tests.sim.dock_of import dock_in
from tests.sim.outlets import Outlets, charged
from tests.sim.standing_clock import StandingClock

CURVE = Curve(((0, 0), (80, 96), (100, 180)))


@pytest.fixture
def clock() -> StandingClock:
    """Time passes when the test lets it."""
    return StandingClock()


@pytest.fixture
async def dock(tmp_path: Path, clock: StandingClock) -> AsyncIterator[Dock]:
    """Two bays."""
    async with dock_in(tmp_path / "spool", clock=clock, bays=("1", "2")) as made:
        yield made


@pytest.fixture
def outlets(dock: Dock) -> Outlets:
    """A hub for both."""
    return Outlets(dock.board, appetite=Appetite(900, 50, CURVE))


def resting(dock: Dock) -> set[str]:
    """Bays whose camera rests without power."""
    return {name for name, bay in dock.board.bays.items() if bay.phase is Phase.UNPOWERED}


async def noted(dock: Dock, event: str) -> list[dict[str, object]]:
    """The custody entries of one kind."""
    entries = [json.loads(each.entry) for each in await dock.journal.custody(limit=1000)]
    return [each for each in entries if each["event"] == event]


async def test_power_goes_round_where_it_does_not_reach_for_all(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """One charges while the other rests, says so, and is never green; later it is the other way round."""
    outlets.docked_percent = {"A": 60, "B": 20}
    outlets.dock("1", "A")
    outlets.dock("2", "B")
    async with charged(dock, outlets, 900):
        await clock.until(lambda: bool(resting(dock)))
        (first,) = resting(dock)
        bay = dock.board.bays[first]
        lamp = bay.lamp(Needs.VERIFIED)
        assert lamp is not None
        assert (lamp.lamp, lamp.code) == (Lamp.LEAVE, "resting")
        assert lamp.reason == f"Resting while other cameras charge; it was charged {bay.shown_battery.percent} % when last asked."
        assert (bay.camera, bay.shown_camera, outlets.off) == (None, {"1": "A", "2": "B"}[first], {first})
        await clock.until(lambda: resting(dock) == {"1", "2"} - {first})
        assert clock.monotonic() >= Rules().slice_s
    assert outlets.off == set()
    assert outlets.in_helper == set()


async def test_the_one_that_is_needed_soonest_charges_first(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """Though it is not the emptiest."""
    outlets.docked_percent, outlets.begins_s = {"A": 60, "B": 20}, {"A": 3600.0}
    outlets.dock("1", "A")
    outlets.dock("2", "B")
    await_slice = Rules(slice_s=0.0)
    async with charged(dock, outlets, 900, await_slice):
        await clock.until(lambda: bool(resting(dock)))
        assert resting(dock) == {"2"}


@pytest.mark.parametrize("phase", [Phase.IDENTIFYING, Phase.SCANNING, Phase.COPYING, Phase.WAITING, Phase.CLEARING])
async def test_a_camera_that_is_worked_on_is_never_cut(dock: Dock, outlets: Outlets, clock: StandingClock, phase: Phase) -> None:
    """Nor one that somebody has open, nor one to which somebody is called: then the hub is over its budget, and that is said."""
    for bay in ("1", "2"):
        outlets.dock(bay, f"C{bay}")
    dock.board.bays["1"].phase = phase
    dock.board.bays["2"].idle = False
    async with charged(dock, outlets, 100) as charger:
        await clock.until(lambda: bool(dock.board.bays["1"].battery.percent))
        assert (outlets.asked, outlets.off) == (0, set())
        check = await charger.check()
        assert (check.grade, check.reason) == (
            Grade.LOOK,
            "Can switch, not tried yet: bay 1, 2; hub left gives more than its budget.",
        )
        dock.board.bays["2"].failure, dock.board.bays["2"].phase = Refusal("x", "It broke."), Phase.FAILED
        dock.board.bays["2"].idle = True
        dock.board.tell()
        await clock.passes(60)
        assert outlets.asked == 0


async def test_a_camera_to_which_somebody_is_called_is_never_cut(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """Resting, it would say that all is well but for the power; it goes again when it is as others are."""
    outlets.dock("1", "A")
    dock.board.bays["1"].held = True
    async with charged(dock, outlets, 100):
        await clock.passes(3600)
        assert (outlets.asked, outlets.off) == (0, set())
        dock.board.bays["1"].held = False
        dock.board.tell()
        await clock.until(lambda: resting(dock) == {"1"})


async def test_a_port_that_does_not_switch_is_planned_as_one(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """The self-test says which, and why; until another camera is docked nobody tries again."""
    outlets.refuses = CameraUnknownError("bay 1 has no port whose power can be switched")
    outlets.dock("1", "A")
    async with charged(dock, outlets, 100) as charger:
        await clock.until(lambda: outlets.asked == 1)
        await clock.passes(3600)
        assert outlets.asked == 1
        lamp = dock.board.bays["1"].lamp(Needs.VERIFIED)
        assert lamp is not None
        assert lamp.code == "done-verified"
        check = await charger.check()
        assert "bay 1 does not switch (bay 1 has no port whose power can be switched)" in check.reason
        outlets.refuses = None
        outlets.dock("1", "B")
        await clock.until(lambda: resting(dock) == {"1"})
        assert "Switch: bay 1" in (await charger.check()).reason


async def test_a_hub_that_lies_is_found_out(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """It says that the power stayed on, or the camera stays: the bay shows what it showed before."""
    outlets.obeys = False
    outlets.dock("1", "A")
    async with charged(dock, outlets, 100) as charger:
        await clock.until(lambda: outlets.asked == 1 and not outlets.off)
        assert "the hub says that the power stayed on" in (await charger.check()).reason
        await clock.passes(3600)
        assert outlets.asked == 1  # docked anew by that, it is not tried again, for that would go on for ever
        shown = dock.board.bays["1"].lamp(Needs.VERIFIED)
        assert shown is not None
        assert (shown.code, outlets.dockings) == ("done-verified", 2)
        outlets.obeys, outlets.stays = True, True
        outlets.dock("1", "B")
        await clock.until(lambda: outlets.asked == 2)
        shown = dock.board.bays["1"].lamp(Needs.VERIFIED)
        assert shown is not None
        assert shown.code == "resting"  # nobody knows yet
        await clock.until(lambda: dock.board.bays["1"].resting is None)
        assert "the camera stayed although its port was switched off" in (await charger.check()).reason
        assert (outlets.in_helper, dock.board.bays["1"].camera) == (set(), "B")


async def test_camera_that_is_taken_while_a_hub_lies_leaves_an_empty_bay(dock: Dock, clock: StandingClock) -> None:
    """Nobody could see it go, and nobody waits for it for ever."""

    class Taken(Outlets):
        def switched_off(self, bay: str) -> None:
            super().switched_off(bay)
            del self.cameras[bay]

    outlets = Taken(dock.board, obeys=False)
    outlets.dock("1", "A")
    async with charged(dock, outlets, 100):
        await clock.until(lambda: outlets.asked == 1)
        await clock.until(lambda: dock.board.bays["1"].phase is Phase.EMPTY)
        await clock.passes(1)
    (entry,) = await noted(dock, "camera.left-unpowered")
    assert (entry["camera"], entry["bay"]) == ("A", "1")


async def test_camera_that_comes_as_another_is_written_down_as_gone_is_shown(
    dock: Dock, outlets: Outlets, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bay is the new one's by then, and nobody clears it."""
    busy = BusyJournal(
        monkeypatch, lambda change: isinstance(change, custody.Noted) and change.event == "camera.left-unpowered", begun=True
    )
    outlets.dock("1", "A")
    async with charged(dock, outlets, 900, Rules(rest_s=60, slice_s=60)):
        outlets.dock("2", "B")
        await clock.until(lambda: resting(dock) == {"1"})
        outlets.pull("1")
        outlets.pull("2")
        comes = asyncio.create_task(busy.meanwhile(lambda: outlets.dock("1", "C")))
        await clock.until(comes.done)
        (entry,) = await noted(dock, "camera.left-unpowered")
        assert (entry["camera"], entry["bay"]) == ("A", "1")
        await clock.passes(1)
        assert (dock.board.bays["1"].camera, dock.board.bays["1"].phase) == ("C", Phase.RESTING)


async def test_battery_of_a_camera_that_leaves_as_it_is_asked_about_is_no_others(
    dock: Dock, outlets: Outlets, clock: StandingClock
) -> None:
    """The answer may come when the bay is empty, and the next camera in it reports nothing."""
    loop = asyncio.get_running_loop()

    class Slow(Outlets):
        def ways(self) -> Ways:
            return replace(super().ways(), report=self.report)

        def report(self, bay: str, _: str) -> Reading | None:
            if self.cameras.get(bay) != "A":
                return None
            asyncio.run_coroutine_threadsafe(self.pulled(bay), loop).result(30)
            return Reading(Quality.REPORTED, 97, "the kernel", "t")

        async def pulled(self, bay: str) -> None:
            self.pull(bay)

    slow = Slow(dock.board)
    slow.dock("1", "A")
    async with charged(dock, slow, 900):
        await clock.until(lambda: dock.board.bays["1"].phase is Phase.EMPTY)
        await clock.passes(1)
        assert dock.board.bays["1"].battery == UNKNOWN
        slow.dock("1", "B")
        await clock.passes(2)
        assert dock.board.bays["1"].battery.percent is None


async def test_a_hub_without_a_switch_is_never_asked(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """The planner knows the difference, and so does the self-test."""
    outlets.without_switch = {"1"}
    outlets.dock("1", "A")
    async with charged(dock, outlets, 100) as charger:
        await clock.until(lambda: bool(dock.board.bays["1"].battery.percent))
        assert outlets.asked == 0
        assert "bay 1 does not switch (its hub has no switch that the kernel knows)" in (await charger.check()).reason


async def test_dock_that_stops_in_mid_cut_gives_the_power_back(dock: Dock, clock: StandingClock) -> None:
    """Whatever the helper was doing."""

    class Slow(Outlets):
        @asynccontextmanager
        async def power(self, bay: str) -> AsyncIterator[Power]:
            async with super().power(bay):
                yield self

        async def switch(self, *, on: bool) -> bool:
            self.asked += 1
            self.off.add("1")
            await asyncio.Event().wait()
            return on

    outlets = Slow(dock.board)
    outlets.dock("1", "A")
    async with charged(dock, outlets, 100):
        await clock.until(lambda: outlets.off == {"1"})
        assert outlets.in_helper == {"1"}
    assert (outlets.off, outlets.in_helper) == (set(), set())


async def test_helper_that_is_away_is_asked_again(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """The camera is not shown as resting meanwhile, for its port has power."""
    outlets.refuses = WorkerError("the helper cannot be asked")
    outlets.dock("1", "A")
    async with charged(dock, outlets, 100):
        await clock.until(lambda: outlets.asked == 2)
        assert clock.monotonic() >= 30
        assert dock.board.bays["1"].resting is None
        outlets.refuses = None
        await clock.until(lambda: resting(dock) == {"1"})


async def test_camera_that_comes_back_by_itself_is_a_new_docking(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """The helper died, and every port has power: the charger lets go of what it thought it held."""
    outlets.dock("1", "A")
    async with charged(dock, outlets, 100):
        await clock.until(lambda: resting(dock) == {"1"})
        outlets.give("1")
        await clock.until(lambda: outlets.in_helper == set())
        bay = dock.board.bays["1"]
        assert (bay.phase, bay.camera, bay.docking, bay.resting) == (Phase.RESTING, "A", "d2", None)
    assert await noted(dock, "camera.left-unpowered") == []


async def test_camera_that_left_without_power_is_written_down(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """Nobody could see it go; when the power is back and nothing comes, the bay is empty and the log says so."""
    outlets.dock("1", "A")
    rules = Rules(rest_s=60, slice_s=60)
    async with charged(dock, outlets, 900, rules):
        outlets.dock("2", "B")
        await clock.until(lambda: resting(dock) == {"1"})
        outlets.pull("1")
        outlets.pull("2")
        await clock.until(lambda: dock.board.bays["1"].phase is Phase.EMPTY)
        await clock.passes(1)
    (entry,) = await noted(dock, "camera.left-unpowered")
    assert (entry["camera"], entry["bay"]) == ("A", "1")


async def test_camera_that_changes_bays_without_power_is_followed(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """It stands in another bay: the first one has power and is empty, at once."""
    outlets.dock("1", "A")
    async with charged(dock, outlets, 900):
        outlets.dock("2", "B")
        await clock.until(lambda: bool(resting(dock)))
        (first,) = resting(dock)
        other = "2" if first == "1" else "1"
        moved = outlets.cameras[first]
        outlets.pull(first)
        outlets.pull(other)
        outlets.dock(other, moved)
        await clock.until(lambda: dock.board.bays[first].phase is Phase.EMPTY)
        assert outlets.off == set()
        assert dock.board.bays[other].camera == moved


async def test_hot_battery_is_not_charged_and_says_so(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """Whatever the budget."""
    outlets.batteries["1"] = Reading(Quality.REPORTED, 40, "the camera over USB", "t", 51.0)
    outlets.dock("1", "A")
    async with charged(dock, outlets, 9000):
        await clock.until(lambda: resting(dock) == {"1"})
        lamp = dock.board.bays["1"].lamp(Needs.VERIFIED)
        assert lamp is not None
        assert (lamp.lamp, lamp.code) == (Lamp.LEAVE, "too-hot")
        assert lamp.reason == "Too hot to charge: it has no power until it has cooled down."


async def test_battery_that_gets_hot_while_it_gets_no_fuller_is_noticed(
    dock: Dock, outlets: Outlets, clock: StandingClock
) -> None:
    """As one that is full and charged on."""
    outlets.batteries["1"] = Reading(Quality.REPORTED, 100, "the camera over USB", "t", 30.0)
    outlets.dock("1", "A")
    async with charged(dock, outlets, 9000):
        await clock.passes(120)
        outlets.batteries["1"] = Reading(Quality.REPORTED, 100, "the camera over USB", "t", 51.0)
        await clock.until(lambda: resting(dock) == {"1"})
        lamp = dock.board.bays["1"].lamp(Needs.VERIFIED)
        assert lamp is not None
        assert lamp.code == "too-hot"


async def test_hot_battery_whose_power_nobody_can_cut_is_for_a_person(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """The dock cannot help it, and says so until it has cooled down; footage that is nowhere else goes first."""
    outlets.without_switch = {"1"}
    outlets.batteries["1"] = Reading(Quality.REPORTED, 40, "the camera over USB", "t", 51.0)
    outlets.dock("1", "A")
    bay = dock.board.bays["1"]

    def says() -> tuple[Lamp, str]:
        lamp = bay.lamp(Needs.VERIFIED)
        assert lamp is not None
        return lamp.lamp, lamp.code

    async with charged(dock, outlets, 9000):
        await clock.until(lambda: says() == (Lamp.HELP, "hot"))
        bay.scanned = False
        assert says() == (Lamp.LEAVE, "looking")
        bay.scanned = True
        outlets.batteries["1"] = Reading(Quality.REPORTED, 40, "the camera over USB", "t", 44.0)
        await clock.until(lambda: says() == (Lamp.TAKE, "done-verified"))
    assert outlets.asked == 0


async def test_a_battery_that_was_hot_is_charged_until_it_says_again_that_it_is(
    dock: Dock, outlets: Outlets, clock: StandingClock
) -> None:
    """After its rest, what it said before is no reason to cut it off at once, for ever."""
    outlets.batteries["1"] = Reading(Quality.REPORTED, 40, "the camera over USB", "t", 51.0)
    outlets.dock("1", "A")
    async with charged(dock, outlets, 9000):
        await clock.until(lambda: resting(dock) == {"1"})
        del outlets.batteries["1"]  # the kernel asks the battery only some time after the camera is there
        asked = outlets.asked
        await clock.until(lambda: resting(dock) == set())
        await clock.passes(600)
        assert (outlets.asked, resting(dock)) == (asked, set())
        outlets.batteries["1"] = Reading(Quality.REPORTED, 41, "the camera over USB", "t", 51.0)
        await clock.until(lambda: resting(dock) == {"1"})


async def test_charge_is_estimated_where_nothing_reports_it(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """Shown as an estimate and never as a report; what it came to is kept while its port has no power."""
    outlets.dock("1", "A")
    async with charged(dock, outlets, 900) as charger:
        bay = dock.board.bays["1"]
        await clock.until(lambda: (bay.battery.percent or 0) >= 40)
        assert (bay.battery.quality, bay.battery_percent) == (Quality.ESTIMATED, None)
        assert clock.monotonic() >= 48 * 60
        outlets.begins_s = {"B": 60.0}
        outlets.dock("2", "B")
        await clock.until(lambda: resting(dock) == {"1"})
        assert (bay.shown_battery.percent or 0) >= 40
        outlets.pull("2")
        await clock.until(lambda: bay.phase is Phase.RESTING)
        await clock.until(lambda: bay.battery.percent is not None)
        assert (bay.battery.percent or 0) >= 40
        outlets.pull("1")
        await clock.until(lambda: charger._bays["1"].camera is None)  # it looks on when a thread has answered
        outlets.dock("1", "A")
        await clock.until(lambda: bay.battery.percent is not None)
        assert (bay.battery.percent or 0) < 40


async def test_what_a_charge_came_to_outlasts_the_identifying(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """A camera that is back with the power says only seconds later who it is; another one in its place begins at nothing."""
    outlets.begins_s, outlets.silent = {"B": 60.0, "C": 60.0}, True
    outlets.dock("1", "A")
    async with charged(dock, outlets, 900) as charger:
        bay = dock.board.bays["1"]
        await clock.until(lambda: (bay.battery.percent or 0) >= 40)
        outlets.dock("2", "B")
        await clock.until(lambda: resting(dock) == {"1"})
        outlets.pull("2")
        await clock.until(lambda: bay.phase is Phase.IDENTIFYING)
        await clock.passes(10)
        outlets.dock("1", "A")
        await clock.until(lambda: bay.battery.percent is not None)
        assert (bay.battery.percent or 0) >= 40
        outlets.dock("1", "C")
        await clock.until(lambda: charger._bays["1"].camera == "C")
        outlets.dock("1", "A")
        await clock.until(lambda: bay.battery.percent is not None)
        assert (bay.battery.percent or 0) < 40


async def test_helper_that_dies_in_mid_cut_leaves_no_bay_that_looks_for_ever(dock: Dock, clock: StandingClock) -> None:
    """The camera was off already, and was taken then: nobody comes back, and the bay is empty, which is written down."""

    class Dies(Outlets):
        @asynccontextmanager
        async def power(self, bay: str) -> AsyncIterator[Power]:
            async with super().power(bay):
                yield self

        async def switch(self, *, on: bool) -> bool:
            self.switched_off("1")
            del self.cameras["1"]
            msg = f"the helper cannot be asked to switch it {'on' if on else 'off'}"
            raise WorkerError(msg)

    outlets = Dies(dock.board)
    outlets.dock("1", "A")
    async with charged(dock, outlets, 100):
        await clock.until(lambda: dock.board.bays["1"].phase is Phase.UNPOWERED)
        await clock.until(lambda: dock.board.bays["1"].phase is Phase.EMPTY)
        await clock.passes(1)
    (entry,) = await noted(dock, "camera.left-unpowered")
    assert (entry["camera"], entry["bay"]) == ("A", "1")


async def test_site_without_hubs_cuts_nothing(dock: Dock, outlets: Outlets, clock: StandingClock) -> None:
    """Every bay has power; batteries are reckoned with all the same."""
    charger = Charger(dock, Hubs(), outlets.ways())
    assert (await charger.check()).reason == "No hub's power is shared out: every bay always has power."
    assert clock.monotonic() == 0
