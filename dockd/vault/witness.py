"""The vault as the witness of its docks' custody logs: C2SP's tlog-witness, with the docks' tokens in front of it.

For each log it keeps the last checkpoint that it cosigned, and cosigns another only if a consistency proof shows that the log
merely grew. Whatever else a dock shows under its own signature is kept as evidence and raises an alarm:

- `rollback`: a log shorter than it was, as after an old disk image was put back.
- `fork`: a log that does not begin with what was cosigned.
- `key`: a log that is signed with another key than before.
- `new-log`: a second log of a dock that has one. It is cosigned only after an admin of the vault accepted it.

Looking, judging and writing are one transaction, so that two requests cannot pass each other.
"""

import base64
import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from dockd.clock import rfc3339
from dockd.core.merkle import EMPTY_ROOT, ProofError, check_consistency
from dockd.core.note import NOTE_LIMIT_BYTES, Checkpoint, Note, NoteError, key_name, parse_checkpoint, parse_note
from dockd.dsse import KeyFormatError, PinnedKeys, SigningKey
from dockd.vault.refusal import RefusedError

BODY_LIMIT_BYTES = NOTE_LIMIT_BYTES + 64 * 48
SIZE_TYPE = "text/x.tlog.size"

_PROOF_LIMIT = 63
_HASH_BYTES = 32
_OLD = re.compile(r"old (0|[1-9][0-9]{0,15})", re.ASCII)

SCHEMA = """
CREATE TABLE logs (
  origin TEXT PRIMARY KEY,
  dock TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('current', 'former', 'waiting')),
  key TEXT NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  note BLOB NOT NULL,
  seen TEXT NOT NULL,
  accepted_by TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX logs_by_dock ON logs (dock);
CREATE TABLE log_alarms (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  time TEXT NOT NULL,
  dock TEXT NOT NULL,
  origin TEXT NOT NULL,
  kind TEXT NOT NULL,
  words TEXT NOT NULL,
  note BLOB NOT NULL,
  UNIQUE (origin, kind, note)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a dock sent.

    Attributes:
        old_size: of the last checkpoint that the dock believes was cosigned.
        proof: of consistency, from there.
        note: the signed checkpoint.
        checkpoint: in it.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the witness answers: a cosignature line, or a refusal, with an alarm where it says more than that."""

    cosignature: str = ""
    refusal: RefusedError | None = None
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class KnownLog:
    """One log that a dock ever showed.

    Attributes:
        state: `current`, `former` since another was accepted, or `waiting` to be accepted.
        key: the public key that signs it.
        size, root: of the last checkpoint that was cosigned; of the one that it introduced itself with while it waits.
        note: that checkpoint, with the cosignature.
        seen: when, RFC 3339.
    """

    origin: str
    dock: str
    state: str
    key: str
    size: int
    root: bytes
    note: bytes
    seen: str
    accepted_by: str


@dataclass(frozen=True, slots=True)
class LogAlarm:
    """Something that a dock's log must never show, with the signed checkpoint that shows it."""

    number: int
    time: str
    dock: str
    origin: str
    kind: str
    words: str
    note: bytes


def parse(body: bytes) -> Submission:
    """The submission in a request's body: the old size, the proof, an empty line, the note.

    Raises:
        RefusedError: 400, it is none.
    """
    head, _, note = body.partition(b"\n\n")
    try:
        first, *proof = head.decode("ascii").split("\n")
        old = _OLD.fullmatch(first)
        hashes = tuple(base64.b64decode(each, validate=True) for each in proof)
        if old is None or len(hashes) > _PROOF_LIMIT or any(len(each) != _HASH_BYTES for each in hashes):
            msg = "no old size, or hashes that are none"
            raise ValueError(msg)
        parsed = parse_note(note)
        checkpoint = parse_checkpoint(parsed.text)
    except (ValueError, NoteError) as exc:
        msg = f"This is not an old size, a consistency proof and a checkpoint: {exc}."
        raise RefusedError(400, msg) from exc
    if int(old[1]) > checkpoint.size:
        msg = f"The old size {old[1]} is over the checkpoint's {checkpoint.size}."
        raise RefusedError(400, msg)
    return Submission(int(old[1]), hashes, parsed, checkpoint)


