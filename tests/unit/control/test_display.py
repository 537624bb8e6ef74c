"""What the dock's own screen is told of the board."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.control.display import Display
from dockd.core.battery import Appetite, Curve, Quality, Reading
from dockd.core.causes import Cause
from dockd.core.charging import Resting, Why
from dockd.core.clearance import FileKind
from dockd.core.estimate import Left, Unit
from dockd.core.policy import Policy
from dockd.core.profile import CRITICAL
from dockd.core.readiness import Lamp, Least, Needs
from dockd.core.recording import Recording, Refusal, State
from dockd.dock.board import Phase, Presence
from dockd.dock.live import Orders
from dockd.dock.parts import Dock
from dockd.web.screen import Tile
from tests.sim.consignments import HurriedClock
from tests.sim.dock_of import dock_in
from tests.sim.evidence import seen

MIB = 1 << 20
IDS = ("a" * 32, "b" * 32, "c" * 32)


class Ticking(HurriedClock):
    """A clock that the test sets."""

    at_s = 1000.0

    def monotonic(self) -> float:
        """Where the test set it."""
        return self.at_s


@pytest.fixture
def clock() -> Ticking:
    """Ten past seven in the evening, UTC."""
    return Ticking()


@pytest.fixture
async def dock(tmp_path: Path, clock: Ticking) -> AsyncIterator[Dock]:
    """A dock with two empty bays."""
    async with dock_in(tmp_path, clock=clock) as built:
        yield built


@pytest.fixture
def display(dock: Dock) -> Display:
    """Its screen, in Baltimore."""
    return Display(dock, "Baltimore", "America/New_York")


def camera(dock: Dock, *states: State, size_bytes: int = 100 * MIB, phase: Phase = Phase.COPYING) -> list[Recording]:
    """A camera in bay 1 with a recording in each of these states."""
    bay = dock.board.bays["1"]
    bay.phase, bay.camera, bay.officer, bay.scanned, bay.charges = phase, "X1", "badge 7", True, True
    bay.battery = Reading(Quality.REPORTED, 55, "the camera when it was docked", "t")
    listed = [
        replace(seen(id_, size_bytes=size_bytes, path=b"A.MP4"), state=state) for id_, state in zip(IDS, states, strict=False)
    ]
    bay.present = {each.recording_id: Presence(each, FileKind.RECORDING) for each in listed}
    return listed


def tile(display: Display) -> Tile:
    """Bay 1."""
    return display.screen().tiles[0]


async def test_an_empty_dock_is_quiet(display: Display) -> None:
    """Nothing is claimed of bays without a camera, nor of an archive that was not asked yet."""
    screen = display.screen()
    assert screen.tiles == (Tile("1", "empty"), Tile("2", "empty"))
    assert not screen.busy
    header = screen.header
    assert (header.dock, header.site, header.time, header.archive) == ("dock-1", "Baltimore", "14:10", "unknown")
    assert (header.queue_files, header.left, header.full, header.night, header.site_file) == (0, None, False, False, "")


async def test_evening_is_night(dock: Dock) -> None:
    """By the office's clock, not the machine's."""
    assert Display(dock, "Guam", "Pacific/Guam").screen().header.night
    assert Display(dock, "London", "Europe/London").screen().header.night
    assert not Display(dock, "Buffalo", "America/New_York").screen().header.night


async def test_copying_shows_how_far_and_how_long(display: Display, dock: Dock, clock: Ticking) -> None:
    """By what was measured; before that there is a bar, and no time."""
    listed = camera(dock, State.VERIFIED, State.COPYING)
    bay = dock.board.bays["1"]
    bay.reading = {listed[1].path: 50 * MIB}
    shown = tile(display)
    assert (shown.lamp, shown.why, shown.files) == (Lamp.LEAVE, "copying", 1)
    assert (shown.stage, shown.permille, shown.left) == ("copy", 750, None)
    assert (shown.total, shown.copied, shown.archived, shown.battery_percent) == (2, 1, 0, 55)
    for _ in range(21):
        bay.meter.add(MIB // 4)
        clock.at_s += 1
    assert tile(display).left == Left(Unit.MINUTES, 4)
    assert tile(display).ready is None  # nobody knows yet how fast the archive takes it
    bay.waiting = Refusal("spool-full", "The dock's disk is full.", "Wait.")
    waiting = tile(display)
    assert (waiting.why, waiting.left) == ("spool-full", None)
    assert display.screen().header.full


async def test_the_archive_gets_its_own_bar(display: Display, dock: Dock, clock: Ticking) -> None:
    """A camera's last recording may have to wait for all others; while the archive is away nobody knows how long."""
    listed = camera(dock, State.ARCHIVED, State.UPLOADING, phase=Phase.WAITING)
    other = seen("d" * 32, size_bytes=500 * MIB)
    for each in (listed[1], other):
        dock.outbox.put(each)
    dock.outbox.sent(listed[1].recording_id, 80 * MIB)
    for _ in range(11):
        dock.board.sent.add(2 * MIB)
        clock.at_s += 1
    dock.board.archive_answers()
    shown = tile(display)
    assert (shown.stage, shown.permille, shown.why) == ("archive", 600, "archiving")
    assert shown.left == Left(Unit.MINUTES, 6)
    assert shown.causes == (Cause.DONE, Cause.BUSY, Cause.BUSY)
    header = display.screen().header
    assert (header.queue_files, header.queue_bytes, header.left) == (2, 580 * MIB, Left(Unit.MINUTES, 6))
    assert display.screen().busy
    dock.board.archive_failed("no route")
    shown, header = tile(display), display.screen().header
    assert (shown.left, header.left) == (None, None)
    assert (header.archive, header.away_since, header.archive_detail) == ("away", "14:10", "no route")
    assert shown.causes == (Cause.DONE, Cause.BUSY, Cause.STUCK)


