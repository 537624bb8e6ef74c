"""What is missing between what cameras listed, what the dock copied, and what the archive proves: one finding for each subject.

uncopied    recordings that were found on a camera which then left without them
set-aside   recordings that were refused for good, and wait for a person
unproved    recordings that the archive had proved, and does not prove any more
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from dockd.core.alerts import Alert, Kind
from dockd.core.names import shown
from dockd.core.recording import Recording, State

SUPERSEDED = "source-changed"
"""The refusal of a file that was copied after all, as it was later."""

KINDS = frozenset({Kind.UNCOPIED, Kind.SET_ASIDE, Kind.UNPROVED})


def uncopied(recordings: Iterable[Recording], docked: AbstractSet[str]) -> list[Alert]:
    """Cameras that are not in a bay and whose recordings, or some of them, the dock never got."""
    left = [each for each in recordings if each.state in {State.SEEN, State.COPYING} and each.camera not in docked]
    return [
        Alert(Kind.UNCOPIED, camera, f"camera {camera} left with {_files(these)} that the dock listed and did not copy")
        for camera, these in _by_camera(left)
    ]


def set_aside(recordings: Iterable[Recording]) -> list[Alert]:
    """Cameras of which something was refused for good."""
    refused = [
        each
        for each in recordings
        if each.state is State.REFUSED and each.refusal is not None and each.refusal.code != SUPERSEDED
    ]
    return [
        Alert(Kind.SET_ASIDE, camera, f"{_files(these)} of camera {camera} were set aside and wait for a person")
        for camera, these in _by_camera(refused)
    ]


def unproved(lost: Iterable[tuple[Recording, str]]) -> list[Alert]:
    """Recordings that the archive does not prove any more, each with what it said."""
    return [
        Alert(
            Kind.UNPROVED,
            recording.recording_id,
            f"the archive does not prove any more that it holds {shown(recording.path)} of camera {recording.camera}: {why}",
        )
        for recording, why in lost
    ]


def _by_camera(recordings: Iterable[Recording]) -> list[tuple[str, list[Recording]]]:
    cameras: dict[str, list[Recording]] = {}
    for each in recordings:
        cameras.setdefault(each.camera, []).append(each)
    return sorted(cameras.items())


def _files(recordings: list[Recording]) -> str:
    first = shown(recordings[0].path)
    return first if len(recordings) == 1 else f"{len(recordings)} files, {first} among them,"
