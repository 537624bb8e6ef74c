"""How the core's values lie in the journal's rows, and how they are had back."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from dockd.core.canonical import leaf_hash
from dockd.core.recording import Digests, Measured, Recording, Refusal, ResumePoint, State, StoredObject
from dockd.errors import JournalCorruptError


@dataclass(frozen=True, slots=True)
class Docking:
    """One camera in one bay, from insertion to removal.

    Attributes:
        docking: id.
        camera: serial.
        bay, profile: where it stood, as what it was recognised.
        officer: whose it was, None where the camera does not say.
        started, ended: RFC 3339; `ended` is None while the camera is in the bay.
        failure: its first failure, kept until a person acts.
    """

    docking: str
    camera: str
    bay: str
    profile: str
    officer: str | None
    started: str
    ended: str | None
    failure: Refusal | None


@dataclass(frozen=True, slots=True)
class CustodyEntry:
    """One line of the custody log: its exact bytes and their RFC 6962 leaf hash."""

    seq: int
    entry: bytes
    leaf: bytes


def to_recording(row: sqlite3.Row, path: Path) -> Recording:
    """The recording in a row of table `recording`.

    Raises:
        JournalCorruptError: the row cannot have been written by a journal.
    """
    try:
        measured = None
        if row["blake3"] is not None:
            measured = Measured(row["measured_bytes"], Digests(row["blake3"], row["sha256"]))
        resume = None
        if row["resume_url"] is not None:
            resume = ResumePoint(row["resume_url"], row["resume_nonce"])
        stored = None
        if row["stored_object"] is not None:
            if measured is None:
                msg = "stored but never measured"
                raise ValueError(msg)
            stored = StoredObject(
                archive=row["stored_archive"],
                object_id=row["stored_object"],
                url=row["stored_url"],
                nonce=row["stored_nonce"],
                recording_id=row["stored_for"],
                measured=measured,
            )
        refusal = None
        if row["refusal_code"] is not None:
            refusal = Refusal(row["refusal_code"], row["refusal_message"], row["refusal_hint"])
        return Recording(
            recording_id=row["recording"],
            sequence=row["sequence"],
            camera=row["camera"],
            docking=row["docking"],
            path=row["path"],
            size_bytes=row["size_bytes"],
            modified_ns=int(row["modified_ns"]),
            sidecar_of=row["sidecar_of"],
            priority=row["priority"],
            seen=row["seen"],
            state=State(row["state"]),
            measured=measured,
            resume=resume,
            stored=stored,
            clearing=bool(row["clearing"]),
            refusal=refusal,
            category=row["category"],
            first_amendment=bool(row["first_amendment"]),
        )
    except (TypeError, ValueError) as exc:
        msg = f"{path}: the row of recording {row['sequence']} is damaged: {exc}"
        raise JournalCorruptError(msg) from exc


def of_recording(recording: Recording) -> dict[str, str | int | bytes | None]:
    """Every column of `recording` but its sequence."""
    measured, resume, stored, refusal = recording.measured, recording.resume, recording.stored, recording.refusal
    return {
        "recording": recording.recording_id,
        "camera": recording.camera,
        "docking": recording.docking,
        "path": recording.path,
        "size_bytes": recording.size_bytes,
        "modified_ns": str(recording.modified_ns),
        "sidecar_of": recording.sidecar_of,
        "priority": recording.priority,
        "seen": recording.seen,
        "state": recording.state.value,
        "measured_bytes": measured.size_bytes if measured else None,
        "blake3": measured.digests.blake3 if measured else None,
        "sha256": measured.digests.sha256 if measured else None,
        "resume_url": resume.url if resume else None,
        "resume_nonce": resume.nonce if resume else None,
        "stored_archive": stored.archive if stored else None,
        "stored_object": stored.object_id if stored else None,
        "stored_url": stored.url if stored else None,
        "stored_nonce": stored.nonce if stored else None,
        "stored_for": stored.recording_id if stored else None,
        "clearing": recording.clearing,
        "refusal_code": refusal.code if refusal else None,
        "refusal_message": refusal.message if refusal else None,
        "refusal_hint": refusal.hint if refusal else None,
        "category": recording.category,
        "first_amendment": recording.first_amendment,
    }


def to_custody(row: sqlite3.Row, expected_seq: int, path: Path) -> CustodyEntry:
    """The custody entry in a row of table `custody`, which must be the one with number `expected_seq`.

    Raises:
        JournalCorruptError: it is missing, or not what was written.
    """
    seq, entry, leaf = row
    if seq != expected_seq:
        msg = f"{path}: custody entry {expected_seq} is missing"
        raise JournalCorruptError(msg)
    if not isinstance(entry, bytes) or leaf_hash(entry) != leaf:
        msg = f"{path}: custody entry {seq} is not what was written"
        raise JournalCorruptError(msg)
    return CustodyEntry(seq, entry, leaf)


def to_docking(row: sqlite3.Row) -> Docking:
    """The docking in a row of table `docking`."""
    failure = None
    if row["failure_code"] is not None:
        failure = Refusal(row["failure_code"], row["failure_message"], row["failure_hint"])
    return Docking(
        docking=row["docking"],
        camera=row["camera"],
        bay=row["bay"],
        profile=row["profile"],
        officer=row["officer"],
        started=row["started"],
        ended=row["ended"],
        failure=failure,
    )