async def test_a_bar_is_never_full_before_everything_is_done(display: Display, dock: Dock) -> None:
    """All bytes were read, and the file is not checked yet; empty files have no bar that could be half full."""
    listed = camera(dock, State.COPYING)
    dock.board.bays["1"].reading = {listed[0].path: 100 * MIB}
    assert tile(display).permille == 999
    camera(dock, State.SEEN, size_bytes=0)
    assert tile(display).permille == 0


async def test_take_it_and_clearing_have_no_bar(display: Display, dock: Dock) -> None:
    """There is nothing to wait for, or it is over at once."""
    camera(dock, State.ERASED, phase=Phase.RESTING)
    shown = tile(display)
    assert (shown.lamp, shown.stage, shown.causes) == (Lamp.TAKE, None, (Cause.DONE, Cause.BUSY, Cause.DONE))
    dock.board.bays["1"].held = False
    camera(dock, State.ARCHIVED, phase=Phase.CLEARING)
    dock.board.needs = type(dock.board.needs).ERASED
    shown = tile(display)
    assert (shown.lamp, shown.why, shown.stage) == (Lamp.LEAVE, "clearing", None)


async def test_help_names_the_files(display: Display, dock: Dock) -> None:
    """The first few, with their reasons, as text that anybody may have written; and how many more there are."""
    listed = camera(dock, State.REFUSED)
    refused = replace(listed[0], path=b"<b>\x1b.MP4", refusal=Refusal("source-unreadable", "bad sector", "Keep it."))
    bay = dock.board.bays["1"]
    bay.present = {refused.recording_id: Presence(refused, FileKind.RECORDING)}
    bay.problems = {b"link%d" % number: "a symbolic link to \udcff" for number in range(6)}
    shown = tile(display)
    assert shown.lamp is Lamp.HELP
    assert len(shown.troubles) == 5
    assert shown.more_troubles == 2
    assert shown.troubles[0].reason == "a symbolic link to \\udcff"
    assert shown.detail.startswith("6 files on the camera cannot be taken")
    bay.problems = {}
    shown = tile(display)
    assert [each.path for each in shown.troubles] == ["<b>%1B.MP4"]
    assert (shown.why, shown.files, shown.detail) == ("files-refused", 1, "")


@pytest.mark.parametrize(
    ("scanned", "states", "kind", "files", "size_bytes"),
    [
        (True, [State.VERIFIED, State.COPYING, State.SEEN], "back", 2, 200 * MIB),
        (True, [State.UPLOADING], "safe", 0, 0),
        (True, [State.REFUSED, State.VERIFIED], "help", 1, 0),
        (False, [], "unseen", 0, 0),
    ],
)
async def test_a_camera_that_left_too_early_is_missed(
    display: Display, dock: Dock, scanned: bool, states: list[State], kind: str, files: int, size_bytes: int
) -> None:
    """With what is still on it, until it comes back."""
    camera(dock, *states)
    bay = dock.board.bays["1"]
    bay.scanned = scanned
    dock.board.left(bay)
    bay.clear()
    (notice,) = display.screen().notices
    assert (notice.camera, notice.officer, notice.bay, notice.time) == ("X1", "badge 7", "1", "14:10")
    assert (notice.kind, notice.files, notice.bytes) == (kind, files, size_bytes)
    dock.board.came("X1")
    assert display.screen().notices == ()


async def test_a_site_file_that_is_not_in_force_is_said(display: Display, dock: Dock) -> None:
    """The admin sees it at the dock as well."""
    dock.board.configuration = replace(dock.board.configuration, pending=("erase.policy",))
    assert display.screen().header.site_file == "pending"
    dock.board.configuration = replace(dock.board.configuration, error="site.yaml:1:1: no")
    assert display.screen().header.site_file == "error"


