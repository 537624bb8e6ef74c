"""Orders that nothing may be erased, in the daemon's journal and in the helper that erases."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from dockd.charging.checkout import Desk
from dockd.charging.rehearsal import Rehearsal
from dockd.cli.release import command as release_command
from dockd.control.holding import HelperHolds
from dockd.control.overview import Overview
from dockd.core import custody
from dockd.dock.parts import Dock
from dockd.errors import ControlError, WorkerError
from dockd.helper import client, wire
from dockd.journal import Journal
from dockd.web.hold import HoldOrder, ReleaseOrder
from tests.sim.consignments import HurriedClock
from tests.sim.control_backend import FakeBackend
from tests.sim.dock_of import dock_in, docked
from tests.sim.helper_here import HelperHere


class Heard(HelperHolds):
    """The production class; a test can wait until it has told the helper."""

    def __init__(self, path: str, known: asyncio.Condition) -> None:
        super().__init__(path)
        self._known, self._count = known, 0

    def moved_to(self, path: str) -> None:
        """The helper is there now."""
        self._path = path

    async def catch_up(self, journal: Journal) -> bool:
        """As there; and counted."""
        told = await super().catch_up(journal)
        async with self._known:
            self._count = len(await self.standing()) if told else 0
            self._known.notify_all()
        return told

    async def knows(self, count: int) -> None:
        """Until the helper has so many holds."""
        async with asyncio.timeout(60), self._known:
            await self._known.wait_for(lambda: self._count == count)


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the helper obeys root alone")

ORDER = HoldOrder(reason="case 7", camera="C1")
RELEASE = ReleaseOrder(reason="closed", camera="C1")


@pytest.fixture
async def dock(tmp_path: Path) -> AsyncIterator[Dock]:
    """A dock that knows camera C1."""
    async with dock_in(tmp_path) as built:
        await docked(built)
        yield built


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[HelperHere]:
    """A running helper; its sessions run as whoever runs the tests."""
    made = HelperHere(tmp_path)
    made.start()
    yield made
    made.stop()


def _overview(dock: Dock, path: str) -> Overview:
    desk, rehearsal = Desk(dock, 12, ZoneInfo("UTC")), Rehearsal(dock.board, dock.clock)
    return Overview(dock, lambda: None, FakeBackend().selftest, desk, rehearsal, helper=HelperHolds(path))


async def test_a_hold_is_placed_in_both(dock: Dock, helper: HelperHere) -> None:
    """With who and why; it is lifted in the journal only once the helper has lifted it for root."""
    overview = _overview(dock, helper.path)
    await overview.hold(ORDER, "anna (uid 7)")
    (held,) = client.list_holds(path=helper.path)
    assert (held.scope, held.subject, held.by, held.reason) == ("camera", "C1", "anna (uid 7)", "case 7")
    with pytest.raises(ControlError, match="obeys root alone"):
        await overview.release(RELEASE, "anna (uid 7)")
    assert (await dock.journal.holds()).cameras == {"C1"}
    client.lift_hold("camera", "C1", "root", "closed", path=helper.path)
    await overview.release(RELEASE, "root (uid 0)")
    assert not (await dock.journal.holds()).cameras


async def test_a_hold_stands_in_the_journal_though_the_helper_is_away(dock: Dock, tmp_path: Path) -> None:
    """And whoever placed it hears that the helper was not told."""
    with pytest.raises(WorkerError, match="cannot be asked"):
        await _overview(dock, str(tmp_path / "nowhere")).hold(ORDER, "anna (uid 7)")
    assert (await dock.journal.holds()).cameras == {"C1"}


async def test_the_helper_is_told_at_once_whoever_orders(dock: Dock, helper: HelperHere) -> None:
    """At the start what the journal holds already, each once; and later what no admin placed by hand, as soon as it is there."""
    await dock.journal.record(
        custody.HoldPlaced("camera", "C1", "anna (uid 7)", "case 7"), custody.HoldPlaced("recording", "ab" * 16, "bert", "case 8")
    )
    client.place_hold("camera", "C1", "somebody", "before", path=helper.path)
    known = asyncio.Condition()
    holds = Heard(helper.path, known)
    following = asyncio.create_task(holds.follow(dock.journal, dock.clock))
    await holds.knows(2)
    assert {(each.subject, each.by) for each in client.list_holds(path=helper.path)} == {("C1", "somebody"), ("ab" * 16, "bert")}
    await dock.journal.record(custody.HoldPlaced("recording", "cd" * 16, "the camera", "First Amendment activity"))
    await holds.knows(3)
    await dock.journal.record(custody.HoldPlaced("time", "2026-11-20T00:00:00.000Z/..", "anna (uid 7)", "incident", "26-cv-1"))
    await holds.knows(4)
    (last,) = (each for each in client.list_holds(path=helper.path) if each.scope == "time")
    assert (last.subject, last.case) == ("2026-11-20T00:00:00.000Z/..", "26-cv-1")
    following.cancel()
    await asyncio.wait([following])


async def test_a_helper_that_is_away_is_told_when_it_is_back(dock: Dock, helper: HelperHere, tmp_path: Path) -> None:
    """It is named, no reason not to start, and asked again."""
    await dock.journal.record(custody.HoldPlaced("camera", "C1", "anna (uid 7)", "case 7"))
    known = asyncio.Condition()
    holds, clock = Heard(str(tmp_path / "nowhere"), known), HurriedClock()
    with capture_logs() as said:
        following = asyncio.create_task(holds.follow(dock.journal, clock))
        async with known:
            await known.wait_for(lambda: clock.slept_s)
        holds.moved_to(helper.path)
        await holds.knows(1)
    following.cancel()
    await asyncio.wait([following])
    assert {each["event"] for each in said if each["log_level"] == "error"} == {"helper not told of holds"}
    assert [each.subject for each in client.list_holds(path=helper.path)] == ["C1"]


async def test_root_releases_both_with_one_command(helper: HelperHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper's first: as long as it stands, the daemon's is not touched. Nobody but root tries."""
    monkeypatch.setattr(wire, "SOCKET", helper.path)
    client.place_hold("camera", "C1", "anna (uid 7)", "case 7", path=helper.path)
    place = tmp_path / "control.sock"
    arguments = ["--camera", "C1", "--reason", "closed", "--socket", str(place)]
    with monkeypatch.context() as another:
        another.setattr("os.geteuid", lambda: 1000)
        assert isinstance(CliRunner().invoke(release_command, arguments).exception, ControlError)
    assert len(client.list_holds(path=helper.path)) == 1
    assert isinstance(CliRunner().invoke(release_command, arguments).exception, ControlError)
    assert client.list_holds(path=helper.path) == ()
