"""What waits for the archive, and what is going on."""

import asyncio
from dataclasses import replace

import pytest

from dockd.core.clearance import FileKind
from dockd.core.estimate import Pace
from dockd.core.readiness import Lamp, Needs
from dockd.core.recording import Refusal, State
from dockd.dock.board import TAKEN_LASTS_S, BayBoard, Board, Phase, Presence
from dockd.dock.meter import Meter
from dockd.dock.outbox import Outbox
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import seen


class Ticking(HurriedClock):
    """A monotonic clock that the test sets."""

    at_s = 0.0

    def monotonic(self) -> float:
        """Where the test set it."""
        return self.at_s


async def test_most_urgent_recording_is_taken_first() -> None:
    """Urgency, then what was begun, then the order of discovery, whichever copy was ready first."""
    outbox = Outbox()
    late = replace(seen("a"), sequence=9, state=State.VERIFIED)
    early = replace(seen("b"), sequence=1, state=State.VERIFIED)
    begun = replace(seen("c"), sequence=5, state=State.UPLOADING)
    urgent = replace(seen("d"), sequence=7, priority=10, state=State.VERIFIED)
    for each in (late, early, begun, urgent):
        outbox.put(each)
    assert (outbox.files, outbox.left_bytes) == (4, 28)
    assert [await outbox.take() for _ in range(4)] == ["d", "c", "b", "a"]
    outbox.sent("a", 3)
    assert outbox.left_bytes == 24
    for recording_id in "abcd":
        outbox.done(recording_id)
    assert (outbox.files, outbox.left_bytes) == (0, 0)


async def test_what_is_marked_goes_first_wherever_it_is() -> None:
    """Whether it waits, is on its way, or only comes; and nothing is taken twice."""
    outbox = Outbox()
    early, late, coming = (replace(seen(name), sequence=at, state=State.VERIFIED) for name, at in (("a", 1), ("b", 2), ("c", 3)))
    outbox.put(early)
    outbox.put(late)
    outbox.hurry(replace(late, priority=10))
    assert (outbox.files, outbox.critical_untaken) == (2, 1)
    assert await outbox.take() == "b"
    outbox.hurry(replace(early, priority=50))
    assert await outbox.take() == "a"
    outbox.hurry(replace(early, priority=10))
    assert set(outbox.critical) == {"a", "b"}, "on its way, and gives way to nobody"
    assert outbox.is_critical(early)
    outbox.hurry(replace(coming, state=State.COPYING, priority=10))
    outbox.put(replace(early, recording_id="d"))
    outbox.put(coming)
    assert [await outbox.take(), await outbox.take()] == ["c", "d"]
    for recording_id in "abcd":
        outbox.done(recording_id)
    assert (outbox.files, dict(outbox.critical), outbox.critical_untaken) == (0, {}, 0)
    outbox.sent("a", 5)
    assert (outbox.files, outbox.left_bytes) == (0, 0), "what is archived is not counted again by a late word of its upload"
    outbox.hurry(replace(early, state=State.ARCHIVED, priority=10))
    outbox.put(early)
    outbox.put(late)
    assert await outbox.take() == "a", "what was archived is hurried nowhere"


def test_rate_is_that_of_the_last_seconds() -> None:
    """What moved long ago is no rate."""
    clock = Ticking()
    meter = Meter(clock)
    assert meter.rate_bytes_s() == 0
    meter.add(500)
    meter.add(500)
    assert meter.rate_bytes_s() == 2000
    clock.at_s = 1.0
    meter.add(1000)
    assert meter.rate_bytes_s() == 2000
    clock.at_s = 100.0
    assert meter.rate_bytes_s() == 0


def test_lamp_is_off_over_an_empty_bay_and_names_what_cannot_be_taken() -> None:
    """A file that is never read calls for a person, but only once everything else is safe."""
    bay = BayBoard("1", Meter(Ticking()))
    assert bay.lamp(Needs.ARCHIVED) is None
    bay.phase, bay.camera, bay.scanned = Phase.RESTING, "CAM-1", True
    bay.problems = {b"link": "a symbolic link, which is never read"}
    bay.present = {"a": Presence(replace(seen("a"), state=State.COPYING), FileKind.RECORDING)}
    lamp = bay.lamp(Needs.ARCHIVED)
    assert lamp is not None
    assert lamp.lamp is Lamp.LEAVE
    bay.present = {"a": Presence(replace(seen("a"), state=State.ARCHIVED), FileKind.RECORDING)}
    lamp = bay.lamp(Needs.ARCHIVED)
    assert lamp is not None
    assert lamp.lamp is Lamp.HELP
    assert "symbolic link" in lamp.reason


