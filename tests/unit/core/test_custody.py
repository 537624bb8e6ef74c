"""The custody entry of every change, member by member."""

import json
from typing import get_args

import pytest

from dockd.core import custody, life
from dockd.core.canonical import canonical
from dockd.core.erasure import Erasure, Method, Overwritten, ReadBack
from dockd.core.recording import Refusal, ResumePoint
from tests.sim.evidence import NOW, Notary, archived, measure, seen, stored, verified

CONTENT = b"content"
NOTARY = Notary()
RECORDING = seen("r1", path=b"DCIM/\xff.MP4")
STORED = stored(RECORDING, CONTENT)
RECEIPT = NOTARY.receipt(STORED)
HOLDING = NOTARY.holding(STORED, "cd" * 16)
PERMIT = NOTARY.permit([(archived(RECORDING, CONTENT), CONTENT)], nonce="cd" * 16)
MEASURED = {
    "size": "7",
    "blake3": measure(CONTENT).digests.blake3.hex(),
    "sha256": measure(CONTENT).digests.sha256.hex(),
}
AT = {"archive": "archive", "object": "object-r1", **MEASURED}
CLEARANCE: dict[str, object] = {
    "camera": "C1",
    "docking": "d1",
    "nonce": "cd" * 16,
    "covered": ["r1"],
    "left": [],
}
DELETED = Erasure(Method.DELETE, 1, trimmed_bytes=4096, instead="it was not closed")
CLEARED = Erasure(Method.CLEAR, 2, overwritten=Overwritten(100, 2, 200, ReadBack.WHOLE, 100), restored=(b"M/\xff",))
DELETED_MEMBERS: dict[str, object] = {
    "method": "delete",
    "files": 1,
    "trimmed_bytes": "4096",
    "overwritten": None,
    "restored": [],
    "instead": "it was not closed",
}
CLEARED_MEMBERS: dict[str, object] = {
    "method": "clear",
    "files": 2,
    "trimmed_bytes": None,
    "overwritten": {
        "disk_bytes": "100",
        "passes": 2,
        "written_bytes": "200",
        "read_back": "whole",
        "read_back_bytes": "100",
    },
    "restored": ["M/%FF"],
    "instead": "",
}


