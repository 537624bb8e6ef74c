"""What the journal makes of each change, in its rows and in the custody log."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dockd.core import life
from dockd.core.canonical import canonical, leaf_hash
from dockd.core.custody import (
    CameraCleared,
    CameraDocked,
    Change,
    ClearanceBegun,
    DockingEnded,
    DockingFailed,
    DockingRestored,
    HoldLifted,
    HoldPlaced,
    Noted,
    RecordingMet,
    RecordingSeen,
    Stepped,
    UploadDropped,
    UploadPlaced,
)
from dockd.core.erasure import Erasure, Method
from dockd.core.recording import Recording, Refusal, ResumePoint, State
from dockd.journal import Docking, Journal
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import Notary, archived, measure, seen, stored, verified

CONTENT = b"content"
RESUME = ResumePoint("http://127.0.0.1:1/files/u", "ab" * 16)


async def custody(journal: Journal) -> list[dict[str, Any]]:
    """Every custody entry, read as JSON."""
    return [json.loads(entry.entry) for entry in await journal.custody(limit=100_000)]


def steps_to(recording: Recording, state: State, notary: Notary) -> list[Change]:
    """Changes that bring a recording that was just seen to `state`."""
    name, at = recording.recording_id, stored(recording, CONTENT)
    permit = notary.permit([(archived(recording, CONTENT), CONTENT)])
    way: list[tuple[State, Change]] = [
        (State.SEEN, RecordingSeen(recording)),
        (State.COPYING, Stepped(name, life.CopyStarted())),
        (State.VERIFIED, Stepped(name, life.CopyVerified(verified(name, CONTENT)))),
        (State.UPLOADING, Stepped(name, life.UploadStarted())),
        (State.ARCHIVED, Stepped(name, life.UploadProved(notary.receipt(at), at))),
        (State.ERASED, Stepped(name, life.Erased(permit))),
    ]
    reached = [step for step, _ in way].index(state)
    return [change for _, change in way[: reached + 1]]


async def test_a_whole_life_is_kept_as_the_core_decides_it(journal: Journal) -> None:
    """After every step the journal holds exactly what `life.take` makes of the recording."""
    recording, notary = seen("r1"), Notary()
    seen_change, *steps = steps_to(recording, State.ERASED, notary)
    await journal.record(seen_change)
    model = await journal.recording("r1")
    assert model == replace(recording, sequence=1, seen="2026-11-24T19:10:00.000Z")
    for change in steps:
        assert isinstance(change, Stepped)
        model = life.take(model, change.step)
        await journal.record(change)
        assert await journal.recording("r1") == model
    assert [each["event"] for each in await custody(journal)] == [
        "camera.docked",
        "recording.seen",
        "recording.copying",
        "recording.verified",
        "recording.uploading",
        "recording.archived",
        "recording.erased",
    ]


async def test_custody_entries_are_the_canonical_bytes_and_their_leaf_hash(journal: Journal) -> None:
    """Each entry is stored byte for byte as canonical JSON with number, time and event, beside its RFC 6962 leaf hash."""
    await journal.record(Noted("dock.started", {"version": "1", "name": "Kö"}))
    entries = await journal.custody()
    assert [each.seq for each in entries] == [1, 2]
    for each in entries:
        assert each.leaf == leaf_hash(each.entry)
        assert canonical(json.loads(each.entry)) == each.entry
    assert json.loads(entries[1].entry) == {
        "v": 1,
        "seq": 2,
        "time": "2026-11-24T19:10:00.000Z",
        "event": "dock.started",
        "version": "1",
        "name": "Kö",
    }


async def test_custody_is_read_in_pieces(journal: Journal) -> None:
    """A reader asks from a number on, and for no more than it can carry."""
    await journal.record(*(Noted("dock.noted", {"n": n}) for n in range(9)))
    assert [each.seq for each in await journal.custody(first=4, limit=3)] == [4, 5, 6]
    assert await journal.custody(first=11) == []


async def test_an_illegal_step_writes_nothing_of_its_transaction(journal: Journal) -> None:
    """One wrong step among good changes: none of them, and no custody entry, is kept."""
    with pytest.raises(RuntimeError, match="UploadStarted is illegal"):
        await journal.record(RecordingSeen(seen("r1")), Stepped("r1", life.CopyStarted()), Stepped("r1", life.UploadStarted()))
    assert await journal.recordings() == []
    assert len(await journal.custody()) == 1
    await journal.record(RecordingSeen(seen("r1")))
    assert (await journal.recording("r1")).sequence == 1


@pytest.mark.parametrize(
    "change",
    [
        Stepped("unknown", life.CopyStarted()),
        UploadPlaced("unknown", RESUME),
        UploadDropped("unknown", "gone"),
        RecordingMet("unknown", "d1", b"a", measure(CONTENT)),
        RecordingMet("r0", "unknown", b"a", measure(CONTENT)),
        DockingFailed("unknown", "code", "message", "hint"),
        DockingEnded("unknown", "left"),
        CameraDocked("d1", "C1", "dcf", "2", None),
        RecordingSeen(seen("r0")),
        RecordingSeen(seen("r1", docking="unknown")),
        RecordingSeen(replace(seen("r1"), sequence=5)),
        RecordingSeen(replace(seen("r1"), state=State.COPYING)),
        RecordingSeen(replace(seen("r1"), measured=measure(CONTENT))),
        RecordingSeen(replace(seen("r1"), resume=RESUME)),
        RecordingSeen(replace(seen("r1"), clearing=True)),
        RecordingSeen(seen("r1", size_bytes=-1)),
        HoldPlaced("dock", "d", "admin", "why"),
        Noted("dock.noted", {"seq": 7}),
        Noted("dock.noted", {"share": 0.5}),  # type: ignore[dict-item]  # a caller without a type checker
    ],
    ids=repr,
)
async def test_a_wrong_call_is_a_bug_and_writes_nothing(journal: Journal, change: Change) -> None:
    """What the caller should have known better is a RuntimeError, and the journal is as it was."""
    await journal.record(RecordingSeen(seen("r0")))
    before = await journal.custody(), await journal.recordings(), await journal.docking("d1")
    with pytest.raises(RuntimeError):
        await journal.record(Noted("dock.noted", {}), change)
    assert (await journal.custody(), await journal.recordings(), await journal.docking("d1")) == before


async def test_nothing_to_record_is_no_transaction(journal: Journal) -> None:
    """A call without changes leaves no trace."""
    await journal.record()
    assert len(await journal.custody()) == 1


async def test_unknown_ids_are_key_errors_to_a_reader(journal: Journal) -> None:
    """Asking for what was never recorded is told apart from an empty answer."""
    with pytest.raises(KeyError, match="r9"):
        await journal.recording("r9")
    with pytest.raises(KeyError, match="d9"):
        await journal.docking("d9")
    with pytest.raises(KeyError, match="r9"):
        await journal.proof("r9")
    assert await journal.recordings(docking="d9") == []
    assert await journal.by_digests(measure(b"never read")) == []


async def test_the_first_reason_of_a_docking_stays(journal: Journal) -> None:
    """A second failure is told in the custody log but does not hide the first."""
    await journal.record(DockingFailed("d1", "camera-stalled", "first", "move it"))
    await journal.record(DockingFailed("d1", "worker", "second", ""))
    assert (await journal.docking("d1")).failure == Refusal("camera-stalled", "first", "move it")
    assert [each["message"] for each in await custody(journal) if each["event"] == "docking.failed"] == ["first", "second"]


async def test_dockings_end_once(journal: Journal, clock: HurriedClock) -> None:
    """A docking is open until its camera leaves; who says so a second time does not change when."""
    await journal.record(CameraDocked("d2", "C2", "dcf", "2", None))
    assert [each.docking for each in await journal.open_dockings()] == ["d1", "d2"]
    clock.wall += timedelta(minutes=1)
    await journal.record(DockingEnded("d1", "left"))
    clock.wall += timedelta(minutes=1)
    await journal.record(DockingEnded("d1", "dock restarted"))
    assert [each.docking for each in await journal.open_dockings()] == ["d2"]
    assert await journal.docking("d1") == Docking(
        docking="d1",
        camera="C1",
        bay="1",
        profile="dcf",
        officer="badge 7",
        started="2026-11-24T19:10:00.000Z",
        ended="2026-11-24T19:11:00.000Z",
        failure=None,
    )


async def test_a_restored_docking_is_over(journal: Journal) -> None:
    """A docking known from the spool only is never taken for one that goes on."""
    await journal.record(DockingRestored("d0", "C7"))
    assert [each.docking for each in await journal.open_dockings()] == ["d1"]
    assert (await journal.docking("d0")).camera == "C7"


async def test_a_recording_met_again_belongs_to_both_dockings(journal: Journal) -> None:
    """Met under another name in another docking: its path follows, its first docking stays, both dockings list it."""
    await journal.record(*steps_to(seen("r1"), State.ARCHIVED, Notary()), RecordingSeen(seen("r2", path=b"DCIM/2.MP4")))
    await journal.record(CameraDocked("d2", "C1", "dcf", "2", None))
    for _ in range(2):
        await journal.record(RecordingMet("r1", "d2", b"DCIM/\xff.MP4", measure(CONTENT)))
    (met,) = await journal.recordings(docking="d2")
    assert (met.recording_id, met.path, met.docking, met.state) == ("r1", b"DCIM/\xff.MP4", "d1", State.ARCHIVED)
    assert [each.recording_id for each in await journal.recordings(docking="d1")] == ["r1", "r2"]
    assert (await custody(journal))[-1]["path"] == "DCIM/%FF.MP4"


async def test_recordings_are_found_by_camera_docking_and_state(journal: Journal) -> None:
    """Every condition narrows the answer; its order is that of discovery."""
    await journal.record(CameraDocked("d2", "C2", "dcf", "2", None))
    await journal.record(
        *(RecordingSeen(seen(f"a{n}", path=b"%d" % n)) for n in (3, 1, 2)),
        RecordingSeen(seen("b1", camera="C2", docking="d2")),
        Stepped("a1", life.CopyStarted()),
        Stepped("b1", life.CopyStarted()),
    )

    async def found(camera: str | None = None, docking: str | None = None, states: set[State] | None = None) -> list[str]:
        return [each.recording_id for each in await journal.recordings(camera=camera, docking=docking, states=states)]

    assert await found() == ["a3", "a1", "a2", "b1"]
    assert await found(camera="C1") == ["a3", "a1", "a2"]
    assert await found(docking="d2") == ["b1"]
    assert await found(states={State.COPYING}) == ["a1", "b1"]
    assert await found(states={State.COPYING, State.SEEN}, camera="C1") == ["a3", "a1", "a2"]
    assert await found(states=set()) == []
    assert await found(camera="C1", docking="d2") == []


async def test_equal_bytes_are_found_whatever_camera_and_name(journal: Journal) -> None:
    """Digests alone tell that two recordings are the same; one of another length or digest is another."""
    await journal.record(CameraDocked("d2", "C2", "dcf", "2", None))
    for name, camera, docking, content in (("r1", "C1", "d1", b"x"), ("r2", "C2", "d2", b"x"), ("r3", "C1", "d1", b"y")):
        await journal.record(
            RecordingSeen(seen(name, camera=camera, docking=docking, path=name.encode())),
            Stepped(name, life.CopyStarted()),
            Stepped(name, life.CopyVerified(verified(name, content))),
        )
    assert [each.recording_id for each in await journal.by_digests(measure(b"x"))] == ["r1", "r2"]
    assert await journal.by_digests(replace(measure(b"x"), size_bytes=2)) == []


async def test_order_never_follows_the_clock(journal: Journal, clock: HurriedClock) -> None:
    """With a wall clock that jumps back ten years, numbers and order go on as before."""
    await journal.record(RecordingSeen(seen("r1")))
    clock.wall -= timedelta(days=3650)
    await journal.record(RecordingSeen(seen("r2", path=b"2")))
    assert [each.recording_id for each in await journal.recordings()] == ["r1", "r2"]
    assert [(each["seq"], each["time"][:4]) for each in await custody(journal)] == [(1, "2026"), (2, "2026"), (3, "2016")]


async def test_the_camera_may_claim_any_time_and_name(journal: Journal) -> None:
    """A modification time no calendar holds, and a name of every byte, come back as they were."""
    odd = replace(seen("r1", path=bytes(range(1, 256))), modified_ns=-(10**30), seen="2020-01-01T00:00:00.000Z")
    await journal.record(RecordingSeen(odd))
    assert await journal.recording("r1") == replace(odd, sequence=1)


async def test_where_an_upload_stands_is_kept_until_the_archive_forgets_it(journal: Journal) -> None:
    """A resume point survives until it is dropped, or until the proof that it led to is lost."""
    await journal.record(*steps_to(seen("r1"), State.UPLOADING, Notary()), UploadPlaced("r1", RESUME))
    assert (await journal.recording("r1")).resume == RESUME
    await journal.record(UploadDropped("r1", "expired"))
    assert (await journal.recording("r1")).resume is None


async def test_a_lost_proof_forgets_all_that_it_led_to(journal: Journal) -> None:
    """A recording that the archive no longer proves begins again, with neither object nor upload to go on from."""
    notary = Notary()
    await journal.record(*steps_to(seen("r1"), State.UPLOADING, notary), UploadPlaced("r1", RESUME))
    await journal.record(*steps_to(seen("r1"), State.ARCHIVED, notary)[-1:])
    await journal.record(Stepped("r1", life.ProofLost("not found")))
    again = await journal.recording("r1")
    assert (again.state, again.stored, again.resume, again.measured) == (State.SEEN, None, None, None)


async def test_a_refused_recording_keeps_its_reason_until_a_person_acts(journal: Journal) -> None:
    """The refusal is there to be shown, and gone after the retry."""
    refusal = Refusal("archive-refused", "no", "ask")
    await journal.record(*steps_to(seen("r1"), State.UPLOADING, Notary()), Stepped("r1", life.Refused(refusal)))
    assert (await journal.recording("r1")).refusal == refusal
    await journal.record(Stepped("r1", life.Retried("admin", spooled=True)))
    assert (await journal.recording("r1")).refusal is None
    assert (await journal.recording("r1")).state is State.VERIFIED


async def test_the_statement_last_accepted_can_be_shown(journal: Journal) -> None:
    """First the receipt, and after the erasing the holding statement on whose word it happened; custody names both."""
    notary, recording = Notary(), seen("r1")
    await journal.record(RecordingSeen(recording))
    assert await journal.proof("r1") is None
    _, *steps = steps_to(recording, State.ERASED, notary)
    await journal.record(*steps[:-1])
    receipt = await journal.proof("r1")
    assert receipt == notary.receipt(stored(recording, CONTENT)).envelope
    await journal.record(steps[-1])
    erased = steps[-1]
    assert isinstance(erased, Stepped)
    assert isinstance(erased.step, life.Erased)
    holding = erased.step.permit.covered[0].holding
    assert await journal.proof("r1") == holding.envelope
    events = {each["event"]: each for each in await custody(journal)}
    assert events["recording.archived"]["statement"] == measure(receipt).digests.sha256.hex()
    assert events["recording.erased"]["statement"] == measure(holding.envelope).digests.sha256.hex()


async def test_a_recognised_recording_keeps_the_object_of_another(journal: Journal) -> None:
    """Bytes that the archive holds for an earlier recording count for this one, with the statement that says so."""
    notary, earlier = Notary(), seen("r1")
    at = stored(earlier, CONTENT)
    await journal.record(*steps_to(earlier, State.ARCHIVED, notary), RecordingSeen(seen("r2", path=b"copy")))
    proof = notary.holding(at, "cd" * 16)
    await journal.record(Stepped("r2", life.Recognised(proof, at)))
    assert (await journal.recording("r2")).stored == at
    assert await journal.proof("r2") == proof.envelope


async def test_an_erasing_that_began_is_marked(journal: Journal) -> None:
    """A permit's beginning marks what it covers, so that a file missing after a power cut can be told from one taken away."""
    notary, recording = Notary(), seen("r1")
    permit = notary.permit([(archived(recording, CONTENT), CONTENT)])
    await journal.record(*steps_to(recording, State.ARCHIVED, notary), RecordingSeen(seen("r2", path=b"2")))
    await journal.record(ClearanceBegun(permit, Method.DELETE))
    assert [each.clearing for each in await journal.recordings()] == [True, False]
    await journal.record(Stepped("r1", life.FoundGone("d2")), CameraCleared(permit, Erasure(Method.DELETE, 1)))
    assert (await journal.recording("r1")).state is State.ERASED


