"""Which custody entries belong to the story of some recordings, and so into what a court is given about them.

All that name one of the recordings; all of the dockings and cameras they came with; the holds that keep them; and what happened
to the dock itself in that time, from the start that it was running since. What happened to others stays hidden. The first entry
of a log is always among them: by it the log is known.
"""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from dockd.core.canonical import Json
from dockd.core.holds import Scope, Span
from dockd.core.names import plain

_OF_DOCKINGS = ("camera.", "docking.")
_OF_RECORDINGS = ("recording.", "upload.")
_OF_THE_DOCK = ("daemon.", "configuration.", "clock.", "software.", "journal.", "log.", "selftest.")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about.

    Attributes:
        recordings, dockings, cameras: their ids; the dockings are those in which the recordings were on their camera.
        officers: whom the camera named in one of these dockings, as `plain` makes names.
        times: of each recording what its camera's clock said and when the dock saw it, nanoseconds since 1970.
    """

    recordings: AbstractSet[str]
    dockings: AbstractSet[str]
    cameras: AbstractSet[str]
    officers: AbstractSet[str] = frozenset()
    times: Collection[tuple[int, int]] = ()


def select(entries: Iterable[tuple[int, Mapping[str, Json]]], subject: Subject) -> list[int]:
    """The numbers, in order, of the entries that tell of `subject`; `entries` is the whole log in order."""
    told: list[int] = []
    of_dock: list[int] = []
    started = 1
    since = 0
    deposited: int | None = None
    for number, entry in entries:
        event = str(entry["event"])
        if event == "daemon.started" and not told:
            started = number
        if _tells_of(event, entry, subject):
            since = since or started
            told.append(number)
            deposited = None
        elif event.startswith(_OF_THE_DOCK):
            of_dock.append(number)
            if event == "log.deposited" and told and deposited is None and _covers(entry, told[-1]):
                deposited = number
    if not told:
        return []
    of_dock = [each for each in of_dock if since <= each <= told[-1]]
    return sorted({1, *told, *of_dock, *([] if deposited is None else [deposited])})


def _covers(deposited: Mapping[str, Json], number: int) -> bool:
    """Whether the checkpoint that was deposited is of a log in which that entry was already."""
    size = deposited["size"]
    return isinstance(size, int) and size >= number


def _tells_of(event: str, entry: Mapping[str, Json], subject: Subject) -> bool:
    if event.startswith(_OF_RECORDINGS):
        return entry.get("recording") in subject.recordings
    if event in {"hold.placed", "hold.lifted"}:
        return _is_kept_by(str(entry.get("scope")), str(entry.get("subject")), subject)
    if event.startswith(_OF_DOCKINGS):
        docking = entry.get("docking")
        return docking in subject.dockings if docking is not None else entry.get("camera") in subject.cameras
    return False


def _is_kept_by(scope: str, named: str, subject: Subject) -> bool:
    """Whether a hold keeps any of these recordings."""
    match scope:
        case Scope.OFFICER:
            return plain(named) in subject.officers
        case Scope.TIME:
            span = Span.read(named)
            return any(span.may_hold(modified_ns, seen_ns) for modified_ns, seen_ns in subject.times)
        case _:
            return named in subject.recordings | subject.cameras