def digest(envelope: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return measure(envelope).digests.sha256.hex()


TABLE: list[tuple[custody.Change, str, dict[str, object]]] = [
    (custody.Noted("dock.started", {"version": "1"}), "dock.started", {"version": "1"}),
    (
        custody.CameraDocked("d1", "C1", "dcf", "1", None),
        "camera.docked",
        {"docking": "d1", "camera": "C1", "profile": "dcf", "bay": "1", "officer": None},
    ),
    (custody.DockingRestored("d1", "C1"), "docking.restored", {"docking": "d1", "camera": "C1"}),
    (
        custody.DockingFailed("d1", "code", "message", "hint"),
        "docking.failed",
        {"docking": "d1", "code": "code", "message": "message", "hint": "hint"},
    ),
    (custody.DockingEnded("d1", "left"), "docking.ended", {"docking": "d1", "reason": "left"}),
    (
        custody.RecordingSeen(RECORDING),
        "recording.seen",
        {
            "recording": "r1",
            "camera": "C1",
            "docking": "d1",
            "path": "DCIM/%FF.MP4",
            "size": "7",
            "modified_ns": "1700000000000000000",
            "sidecar_of": None,
            "priority": 100,
            "category": None,
            "first_amendment": False,
        },
    ),
    (
        custody.RecordingMet("r1", "d2", b"\xfe", measure(CONTENT)),
        "recording.met",
        {"recording": "r1", "docking": "d2", "path": "%FE", **MEASURED},
    ),
    (custody.Stepped("r1", life.CopyStarted()), "recording.copying", {"recording": "r1"}),
    (custody.Stepped("r1", life.CopyVerified(verified("r1", CONTENT))), "recording.verified", {"recording": "r1", **MEASURED}),
    (
        custody.Stepped("r1", life.Recognised(HOLDING, STORED)),
        "recording.recognised",
        {"recording": "r1", **AT, "statement": digest(HOLDING.envelope)},
    ),
    (custody.Stepped("r1", life.UploadStarted()), "recording.uploading", {"recording": "r1"}),
    (
        custody.Stepped("r1", life.UploadProved(RECEIPT, STORED)),
        "recording.archived",
        {
            "recording": "r1",
            **AT,
            "retain_until": RECEIPT.statement.retain_until.isoformat(),
            "statement": digest(RECEIPT.envelope),
        },
    ),
    (custody.Stepped("r1", life.ProofLost("gone")), "recording.proof-lost", {"recording": "r1", "reason": "gone"}),
    (
        custody.Stepped("r1", life.Erased(PERMIT)),
        "recording.erased",
        {"recording": "r1", "camera": "C1", "docking": "d1", "nonce": "cd" * 16, "statement": digest(HOLDING.envelope)},
    ),
    (custody.Stepped("r1", life.FoundGone("d2")), "recording.found-gone", {"recording": "r1", "docking": "d2"}),
    (
        custody.Stepped("r1", life.Refused(Refusal("code", "message", "hint"))),
        "recording.refused",
        {"recording": "r1", "code": "code", "message": "message", "hint": "hint"},
    ),
    (
        custody.Stepped("r1", life.Retried("admin", spooled=True)),
        "recording.retried",
        {"recording": "r1", "by": "admin", "spooled": True},
    ),
    (
        custody.UploadPlaced("r1", ResumePoint("url", "ab")),
        "upload.placed",
        {"recording": "r1", "url": "url", "nonce": "ab"},
    ),
    (custody.UploadDropped("r1", "expired"), "upload.dropped", {"recording": "r1", "reason": "expired"}),
    (
        custody.ClearanceBegun(PERMIT, Method.CLEAR, (b"M/C.TXT",)),
        "camera.clearing",
        {**CLEARANCE, "method": "clear", "ignored": ["M/C.TXT"]},
    ),
    (custody.CameraCleared(PERMIT, DELETED), "camera.cleared", {**CLEARANCE, **DELETED_MEMBERS}),
    (
        custody.ClearanceFinished("C1", "3", "d1", CLEARED),
        "camera.clear-finished",
        {"camera": "C1", "bay": "3", "begun": "d1", **CLEARED_MEMBERS},
    ),
    (
        custody.HoldPlaced("camera", "C1", "admin", "why"),
        "hold.placed",
        {"scope": "camera", "subject": "C1", "case": None, "by": "admin", "reason": "why"},
    ),
    (
        custody.HoldLifted("camera", "C1", "admin", "why", "26-cv-1"),
        "hold.lifted",
        {"scope": "camera", "subject": "C1", "case": "26-cv-1", "by": "admin", "reason": "why"},
    ),
    (
        custody.RecordingMarked("r1", "at-large-arrest", 10, True, "ann", "critical incident"),
        "recording.marked",
        {
            "recording": "r1",
            "category": "at-large-arrest",
            "priority": 10,
            "first_amendment": True,
            "by": "ann",
            "reason": "critical incident",
        },
    ),
    (
        custody.RecordingKeptLonger("r1", HOLDING),
        "recording.kept-longer",
        {
            "recording": "r1",
            "archive": HOLDING.statement.archive,
            "object": HOLDING.statement.object_id,
            "nonce": HOLDING.statement.nonce,
            "retain_until": HOLDING.statement.retain_until.isoformat(),
            "statement": digest(HOLDING.envelope),
        },
    ),
    (
        custody.AlertBegun("undocked", "C1", "not docked"),
        "alert.begun",
        {"kind": "undocked", "subject": "C1", "message": "not docked"},
    ),
    (custody.AlertEnded("undocked", "C1"), "alert.ended", {"kind": "undocked", "subject": "C1"}),
    (custody.AlertTold(1, "begun", "webhook"), "alert.told", {"alert": 1, "phase": "begun", "channel": "webhook"}),
    (custody.CameraEnrolled("C1", "admin", "why"), "camera.enrolled", {"camera": "C1", "by": "admin", "reason": "why"}),
    (custody.CameraBarred("C1", "admin", "why"), "camera.barred", {"camera": "C1", "by": "admin", "reason": "why"}),
]


@pytest.mark.parametrize(("change", "event", "members"), TABLE, ids=[event for _, event, _ in TABLE])
def test_the_entry_of_each_change(change: custody.Change, event: str, members: dict[str, object]) -> None:
    """Every member as it is published; numbers that a double may not hold are text."""
    encoded = custody.encode(change, seq=3, time="2026-11-24T19:10:00.000Z")
    assert json.loads(encoded) == {"v": 1, "seq": 3, "time": "2026-11-24T19:10:00.000Z", "event": event, **members}
    assert canonical(json.loads(encoded)) == encoded


def test_every_change_and_every_step_has_its_entry_in_the_table() -> None:
    """What is added to the journal's language is added to this test."""
    assert {type(change) for change, _, _ in TABLE} == set(get_args(custody.Change))
    steps = {type(change.step) for change, _, _ in TABLE if isinstance(change, custody.Stepped)}
    assert steps == set(get_args(life.Step))


def test_events_are_told_apart_by_their_names() -> None:
    """No two kinds of change share an event."""
    assert len({event for _, event, _ in TABLE}) == len(TABLE)


@pytest.mark.parametrize("member", ["v", "seq", "time", "event"])
def test_a_note_cannot_forge_what_every_entry_has(member: str) -> None:
    """Details never stand in for the number, the time or the event."""
    with pytest.raises(RuntimeError, match=member):
        custody.encode(custody.Noted("dock.noted", {member: "7"}), seq=1, time=NOW.isoformat())


def test_what_a_clearance_left_is_named() -> None:
    """The entry lists every file that stays, and why."""
    second = seen("r2", path=b"2.MP4")
    both = [(archived(each, CONTENT), CONTENT) for each in (RECORDING, second)]
    permit = NOTARY.permit(both, unreadable=frozenset({b"2.MP4"}))
    _, members = custody.entry(custody.CameraCleared(permit, DELETED))
    assert members["left"] == [{"path": "2.MP4", "reason": "could not be read again from the camera"}]


def test_the_statement_behind_an_erasing_is_that_of_its_own_recording() -> None:
    """A permit for several gives each its own; one that does not cover a recording gives none."""
    second = seen("r2", path=b"2.MP4")
    permit = NOTARY.permit([(archived(each, CONTENT), CONTENT) for each in (RECORDING, second)])
    assert custody.holding_of(permit, "r2").statement.recording_id == "r2"
    with pytest.raises(RuntimeError, match="does not cover recording r3"):
        custody.holding_of(permit, "r3")
