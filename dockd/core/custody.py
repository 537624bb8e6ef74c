"""The custody entry of everything that the journal can record.

A `Change` (`changes`) is what happened; `encode` gives the exact bytes of its custody entry. The journal applies the change and
appends the entry in one transaction, so neither exists without the other. An entry is canonical JSON with the members `v` (1),
`seq` (from 1, no gaps), `time` (RFC 3339, UTC), `event`, and those of the event. Names of files appear in `names.shown` form.
"""

import hashlib
from typing import assert_never

from dockd.core import life
from dockd.core.canonical import Json, canonical
from dockd.core.changes import (
    AlertBegun,
    AlertEnded,
    AlertTold,
    CameraBarred,
    CameraCleared,
    CameraDocked,
    CameraEnrolled,
    Change,
    ClearanceBegun,
    ClearanceFinished,
    DockingEnded,
    DockingFailed,
    DockingRestored,
    HoldLifted,
    HoldPlaced,
    Noted,
    RecordingKeptLonger,
    RecordingMarked,
    RecordingMet,
    RecordingSeen,
    Stepped,
    UploadDropped,
    UploadPlaced,
)
from dockd.core.clearance import ClearancePermit
from dockd.core.erasure import Erasure
from dockd.core.names import shown
from dockd.core.proof import ArchiveProof, Basis
from dockd.core.recording import Measured, Recording, StoredObject

__all__ = [
    "VERSION",
    "AlertBegun",
    "AlertEnded",
    "AlertTold",
    "CameraBarred",
    "CameraCleared",
    "CameraDocked",
    "CameraEnrolled",
    "Change",
    "ClearanceBegun",
    "ClearanceFinished",
    "DockingEnded",
    "DockingFailed",
    "DockingRestored",
    "HoldLifted",
    "HoldPlaced",
    "Noted",
    "RecordingKeptLonger",
    "RecordingMarked",
    "RecordingMet",
    "RecordingSeen",
    "Stepped",
    "UploadDropped",
    "UploadPlaced",
    "encode",
    "entry",
    "holding_of",
]

VERSION = 1


def encode(change: Change, *, seq: int, time: str) -> bytes:
    """The custody entry of `change`, byte for byte.

    Raises:
        RuntimeError: a note's details use a member that every entry has.
    """
    event, members = entry(change)
    frame: dict[str, Json] = {"v": VERSION, "seq": seq, "time": time, "event": event}
    if taken := frame.keys() & members.keys():
        msg = f"{event} cannot have members of its own named {sorted(taken)}"
        raise RuntimeError(msg)
    return canonical({**frame, **members})


def entry(change: Change) -> tuple[str, dict[str, Json]]:  # noqa: C901 - one line for each member of a closed union
    """The `event` and the other members of the custody entry for `change`."""
    match change:
        case Noted(event, details):
            return event, dict(details)
        case CameraDocked(docking, camera, profile, bay, officer):
            return "camera.docked", {
                "docking": docking,
                "camera": camera,
                "profile": profile,
                "bay": bay,
                "officer": officer,
            }
        case DockingRestored(docking, camera):
            return "docking.restored", {"docking": docking, "camera": camera}
        case DockingFailed(docking, code, message, hint):
            return "docking.failed", {"docking": docking, "code": code, "message": message, "hint": hint}
        case DockingEnded(docking, reason):
            return "docking.ended", {"docking": docking, "reason": reason}
        case RecordingSeen(recording):
            return "recording.seen", _recording_members(recording)
        case RecordingMet(recording_id, docking, path, measured):
            return "recording.met", {
                "recording": recording_id,
                "docking": docking,
                "path": shown(path),
                **_measured_members(measured),
            }
        case Stepped(recording_id, step):
            event, members = _step_entry(recording_id, step)
            return event, {"recording": recording_id, **members}
        case UploadPlaced(recording_id, resume):
            return "upload.placed", {"recording": recording_id, "url": resume.url, "nonce": resume.nonce}
        case UploadDropped(recording_id, reason):
            return "upload.dropped", {"recording": recording_id, "reason": reason}
        case ClearanceBegun(permit, method, ignored):
            return "camera.clearing", {
                **_clearance_members(permit),
                "method": method.value,
                "ignored": [shown(path) for path in ignored],
            }
        case CameraCleared(permit, erasure):
            return "camera.cleared", {**_clearance_members(permit), **_erasure_members(erasure)}
        case ClearanceFinished(camera, bay, begun, erasure):
            return "camera.clear-finished", {"camera": camera, "bay": bay, "begun": begun, **_erasure_members(erasure)}
        case RecordingMarked(recording_id, category, priority, first_amendment, by, reason):
            return "recording.marked", {
                "recording": recording_id,
                "category": category,
                "priority": priority,
                "first_amendment": first_amendment,
                "by": by,
                "reason": reason,
            }
        case RecordingKeptLonger(recording_id, proof):
            return "recording.kept-longer", {
                "recording": recording_id,
                "archive": proof.statement.archive,
                "object": proof.statement.object_id,
                "nonce": proof.statement.nonce,
                "retain_until": proof.statement.retain_until.isoformat(),
                **_word_members(proof),
            }
        case AlertBegun(kind, subject, message):
            return "alert.begun", {"kind": kind, "subject": subject, "message": message}
        case AlertEnded(kind, subject):
            return "alert.ended", {"kind": kind, "subject": subject}
        case AlertTold(number, phase, channel):
            return "alert.told", {"alert": number, "phase": phase, "channel": channel}
        case HoldPlaced(scope, subject, by, reason, name):
            return "hold.placed", {"scope": scope, "subject": subject, "case": name or None, "by": by, "reason": reason}
        case HoldLifted(scope, subject, by, reason, name):
            return "hold.lifted", {"scope": scope, "subject": subject, "case": name or None, "by": by, "reason": reason}
        case CameraEnrolled(camera, by, reason):
            return "camera.enrolled", {"camera": camera, "by": by, "reason": reason}
        case CameraBarred(camera, by, reason):
            return "camera.barred", {"camera": camera, "by": by, "reason": reason}
        case _:  # pragma: no cover - the type checker proves that this is never reached
            assert_never(change)


