"""What waits for the archive, and what is going on."""

from dataclasses import replace

from dockd.board import BayBoard, Board, Meter, Phase, Presence
from dockd.core.clearance import FileKind
from dockd.core.readiness import Lamp, Needs
from dockd.core.recording import Refusal, State
from dockd.outbox import Outbox
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import seen


class Ticking(HurriedClock):
    """A monotonic clock that the test sets."""

    at_s = 0.0

    def monotonic(self) -> float:
        """Where the test set it."""
        return self.at_s


async def test_most_urgent_recording_is_taken_first() -> None:
    """Urgency, then what was begun, then the order of discovery."""
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
