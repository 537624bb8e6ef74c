"""What happened at a dock in a period, told from its custody log alone.

Every entry from the first one on is read, since an entry names a recording only by its id, and what it is was said when it was
seen; what is counted is what was recorded in the period.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class CameraTally:
    """What happened to one camera.

    Attributes:
        camera: serial.
        officer: whom it named last, None if nobody.
        dockings: that began.
        copied, copied_bytes: files whose copy was verified.
        archived, archived_bytes: files that the archive proved.
        erased: files that were erased from it, or found gone after an erasing that was interrupted.
        refused: files that needed a person.
    """

    camera: str
    officer: str | None = None
    dockings: int = 0
    copied: int = 0
    copied_bytes: int = 0
    archived: int = 0
    archived_bytes: int = 0
    erased: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """One file that needed a person.

    Attributes:
        time: when that was recorded, RFC 3339.
        camera: serial of the one that it was on.
        recording: its id.
        path: its name on the camera.
        code: the error's stable word.
        message: why, as one sentence.
    """

    time: str
    camera: str
    recording: str
    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did.

    Attributes:
        time: when, RFC 3339.
        event: what, as the custody log calls it.
        by: who.
        subject: the camera's serial or the recording's id.
        reason: why, empty where none was asked for.
    """

    time: str
    event: str
    by: str
    subject: str
    reason: str


@dataclass(slots=True)
class Report:
    """A period of one dock.

    Attributes:
        first, last: numbers of the custody entries of the period, 0 where there was none.
        cameras: by serial.
        refused: in their order.
        failed: how many dockings failed, by the error's code.
        proofs_lost: recordings that the archive had proved and did not hold any more.
        acts: what people did.
    """

    first: int = 0
    last: int = 0
    cameras: dict[str, CameraTally] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)
    proofs_lost: int = 0
    acts: list[Act] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _File:
    camera: str
    path: str
    size_bytes: int


_UNKNOWN = _File("unknown", "", 0)
_ACTS = frozenset(
    {"hold.placed", "hold.lifted", "camera.enrolled", "camera.barred", "recording.retried", "configuration.accepted"}
)


def tell(entries: Iterable[Mapping[str, Any]], since: str, until: str) -> Report:
    """What the entries say of the time from `since` up to `until`, both RFC 3339 in UTC with milliseconds."""
    report, files = Report(), dict[str, _File]()
    for entry in entries:
        if entry["event"] == "recording.seen":
            files[entry["recording"]] = _File(entry["camera"], entry["path"], int(entry["size"]))
        if since <= entry["time"] < until:
            report.first = report.first or entry["seq"]
            report.last = entry["seq"]
            _count(report, entry, files)
    report.cameras = dict(sorted(report.cameras.items()))
    return report


def _count(report: Report, entry: Mapping[str, Any], files: Mapping[str, _File]) -> None:
    event = entry["event"]
    file = files.get(entry.get("recording", ""), _UNKNOWN)
    match event:
        case "camera.docked":
            tally = _tally(report, entry["camera"])
            tally.dockings += 1
            tally.officer = entry["officer"]
        case "docking.failed":
            report.failed[entry["code"]] = report.failed.get(entry["code"], 0) + 1
        case "recording.verified":
            tally = _tally(report, file.camera)
            tally.copied += 1
            tally.copied_bytes += file.size_bytes
        case "recording.archived" | "recording.recognised":
            tally = _tally(report, file.camera)
            tally.archived += 1
            tally.archived_bytes += file.size_bytes
        case "recording.erased" | "recording.found-gone":
            _tally(report, file.camera).erased += 1
        case "recording.refused":
            _tally(report, file.camera).refused += 1
            report.refused.append(
                Refused(entry["time"], file.camera, entry["recording"], file.path, entry["code"], entry["message"])
            )
        case "recording.proof-lost":
            report.proofs_lost += 1
        case _:
            pass
    if event in _ACTS:
        subject = entry.get("subject") or entry.get("camera") or entry.get("recording") or ""
        report.acts.append(Act(entry["time"], event, entry["by"], subject, entry.get("reason", "")))


def _tally(report: Report, camera: str) -> CameraTally:
    return report.cameras.setdefault(camera, CameraTally(camera))
