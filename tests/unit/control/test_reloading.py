"""The site file changes while the dock runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from watchdog.observers.inotify_c import InotifyFD

from dockd.charging.checkout import Desk
from dockd.charging.rehearsal import Rehearsal
from dockd.config import load_site
from dockd.config.acceptance import accept, in_force, path_of
from dockd.control.overview import Overview
from dockd.control.reloading import Reloader
from dockd.core.expiry import Keep
from dockd.dock.board import Configuration
from dockd.dock.live import Orders
from dockd.dock.parts import Dock
from tests.sim.control_backend import FakeBackend
from tests.sim.dock_of import dock_in
from tests.unit.config.test_site import GOOD

ERASING = GOOD + "erase: {policy: delete, directory_erase: true}\n"
DEADLINE_S = 30


class Reloading:
    """A dock that goes by a site file, which the test writes."""

    def __init__(self, dock: Dock, site_file: Path) -> None:
        self.dock, self.site_file, self.rounds = dock, site_file, 0

    def look_again(self) -> None:
        """Count rounds."""
        self.rounds += 1

    def accept(self) -> None:
        """An admin accepts the site file as it is."""
        accept(self.site_file, load_site(self.site_file), by="ann", at="now", unencrypted_spool=True)

    async def until(self, come: Callable[[Configuration, Orders], object]) -> None:
        """Wait until this is true of what the board says, and of the orders in force."""
        async with asyncio.timeout(DEADLINE_S):
            while not come(self.dock.board.configuration, self.dock.live.now):
                await self.dock.board.news()

    async def custody(self) -> list[dict[str, object]]:
        """The custody log, parsed."""
        return [json.loads(each.entry) for each in await self.dock.journal.custody()]


@asynccontextmanager
async def reloading(root: Path, text: str = ERASING) -> AsyncIterator[Reloading]:
    """A running reloader that has read the site file once."""
    site_file = root / "etc/site.yaml"
    site_file.parent.mkdir()
    site_file.write_text(text)
    accept(site_file, load_site(site_file), by="ann", at="now", unencrypted_spool=True)
    async with dock_in(root) as dock:
        made = Reloading(dock, site_file)
        task = asyncio.create_task(Reloader(site_file, in_force(site_file), dock, made.look_again).run())
        try:
            await dock.live.reread()
            yield made
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_stricter_policy_is_in_force_at_once(tmp_path: Path) -> None:
    """Whoever writes it has to do nothing else; the custody log says so, and the bays look again."""
    async with reloading(tmp_path) as site:
        assert site.dock.may_erase
        site.site_file.write_text(GOOD)
        await site.until(lambda _, o: not o.may_erase)
        assert site.rounds == 1
        assert (await site.custody())[-1]["changes"] == ["erase.policy: delete -> never", "erase.directory_erase: true -> false"]


async def test_a_weaker_policy_is_in_force_once_it_is_accepted(tmp_path: Path) -> None:
    """Until then the status says what waits; who accepted it is in the log before it counts."""
    async with reloading(tmp_path, GOOD) as site:
        site.dock.live.now = Orders(may_erase=False)
        site.site_file.write_text(ERASING)
        await site.until(lambda c, _: c.pending)
        assert not site.dock.may_erase
        assert "config accept" in site.dock.board.configuration.accept_with
        site.accept()
        await site.until(lambda c, o: o.may_erase and not c.pending)
        accepted, changed = (await site.custody())[-2:]
        assert (accepted["event"], accepted["by"]) == ("configuration.accepted", "ann")
        assert changed["event"] == "configuration.changed"


async def test_a_wrong_site_file_changes_nothing_and_is_told(tmp_path: Path) -> None:
    """The last good one stays in force, through an editor's rename too; mended, all is well again."""
    async with reloading(tmp_path) as site:
        draft = site.site_file.with_name("draft")
        draft.write_text(GOOD.replace("dock: buf", "dok: buf"))
        draft.rename(site.site_file)
        await site.until(lambda c, _: c.error)
        assert "unknown key 'dok', expected 'dock'" in site.dock.board.configuration.error
        assert site.dock.may_erase
        site.site_file.write_text(ERASING)
        await site.until(lambda c, _: not c.error)
        assert site.dock.may_erase


async def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    """And is not half in force."""
    async with reloading(tmp_path) as site:
        site.site_file.write_text(ERASING.replace("Buffalo", "Detroit").replace("/spool\n", "/spool\n  keep_free: 2 GiB\n"))
        await site.until(lambda c, _: c.restart_for)
        assert site.dock.board.configuration.restart_for == ("site",)
        assert site.dock.ledger.keep_free_bytes == 2 << 30
        site.site_file.write_text(ERASING)
        await site.until(lambda c, _: not c.restart_for)


