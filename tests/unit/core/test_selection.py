"""Which entries tell the story of some recordings: all of theirs, the dock's own in that time, and nobody else's."""

from dockd.core.canonical import Json
from dockd.core.selection import Subject, select

_SUBJECT = Subject({"r1"}, {"d1"}, {"C1"})


def _log(*entries: dict[str, Json]) -> list[tuple[int, dict[str, Json]]]:
    return list(enumerate(entries, 1))


def test_a_recordings_story_is_told_with_its_surroundings() -> None:
    """Entries of the recording, its docking, camera and holds; of the dock since the start before; the first."""
    log = _log(
        {"event": "daemon.started"},
        {"event": "daemon.stopped"},
        {"event": "daemon.started"},
        {"event": "configuration.accepted"},
        {"event": "camera.docked", "docking": "d1", "camera": "C1"},
        {"event": "camera.docked", "docking": "d2", "camera": "C2"},
        {"event": "recording.seen", "recording": "r1"},
        {"event": "recording.seen", "recording": "r2"},
        {"event": "hold.placed", "subject": "C1"},
        {"event": "hold.placed", "subject": "C2"},
        {"event": "camera.barred", "camera": "C1"},
        {"event": "camera.barred", "camera": "C2"},
        {"event": "device.refused"},
        {"event": "daemon.stopped"},
        {"event": "daemon.started"},
        {"event": "upload.placed", "recording": "r1"},
        {"event": "daemon.stopped"},
    )
    assert select(log, _SUBJECT) == [1, 3, 4, 5, 7, 9, 11, 14, 15, 16]


def test_a_log_that_does_not_speak_of_it_has_no_story() -> None:
    """Nothing is shown of a log that has nothing to tell."""
    assert select(_log({"event": "daemon.started"}, {"event": "recording.seen", "recording": "r2"}), _SUBJECT) == []


def test_a_story_that_begins_with_the_log_begins_with_its_first_entry() -> None:
    """A log that was made anew has no start before it."""
    log = _log({"event": "journal.rebuilt"}, {"event": "docking.restored", "docking": "d1"})
    assert select(log, _SUBJECT) == [1, 2]