async def test_a_recording_seen_again_was_not_erased_by_what_was_begun(journal: Journal) -> None:
    """A clearance that was broken off does not answer for files that somebody removed after they were met again."""
    notary, recording = Notary(), seen("r1")
    permit = notary.permit([(archived(recording, CONTENT), CONTENT)])
    await journal.record(*steps_to(recording, State.ARCHIVED, notary), ClearanceBegun(permit, Method.DELETE))
    await journal.record(RecordingMet("r1", "d1", recording.path, measure(CONTENT)))
    assert not (await journal.recording("r1")).clearing
    with pytest.raises(RuntimeError):
        await journal.record(Stepped("r1", life.FoundGone("d1")))
    await journal.record(ClearanceBegun(permit, Method.DELETE), Stepped("r1", life.ProofLost("expired")))
    assert not (await journal.recording("r1")).clearing


async def test_holds_stand_until_lifted(journal: Journal) -> None:
    """A hold placed twice is one hold; lifting what is not held changes nothing but the log."""
    for _ in range(2):
        await journal.record(HoldPlaced("camera", "C1", "officer", "court order"))
    await journal.record(HoldPlaced("recording", "r1", "admin", "complaint"))
    holds = await journal.holds()
    assert (holds.cameras, holds.recordings) == (frozenset({"C1"}), frozenset({"r1"}))
    await journal.record(HoldLifted("camera", "C1", "admin", "released"), HoldLifted("camera", "C9", "admin", "released"))
    holds = await journal.holds()
    assert (holds.cameras, holds.recordings) == (frozenset(), frozenset({"r1"}))
    assert [each["event"] for each in await custody(journal)].count("hold.lifted") == 2


