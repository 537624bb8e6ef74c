"""What each file on a camera is to the journal: known, to be continued, or new.

A file is known only by its digests, never by name, size or time: names wrap and clocks die. Those three decide only what to
read first. A recording that no copy was finished of has no digests; it is continued when path, size and time are the same,
and the copy then shows that the bytes it has still fit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dockd.core.clearance import FileKind, ScannedFile
from dockd.core.recording import Measured, Recording, State

LIVING = frozenset(State) - {State.ERASED}
"""States of the recordings that a camera may still hold.

Erased is final: a file with an erased recording's digests is another recording, whoever brought it back (a restored camera, a
deletion that the camera's own power cut undid). It is copied and archived anew, since only what is proved again may be erased
again, and the object of the first may have outlived its retention by then.
"""

COPIED_KINDS = frozenset({FileKind.RECORDING, FileKind.SIDECAR, FileKind.UNKNOWN})
"""What is brought to the archive. A file that the profile does not know may be evidence: it is copied, and never erased."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a scan.

    Attributes:
        measure: read and measure these before anything else: a recording of this size is already known.
        fresh: certainly not known.
        continued: by path; never finished, or refused before they were finished.
        superseded: never finished, and the file at their path is another one now.
        gone: an erasing of these was begun under a permit, they were not seen since, and the camera does not show them now.
    """

    measure: tuple[ScannedFile, ...]
    fresh: tuple[ScannedFile, ...]
    continued: Mapping[bytes, Recording]
    superseded: tuple[Recording, ...]
    gone: tuple[Recording, ...]


def plan(files: Iterable[ScannedFile], known: Sequence[Recording]) -> Plan:
    """Sort a scan's files against what the journal knows of the same camera."""
    wanted = [file for file in files if file.kind in COPIED_KINDS and file.identity is not None and not file.problem]
    living = [each for each in known if each.state in LIVING]
    unfinished = {each.path: each for each in living if each.measured is None}
    measured_sizes = {each.measured.size_bytes for each in living if each.measured is not None}
    shown_paths = {file.path for file in wanted}
    measure: list[ScannedFile] = []
    fresh: list[ScannedFile] = []
    continued: dict[bytes, Recording] = {}
    superseded = []
    for file in wanted:
        candidate = unfinished.get(file.path)
        if candidate is not None and _same(file, candidate):
            continued[file.path] = candidate
            continue
        if candidate is not None and candidate.state is not State.REFUSED:
            superseded.append(candidate)
        size = file.identity.size_bytes if file.identity is not None else -1
        (measure if size in measured_sizes else fresh).append(file)
    gone = tuple(each for each in living if each.state is State.ARCHIVED and each.clearing and each.path not in shown_paths)
    return Plan(tuple(measure), tuple(fresh), continued, tuple(superseded), gone)


def recognise(measured: Mapping[bytes, Measured], known: Sequence[Recording]) -> dict[bytes, Recording]:
    """Which recording each measured file is: same size and digests, each recording for at most one file, its own path first."""
    free: dict[Measured, list[Recording]] = {}
    for each in known:
        if each.measured is not None and each.state in LIVING:
            free.setdefault(each.measured, []).append(each)
    found: dict[bytes, Recording] = {}
    for own_path in (True, False):
        for path, size_and_digests in measured.items():
            candidates = free.get(size_and_digests, [])
            fitting = [each for each in candidates if not own_path or each.path == path]
            if path not in found and fitting:
                found[path] = fitting[0]
                candidates.remove(fitting[0])
    return found


def _same(file: ScannedFile, recording: Recording) -> bool:
    identity = file.identity
    return identity is not None and (identity.size_bytes, identity.modified_ns) == (recording.size_bytes, recording.modified_ns)
