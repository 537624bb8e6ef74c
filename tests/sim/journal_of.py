"""A journal of any size in seconds: what the real journal wrote about one recording, repeated under other names.

`python -m tests.sim.journal_of PATH 100000` builds one for `make bench`.
"""

import asyncio
import hashlib
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from dockd.clock import SystemClock
from dockd.core import life
from dockd.core.canonical import leaf_hash
from dockd.core.custody import CameraDocked, Change, ClearanceBegun, DockingEnded, RecordingSeen, Stepped, UploadPlaced, encode
from dockd.core.erasure import Method
from dockd.core.recording import Recording, ResumePoint, State
from dockd.journal import Journal
from tests.sim.evidence import Notary, archived, measure, seen, stored, verified

_CONTENT = b"content"
_RECORDINGS_OF_ONE_DOCKING = 100
_OF_EACH_HUNDRED = {State.ERASED: 90, State.ARCHIVED: 4, State.VERIFIED: 3, State.UPLOADING: 2, State.SEEN: 1}
_PATTERN_NAME = b"0" * 32
_MEASURED = measure(_CONTENT)
_TIME = "2026-11-24T19:10:00.000Z"


def expected_counts(recordings: int) -> dict[State, int]:
    """How many of `recordings`, a multiple of 100, are built in each state."""
    return {state: _OF_EACH_HUNDRED.get(state, 0) * (recordings // 100) for state in State}


def recording_id(number: int) -> str:
    """The id of the recording with that number, from 1."""
    return f"{number:032x}"


def sha256_of(number: int) -> bytes:
    """The SHA-256 digest of the recording with that number; its BLAKE3 digest is the same one backwards."""
    return hashlib.sha256(b"%d" % number).digest()


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What the journal wrote about one recording."""

    row: dict[str, str | int | bytes | None]
    proofs: tuple[bytes, ...]
    entries: tuple[bytes, ...]


async def build(path: Path, recordings: int) -> None:
    """A closed journal of `recordings`, a multiple of 100, in `path`."""
    journal = await Journal.create(path, SystemClock())
    await journal.close()
    with TemporaryDirectory() as folder:
        patterns = {state: await _pattern(Path(folder), state) for state in _OF_EACH_HUNDRED}
    await asyncio.to_thread(_write, path, recordings, patterns)


async def _pattern(folder: Path, state: State) -> _Pattern:
    """Have the real journal write the life of one recording up to `state`, and take what it wrote."""
    path = folder / f"{state}.db"
    journal = await Journal.create(path, SystemClock())
    await journal.record(CameraDocked("d1", "C1", "dcf", "1", None))
    for change in _life(seen(_PATTERN_NAME.decode()), state):
        await journal.record(change)
    await journal.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return _Pattern(
            row=dict(connection.execute("SELECT * FROM recording").fetchone()),
            proofs=tuple(row[0] for row in connection.execute("SELECT envelope FROM proof ORDER BY number")),
            entries=tuple(row[0] for row in connection.execute("SELECT entry FROM custody WHERE seq > 1 ORDER BY seq")),
        )


def _life(recording: Recording, until: State) -> Iterator[Change]:
    """Changes that bring `recording` to `until`."""
    name, notary, at = recording.recording_id, Notary(), stored(recording, _CONTENT)
    yield RecordingSeen(recording)
    if until is State.SEEN:
        return
    yield Stepped(name, life.CopyStarted())
    yield Stepped(name, life.CopyVerified(verified(name, _CONTENT)))
    if until is State.VERIFIED:
        return
    yield Stepped(name, life.UploadStarted())
    yield UploadPlaced(name, ResumePoint(at.url, at.nonce))
    if until is State.UPLOADING:
        return
    yield Stepped(name, life.UploadProved(notary.receipt(at), at))
    if until is State.ARCHIVED:
        return
    permit = notary.permit([(archived(recording, _CONTENT), _CONTENT)])
    yield ClearanceBegun(permit, Method.DELETE)
    yield Stepped(name, life.Erased(permit))


def _write(path: Path, recordings: int, patterns: dict[State, _Pattern]) -> None:
    order = [state for state, share in _OF_EACH_HUNDRED.items() for _ in range(share)]
    entries = count(1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for first in range(1, recordings + 1, _RECORDINGS_OF_ONE_DOCKING):
            docking, numbers = f"{first:032x}", range(first, first + _RECORDINGS_OF_ONE_DOCKING)
            _write_docking(connection, docking, entries)
            for number in numbers:
                _write_recording(connection, number, docking, patterns[order[number % 100]], entries)
        connection.execute("COMMIT")


def _write_docking(connection: sqlite3.Connection, docking: str, entries: Iterator[int]) -> None:
    connection.execute(
        """
        INSERT INTO docking (docking, camera, bay, profile, started, ended, end_reason)
        VALUES (?, 'C1', '1', 'dcf', ?, ?, 'left')""",
        (docking, _TIME, _TIME),
    )
    for change in (CameraDocked(docking, "C1", "dcf", "1", None), DockingEnded(docking, "left")):
        seq = next(entries)
        _append(connection, seq, encode(change, seq=seq, time=_TIME))


def _write_recording(
    connection: sqlite3.Connection, number: int, docking: str, pattern: _Pattern, entries: Iterator[int]
) -> None:
    name, path, sha256 = recording_id(number), b"DCIM/%d.MP4" % number, sha256_of(number)
    new = {"sequence": number, "recording": name, "docking": docking, "path": path}
    if pattern.row["sha256"] is not None:
        new |= {"sha256": sha256, "blake3": sha256[::-1]}
    if pattern.row["stored_for"] is not None:
        new |= {"stored_for": name}
    row = pattern.row | new
    connection.execute(f"INSERT INTO recording VALUES ({', '.join('?' * len(row))})", tuple(row.values()))  # noqa: S608 - only marks
    connection.execute("INSERT INTO sighting VALUES (?, ?)", (docking, number))
    connection.executemany("INSERT INTO proof (sequence, envelope) VALUES (?, ?)", ((number, each) for each in pattern.proofs))
    for old_seq, entry in enumerate(pattern.entries, 2):
        seq = next(entries)
        for old, now in (
            (b'"seq":%d,' % old_seq, b'"seq":%d,' % seq),
            (_PATTERN_NAME, name.encode()),
            (b'"d1"', b'"%b"' % docking.encode()),
            (b"DCIM/1.MP4", path),
            (_MEASURED.digests.blake3.hex().encode(), sha256[::-1].hex().encode()),
            (_MEASURED.digests.sha256.hex().encode(), sha256.hex().encode()),
        ):
            entry = entry.replace(old, now)  # noqa: PLW2901 - one entry, changed member by member
        _append(connection, seq, entry)


def _append(connection: sqlite3.Connection, seq: int, entry: bytes) -> None:
    connection.execute("INSERT INTO custody VALUES (?, ?, ?)", (seq, entry, leaf_hash(entry)))


if __name__ == "__main__":
    asyncio.run(build(Path(sys.argv[1]), int(sys.argv[2])))
