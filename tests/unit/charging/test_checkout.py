"""The check-out desk: who gets which camera, whether it was taken, and who brought it back; by command and by badge."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dockd.charging.badges import EVENT, BadgeReader
from dockd.charging.checkout import Desk
from dockd.core.battery import Quality, Reading
from dockd.core.charging import Resting, Why
from dockd.core.readiness import Lamp, Needs
from dockd.dock.board import BayBoard, Phase
from dockd.dock.live import Orders
from dockd.dock.parts import Dock
from dockd.errors import ControlError
from tests.sim.dock_of import dock_in
from tests.sim.outlets import Outlets
from tests.sim.running import running
from tests.sim.standing_clock import StandingClock

NEW_YORK = ZoneInfo("America/New_York")
KEYS = {"4": 5, "7": 8, "1": 2}
ENTER = 28


@pytest.fixture
def clock() -> StandingClock:
    """Time passes when the test lets it."""
    return StandingClock()


@pytest.fixture
async def dock(tmp_path: Path, clock: StandingClock) -> AsyncIterator[Dock]:
    """Two bays, with a camera in each that may be taken."""
    async with dock_in(tmp_path / "spool", clock=clock, bays=("1", "2")) as made:
        yield made


@pytest.fixture
def pool(dock: Dock) -> Outlets:
    """A camera in each bay; the second is fuller."""
    made = Outlets(dock.board, docked_percent={"A": 60, "B": 90})
    made.dock("1", "A")
    made.dock("2", "B")
    return made


@asynccontextmanager
async def at_work(dock: Dock) -> AsyncIterator[Desk]:
    """A desk that follows the cameras."""
    desk = Desk(dock, 12, NEW_YORK)
    await desk.load()
    async with running(desk.run()):
        yield desk


async def noted(dock: Dock, event: str) -> list[dict[str, Any]]:
    """The custody entries of one kind."""
    entries = [json.loads(each.entry) for each in await dock.journal.custody(limit=1000)]
    return [each for each in entries if each["event"] == event]


async def test_the_readiest_camera_is_given_out_and_its_tile_says_so(dock: Dock, pool: Outlets) -> None:
    """To whom, until when, in the office's time; the log has who did it."""
    async with at_work(dock) as desk:
        bay, out = await desk.check_out("A. Smith", "anna (uid 7)")
        assert (bay, out.camera, out.until) == ("2", "B", "2026-11-25T07:10:00.000Z")
        light = dock.board.bays["2"].lamp(Needs.VERIFIED)
        assert light is not None
        assert (light.lamp, light.reason) == (Lamp.TAKE, "It is for A. Smith, until 02:10.")
        assert dock.board.bays["2"].shown_officer == "A. Smith"
        assert (await desk.check_out("B. Jones", "anna (uid 7)"))[0] == "1"
        with pytest.raises(ControlError, match="no camera of the pool is ready"):
            await desk.check_out("C. Lee", "anna (uid 7)")
    first, second = await noted(dock, "camera.checked-out")
    assert (first["camera"], first["officer"], first["bay"], first["by"]) == ("B", "A. Smith", "2", "anna (uid 7)")
    assert [each["camera"] for each in second["standing"]] == ["B", "A"]
    assert pool.asked == 0


async def test_a_camera_may_be_named_and_given_to_another(dock: Dock, pool: Outlets) -> None:
    """The last word counts, and the log says instead of whom; what may not be taken is refused with the reason."""
    async with at_work(dock) as desk:
        until = datetime(2026, 11, 25, 1, tzinfo=UTC)
        assert (await desk.check_out("A. Smith", "x", camera="A", until=until))[1].until == "2026-11-25T01:00:00.000Z"
        await desk.check_out("B. Jones", "x", camera="A")
        assert [each.officer for each in desk.standing] == ["B. Jones"]
        with pytest.raises(ControlError, match="camera Z is in no bay"):
            await desk.check_out("A. Smith", "x", camera="Z")
        dock.board.bays["2"].scanned = False
        with pytest.raises(ControlError, match="camera B may not be taken: The dock is looking at the camera"):
            await desk.check_out("A. Smith", "x", camera="B")
    assert [entry.get("instead_of") for entry in await noted(dock, "camera.checked-out")] == [None, "A. Smith"]
    assert pool.asked == 0


