"""Lamps say what the screens say, also after trouble."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dockd.charging.lighting import Keeper, keepers_of
from dockd.clock import Clock, SystemClock
from dockd.config import load_site
from dockd.core.readiness import Lamp, Needs
from dockd.core.recording import Refusal
from dockd.dock.board import Board, Phase
from dockd.errors import DockError, LampError, WorkerError
from tests.sim.consignments import HurriedClock
from tests.sim.dock_of import dock_in
from tests.sim.running import running
from tests.sim.standing_clock import StandingClock


class Row:
    """Implements `lighting.Lights` for as many connections as come; each may be made to fail."""

    def __init__(self) -> None:
        self.lamps: dict[str, Lamp | None] = {}
        self.connections = 0
        self.fails: DockError | None = None
        self.shown = asyncio.Event()
        self.darkened: Mapping[str, Lamp | None] = {}
        self.gone = asyncio.Event()

    async def show(self, states: Mapping[str, Lamp | None]) -> None:
        """As the protocol says; a broken lamp leaves the others as they should be."""
        self.lamps |= states
        self.darkened = states
        self.shown.set()
        if self.fails is not None:
            raise self.fails

    async def lost(self) -> None:
        """As the protocol says."""
        await self.gone.wait()
        self.gone.clear()
        msg = "the helper cannot be asked"
        raise WorkerError(msg)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Row"]:
        """A connection."""
        self.connections += 1
        yield self

    async def next(self) -> dict[str, Lamp | None]:
        """What the lamps show after the next change."""
        async with asyncio.timeout(30):
            await self.shown.wait()
        self.shown.clear()
        return dict(self.lamps)


@asynccontextmanager
async def kept(row: Row, board: Board, *, meant: bool = True, clock: Clock | None = None) -> AsyncIterator[None]:
    """A keeper at work, in a dock that is meant to stop when it does, or not."""
    keeper = Keeper(board, clock or HurriedClock(), tuple(board.bays), row.connect, lambda: meant)
    async with running(keeper.run()):
        yield


def two_bays(clock: Clock | None = None) -> Board:
    """Nothing in them."""
    return Board(clock or HurriedClock(), ("1", "2"), needs=Needs.ARCHIVED)


def fail(board: Board, bay: str) -> None:
    """Something in the bay needs a person."""
    board.bays[bay].phase, board.bays[bay].failure = Phase.FAILED, Refusal("x", "It broke.", "Help.")
    board.tell()


async def test_lamps_follow_the_board_and_go_dark_at_a_stop() -> None:
    """Only what changed is shown; an empty bay is dark."""
    board, row = two_bays(), Row()
    async with kept(row, board):
        assert await row.next() == {"1": None, "2": None}
        board.bays["1"].phase = Phase.SCANNING
        board.tell()
        assert await row.next() == {"1": Lamp.LEAVE, "2": None}
        fail(board, "2")
        assert await row.next() == {"1": Lamp.LEAVE, "2": Lamp.HELP}
        assert row.darkened == {"2": Lamp.HELP}
    assert row.lamps == {"1": None, "2": None}
    assert row.connections == 1


async def test_one_broken_lamp_does_not_trouble_the_others() -> None:
    """They are not let go of, which would have all of them ask for help; it is tried again when it changes."""
    clock = StandingClock()
    board, row = two_bays(clock), Row()
    row.fails = LampError("the lamp dock:bay1 cannot blink by itself")
    async with kept(row, board, clock=clock):
        await row.next()
        fail(board, "1")
        assert await row.next() == {"1": Lamp.HELP, "2": None}
        row.fails = None
        fail(board, "2")
        assert await row.next() == {"1": Lamp.HELP, "2": Lamp.HELP}
    assert row.connections == 1


async def test_a_lamp_that_stumbled_does_not_say_for_ever_what_is_no_longer_so() -> None:
    """It may still be green over the next camera: it is tried again, alone, until it is shown, and no longer."""
    clock = StandingClock()
    board, row = two_bays(clock), Row()
    row.fails = LampError("the lamp dock:bay1 cannot be set: Input/output error")
    async with kept(row, board, clock=clock):
        await row.next()
        await clock.passes(29)
        assert not row.shown.is_set()
        await clock.passes(2)
        assert await row.next() == {"1": None, "2": None}
        row.fails = None
        await clock.passes(30)
        assert row.shown.is_set()
        row.shown.clear()
        await clock.passes(3600)
        assert not row.shown.is_set()
    assert row.connections == 1


async def test_helper_that_was_gone_is_told_everything_anew() -> None:
    """What its lamps showed meanwhile nobody knows."""
    board, row = two_bays(), Row()
    row.fails = WorkerError("the helper cannot be asked")
    async with kept(row, board):
        await row.next()
        row.fails = None
        row.lamps.clear()
        row.shown.clear()
        assert await row.next() == {"1": None, "2": None}
        assert row.connections >= 2


async def test_helper_that_goes_is_told_everything_anew_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Though there is no news of any bay: its lamps say what nobody knows, until somebody comes who does."""
    board, row = two_bays(), Row()
    fail(board, "1")
    async with kept(row, board):
        assert await row.next() == {"1": Lamp.HELP, "2": None}
        row.lamps.clear()
        row.gone.set()
        assert await row.next() == {"1": Lamp.HELP, "2": None}
        assert row.connections == 2
    assert "the helper cannot be asked" in capsys.readouterr().out


