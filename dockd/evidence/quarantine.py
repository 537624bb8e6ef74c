"""What was refused: by the archive for good, by the dock, or because a copy in the spool is no longer what was verified.

All of it stays where it is until a person acts: nothing here ages, and nothing makes room at its cost. It is recorded (the
custody log says what was refused, when and why) and can be taken out as a whole: for each recording a folder with the bytes that
the dock has of it and `record.json`, beside the bundle that shows the same in the custody log. The dock keeps what it hands out.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from dockd.core.canonical import Json, canonical
from dockd.core.names import shown
from dockd.core.recording import Recording, State
from dockd.durable import sync_path
from dockd.errors import EvidenceError
from dockd.journal.onlooking import onlooking
from dockd.journal.rows import to_recording
from dockd.offload.spool import Spool, part_name

_PIECE_BYTES = 1024 * 1024
_REFUSED = """
SELECT json_extract(text, '$.recording'), max(json_extract(text, '$.time'))
FROM (SELECT CAST(entry AS TEXT) AS text FROM custody)
WHERE json_extract(text, '$.event') = 'recording.refused' GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One recording that went no further.

    Attributes:
        recording: as the journal has it.
        refused: when it was last refused, RFC 3339; None for one that goes on, and of which altered bytes were set aside.
        copies: what the dock has of it: the copy, an unfinished one, and bytes that were set aside.
    """

    recording: Recording
    refused: str | None
    copies: tuple[Path, ...]

    def why(self) -> str:
        """What is wrong with it, in a sentence."""
        refusal = self.recording.refusal
        return refusal.message if refusal is not None else "bytes that are no longer those that were verified were set aside"

    def words(self) -> str:
        """One line about it."""
        kept = ", ".join(path.name for path in self.copies) or "nothing: the camera has the only copy"
        of = f"{self.recording.recording_id} {self.recording.camera} {shown(self.recording.path)}"
        return f"{of}: {self.why()} (kept: {kept})"


def quarantined(spool: Spool) -> list[Quarantined]:
    """All that is in quarantine, in order of discovery. Blocks.

    Raises:
        JournalError: the journal cannot be read.
    """
    journal = spool.journal
    altered = sorted(spool.altered.iterdir()) if spool.altered.is_dir() else []
    ids = {path.name.partition(".")[0] for path in altered}
    query = "SELECT * FROM recording WHERE state = 'refused' OR recording IN (SELECT value FROM json_each(?)) ORDER BY sequence"
    with onlooking(journal) as connection:
        rows = connection.execute(query, (json.dumps(sorted(ids)),)).fetchall()
        refused = dict(tuple(row) for row in connection.execute(_REFUSED))
        found = [to_recording(row, journal) for row in rows]
    return [
        Quarantined(
            each, refused.get(each.recording_id) if each.state is State.REFUSED else None, tuple(_copies(spool, each, altered))
        )
        for each in found
    ]


def take_out(found: Iterable[Quarantined], folder: Path) -> int:
    """Copy all of it into the new folder `folder`, durably; how many files. Blocks.

    Raises:
        EvidenceError: it is there already, or something cannot be read or written.
    """
    files = 0
    try:
        folder.mkdir(mode=0o700)
        for each in found:
            place = folder / each.recording.recording_id
            place.mkdir(mode=0o700)
            read = [_copied(path, place / path.name) for path in each.copies]
            _write(place / "record.json", canonical(_record(each, read)) + b"\n")
            sync_path(place)
            files += len(read) + 1
        sync_path(folder)
    except OSError as exc:
        msg = f"{exc.filename or folder}: {exc.strerror}"
        raise EvidenceError(msg, hint="Name a folder that does not exist yet, with --output, on a disk with room.") from exc
    return files


def _copies(spool: Spool, recording: Recording, altered: list[Path]) -> Iterator[Path]:
    for path in (spool.path_of(recording.recording_id), spool.recordings / part_name(recording.recording_id)):
        if path.is_file():
            yield path
    yield from (path for path in altered if path.name.partition(".")[0] == recording.recording_id)


def _record(each: Quarantined, read: list[dict[str, Json]]) -> dict[str, Json]:
    recording, measured, refusal = each.recording, each.recording.measured, each.recording.refusal
    return {
        "type": "dockd/quarantined/v1",
        "recording": recording.recording_id,
        "camera": recording.camera,
        "docking": recording.docking,
        "path": shown(recording.path),
        "modified_ns": str(recording.modified_ns),
        "size": str(measured.size_bytes if measured else recording.size_bytes),
        "blake3": measured.digests.blake3.hex() if measured else None,
        "sha256": measured.digests.sha256.hex() if measured else None,
        "seen": recording.seen,
        "state": recording.state.value,
        "refused": each.refused,
        "code": refusal.code if refusal else None,
        "message": refusal.message if refusal else None,
        "hint": refusal.hint if refusal else None,
        "files": read,
    }


def _copied(path: Path, to: Path) -> dict[str, Json]:
    """Copy one file, and say what was read of it."""
    sha256, also, size = hashlib.sha256(), blake3(), 0
    with path.open("rb") as source, to.open("xb") as target:
        while piece := source.read(_PIECE_BYTES):
            sha256.update(piece)
            also.update(piece)
            size += target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    return {"name": to.name, "size": str(size), "sha256": sha256.hexdigest(), "blake3": also.hexdigest()}


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as target:
        target.write(data)
        target.flush()
        os.fsync(target.fileno())
