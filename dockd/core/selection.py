"""Which custody entries belong to the story of some recordings, and so into what a court is given about them.

All that name one of the recordings; all of the dockings and cameras they came with; the holds on either; and what happened to
the dock itself in that time, from the start that it was running since. What happened to others stays hidden. The first entry of a
log is always among them: by it the log is known.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from dockd.core.canonical import Json

_OF_DOCKINGS = ("camera.", "docking.")
_OF_RECORDINGS = ("recording.", "upload.")
_OF_THE_DOCK = ("daemon.", "configuration.", "clock.", "software.", "journal.", "log.", "selftest.")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about.

    Attributes:
        recordings, dockings, cameras: their ids; the dockings are those in which the recordings were on their camera.
    """

    recordings: AbstractSet[str]
    dockings: AbstractSet[str]
    cameras: AbstractSet[str]


def select(entries: Iterable[tuple[int, Mapping[str, Json]]], subject: Subject) -> list[int]:
    """The numbers, in order, of the entries that tell of `subject`; `entries` is the whole log in order."""
    told: list[int] = []
    of_dock: list[int] = []
    started = 1
    since = 0
    for number, entry in entries:
        event = str(entry["event"])
        if event == "daemon.started" and not told:
            started = number
        if _tells_of(event, entry, subject):
            since = since or started
            told.append(number)
        elif event.startswith(_OF_THE_DOCK):
            of_dock.append(number)
    if not told:
        return []
    return sorted({1, *told, *(each for each in of_dock if since <= each <= told[-1])})


def _tells_of(event: str, entry: Mapping[str, Json], subject: Subject) -> bool:
    if event.startswith(_OF_RECORDINGS):
        return entry.get("recording") in subject.recordings
    if event in {"hold.placed", "hold.lifted"}:
        return entry.get("subject") in subject.recordings | subject.cameras
    if event.startswith(_OF_DOCKINGS):
        docking = entry.get("docking")
        return docking in subject.dockings if docking is not None else entry.get("camera") in subject.cameras
    return False
