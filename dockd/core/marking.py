"""What follows from a mark: a hold, and an entry where a camera says more of a known recording than it did before."""

from collections.abc import Iterable, Mapping

from dockd.core.changes import Change, HoldPlaced, RecordingMarked
from dockd.core.clearance import ScannedFile
from dockd.core.recording import Recording

BY_CAMERA = "the camera"
FIRST_AMENDMENT = "marked as recorded solely of First Amendment activity; a supervisor decides"


def held_by_mark(recording: Recording) -> list[Change]:
    """The hold on a recording that the dock must not judge; lifted by a person only."""
    if not recording.first_amendment:
        return []
    return [HoldPlaced("recording", recording.recording_id, BY_CAMERA, FIRST_AMENDMENT)]


def marked_since(files: Mapping[bytes, ScannedFile], known: Iterable[tuple[bytes, Recording]]) -> list[Change]:
    """What the camera says now of recordings that it said less of before, by their paths on it.

    A mark is never taken back by a camera, and what a person said of a category counts more than what it says.
    """
    changes: list[Change] = []
    for path, recording in known:
        file = files[path]
        category = recording.category or file.category
        priority = min(recording.priority, file.priority)
        first_amendment = recording.first_amendment or file.first_amendment
        if (category, priority, first_amendment) == (recording.category, recording.priority, recording.first_amendment):
            continue
        changes.append(
            RecordingMarked(recording.recording_id, category, priority, first_amendment, BY_CAMERA, "as its sidecar says by now")
        )
        if first_amendment and not recording.first_amendment:
            changes.append(HoldPlaced("recording", recording.recording_id, BY_CAMERA, FIRST_AMENDMENT))
    return changes