async def test_a_camera_of_the_roster_is_nobody_elses(dock: Dock, pool: Outlets) -> None:
    """It is not of the pool."""
    dock.live.now = Orders(assigned={"B": "B. Jones"})
    async with at_work(dock) as desk:
        assert (await desk.check_out("A. Smith", "x"))[1].camera == "A"
    assert pool.asked == 0


@pytest.mark.parametrize(("named", "another"), [("A. Smith", None), (None, None), ("C. Lee", "C. Lee")])
async def test_what_was_taken_comes_back(
    dock: Dock, pool: Outlets, clock: StandingClock, named: str | None, another: str | None
) -> None:
    """Whoever's name it bears by then: that is written down, and blocks nothing."""
    async with at_work(dock) as desk:
        await desk.check_out("A. Smith", "x")
        pool.pull("2")
        await clock.until(lambda: [each.taken for each in desk.standing] == [True])
        await clock.passes(5)
        (taken,) = await noted(dock, "camera.taken")
        assert (taken["camera"], taken["officer"]) == ("B", "A. Smith")
        pool.dock("1", "B")
        dock.board.bays["1"].officer = named
        await clock.until(lambda: desk.standing == ())
        light = dock.board.bays["1"].lamp(Needs.VERIFIED)
        assert light is not None
        assert light.code == "done-verified"
    (back,) = await noted(dock, "camera.returned")
    assert (back["officer"], back["late"], back.get("by_another")) == ("A. Smith", False, another)


async def test_what_stands_outlives_the_dock(dock: Dock, pool: Outlets, clock: StandingClock) -> None:
    """One that is out comes back late; one that was never fetched is nobody's again when its time is over."""
    async with at_work(dock) as desk:
        await desk.check_out("A. Smith", "x")
        await desk.check_out("B. Jones", "x")
        pool.pull("2")
        await clock.until(lambda: any(each.taken for each in desk.standing))
    async with at_work(dock) as desk:
        assert [(each.camera, each.taken) for each in desk.standing] == [("B", True), ("A", False)]
        await clock.passes(13 * 3600)
        pool.dock("2", "B")
        await clock.until(lambda: desk.standing == ())
    (back,), (over,) = await noted(dock, "camera.returned"), await noted(dock, "camera.not-taken")
    assert (back["camera"], back["late"], over["camera"], over["officer"]) == ("B", True, "A", "B. Jones")
    assert dock.board.bays["1"].reserved is None


async def given_out_and_resting(desk: Desk, dock: Dock, pool: Outlets, clock: StandingClock) -> BayBoard:
    """The bay of camera A, which A. Smith is to take, and whose port is without power now."""
    await desk.check_out("A. Smith", "x", camera="A")
    bay = dock.board.bays["1"]
    bay.resting = Resting("A", None, Reading(Quality.REPORTED, 60, "x", "t"), Why.RESTING, bay.appetite)
    pool.switched_off("1")
    await clock.until(lambda: bay.reserved is not None)
    return bay


async def test_resting_is_not_leaving(dock: Dock, pool: Outlets, clock: StandingClock) -> None:
    """A camera whose port was cut is still in its bay."""
    async with at_work(dock) as desk:
        bay = await given_out_and_resting(desk, dock, pool, clock)
        assert bay.phase is Phase.UNPOWERED
        pool.give("1")
        await clock.until(lambda: bay.phase is Phase.RESTING and bay.reserved is not None)
        assert [each.taken for each in desk.standing] == [False]
        assert bay.shown_officer == "A. Smith"
    assert await noted(dock, "camera.taken") == []


async def test_a_camera_that_says_only_later_who_it_is_was_not_taken(dock: Dock, pool: Outlets, clock: StandingClock) -> None:
    """It is back with the power, and its bay does not know yet whose it is; what it was given out for stands."""
    pool.silent = True
    async with at_work(dock) as desk:
        bay = await given_out_and_resting(desk, dock, pool, clock)
        pool.give("1")
        await clock.passes(60)
        assert bay.phase is Phase.IDENTIFYING
        pool.dock("1", "A")
        await clock.until(lambda: bay.reserved is not None)
        await clock.passes(60)
        assert [(each.camera, each.taken) for each in desk.standing] == [("A", False)]
    assert await noted(dock, "camera.taken") == await noted(dock, "camera.returned") == []


