"""From the spool to the archive: nothing is given up that may pass, and nothing passes that is wrong."""

import asyncio
import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.core import custody
from dockd.core.readiness import Lamp
from dockd.core.recording import State
from dockd.delivery.sending import Delivery
from dockd.errors import JournalError
from dockd.journal import Journal
from dockd.journal.ledger import Ledger
from dockd.offload.spool import Spool
from tests.sim.archive import Faults, Lie, SimArchive
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, dcf, dock_here


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Two short recordings, no sidecars."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=200_000, sidecars=False)
    return tmp_path / "camera"


def archived(dock: DockHere, files: int = 2) -> bool:
    """Whether everything in bay 1 is in the archive."""
    return [each.recording.state for each in dock.bay().present.values()] == [State.ARCHIVED] * files


FAULTS = {
    "connection breaks": Faults(fail_after_bytes=50_000),
    "busy": Faults(busy_times=3, busy_retry_after_s=0.01),
    "object forgotten": Faults(lose_objects=True),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_archive_that_fails_for_a_while_gets_everything_once(fault: str, camera: Path, tmp_path: Path) -> None:
    """Breaks, refusals to answer now and lost uploads cost time; each recording ends as one object."""
    archive = SimArchive(faults=FAULTS[fault])
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: archived(dock) and dock.dock.outbox.files == 0)
        assert len(archive.objects()) == 2
        assert dock.dock.outbox.left_bytes == 0
        assert dock.dock.board.archive.reachable


async def test_archive_that_is_away_is_shown_and_waited_for(camera: Path, tmp_path: Path) -> None:
    """While nobody answers the reason is shown since when, copying goes on, and nothing is refused."""
    archive = SimArchive(faults=Faults(unreachable=True))
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: dock.dock.board.archive.reachable is False and dock.bay().phase == "waiting for the archive")
        assert dock.dock.board.archive.message == "the archive does not answer"
        assert dock.lamp().lamp is Lamp.LEAVE
        assert dock.dock.outbox.files == 2
        assert set((await dock.states()).values()) == {State.VERIFIED}, "nothing is on its way before the archive made room"
        archive.faults.unreachable = False
        await dock.until(lambda: archived(dock))
        assert dock.dock.board.archive.reachable


async def test_slow_removal_from_the_spool_holds_up_no_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Couriers go on while the spool's disk forgets what was proved; it forgets all of it in the end."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=6, size_bytes=10_000, sidecars=False)
    may_go_on, discard = threading.Event(), Spool.discard

    def slowly(spool: Spool, recording_id: str) -> None:
        assert may_go_on.wait(60)
        discard(spool, recording_id)

    monkeypatch.setattr(Spool, "discard", slowly)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        try:
            dock.insert(tmp_path / "camera")
            await dock.until(lambda: archived(dock, files=6))
            assert len(dock.dock.spool.recording_ids()) == 6
        finally:
            may_go_on.set()
        while dock.dock.spool.recording_ids():
            await dock.dock.board.news()