async def test_a_lost_acceptance_leaves_all_as_it_was(tmp_path: Path) -> None:
    """It is told, and nothing that ran stops."""
    async with reloading(tmp_path) as site:
        path_of(site.site_file).unlink()
        await site.until(lambda c, _: c.error)
        assert "nobody has accepted" in site.dock.board.configuration.error
        assert site.dock.may_erase


async def test_a_folder_that_is_replaced_is_watched_again(tmp_path: Path) -> None:
    """Configuration management swaps whole folders; whoever asks finds the new one, and it is heard of from then on."""
    async with reloading(tmp_path) as site:
        folder = site.site_file.parent
        folder.rename(tmp_path / "old")
        folder.mkdir()
        site.site_file.write_text(ERASING)
        site.accept()
        await site.dock.live.reread()
        site.site_file.write_text(GOOD)
        await site.until(lambda _, o: not o.may_erase)


async def test_without_a_watch_it_is_read_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no inotify instance left still has a dock; `dockd config reload` waits for the outcome."""

    def used_up(_: InotifyFD) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(InotifyFD, "__init__", used_up)
    async with reloading(tmp_path) as site:
        site.site_file.write_text(GOOD.replace("Buffalo", "Detroit"))
        desk, rehearsal = Desk(site.dock, 12, ZoneInfo("UTC")), Rehearsal(site.dock.board, site.dock.clock)
        said = await Overview(site.dock, site.look_again, FakeBackend().selftest, desk, rehearsal).reload("anna (uid 7)")
        assert (said.restart_for, site.dock.may_erase) == (("site",), False)


async def test_a_folder_that_cannot_be_watched_is_named_and_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the machine's watches are used up."""

    def used_up(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(InotifyFD, "add_callback", used_up)
    async with reloading(tmp_path) as site:
        site.site_file.write_text(GOOD)
        await site.dock.live.reread()
        assert not site.dock.may_erase


TOLD = """\
cameras: [{serial: X1, officer: A. Smith, shift_ends: "18:00"}, {serial: X2}]
alerts:
  undocked_hours: 4
  webhook: {url: https://ops.example.org/x}
  email: {server: mail.example.org, sender: d@example.org, to: [o@example.org]}
categories: [{name: search, retain_days: 100, words: [SEARCH], urgent: true}]
"""


async def test_office_and_alerts_are_taken_over_at_once(tmp_path: Path) -> None:
    """Whose cameras are whose, who is told and how, and what is kept how long; a roster beside the file as well."""
    async with reloading(tmp_path, GOOD) as site:
        site.site_file.write_text(GOOD + TOLD)
        await site.until(lambda _, o: o.channels)
        now = site.dock.live.now
        assert [channel.name for channel in now.channels] == ["webhook", "email"]
        assert now.assigned == {"X1": "A. Smith"}
        assert (now.alerts.undocked_hours, set(now.alerts.shifts or {})) == (4, {"X1"})
        assert (now.policy.retained_days("search"), site.dock.board.configuration.pending) == (100, ())
        site.site_file.write_text(GOOD + TOLD + "roster: roster.csv\n")
        site.site_file.with_name("roster.csv").write_text("serial,officer\nX3,C. Lee\n")
        await site.until(lambda _, o: "X3" in o.assigned)


async def test_hours_of_the_link_are_taken_over_live(tmp_path: Path) -> None:
    """By the office's clock: 09:00 in Baltimore is 14:00 in Greenwich."""
    async with reloading(tmp_path) as site:
        hours = "bandwidth:\n  - {days: [mon, tue], from: '09:00', to: '17:00', limit: 2 MB/s}\n"
        site.site_file.write_text(ERASING + hours)
        await site.until(lambda _, orders: orders.bandwidth.windows)
        bandwidth = site.dock.live.now.bandwidth
        assert bandwidth.at(datetime(2026, 11, 24, 14, 0, tzinfo=UTC)) == 2_000_000
        assert bandwidth.at(datetime(2026, 11, 24, 13, 59, tzinfo=UTC)) is None
        assert bandwidth.at(datetime(2026, 11, 25, 15, 0, tzinfo=UTC)) is None


async def test_copies_that_the_site_keeps_no_longer_go_at_once(tmp_path: Path) -> None:
    """The file says so, live; whoever keeps the spool looks again."""
    kept = ERASING.replace("/dockd/spool\n", "/dockd/spool\n  keep_days: 7\n  low_water: 2 GiB\n")
    assert kept != ERASING
    async with reloading(tmp_path) as site:
        site.site_file.write_text(kept)
        await site.until(lambda _, o: o.keep == Keep(7, 2 << 30))
        site.dock.room_due.clear()
        site.site_file.write_text(ERASING)
        await site.until(lambda _, o: o.keep.days == 0)
        assert site.dock.room_due.is_set()
