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


def test_holds_by_officer_and_time_belong_to_what_they_keep() -> None:
    """An order that keeps one of the recordings is in its story; one that names another person or time is not."""
    log = _log(
        {"event": "docking.restored", "docking": "d1"},
        {"event": "hold.placed", "scope": "officer", "subject": "A. Smith"},
        {"event": "hold.placed", "scope": "officer", "subject": "B. Jones"},
        {"event": "hold.placed", "scope": "time", "subject": "1970-01-01T00:00:00Z/1970-01-01T01:00:00Z"},
        {"event": "hold.lifted", "scope": "time", "subject": "1971-01-01T00:00:00Z/.."},
    )
    theirs = Subject({"r1"}, {"d1"}, {"C1"}, {"asmith"}, [(60_000_000_000, 120_000_000_000)])
    assert select(log, theirs) == [1, 2, 4]


def test_the_first_checkpoint_that_covers_all_of_it_is_told() -> None:
    """One that was on its way while something was entered does not cover that; later ones add nothing, unless in its time."""
    log = _log(
        {"event": "log.deposited", "size": 0},
        {"event": "recording.seen", "recording": "r1"},
        {"event": "log.deposited", "size": 1},
        {"event": "log.deposited", "size": 3},
        {"event": "log.deposited", "size": 4},
    )
    assert select(log, _SUBJECT) == [1, 2, 4]
    assert select([*log, (6, {"event": "recording.archived", "recording": "r1"})], _SUBJECT) == [1, 2, 3, 4, 5, 6]