def holding_of(permit: ClearancePermit, recording_id: str) -> ArchiveProof:
    """The archive's fresh statement on whose word `permit` lets the recording go.

    Raises:
        RuntimeError: the permit does not cover it.
    """
    for covered in permit.covered:
        if covered.recording_id == recording_id:
            return covered.holding
    msg = f"the permit does not cover recording {recording_id}"
    raise RuntimeError(msg)


def _step_entry(recording_id: str, step: life.Step) -> tuple[str, dict[str, Json]]:
    match step:
        case life.CopyStarted():
            return "recording.copying", {}
        case life.CopyVerified(verified):
            return "recording.verified", _measured_members(verified.measured)
        case life.Recognised(proof, stored):
            return "recording.recognised", {**_stored_members(stored), **_word_members(proof)}
        case life.UploadStarted():
            return "recording.uploading", {}
        case life.UploadProved(proof, stored):
            return "recording.archived", {
                **_stored_members(stored),
                "retain_until": proof.statement.retain_until.isoformat(),
                **_word_members(proof),
            }
        case life.ProofLost(reason):
            return "recording.proof-lost", {"reason": reason}
        case life.Erased(permit):
            return "recording.erased", {
                "camera": permit.camera,
                "docking": permit.docking,
                "nonce": permit.nonce,
                **_word_members(holding_of(permit, recording_id)),
            }
        case life.FoundGone(docking):
            return "recording.found-gone", {"docking": docking}
        case life.Refused(refusal):
            return "recording.refused", {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
        case life.Retried(by, spooled):
            return "recording.retried", {"by": by, "spooled": spooled}
        case _:  # pragma: no cover - the type checker proves that this is never reached
            assert_never(step)


def _word_members(proof: ArchiveProof) -> dict[str, Json]:
    """Whose word was taken: a signed statement's digest, or that of the dock's own record, which then says what it rests on."""
    statement: dict[str, Json] = {"statement": _digest(proof.envelope)}
    return statement if proof.basis is Basis.SIGNED else {**statement, "basis": proof.basis.value}


def _recording_members(recording: Recording) -> dict[str, Json]:
    return {
        "recording": recording.recording_id,
        "camera": recording.camera,
        "docking": recording.docking,
        "path": shown(recording.path),
        "size": str(recording.size_bytes),
        "modified_ns": str(recording.modified_ns),
        "sidecar_of": recording.sidecar_of,
        "priority": recording.priority,
        "category": recording.category,
        "first_amendment": recording.first_amendment,
    }


def _measured_members(measured: Measured) -> dict[str, Json]:
    return {
        "size": str(measured.size_bytes),
        "blake3": measured.digests.blake3.hex(),
        "sha256": measured.digests.sha256.hex(),
    }


def _stored_members(stored: StoredObject) -> dict[str, Json]:
    return {"archive": stored.archive, "object": stored.object_id, **_measured_members(stored.measured)}


def _clearance_members(permit: ClearancePermit) -> dict[str, Json]:
    return {
        "camera": permit.camera,
        "docking": permit.docking,
        "nonce": permit.nonce,
        "covered": [covered.recording_id for covered in permit.covered],
        "left": [{"path": shown(left.path), "reason": left.reason} for left in permit.left],
    }


def _erasure_members(erasure: Erasure) -> dict[str, Json]:
    """What was done, measured; `method` is the most that may be claimed of it."""
    done = erasure.overwritten
    return {
        "method": erasure.method.value,
        "files": erasure.files,
        "trimmed_bytes": None if erasure.trimmed_bytes is None else str(erasure.trimmed_bytes),
        "overwritten": None
        if done is None
        else {
            "disk_bytes": str(done.disk_bytes),
            "passes": done.passes,
            "written_bytes": str(done.written_bytes),
            "read_back": done.read_back.value,
            "read_back_bytes": str(done.read_back_bytes),
        },
        "restored": [shown(path) for path in erasure.restored],
        "instead": erasure.instead,
    }


def _digest(envelope: bytes) -> str:
    return hashlib.sha256(envelope).hexdigest()
