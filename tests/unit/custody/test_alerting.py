"""People are told once, whatever restarts in between."""

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dockd.alerts.channel import Channel, News
from dockd.clock import SystemClock, parse_rfc3339, rfc3339
from dockd.core import custody, life
from dockd.core.alerts import Kind, Rules, Shift
from dockd.core.expiry import Keep
from dockd.core.policy import Policy
from dockd.core.recording import Refusal
from dockd.custody.alerting import Alerting
from dockd.dock.live import Orders
from dockd.dock.parts import Dock
from dockd.offload.spool import Ledger
from tests.sim.archive import SimArchive
from tests.sim.busy_journal import BusyJournal
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, dcf, dock_here
from tests.sim.dock_of import dock_in, docked, spooled
from tests.sim.evidence import Notary, seen, stored
from tests.sim.told import Listener

RULES = Rules(4, UTC, {"C1": Shift(time(18))})


@dataclass(slots=True)
class Room(Ledger):
    """A disk with so much room."""

    free: int = 0

    def free_bytes(self) -> int:
        """As it was said."""
        return self.free


class Set(SystemClock):
    """A clock that the test sets; it sleeps for no time."""

    def __init__(self, text: str) -> None:
        self.moment = parse_rfc3339(text)

    def now(self) -> datetime:
        """As it was set."""
        return self.moment

    async def sleep(self, seconds: float) -> None:
        """Let others run."""
        await asyncio.sleep(0)


def watching(dock: Dock, clock: Set, *channels: Channel) -> Alerting:
    """The alerts of a dock at the time of a clock."""
    dock.live.now = Orders(policy=Policy(within_hours=24), alerts=RULES, channels=channels)
    return Alerting(replace(dock, clock=clock), lambda: channels, "ICE ERO, Baltimore")


async def kept(dock: Dock, recording_id: str, content: bytes, *, at: str) -> None:
    """A recording, first seen `at`, that the archive has proved and that lies in the spool all the same."""
    place = stored(await spooled(dock, recording_id, content, at=at), content)
    await dock.journal.record(
        custody.Stepped(recording_id, life.UploadStarted()),
        custody.Stepped(recording_id, life.UploadProved(Notary().receipt(place), place)),
    )


async def test_a_missed_camera_is_told_once_and_its_return_too(tmp_path: Path) -> None:
    """Across a restart of the watch as well; the log, and so the system's journal, has each of both once besides."""
    clock, listener = Set("2026-11-27T21:00:00Z"), Listener()
    with capture_logs() as log:
        async with dock_in(tmp_path) as dock:
            alerting = watching(dock, clock, listener)
            assert 3600 <= await alerting.once() <= 3601
            assert len(listener.heard) == 1
            clock.moment += timedelta(hours=25)
            await alerting.once()
            await watching(dock, clock, listener).once()
            (begun,) = listener.heard
            assert (begun.phase, begun.kind, begun.subject, begun.place) == ("begun", "undocked", "C1", "ICE ERO, Baltimore")
            await docked(dock)
            await alerting.once()
            await alerting.once()
            assert [each.phase for each in listener.heard] == ["begun", "ended"]
            assert listener.heard[1].ended is not None
            assert await dock.journal.alerts() == []
    logged = [(each["log_level"], each["event"], each["kind"], each["subject"]) for each in log if "alert" in each["event"]]
    assert logged == [("error", "alert", "undocked", "C1"), ("info", "alert is over", "undocked", "C1")]


async def test_a_channel_that_is_away_is_told_when_it_is_back(tmp_path: Path) -> None:
    """The others are not told again, and it is asked again within a minute."""
    clock, deaf, listener = Set("2026-11-27T22:00:00Z"), Listener("deaf", deaf=True), Listener()
    async with dock_in(tmp_path) as dock:
        alerting = watching(dock, clock, deaf, listener)
        assert await alerting.once() == 60
        assert await alerting.once() == 60
        deaf.deaf = False
        assert await alerting.once() > 60
        assert (len(deaf.heard), len(listener.heard)) == (1, 1)


async def test_who_never_heard_of_an_alert_is_not_told_that_it_is_over(tmp_path: Path) -> None:
    """A channel that the site file names since then, for example."""
    clock, late = Set("2026-11-27T22:00:00Z"), Listener("late")
    async with dock_in(tmp_path) as dock:
        await watching(dock, clock).once()
        await docked(dock)
        await watching(dock, clock, late).once()
        assert late.heard == []


async def test_recordings_that_are_late_are_told(tmp_path: Path) -> None:
    """Until the archive has them, or nobody sets a deadline any more."""
    clock, listener = Set("2026-11-27T12:00:00Z"), Listener()
    async with dock_in(tmp_path) as dock:
        await docked(dock)
        await dock.journal.record(custody.RecordingSeen(replace(seen("r1"), seen="2026-11-26T11:00:00.000Z")))
        alerting = watching(dock, clock, listener)
        await alerting.once()
        assert [each.kind for each in listener.heard] == ["past-deadline"]
        dock.live.now = Orders(channels=(listener,))
        await alerting.once()
        assert [each.phase for each in listener.heard] == ["begun", "ended"]


async def test_the_watch_goes_on_by_itself(tmp_path: Path) -> None:
    """It hears of what happens in the dock."""
    clock, listener = Set("2026-11-27T22:00:00Z"), Listener()
    async with dock_in(tmp_path) as dock:
        task = asyncio.create_task(watching(dock, clock, listener).run())
        async with asyncio.timeout(30):
            while not listener.heard:
                await SystemClock().sleep(0.01)
            await docked(dock)
            while len(listener.heard) < 2:
                dock.board.tell()
                await SystemClock().sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def told(dock: DockHere) -> list[tuple[str, str]]:
    """Beginnings and ends of alerts in the custody log."""
    entries = [json.loads(each.entry) for each in await dock.dock.journal.custody(limit=10_000)]
    return [(entry["event"], entry.get("message", "")) for entry in entries if entry["event"].startswith("alert.")]


