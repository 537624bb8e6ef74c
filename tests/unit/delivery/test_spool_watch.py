"""Whoever touches a verified recording in the spool is noticed, by the real kernel; what the dock itself does there is not."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from dockd.core import custody, life
from dockd.core.alerts import Kind
from dockd.core.recording import Refusal
from dockd.delivery import spool_watch
from dockd.delivery.spool_watch import SpoolWatch
from dockd.dock.parts import Dock
from dockd.errors import SpoolBrokenError, SpoolMismatchError
from dockd.offload.spool import part_name
from tests.sim.consignments import HurriedClock
from tests.sim.dock_of import dock_in, docked, spooled
from tests.sim.evidence import Notary, seen, stored, verified
from tests.sim.running import running

ID = "a" * 32
CONTENT = b"footage" * 1000


@pytest.fixture
async def dock(tmp_path: Path) -> AsyncIterator[Dock]:
    """A dock with one verified recording in its spool."""
    async with dock_in(tmp_path, clock=HurriedClock()) as built:
        await docked(built)
        await spooled(built, ID, CONTENT)
        yield built


@asynccontextmanager
async def watched(dock: Dock) -> AsyncIterator[SpoolWatch]:
    """The watch runs, and hears."""
    watch = SpoolWatch(dock)
    async with running(watch.run()):
        async with asyncio.timeout(30):
            await watch.watching.wait()
        yield watch


async def noted(dock: Dock, event: str, count: int = 1) -> list[dict[str, Any]]:
    """The custody entries of that event, once there are so many."""
    async with asyncio.timeout(30):
        while True:
            recorded = dock.journal.next_record()
            entries = [json.loads(each.entry) for each in await dock.journal.custody(limit=10_000)]
            found = [each for each in entries if each["event"] == event]
            if len(found) >= count:
                return found
            await recorded.wait()


def _write(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"FOOTAGE")


def _write_the_same(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(CONTENT)


def _replace(path: Path) -> None:
    other = path.with_name(".other")
    other.write_bytes(CONTENT[1:])
    other.rename(path)


@pytest.mark.parametrize(
    ("touch", "words", "state_of_bytes"),
    [
        (_write, "written to", "are others"),
        (_write_the_same, "written to", "are those that were verified"),
        (lambda path: path.chmod(0o644), "given other attributes", "are those that were verified"),
        (_replace, "replaced", "are others"),
        (lambda path: path.unlink(), "removed", "cannot be read"),
        (lambda path: path.rename(path.parents[2] / "taken"), "removed", "cannot be read"),
    ],
)
async def test_a_touch_is_written_down_and_is_an_alert(
    dock: Dock, touch: Callable[[Path], object], words: str, state_of_bytes: str
) -> None:
    """What was done, and what the medium gives back now: a person can tell a careless chmod from a forgery."""
    async with watched(dock):
        await asyncio.to_thread(touch, dock.spool.path_of(ID))
        (changed, *_) = await noted(dock, "spool.changed")
        (alert,) = await noted(dock, "alert.begun")
    assert (changed["recording"], changed["touched"], changed["bytes"]) == (ID, words, state_of_bytes)
    assert (alert["kind"], alert["subject"]) == ("spool", ID)
    assert f"was {words} by somebody else than the dock: its bytes {state_of_bytes}" in alert["message"]


async def test_what_the_dock_does_is_nobodys_alert(dock: Dock) -> None:
    """A copy that gets its name and one that the archive proved pass unsaid; an alert ends with the proof."""
    async with watched(dock):
        other = "b" * 32
        part = dock.spool.recordings / part_name(other)
        part.write_bytes(CONTENT)
        descriptor = os.open(part, os.O_RDWR)  # the worker's, which it keeps for its lock until the copy is reported
        part.rename(dock.spool.path_of(other))
        os.close(descriptor)
        await verified_in_words(dock, other)
        dock.spool.path_of(ID).chmod(0o644)
        await noted(dock, "alert.begun")
        await archived(dock, ID)
        await asyncio.to_thread(dock.spool.discard, ID)
        await noted(dock, "alert.ended")
        dock.spool.path_of(other).chmod(0o644)
        changed = await noted(dock, "spool.changed", 2)
    assert [each["recording"] for each in changed] == [ID, other]


@pytest.mark.parametrize("code", [SpoolMismatchError.code, SpoolBrokenError.code])
async def test_a_copy_that_is_set_aside_is_not_missed(dock: Dock, code: str) -> None:
    """Its bytes are known to be wrong, or cannot be read, and a person sent for others."""
    await dock.journal.record(custody.Stepped(ID, life.Refused(Refusal(code, "other bytes"))))
    async with watched(dock):
        await asyncio.to_thread(dock.spool.set_aside, ID)
        await spooled(dock, "c" * 32, CONTENT)
        dock.spool.path_of("c" * 32).chmod(0o644)
        (changed,) = await noted(dock, "spool.changed")
    assert changed["recording"] == "c" * 32


async def test_the_same_touch_again_is_said_once(dock: Dock) -> None:
    """A loop of chmod fills no custody log."""
    async with watched(dock):
        for mode in (0o644, 0o600, 0o644):
            dock.spool.path_of(ID).chmod(mode)
            await noted(dock, "spool.changed")
        await asyncio.to_thread(_write, dock.spool.path_of(ID))
        touched: list[str] = []
        while "written to" not in touched:
            touched = [each["touched"] for each in await noted(dock, "spool.changed", len(touched) + 1)]
        assert len(await noted(dock, "alert.begun")) == 1
    # The last chmod may be heard of only after the write: then its bytes are others, which is news.
    assert touched in (
        ["given other attributes", "written to"],
        ["given other attributes", "given other attributes", "written to"],
    )


async def test_a_strangers_file_is_named(dock: Dock) -> None:
    """It is no recording, so it is left alone and only the log says so."""
    with structlog.testing.capture_logs() as log:
        async with watched(dock):
            (dock.spool.directory / "x").write_bytes(b"x")
            (dock.spool.directory / "x").rename(dock.spool.verified / "stranger")
            (dock.spool.verified / "stranger").unlink()
            (dock.spool.directory / "y").write_bytes(b"y")
            (dock.spool.directory / "y").rename(dock.spool.verified / "stranger")
            dock.spool.path_of(ID).chmod(0o644)
            await noted(dock, "spool.changed")
    assert {(each["event"], each.get("file")) for each in log} >= {("unknown file in the spool", "stranger")}


class _HeldClock(HurriedClock):
    """Whoever sleeps is held until the test lets go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Say that somebody waits, and wait."""
        self.asked.set()
        await self.let_go.wait()


async def test_a_folder_that_goes_is_watched_again(tmp_path: Path) -> None:
    """What it held is missed, and once there is a folder again, whatever lies there is watched."""
    clock = _HeldClock()
    async with dock_in(tmp_path, clock=clock) as dock:
        await docked(dock)
        await spooled(dock, ID, CONTENT)
        with structlog.testing.capture_logs() as log:
            async with watched(dock) as watch, asyncio.timeout(30):
                dock.spool.path_of(ID).rename(dock.spool.directory / "kept")
                (changed,) = await noted(dock, "spool.changed")
                dock.spool.verified.rmdir()
                await clock.asked.wait()
                assert not watch.watching.is_set()
                dock.spool.verified.mkdir()
                await spooled(dock, "d" * 32, CONTENT)
                clock.let_go.set()
                await watch.watching.wait()
                dock.spool.path_of("d" * 32).chmod(0o644)
                (_, other) = await noted(dock, "spool.changed", 2)
    assert (changed["recording"], changed["touched"]) == (ID, "removed")
    assert (other["recording"], other["touched"]) == ("d" * 32, "given other attributes")
    assert [each["event"] for each in log if each["event"] == "spool is not watched"] == []


async def test_a_folder_that_cannot_be_watched_is_said(tmp_path: Path) -> None:
    """Nothing else stops for it: what is sent is hashed again all the same."""
    clock = _HeldClock()
    async with dock_in(tmp_path, clock=clock) as dock:
        dock.spool.verified.rmdir()
        with structlog.testing.capture_logs() as log:
            task = asyncio.create_task(SpoolWatch(dock).run())
            async with asyncio.timeout(30):
                await clock.asked.wait()
            task.cancel()
            await asyncio.wait([task])
    (said,) = [each for each in log if each["event"] == "spool is not watched"]
    assert said["why"] == "No such file or directory"


async def test_what_the_kernel_dropped_is_looked_for(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an overflow all that is there is compared with what was."""
    ears: list[spool_watch._Ear] = []
    made = spool_watch._Ear.__init__

    def kept(self: spool_watch._Ear, heard: Callable[[str, int], object]) -> None:
        made(self, heard)
        ears.append(self)

    monkeypatch.setattr(spool_watch._Ear, "__init__", kept)
    async with watched(dock) as watch:
        monkeypatch.setattr(spool_watch._Ear, "on_event", lambda *_: None)  # these are dropped
        dock.spool.path_of(ID).unlink()
        ears[0].on_queue_overflow()
        (changed,) = await noted(dock, "spool.changed")
        assert watch.watching.is_set() or len(ears) == 2
    assert (changed["recording"], changed["touched"]) == (ID, "removed")