def add_checkpoint(
    cursor: sqlite3.Cursor, sent: Submission, *, dock: str, key: str | None, archive: str, signing: SigningKey, now: datetime
) -> Judgement:
    """Judge what `dock` sent, and keep what follows from it. `key` is the public key with which it says that it signs."""
    shown = sent.checkpoint
    if not shown.origin.startswith(f"dockd/{dock}/"):
        return _refused(404, f"{shown.origin[:80]} is not a log of dock {dock}.")
    known = _log_of(cursor, shown.origin)
    try:
        keys = PinnedKeys(known.key if known else key or "")
    except KeyFormatError:
        return _refused(400, "A log that is new here is introduced with its public key in Dockd-Log-Key.")
    log = _Log(cursor, sent, dock, rfc3339(now))
    if not keys.signed_note(sent.note, shown.origin):
        return (
            log.alarm(403, "key", "The checkpoint is not signed with the key of this log.")
            if known
            else _refused(403, "The checkpoint is not signed with the key that it came with.")
        )
    if known is None and sent.old_size:
        return _at_size(0)
    if known is None and (others := _current(cursor, dock)):
        log.insert("waiting", key or "", sent.note.encode())
        words = f"Dock {dock} already has the log {others}. An admin of the vault must accept this one: dockd vault logs --accept"
        return log.alarm(403, "new-log", f"{words} {shown.origin}.")
    if known and known.state != "current":
        return _refused(403, f"This log is not the current one of dock {dock}; it is {known.state}.")
    size, root = (known.size, known.root) if known else (0, EMPTY_ROOT)
    if shown.size < size:
        words = f"The log has {shown.size} entries, but {size} were cosigned: it was rolled back."
        return log.alarm(409, "rollback", words, size)
    if shown.size == size and shown.root != root:
        return log.alarm(409, "fork", f"These {size} entries are not those that were cosigned.", size)
    if sent.old_size != size:
        return _at_size(size)
    try:
        check_consistency(size, root, shown.size, shown.root, sent.proof)
    except ProofError as exc:
        return log.alarm(422, "fork", f"Not shown to be a continuation of what was cosigned: {exc}.")
    line = signing.cosign(key_name(archive), sent.note.text, int(now.timestamp()))
    own = tuple(each for each in sent.note.signatures if each.name == shown.origin)
    note = Note(sent.note.text, (*own, line)).encode()
    if known:
        cursor.execute(
            "UPDATE logs SET size = ?, root = ?, note = ?, seen = ? WHERE origin = ?",
            (shown.size, shown.root, note, rfc3339(now), shown.origin),
        )
    else:
        log.insert("current", key or "", note)
    return Judgement(line.line())


def logs(cursor: sqlite3.Cursor) -> list[KnownLog]:
    """Every log that was ever shown, by origin."""
    return [KnownLog(*row) for row in cursor.execute(f"SELECT {_COLUMNS} FROM logs ORDER BY origin")]  # noqa: S608 - a constant


def alarms(cursor: sqlite3.Cursor) -> list[LogAlarm]:
    """Every alarm, oldest first."""
    return [LogAlarm(*row) for row in cursor.execute("SELECT * FROM log_alarms ORDER BY number")]


def accept(cursor: sqlite3.Cursor, origin: str, by: str) -> bool:
    """Let a log that waits take the place of its dock's current one; whether it waited."""
    known = _log_of(cursor, origin)
    if known is None or known.state != "waiting":
        return False
    cursor.execute("UPDATE logs SET state = 'former' WHERE dock = ? AND state = 'current'", (known.dock,))
    cursor.execute(
        "UPDATE logs SET state = 'current', accepted_by = ?, size = 0, root = ? WHERE origin = ?", (by, EMPTY_ROOT, origin)
    )
    return True


_COLUMNS = "origin, dock, state, key, size, root, note, seen, accepted_by"


@dataclass(frozen=True, slots=True)
class _Log:
    cursor: sqlite3.Cursor
    sent: Submission
    dock: str
    now: str

    def insert(self, state: str, key: str, note: bytes) -> None:
        shown = self.sent.checkpoint
        self.cursor.execute(
            f"INSERT INTO logs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",  # noqa: S608 - a constant
            (shown.origin, self.dock, state, key, shown.size, shown.root, note, self.now),
        )

    def alarm(self, status: int, kind: str, words: str, size: int | None = None) -> Judgement:
        """Keep the evidence; a dock that shows the same again is refused again, but tells nothing new."""
        self.cursor.execute(
            "INSERT INTO log_alarms (time, dock, origin, kind, words, note) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (self.now, self.dock, self.sent.checkpoint.origin, kind, words, self.sent.note.encode()),
        )
        if size is None:
            return Judgement(refusal=RefusedError(status, words), alarm=kind)
        return Judgement(refusal=RefusedError(status, words, {"Dockd-Log-Size": str(size)}), alarm=kind)


def _at_size(size: int) -> Judgement:
    """As tlog-witness says: the dock sends a proof from there."""
    return Judgement(refusal=RefusedError(409, str(size), {"Content-Type": SIZE_TYPE}))


def _refused(status: int, words: str) -> Judgement:
    return Judgement(refusal=RefusedError(status, words))


def _log_of(cursor: sqlite3.Cursor, origin: str) -> KnownLog | None:
    row = cursor.execute(f"SELECT {_COLUMNS} FROM logs WHERE origin = ?", (origin,)).fetchone()  # noqa: S608 - a constant
    return None if row is None else KnownLog(*row)


def _current(cursor: sqlite3.Cursor, dock: str) -> str:
    """The origin of the dock's current log, empty where it has none."""
    row = cursor.execute("SELECT origin FROM logs WHERE dock = ? AND state = 'current'", (dock,)).fetchone()
    return "" if row is None else str(row[0])
