"""Orders on recordings that lie in the archive already: the archive is told, until it has taken it."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import parse_rfc3339
from dockd.core import custody, life
from dockd.core.custody import CameraDocked, RecordingSeen, Stepped
from dockd.core.recording import State
from dockd.custody.archived_holds import TOLD, ArchivedHolds
from dockd.custody.reconciling import Reconciler
from dockd.errors import ProofRefusedError
from dockd.journal.gaps import Kept
from dockd.vault.service import VaultSettings
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.consignments import HurriedClock, Watched, consign
from tests.sim.dock_here import DockHere, build, dock_here
from tests.sim.evidence import DOCK, seen
from tests.sim.running import running
from tests.sim.vault_here import vault_here

ORDER = custody.HoldPlaced("camera", "CAM-1", "A. Jones", "a court asks")


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """One with two recordings."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=10_000, sidecars=False)
    return tmp_path / "camera"


async def archived(dock: DockHere, camera: Path) -> None:
    """Both lie in the archive."""
    dock.insert(camera)
    await dock.until(lambda: [each.recording.state for each in dock.bay().present.values()] == [State.ARCHIVED] * 2)


async def test_an_order_that_comes_later_reaches_the_archive(camera: Path, tmp_path: Path) -> None:
    """Each object is held there, that is an entry, and an archive that is away is told when it is back."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await archived(dock, camera)
        archive.faults.busy_times = 1
        async with running(ArchivedHolds(dock.dock, again_s=0.01).run()):
            await dock.dock.journal.record(ORDER)
            while await dock.dock.journal.last_note(TOLD) is None:
                await dock.dock.journal.next_record().wait()
        assert archive.held == set(archive.uploads)
        assert len(archive.held) == 2


async def test_an_order_that_comes_while_something_is_on_its_way_reaches_the_archive(camera: Path, tmp_path: Path) -> None:
    """When it was sent nobody knew of the order, and when the order came it was not there: the archive is told as it has come."""
    archive = SimArchive()
    archive.gate.clear()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        async with running(ArchivedHolds(dock.dock).run()), asyncio.timeout(30):
            dock.insert(camera)
            await dock.until(lambda: len(archive.uploads) == 2)
            await dock.dock.journal.record(ORDER)
            for _ in range(10):  # whoever tells the archive has looked, and there is nothing yet
                await dock.recordings()
            archive.gate.set()
            while archive.held != set(archive.uploads):
                await dock.dock.journal.next_record().wait()
        assert not any(each.consignment.held for each in archive.uploads.values())


async def test_what_was_told_is_not_told_again_and_what_is_not_there_holds_up_nothing(camera: Path, tmp_path: Path) -> None:
    """One object that the archive lost is named each time; the other is held once."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await archived(dock, camera)
        await dock.dock.journal.record(ORDER)
        lost = min(archive.uploads)
        del archive.uploads[lost]
        told = ArchivedHolds(dock.dock)
        with capture_logs() as logs:
            assert not await told.once()
            assert not await told.once()
        assert [each["event"] for each in logs if "hold" in each["event"]] == [
            "archive not told of a hold",
            "archive holds",
            "archive not told of a hold",
        ]
        assert len(archive.held) == 1


async def test_a_dock_without_orders_tells_nothing(camera: Path, tmp_path: Path) -> None:
    """Neither archived nor held: nobody is asked."""
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await archived(dock, camera)
        assert await ArchivedHolds(dock.dock).once()
        assert archive.held == set()
        assert await dock.dock.journal.last_note(TOLD) is None


def _days(statement: str, since: datetime) -> int:
    return (parse_rfc3339(statement) - since).days


async def test_a_promise_never_ends_before_the_order(camera: Path, tmp_path: Path) -> None:
    """An archive that knows no holds promises again, before its promise ends and not each day; that is in the custody log."""
    clock = HurriedClock()
    archive, began = SimArchive(clock=clock), clock.now()
    archive.faults.knows_no_holds = True
    async with dock_here(tmp_path / "spool", archive, may_erase=False, clock=clock) as dock:
        await archived(dock, camera)
        await dock.dock.journal.record(ORDER)
        renewed = []
        for day in range(0, 800, 10):
            clock.wall = began + timedelta(days=day)
            assert await ArchivedHolds(dock.dock).once()
            renewed += [day] * archive.calls.count("prove_again")
            archive.calls.clear()
            assert not (await Reconciler(dock.dock).once()), "what is held is proved every day"
            archive.calls.clear()
        assert sorted(set(renewed)) == [340, *range(400, 800, 60)]
        entries = await dock.entries("recording.kept-longer")
        assert [_days(each["retain_until"], began) for each in entries][-1] > 800
        assert await dock.dock.journal.last_note(TOLD) is None, "nobody else holds it"


async def test_a_hold_that_comes_after_the_promise_ended_is_good_at_a_vault(tmp_path: Path) -> None:
    """The vault has the object still, and promises anew; without that it would prove nothing of it any more."""
    clock = HurriedClock()
    async with vault_here(tmp_path / "store", settings=VaultSettings(tmp_path / "store", "vault-here", retain_days=1)) as served:
        keys = (served.vault.signer.key.public_text,)
        archive = TusArchive(TusSettings(f"{served.url}/files/", DOCK, keys, served.token, archive_id="vault-here"), clock)
        dock = await build(tmp_path / "spool", archive, pinned_keys=keys, clock=clock)
        try:
            consignment = consign(tmp_path, b"footage")
            name, progress = consignment.verified.recording_id, Watched()
            await dock.journal.record(CameraDocked("d1", "C1", "dcf", "1", None), RecordingSeen(seen(name)))
            await dock.journal.record(Stepped(name, life.CopyStarted()), Stepped(name, life.CopyVerified(consignment.verified)))
            stored = await archive.store(consignment, None, progress)
            proof = await archive.prove(stored, camera="C1")
            await dock.journal.record(Stepped(name, life.UploadStarted()), Stepped(name, life.UploadProved(proof, stored)))
            await served.clock.advance(10 * 24 * 3600)
            clock.wall = served.clock.now()
            with pytest.raises(ProofRefusedError, match="no longer than it was signed"):
                await archive.prove_again(stored, "ab" * 16, camera="C1")
            await dock.journal.record(custody.HoldPlaced("recording", name, "A. Jones", "a court asks"))
            assert await ArchivedHolds(dock).once()
            assert await Reconciler(dock).once() == []
            (kept,) = await dock.journal.kept([name])
            assert _days(kept.until, clock.now()) == 90
        finally:
            await dock.journal.close()
            await archive.close()


async def test_an_archive_that_promises_nothing_is_not_asked_to_promise(camera: Path, tmp_path: Path) -> None:
    """It would fetch each recording back for an answer that says nothing."""
    archive = SimArchive()
    archive.faults.knows_no_holds = True
    async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
        await archived(dock, camera)
        await dock.dock.journal.record(ORDER)
        told = ArchivedHolds(dock.dock)
        (recording, _) = await dock.recordings()
        assert recording.stored is not None
        await told._renew(Kept(recording, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"), recording.stored)
        assert "prove_again" not in archive.calls
