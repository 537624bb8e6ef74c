"""What follows from a mark, by a camera or by a person: an entry, and a hold where the dock must not judge."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dockd.core.changes import Change, HoldPlaced, RecordingMarked
from dockd.core.clearance import ScannedFile
from dockd.core.policy import URGENT, Category
from dockd.core.profile import CRITICAL
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


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person says of a recording; each of them adds to what is known, and none takes anything back.

    Attributes:
        by: who says so.
        reason: why, for the custody log.
        category: of the agency's policy, None to leave it as it is.
        critical: of a critical incident.
        first_amendment: recorded solely of First Amendment activity.
    """

    by: str
    reason: str
    category: Category | None = None
    critical: bool = False
    first_amendment: bool = False


def marked_by_person(recordings: Iterable[Recording], mark: Mark) -> list[Change]:
    """What is recorded of a recording and its sidecars, which go with it: an entry for each, for somebody said so."""
    changes: list[Change] = []
    for each in recordings:
        category = each.category if mark.category is None else mark.category.name
        urgency = [each.priority]
        if mark.category is not None and mark.category.urgent:
            urgency.append(URGENT)
        if mark.critical:
            urgency.append(CRITICAL)
        first_amendment = each.first_amendment or mark.first_amendment
        changes.append(RecordingMarked(each.recording_id, category, min(urgency), first_amendment, mark.by, mark.reason))
        if mark.first_amendment:
            changes.append(HoldPlaced("recording", each.recording_id, mark.by, FIRST_AMENDMENT))
    return changes
