"""What follows from a mark."""

from dataclasses import replace

from dockd.core.changes import HoldPlaced, RecordingMarked
from dockd.core.clearance import FileKind, ScannedFile
from dockd.core.marking import BY_CAMERA, FIRST_AMENDMENT, held_by_mark, marked_since
from tests.sim.evidence import seen

PATH = b"DCIM/1.MP4"
FILE = ScannedFile(PATH, FileKind.RECORDING, None)
KNOWN = seen("r1", path=PATH)


def test_first_amendment_activity_is_held() -> None:
    """For a supervisor; nothing else is."""
    assert held_by_mark(KNOWN) == []
    assert held_by_mark(replace(KNOWN, first_amendment=True)) == [HoldPlaced("recording", "r1", BY_CAMERA, FIRST_AMENDMENT)]


def test_what_the_camera_says_by_now_is_written_down() -> None:
    """A sidecar may come after its recording."""
    file = replace(FILE, category="search", priority=10, first_amendment=True)
    assert marked_since({PATH: file}, [(PATH, KNOWN)]) == [
        RecordingMarked("r1", "search", 10, first_amendment=True, by=BY_CAMERA, reason="as its sidecar says by now"),
        HoldPlaced("recording", "r1", BY_CAMERA, FIRST_AMENDMENT),
    ]


def test_a_camera_takes_nothing_back() -> None:
    """Nor does it change what was said of the category before, by a person perhaps; nor is a hold placed twice."""
    known = replace(KNOWN, category="arrest", priority=10, first_amendment=True)
    assert marked_since({PATH: replace(FILE, category="contact")}, [(PATH, known)]) == []
    urgent = replace(FILE, priority=10, first_amendment=True)
    (change,) = marked_since({PATH: urgent}, [(PATH, replace(known, priority=100))])
    assert isinstance(change, RecordingMarked)
    assert (change.category, change.priority) == ("arrest", 10)