async def test_journal_that_fails_once_refuses_no_recording(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the dock, as it does everywhere; whoever starts it again has everything delivered."""
    record, failed = Ledger.record, threading.Event()

    def fails_once(ledger: Ledger, changes: tuple[custody.Change, ...], now: str) -> None:
        if any(isinstance(each, custody.UploadPlaced) for each in changes) and not failed.is_set():
            failed.set()
            msg = "disk I/O error"
            raise JournalError(msg)
        record(ledger, changes, now)

    monkeypatch.setattr(Ledger, "record", fails_once)
    archive = SimArchive()

    async def docked_until_it_ends() -> None:
        async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
            dock.insert(camera)
            await dock.until(lambda: False)

    with pytest.raises(ExceptionGroup) as ended:
        await docked_until_it_ends()
    assert ended.group_contains(JournalError, match="disk I/O error")
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        assert State.REFUSED not in (await dock.states()).values()
        dock.insert(camera)
        await dock.until(lambda: archived(dock))


async def test_upload_that_the_archive_forgot_begins_again(camera: Path, tmp_path: Path) -> None:
    """A resume point that leads nowhere is dropped, in the custody log too, and the recording is sent from its first byte."""
    archive = SimArchive()
    archive.gate.clear()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(camera)
        await archive.waiting.wait()
        archive.faults.unreachable = True
        archive.gate.set()
        await dock.until(lambda: dock.dock.board.archive.reachable is False)
        archive.faults.lose_upload = True
        archive.faults.unreachable = False
        await dock.until(lambda: archived(dock))
        assert "upload.dropped" in await dock.events()
        assert len(archive.objects()) == 2


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (Faults(refuse="too odd"), "archive-refused"),
        (Faults(reject="other bytes"), "archive-refused"),
        (Faults(lie=Lie.DIGEST), "proof-refused"),
        (Faults(lie=Lie.SIGNATURE), "proof-refused"),
        (Faults(lie=Lie.OBJECT), "proof-refused"),
    ],
)
async def test_permanent_refusal_is_that_recordings_alone(faults: Faults, code: str, camera: Path, tmp_path: Path) -> None:
    """What the archive can never take or prove is kept in the spool and on the camera, with the archive's words."""
    archive = SimArchive(faults=faults)
    async with dock_here(tmp_path / "spool", archive) as dock:
        dock.insert(camera)
        await dock.until(lambda: [each.recording.state for each in dock.bay().present.values()] == [State.REFUSED] * 2)
        assert {each.refusal.code for each in await dock.recordings() if each.refusal is not None} == {code}
        assert len(dock.dock.spool.recording_ids()) == 2
        assert dock.lamp().lamp is Lamp.HELP
        assert dock.dock.outbox.files == 0


async def test_spool_that_rots_before_it_is_sent_never_completes(camera: Path, tmp_path: Path) -> None:
    """Bytes are hashed again as they are sent: a rotten copy is refused, and its camera still has the original."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, deliver=False) as dock:
        dock.insert(camera)
        await dock.until(lambda: dock.dock.outbox.files == 2)
        (first, _) = await dock.recordings()
        path = dock.dock.spool.path_of(first.recording_id)
        path.write_bytes(b"rot" + path.read_bytes()[3:])
    archive.closed = False
    async with dock_here(tmp_path / "spool", archive) as dock:
        while len(await dock.recordings(State.ARCHIVED, State.REFUSED)) < 2:
            await dock.dock.board.news()
        (refused,) = await dock.recordings(State.REFUSED)
        assert refused.recording_id == first.recording_id
        assert refused.refusal is not None
        assert refused.refusal.code == "spool-mismatch"
        assert list(archive.objects()) != [first.recording_id]


async def test_a_critical_incident_goes_before_what_is_on_its_way(tmp_path: Path) -> None:
    """An upload gives way, and goes on later where it was; nothing is sent twice."""
    make_camera(tmp_path / "routine", "CAM-1", recordings=2, size_bytes=400_000, sidecars=False)
    make_camera(tmp_path / "critical", "CAM-2", recordings=2, size_bytes=50_000, sidecars=False)
    archive = SimArchive()
    archive.gate.clear()
    profile = replace(dcf(), critical=("CLIP0001*",))
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(tmp_path / "routine", bay="1", profile=replace(dcf(), critical=()))
        await dock.until(lambda: len(archive.uploads) == 2)
        dock.insert(tmp_path / "critical", bay="2", profile=profile)
        await dock.until(lambda: len(archive.uploads) == 3)
        routine, _, third = archive.uploads.values()
        assert (third.consignment.camera, third.consignment.name[-8:]) == ("CAM-2", "0001.MP4")
        assert [len(dock.dock.outbox.critical), dock.dock.outbox.critical_untaken] == [1, 0]
        archive.gate.set()
        await dock.until(lambda: archived(dock) and not dock.dock.outbox.files)
        assert not dock.dock.outbox.critical
        assert len(archive.objects()) == 4
        assert len(archive.uploads) == 4, "what gave way went on where it was"
        assert routine.whole


async def test_a_critical_incident_goes_before_what_is_about_to_be_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while each courier has a recording and asks the journal about it: what begins then gives way as well."""
    make_camera(tmp_path / "routine", "CAM-1", recordings=2, size_bytes=400_000, sidecars=False)
    make_camera(tmp_path / "critical", "CAM-2", recordings=1, size_bytes=50_000, sidecars=False)
    archive = SimArchive()
    archive.gate.clear()
    answers, asked, held = asyncio.Event(), 0, Journal.held

    async def slowly(journal: Journal, among: Collection[str] | None = None) -> set[str]:
        nonlocal asked
        asked += 1
        await answers.wait()
        return await held(journal, among)

    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        monkeypatch.setattr(Journal, "held", slowly)
        dock.insert(tmp_path / "routine", bay="1", profile=replace(dcf(), critical=()))
        await dock.until(lambda: dock.dock.outbox.files == 2)
        dock.insert(tmp_path / "critical", bay="2", profile=replace(dcf(), critical=("CLIP*",)))
        await dock.until(lambda: dock.dock.outbox.critical_untaken == 1)
        for _ in range(5):  # whoever makes way for it has looked
            await asyncio.sleep(0)
        assert asked == 2
        answers.set()
        await dock.until(lambda: "CAM-2" in {each.consignment.camera for each in archive.uploads.values()})
        archive.gate.set()
        await dock.until(lambda: not dock.dock.outbox.files)
        assert len(archive.objects()) == 3


async def test_nothing_gives_way_while_a_courier_is_free(tmp_path: Path) -> None:
    """Nor one critical recording to another."""
    make_camera(tmp_path / "routine", "CAM-1", recordings=1, size_bytes=400_000, sidecars=False)
    make_camera(tmp_path / "critical", "CAM-2", recordings=3, size_bytes=50_000, sidecars=False)
    archive = SimArchive()
    archive.gate.clear()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        dock.insert(tmp_path / "routine", bay="1")
        await dock.until(lambda: len(archive.uploads) == 1)
        dock.insert(tmp_path / "critical", bay="2", profile=replace(dcf(), critical=("CLIP0001*",)))
        await dock.until(lambda: len(archive.uploads) == 2)
        assert dock.dock.outbox.files >= 2
        archive.gate.set()
        await dock.until(lambda: not dock.dock.outbox.files)
        assert archive.calls.count("store") == 4


async def test_a_bad_link_is_given_one_recording_at_a_time_but_critical_ones(tmp_path: Path) -> None:
    """Where only one may be on its way a second one waits; one of a critical incident does not, and success allows more again."""
    make_camera(tmp_path / "routine", "CAM-1", recordings=3, size_bytes=100_000, sidecars=False)
    make_camera(tmp_path / "critical", "CAM-2", recordings=1, size_bytes=50_000, sidecars=False)
    archive = SimArchive()
    archive.gate.clear()
    async with dock_here(tmp_path / "spool", archive, may_erase=False, deliver=False) as dock:
        dock.insert(tmp_path / "routine", bay="1", profile=replace(dcf(), critical=()))
        await dock.until(lambda: dock.dock.outbox.files == 3)
        dock.dock.uploads.failed()
        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(Delivery(dock.dock).run())
            await dock.until(lambda: len(archive.uploads) == 1)
            dock.insert(tmp_path / "critical", bay="2", profile=replace(dcf(), critical=("CLIP*",)))
            await dock.until(lambda: len(archive.uploads) == 2)
            assert [each.consignment.camera for each in archive.uploads.values()] == ["CAM-1", "CAM-2"]
            archive.gate.set()
            await dock.until(lambda: not dock.dock.outbox.files)
            assert dock.dock.uploads.allowed == 2
            delivering.cancel()


@pytest.mark.parametrize("scope", ["camera", "recording", ""])
async def test_what_is_on_hold_is_stored_under_a_hold(scope: str, tmp_path: Path) -> None:
    """The archive hears of it as it is sent, so that a store with legal holds keeps it beyond its retention."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=10_000, sidecars=False)
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False, deliver=False) as dock:
        dock.insert(tmp_path / "camera")
        await dock.until(lambda: dock.dock.outbox.files == 1)
        (recording,) = await dock.recordings()
        if scope:
            subject = recording.camera if scope == "camera" else recording.recording_id
            await dock.dock.journal.record(custody.HoldPlaced(scope, subject, "anna", "case 7"))
        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(Delivery(dock.dock).run())
            await dock.until(lambda: not dock.dock.outbox.files)
            delivering.cancel()
    assert [each.consignment.held for each in archive.uploads.values()] == [bool(scope)]