async def test_a_critical_incident_has_its_deadline_on_the_screen(display: Display, dock: Dock) -> None:
    """In the office's time, with the date where it is not today, and late once it is."""
    assert display.screen().header.critical == 0
    today = f"{dock.clock.now():%Y-%m-%d}"
    dock.outbox.put(replace(seen("a" * 32), priority=CRITICAL, seen=f"{today}T00:00:00.000Z"))
    header = display.screen().header
    assert (header.critical, header.critical_by, header.critical_late) == (1, "", False)
    for hours, late in ((0, True), (24 * 365, False)):
        dock.live.now = Orders(policy=Policy(critical_within_hours=hours))
        header = display.screen().header
        assert header.critical_late is late
        assert header.critical_by
    assert len(header.critical_by) == len("2027-11-28 01:00")


async def test_news_are_the_boards(display: Display, dock: Dock) -> None:
    """Whoever has seen the last change waits for the next, and nobody misses one."""
    before = display.change
    dock.board.tell()
    assert display.change == before + 1
    await display.news(before)


async def test_a_camera_that_only_has_to_charge_says_how_far_and_how_long(dock: Dock, display: Display) -> None:
    """The bar is the battery's; an estimate says that it is one."""
    camera(dock, State.ARCHIVED, phase=Phase.RESTING)
    bay = dock.board.bays["1"]
    bay.least, bay.appetite = Least(percent=80), Appetite(curve=Curve(((0, 0), (100, 100))))
    bay.battery = Reading(Quality.ESTIMATED, 55, "estimated", "t")
    shown = tile(display)
    assert (shown.lamp, shown.why, shown.stage, shown.permille, shown.left) == (
        Lamp.LEAVE, "charging", "charge", 550, Left(Unit.MINUTES, 25),
    )  # fmt: skip
    assert (shown.battery, shown.battery_percent, shown.wanted_percent) == (Quality.ESTIMATED, 55, 80)
    bay.appetite = Appetite()
    assert tile(display).left is None
    bay.battery = Reading(Quality.REPORTED, 80, "the camera", "t")
    assert (tile(display).lamp, tile(display).stage) == (Lamp.TAKE, None)


async def test_a_folder_charges_nothing_and_keeps_no_camera_for_it(dock: Dock, display: Display) -> None:
    """What its camera said is shown, and nothing is claimed of charging."""
    camera(dock, State.ARCHIVED, phase=Phase.RESTING)
    bay = dock.board.bays["1"]
    bay.charges, bay.least = False, Least(percent=80)
    shown = tile(display)
    assert (shown.lamp, shown.battery_percent, shown.causes) == (Lamp.TAKE, 55, (Cause.DONE, Cause.UNKNOWN, Cause.DONE))


async def test_a_camera_without_power_rests_and_is_never_green(dock: Dock, display: Display) -> None:
    """It is named, its charge is that of before, and the bay is not empty."""
    camera(dock, State.ARCHIVED, phase=Phase.RESTING)
    bay = dock.board.bays["1"]
    bay.resting = Resting("X1", "badge 7", bay.battery, Why.RESTING, bay.appetite)
    for _ in range(2):  # while it leaves, and after
        shown = tile(display)
        assert (shown.lamp, shown.why, shown.camera, shown.officer) == (Lamp.LEAVE, "resting", "X1", "badge 7")
        assert (shown.battery_percent, shown.battery_old) == (55, True)
        bay.rest()
    assert bay.phase is Phase.UNPOWERED
    dock.board.left(bay)
    assert display.screen().notices == ()


async def test_what_a_camera_waits_for_is_told_as_a_whole(display: Display, dock: Dock, clock: Ticking) -> None:
    """Copy and archive, others' recordings first, and the battery meanwhile; nothing where one of them is not known."""
    listed = camera(dock, State.VERIFIED, State.COPYING)
    bay = dock.board.bays["1"]
    bay.reading = {listed[1].path: 40 * MIB}
    dock.outbox.put(listed[0])
    for _ in range(21):
        bay.meter.add(MIB)
        dock.board.sent.add(2 * MIB)
        clock.at_s += 1
    dock.board.archive_answers()
    # 60 MiB are to be copied at one a second, and 200 are to be sent at two.
    assert (tile(display).left, tile(display).ready, tile(display).clears) == (
        Left(Unit.MINUTES, 2),
        Left(Unit.MINUTES, 3),
        False,
    )
    bay.least, bay.appetite = Least(percent=80), Appetite(curve=Curve(((0, 0), (100, 100))))
    bay.battery = Reading(Quality.ESTIMATED, 50, "estimated", "t")
    assert tile(display).ready == Left(Unit.MINUTES, 30)
    bay.appetite = Appetite()
    assert tile(display).ready is None
    bay.battery = Reading(Quality.REPORTED, 80, "the camera", "t")
    assert tile(display).ready == Left(Unit.MINUTES, 3)
    dock.board.needs = Needs.ERASED
    assert tile(display).clears
    dock.board.needs = Needs.VERIFIED
    assert tile(display).ready == Left(Unit.MINUTES, 2)
    dock.board.needs = Needs.ARCHIVED
    dock.board.archive_failed("no route")
    assert tile(display).ready is None