async def test_a_gap_in_a_cameras_numbers_is_an_alert_until_it_is_docked_without_one(tmp_path: Path) -> None:
    """Each docking is compared with what the one before it brought."""
    camera, profile = tmp_path / "camera", replace(dcf(), numbering=re.compile("CLIP([0-9]{4})"))
    make_camera(camera, "CAM-1", recordings=4, size_bytes=1000)
    media = camera / "DCIM/100MEDIA"
    (media / "CLIP0003.MP4").unlink()
    (media / "CLIP0003.THM").unlink()

    async with dock_here(tmp_path / "spool", SimArchive()) as dock:

        async def dock_once() -> None:
            dock.insert(camera, profile=profile)
            await dock.until(lambda: dock.bay().phase == "resting")
            dock.remove()
            await dock.until(lambda: dock.bay().phase == "empty")

        await dock_once()
        message = "recordings are missing on camera CAM-1: by its own numbering, 3"
        assert await told(dock) == [("alert.begun", message)]
        await dock_once()
        assert len(await told(dock)) == 1, "nothing new came"
        (media / "CLIP0005.MP4").write_bytes(b"footage")
        await dock_once()
        assert await told(dock) == [("alert.begun", message), ("alert.ended", "")]
        (media / "CLIP0009.MP4").write_bytes(b"footage 9")
        await dock_once()
        assert (await told(dock))[2:] == [("alert.begun", "recordings are missing on camera CAM-1: by its own numbering, 6 to 8")]


async def test_a_gap_is_an_alert_also_if_the_camera_is_pulled_as_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would look for it again: at the next docking nothing on the camera is new."""
    camera, profile = tmp_path / "camera", replace(dcf(), numbering=re.compile("CLIP([0-9]{4})"))
    make_camera(camera, "CAM-1", recordings=3, size_bytes=1000, sidecars=False)
    (camera / "DCIM/100MEDIA/CLIP0002.MP4").unlink()
    busy = BusyJournal(monkeypatch, lambda change: isinstance(change, custody.RecordingSeen), begun=True)
    async with dock_here(tmp_path / "spool", SimArchive()) as dock:
        dock.insert(camera, profile=profile)
        await busy.pulled(dock)
        dock.insert(camera, profile=profile)
        await dock.until(lambda: dock.bay().phase == "resting")
        assert await told(dock) == [("alert.begun", "recordings are missing on camera CAM-1: by its own numbering, 2")]


async def test_a_week_offline_says_when_the_disk_will_be_full_and_keeps_its_order(tmp_path: Path) -> None:
    """The estimate is the week's own rate; what was seen first still goes first; and the alert ends by itself."""
    clock, listener = Set("2026-11-20T12:00:00Z"), Listener()
    async with dock_in(tmp_path) as made:
        dock = replace(made, ledger=Room(tmp_path, 0, free=30))
        await docked(dock)
        put = []
        for day in range(7):
            recording = await spooled(dock, f"r{day}", b"0123456789", at=rfc3339(clock.now()))
            dock.outbox.put(recording)
            put.append(recording.recording_id)
            clock.moment += timedelta(days=1)
        alerting = watching(dock, clock, listener)
        await kept(dock, "kept", b"x" * 1000, at="2026-11-10T12:00:00Z")
        dock.live.now = replace(dock.live.now, keep=Keep(days=30))
        await alerting.once()
        assert not [each for each in listener.heard if each.kind == "filling"], "it makes way for what comes"
        dock.spool.discard("kept")
        await alerting.once()
        (begun,) = [each for each in listener.heard if each.kind == "filling"]
        # Ten bytes a day came, and there is room for thirty: three days from now, in the zone of the office's alerts.
        assert (begun.kind, begun.message.rpartition("around ")[2]) == ("filling", "Monday 2026-11-30 12:00")
        assert [await dock.outbox.take() for _ in put] == put
        assert dock.outbox.left_bytes == 70
        for recording_id in put:
            refused = Refusal("archive-refused", "no", "")
            await dock.journal.record(custody.Stepped(recording_id, life.Refused(refused)))
        await watching(dock, clock, listener).once()
        assert [each.phase for each in listener.heard if each.kind == "filling"] == ["begun", "ended"]


@dataclass(slots=True)
class Slow(Listener):
    """A mail server that takes its time with the first message."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    takes: asyncio.Event = field(default_factory=asyncio.Event)

    async def tell(self, news: News) -> None:
        """Hear it, when it may be."""
        self.asked.set()
        await self.takes.wait()
        self.heard.append(news)


async def test_what_happens_while_somebody_is_told_is_told_next(tmp_path: Path) -> None:
    """Not an hour later, when the clock is looked at again."""
    clock, slow = Set("2026-11-27T22:00:00Z"), Slow()
    async with dock_in(tmp_path) as dock:
        task = asyncio.create_task(watching(dock, clock, slow).run())
        async with asyncio.timeout(30):
            await slow.asked.wait()
            await dock.journal.record(custody.AlertBegun(Kind.SPOOL, "r1", "its bytes are others"))
            dock.board.tell()
            slow.takes.set()
            while len(slow.heard) < 2:
                await SystemClock().sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert [each.kind for each in slow.heard] == ["undocked", "spool"]