async def test_an_alert_whose_recording_was_proved_before_a_stop_is_over(dock: Dock) -> None:
    """And one whose recording is still there stands."""
    await spooled(dock, "b" * 32, CONTENT)
    await dock.journal.record(custody.AlertBegun(Kind.SPOOL, ID, "touched"), custody.AlertBegun(Kind.SPOOL, "b" * 32, "touched"))
    await archived(dock, ID)
    async with watched(dock):
        (ended,) = await noted(dock, "alert.ended")
    assert ended["subject"] == ID


async def verified_in_words(dock: Dock, recording_id: str) -> None:
    """The journal says that this copy is verified; its file is not touched."""
    await dock.journal.record(
        custody.RecordingSeen(seen(recording_id, camera="C1", docking="d1", size_bytes=len(CONTENT), path=b"other")),
        custody.Stepped(recording_id, life.CopyStarted()),
        custody.Stepped(recording_id, life.CopyVerified(verified(recording_id, CONTENT))),
    )


async def archived(dock: Dock, recording_id: str) -> None:
    """The archive has it, with a proof."""
    notary = Notary()
    at = stored(await dock.journal.recording(recording_id), CONTENT)
    await dock.journal.record(
        custody.Stepped(recording_id, life.UploadStarted()),
        custody.Stepped(recording_id, life.UploadProved(notary.receipt(at), at)),
    )
