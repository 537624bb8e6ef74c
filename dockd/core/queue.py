"""What goes next. Order is by urgency, then by turns of the cameras, then by the journal's sequence: no clock takes part.

The deadline is the urgency's (the site file gives hours for each), so among recordings of one urgency the one that was seen first
is due first. A clock that was wrong for a day changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dockd.core.clearance import ScannedFile
from dockd.core.profile import CRITICAL
from dockd.core.recording import Recording, State

UNDELIVERED = frozenset({State.SEEN, State.COPYING, State.VERIFIED, State.UPLOADING})
"""States of what the archive does not have, and what needs nobody's help to get there."""


def copy_order(files: Iterable[ScannedFile]) -> list[ScannedFile]:
    """Most urgent recordings first, each followed by its sidecars; then by path."""
    return sorted(files, key=lambda file: (file.priority, file.sidecar_of or file.path, file.sidecar_of is not None, file.path))


def is_critical(recording: Recording) -> bool:
    """Whether it is of a critical incident: such a recording waits for no other."""
    return recording.priority <= CRITICAL


def upload_rank(recording: Recording) -> tuple[int, bool, int]:
    """Sorts most urgent first, begun before not begun, then by discovery."""
    return recording.priority, recording.state is not State.UPLOADING, recording.sequence


def upload_order(recordings: Iterable[Recording]) -> list[Recording]:
    """What waits for the archive: most urgent first, begun ones before others of the same urgency, then by discovery."""
    waiting = [each for each in recordings if each.state in {State.VERIFIED, State.UPLOADING}]
    return sorted(waiting, key=upload_rank)


@dataclass(slots=True)
class Turns:
    """Shares the link among cameras by bytes (start-time fair queueing), whatever the number of their recordings.

    Each recording gets a place when it comes: where its camera's last one ends, or where the queue stands now, whichever is
    later. So a camera with three recordings does not wait behind another's two hundred, and none saves up turns.
    """

    _ends: dict[str, int] = field(default_factory=dict)
    _now: int = 0

    def place(self, camera: str, size_bytes: int) -> int:
        """The place of a recording that comes now; the least goes first."""
        place = max(self._now, self._ends.get(camera, 0))
        self._ends[camera] = place + size_bytes + 1
        return place

    def reached(self, place: int) -> None:
        """The recording at that place was taken."""
        self._now = max(self._now, place)
        self._ends = {camera: end for camera, end in self._ends.items() if end > self._now}


def drain_time_s(remaining_bytes: Sequence[int], rate_bytes_s: float | None) -> float | None:
    """Seconds until the queue is empty at the present rate; None while no rate is known."""
    total = sum(remaining_bytes)
    if total == 0:
        return 0.0
    return total / rate_bytes_s if rate_bytes_s else None