async def test_a_hub_that_stumbles_takes_no_camera(dock: Dock, pool: Outlets, clock: StandingClock) -> None:
    """Off the bus and back within seconds: nobody held it in his hands. Gone for longer, it was taken."""
    async with at_work(dock) as desk:
        await desk.check_out("A. Smith", "x", camera="A")
        pool.pull("1")
        await clock.passes(0)  # it is noticed
        await clock.passes(3)
        pool.dock("1", "A")
        await clock.until(lambda: dock.board.bays["1"].reserved is not None)
        await clock.passes(60)
        assert await noted(dock, "camera.taken") == []
        pool.pull("1")
        await clock.until(lambda: [each.taken for each in desk.standing] == [True])
    (taken,) = await noted(dock, "camera.taken")
    assert (taken["camera"], taken["officer"]) == ("A", "A. Smith")


class Reader:
    """A badge reader that obeys the kernel's protocol: whoever reads it gets whole input events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    def plug(self) -> None:
        """It is there."""
        self._end = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def unplug(self) -> None:
        """It is gone."""
        os.close(self._end)

    def show(self, badge: str) -> None:
        """Somebody shows a badge."""
        for code in (*(KEYS[each] for each in badge), ENTER):
            for value in (1, 0):
                os.write(self._end, EVENT.pack(0, 0, 1, code, value) + EVENT.pack(0, 0, 0, 0, 0))


async def test_a_badge_gets_the_readiest_camera(dock: Dock, pool: Outlets, clock: StandingClock, tmp_path: Path) -> None:
    """Its owner's name is the site file's, or the badge itself; where there is none left, the dock goes on."""
    reader = Reader(tmp_path / "event7")
    reader.plug()
    async with at_work(dock) as desk:
        listening = asyncio.create_task(BadgeReader(reader.path, {"47": "A. Smith"}, desk, clock).run())
        reader.show("47")
        await clock.until(lambda: len(desk.standing) == 1)
        reader.show("71")
        await clock.until(lambda: len(desk.standing) == 2)
        assert [(each.camera, each.officer) for each in desk.standing] == [("B", "A. Smith"), ("A", "badge 71")]
        reader.show("1")
        await clock.passes(5)
        assert not listening.done()
        listening.cancel()
        await asyncio.wait([listening])
        assert listening.cancelled()
    assert [entry["by"] for entry in await noted(dock, "camera.checked-out")] == ["badge", "badge"]
    assert pool.asked == 0


async def test_a_reader_that_goes_is_waited_for(dock: Dock, pool: Outlets, clock: StandingClock, tmp_path: Path) -> None:
    """Plugged in again it is read again; so it is where it was not there at the start."""
    async with at_work(dock) as desk:
        listening = asyncio.create_task(BadgeReader(tmp_path / "event7", {}, desk, clock).run())
        await clock.until(lambda: clock.monotonic() >= 30)  # it was not there, and is tried again
        reader = Reader(tmp_path / "event7")
        reader.plug()
        reader.show("47")
        await clock.until(lambda: len(desk.standing) == 1)
        reader.unplug()
        await clock.passes(1)
        reader.plug()
        reader.show("71")
        await clock.until(lambda: len(desk.standing) == 2)
        listening.cancel()
        await asyncio.wait([listening])
    assert pool.asked == 0


async def test_a_device_that_is_no_keyboard_is_never_read(
    dock: Dock, pool: Outlets, clock: StandingClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """It cannot be kept from others: an admin is told once, and it is tried again."""
    async with at_work(dock) as desk:
        listening = asyncio.create_task(BadgeReader(Path("/dev/urandom"), {}, desk, clock).run())
        await clock.until(lambda: clock.monotonic() >= 60)
        listening.cancel()
        await asyncio.wait([listening])
    assert capsys.readouterr().out.count("badge reader cannot be used") == 1
    assert pool.asked == 0