async def test_counts_follow_every_change(journal: Journal) -> None:
    """Every state is counted, also after a transaction that was refused; what was refused leaves no trace in later counts."""
    assert journal.counts() == dict.fromkeys(State, 0)
    await journal.record(RecordingSeen(seen("r1")), RecordingSeen(seen("r2", path=b"2")), Stepped("r1", life.CopyStarted()))
    wanted = dict.fromkeys(State, 0) | {State.SEEN: 1, State.COPYING: 1}
    assert journal.counts() == wanted
    with pytest.raises(RuntimeError):
        await journal.record(Stepped("r2", life.CopyStarted()), Stepped("r2", life.ProofLost("")))
    assert journal.counts() == wanted
    await journal.record(Stepped("r1", life.CopyVerified(verified("r1", b"bytes"))), Stepped("r2", life.CopyStarted()))
    assert journal.counts() == dict.fromkeys(State, 0) | {State.VERIFIED: 1, State.COPYING: 1}


async def test_a_thousand_changes_are_one_transaction(journal: Journal, path: Path) -> None:
    """A camera full of recordings is seen all at once or not at all."""
    many = [RecordingSeen(seen(f"r{n}", path=b"%d" % n)) for n in range(1000)]
    with pytest.raises(RuntimeError):
        await journal.record(*many, RecordingSeen(seen("r0")))
    assert await journal.recordings() == []
    await journal.record(*many)
    assert journal.counts()[State.SEEN] == 1000