def test_empty_bay_remembers_nothing() -> None:
    """The next camera begins with a clean board."""
    bay = BayBoard("1", Meter(Ticking()), phase=Phase.FAILED, camera="CAM-1", failure=Refusal("x", "first", "hint"))
    bay.clear()
    assert bay == BayBoard("1", bay.meter)


def test_unknown_file_that_is_archived_is_as_far_as_it_goes() -> None:
    """A file that the profile does not know is copied and never erased; it does not hold the camera."""
    bay = BayBoard("1", Meter(Ticking()), phase=Phase.RESTING, camera="CAM-1", scanned=True)
    bay.present = {"a": Presence(replace(seen("a"), state=State.ARCHIVED), FileKind.UNKNOWN)}
    lamp = bay.lamp(Needs.ERASED)
    assert lamp is not None
    assert lamp.lamp is Lamp.TAKE


def test_first_reason_why_the_archive_is_away_stays_until_it_answers() -> None:
    """Since when, and why at first, is what an admin needs."""
    board = Board(Ticking(), ("1",))
    board.archive_failed("first")
    board.archive_failed("second")
    assert (board.archive.reachable, board.archive.message) == (False, "first")
    board.archive_answers()
    board.archive_answers()
    assert (board.archive.reachable, board.archive.message) == (True, "")


def test_pace_is_that_of_one_stretch_of_work() -> None:
    """What came first was moved before anything was measured; after half a minute of nothing another stretch begins."""
    clock = Ticking()
    meter = Meter(clock)
    assert meter.pace() == Pace()
    for second in range(41):
        clock.at_s = second
        meter.add(100)
    pace = meter.pace()
    assert (pace.whole_bytes, pace.whole_s) == (4000, 40)
    assert pace.recent_bytes / pace.recent_s == 100
    assert 15 <= pace.recent_s <= 21
    clock.at_s = 60
    assert meter.pace().whole_s == 60
    clock.at_s = 80
    assert meter.pace() == Pace()
    meter.add(5)
    assert meter.pace() == Pace(0, 0, 0, 0)


def board_with_camera(clock: Ticking, camera: str, state: State) -> Board:
    """A board with that camera in bay 1."""
    board = Board(clock, ("1",))
    docked(board, camera, state)
    return board


def docked(board: Board, camera: str, state: State) -> None:
    """That camera is in bay 1, with one recording."""
    bay = board.bays["1"]
    bay.phase, bay.camera, bay.scanned = Phase.COPYING, camera, True
    bay.present = {"a": Presence(replace(seen("a"), state=state), FileKind.RECORDING)}


def test_camera_that_might_be_taken_is_not_missed() -> None:
    """Nor is one that was never identified, nor an empty bay."""
    board = board_with_camera(Ticking(), "CAM-1", State.ARCHIVED)
    board.left(board.bays["1"])
    board.bays["1"].camera = None
    docked_state = board.bays["1"].present["a"]
    docked_state.recording = replace(docked_state.recording, state=State.SEEN)
    board.left(board.bays["1"])
    board.bays["1"].clear()
    board.left(board.bays["1"])
    assert board.taken() == []
    board.came("CAM-1")


def test_camera_is_missed_for_a_shift_where_it_matters_and_for_minutes_where_not() -> None:
    """What holds the only copy of something stays on the screen; what is copied soon goes from it."""
    clock = Ticking()
    board = board_with_camera(clock, "CAM-1", State.SEEN)
    board.left(board.bays["1"])
    docked(board, "CAM-2", State.VERIFIED)
    board.left(board.bays["1"])
    assert [each.camera for each in board.taken()] == ["CAM-2", "CAM-1"]
    clock.at_s = 601
    assert [each.camera for each in board.taken()] == ["CAM-1"]
    clock.at_s = TAKEN_LASTS_S - 1
    assert [each.camera for each in board.taken()] == ["CAM-1"]
    clock.at_s = TAKEN_LASTS_S
    assert board.taken() == []


def test_a_camera_with_many_names_fills_no_memory() -> None:
    """Each time it calls itself something else; only the latest are remembered."""
    board = board_with_camera(Ticking(), "CAM-0", State.SEEN)
    for number in range(200):
        board.bays["1"].camera = f"CAM-{number}"
        board.left(board.bays["1"])
    assert len(board.taken()) == 64
    assert board.taken()[0].camera == "CAM-199"


async def test_no_news_are_missed_between_looks() -> None:
    """Whoever says what it has seen is told at once of what came meanwhile."""
    board = Board(Ticking(), ("1",))
    before = board.change
    board.tell()
    await board.news(before)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await board.news(board.change)
