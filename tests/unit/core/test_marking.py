"""What follows from a mark."""

from dataclasses import replace

from dockd.core.changes import HoldPlaced, RecordingMarked
from dockd.core.clearance import FileKind, ScannedFile
from dockd.core.marking import BY_CAMERA, FIRST_AMENDMENT, Mark, held_by_mark, marked_by_person, marked_since
from dockd.core.policy import URGENT, Category
from dockd.core.profile import CRITICAL
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


def test_a_person_marks_a_recording_with_what_belongs_to_it() -> None:
    """A critical incident stays the category that it was; what is said of one is said of its sidecars."""
    known = (replace(KNOWN, category="arrest"), seen("r2", path=PATH + b".TXT"))
    assert marked_by_person(known, Mark("ann", "shots fired", critical=True)) == [
        RecordingMarked("r1", "arrest", CRITICAL, first_amendment=False, by="ann", reason="shots fired"),
        RecordingMarked("r2", None, CRITICAL, first_amendment=False, by="ann", reason="shots fired"),
    ]


def test_a_persons_category_is_as_urgent_as_the_policy_says() -> None:
    """And makes nothing less urgent than it was."""
    urgent, routine = Category("arrest", 100, urgent=True), Category("contact", 10)
    for priority, category, then in ((100, urgent, URGENT), (CRITICAL, urgent, CRITICAL), (CRITICAL, routine, CRITICAL)):
        (change,) = marked_by_person([replace(KNOWN, priority=priority)], Mark("ann", "report 7", category))
        assert isinstance(change, RecordingMarked)
        assert (change.category, change.priority) == (category.name, then)


def test_a_persons_first_amendment_mark_is_held_and_stays() -> None:
    """Whatever else is said later; the hold is for a supervisor to lift."""
    assert marked_by_person([KNOWN], Mark("ann", "a march", first_amendment=True)) == [
        RecordingMarked("r1", None, KNOWN.priority, first_amendment=True, by="ann", reason="a march"),
        HoldPlaced("recording", "r1", "ann", FIRST_AMENDMENT),
    ]
    (change,) = marked_by_person([replace(KNOWN, first_amendment=True)], Mark("bob", "shots", critical=True))
    assert isinstance(change, RecordingMarked)
    assert change.first_amendment