async def test_a_dock_that_fails_lets_its_lamps_ask_for_help() -> None:
    """Those that said something; an empty bay stays dark."""
    board, row = two_bays(), Row()
    board.bays["1"].phase = Phase.SCANNING
    async with kept(row, board, meant=False):
        assert await row.next() == {"1": Lamp.LEAVE, "2": None}
    assert row.lamps == {"1": Lamp.HELP, "2": None}


async def test_stop_does_not_hang_on_lamps_that_cannot_be_darkened() -> None:
    """It is logged, and that is all."""
    board, row = two_bays(), Row()
    async with kept(row, board):
        await row.next()
        row.fails = LampError("broken")


SITE = """\
agency: ICE
division: ERO
site: Buffalo
dock: buf-ero-02
time_zone: America/New_York
bays: [{id: "1", usb_port: "pci-0000:00:14.0-usb-0:3.1", lamp: {led: "dock:bay1"}}, {id: "2", directory: /srv/2}]
spool: {directory: /var/lib/dockd/spool}
archive: {kind: tus, url: "http://127.0.0.1:8080/files/", key: "ed25519:4ER87XYQ41M8xOKoyDKsL5ft3QDVdboZgquKMXe0ea8="}
"""


async def test_a_sites_lamps_have_their_keepers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's by the bays that have one; a program's for every bay, with notes for systemd where it looks into them."""
    program = tmp_path / "lamp"
    program.write_text('#!/bin/sh\necho "$*" >>"$0.log"\n')
    program.chmod(0o755)
    (tmp_path / "site.yaml").write_text(f"{SITE}lamps: {{command: [{program}]}}\n")
    (tmp_path / "plain.yaml").write_text(SITE)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    async with dock_in(tmp_path / "spool", bays=("1", "2")) as dock:
        assert len(keepers_of(load_site(tmp_path / "plain.yaml"), dock, lambda: False)) == 1
        _, keeper = keepers_of(load_site(tmp_path / "site.yaml"), dock, lambda: False)
        dock.board.bays["2"].phase = Phase.SCANNING
        task = asyncio.create_task(keeper.run())
        log = tmp_path / "lamp.log"
        async with asyncio.timeout(30):
            while not (log.exists() and "2 leave it" in log.read_text()):
                await SystemClock().sleep(0.01)
        assert sorted(each.name for each in (tmp_path / "lamps").iterdir()) == [".command", "2"]
        task.cancel()
        await asyncio.wait([task])
        assert log.read_text().endswith("1 off\n2 leave it\n2 get help\n")
