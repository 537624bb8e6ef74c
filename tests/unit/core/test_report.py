"""What a custody log tells of a period."""

from typing import Any

from dockd.core.report import Act, CameraTally, Refused, tell

DAY = "2026-11-27T00:00:00.000Z"
NEXT = "2026-11-28T00:00:00.000Z"


def log(*events: tuple[str, str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries, numbered, each with its hour of the day, or a whole time."""
    return [
        {"v": 1, "seq": seq, "time": time if "T" in time else f"2026-11-27T{time}:00:00.000Z", "event": event, **members}
        for seq, (time, event, members) in enumerate(events, 1)
    ]


SEEN = {"recording": "r1", "camera": "C1", "path": "DCIM/1.MP4", "size": "1000"}


def test_a_night_is_counted_by_camera() -> None:
    """What was seen before the period is known by then, and only what happened in it counts."""
    report = tell(
        log(
            ("2026-11-26T23:00:00.000Z", "camera.docked", {"camera": "C1", "officer": "badge 7"}),
            ("2026-11-26T23:01:00.000Z", "recording.seen", SEEN),
            ("01", "recording.verified", {"recording": "r1"}),
            ("02", "recording.archived", {"recording": "r1"}),
            ("03", "camera.docked", {"camera": "A2", "officer": None}),
            ("03", "recording.seen", {**SEEN, "recording": "r2", "camera": "A2", "path": "2.MP4", "size": "5"}),
            ("03", "recording.recognised", {"recording": "r2"}),
            ("04", "recording.erased", {"recording": "r2"}),
            ("05", "recording.found-gone", {"recording": "r1"}),
            ("06", "recording.proof-lost", {"recording": "r2", "reason": "gone"}),
            (NEXT, "recording.verified", {"recording": "r2"}),
        ),
        DAY,
        NEXT,
    )
    assert (report.first, report.last, report.proofs_lost) == (3, 10, 1)
    assert list(report.cameras.items()) == [
        ("A2", CameraTally("A2", None, dockings=1, archived=1, archived_bytes=5, erased=1)),
        ("C1", CameraTally("C1", None, copied=1, copied_bytes=1000, archived=1, archived_bytes=1000, erased=1)),
    ]


def test_what_needed_a_person_is_named() -> None:
    """Each refused file with its reason, and how many dockings failed of what."""
    failed = {"docking": "d1", "code": "camera-stalled", "message": "no answer", "hint": ""}
    report = tell(
        log(
            ("01", "recording.seen", SEEN),
            ("02", "recording.refused", {"recording": "r1", "code": "archive-refused", "message": "too large", "hint": ""}),
            ("03", "recording.refused", {"recording": "r9", "code": "x", "message": "of an older log", "hint": ""}),
            ("04", "docking.failed", failed),
            ("05", "docking.failed", failed),
        ),
        DAY,
        NEXT,
    )
    assert report.refused == [
        Refused("2026-11-27T02:00:00.000Z", "C1", "r1", "DCIM/1.MP4", "archive-refused", "too large"),
        Refused("2026-11-27T03:00:00.000Z", "unknown", "r9", "", "x", "of an older log"),
    ]
    assert report.failed == {"camera-stalled": 2}
    assert report.cameras["C1"].refused == 1


def test_what_people_did_is_told_with_who_and_why() -> None:
    """Holds, bars, retries and acceptances."""
    by = {"by": "anna (uid 7)"}
    report = tell(
        log(
            ("01", "hold.placed", {**by, "scope": "camera", "subject": "C1", "reason": "case 7"}),
            ("02", "camera.barred", {**by, "camera": "C2", "reason": "stolen"}),
            ("03", "recording.retried", {**by, "recording": "r1", "spooled": True}),
            ("04", "configuration.accepted", {**by, "accepted": "", "changes": [], "digest": "", "before": None}),
            ("05", "daemon.started", {"version": "1"}),
        ),
        DAY,
        NEXT,
    )
    assert [(each.event, each.subject, each.reason) for each in report.acts] == [
        ("hold.placed", "C1", "case 7"),
        ("camera.barred", "C2", "stolen"),
        ("recording.retried", "r1", ""),
        ("configuration.accepted", "", ""),
    ]
    assert report.acts[0] == Act("2026-11-27T01:00:00.000Z", "hold.placed", "anna (uid 7)", "C1", "case 7")


def test_a_quiet_period_is_empty() -> None:
    """Nothing was recorded in it."""
    report = tell(log(("01", "daemon.started", {})), NEXT, "2026-11-29T00:00:00.000Z")
    assert (report.first, report.last, report.cameras, report.acts) == (0, 0, {}, [])
