"""What goes next. Order is by urgency and then by the journal's sequence: no clock, right or wrong, takes part."""

from collections.abc import Iterable, Sequence

from dockd.core.clearance import ScannedFile
from dockd.core.profile import CRITICAL
from dockd.core.recording import Recording, State


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


def drain_time_s(remaining_bytes: Sequence[int], rate_bytes_s: float | None) -> float | None:
    """Seconds until the queue is empty at the present rate; None while no rate is known."""
    total = sum(remaining_bytes)
    if total == 0:
        return 0.0
    return total / rate_bytes_s if rate_bytes_s else None
