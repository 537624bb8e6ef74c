"""Takes over what an admin changes in the site file while the dock runs.

Whenever the site file, or what was accepted of it, changes, it is read, checked and compared; what may change live is written
into the custody log and put in force at once, between units of work. A site file that is wrong changes nothing: the last good one
stays in force, and status and log say what is wrong. What needs an admin, or a restart, is named.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from watchdog.observers.inotify_c import InotifyFD

from dockd.alerts.channel import Channel
from dockd.alerts.webhook import Webhook
from dockd.bays.watching import FolderWatch, Happened
from dockd.config.acceptance import Acceptance, Running, command_for, in_force, path_of
from dockd.config.difference import differences, taken_over
from dockd.config.model import Site
from dockd.config.office import Alerts, Bandwidth
from dockd.config.policy import policy_of
from dockd.config.profile import load_profiles
from dockd.core import custody
from dockd.core.alerts import Rules, Shift
from dockd.core.bandwidth import DAYS, Timetable, Window
from dockd.core.expiry import Keep
from dockd.dock.board import Configuration
from dockd.dock.live import Orders
from dockd.dock.parts import Dock
from dockd.errors import ConfigError

_log = structlog.get_logger(__name__)

_QUIET_S = 0.3
"""Editors write a file in several steps."""


def orders_of(site: Site) -> Orders:
    """What a site file says of what may change live."""
    erased = site.erase.policy != "never"
    shifts = {
        each.serial: Shift(time.fromisoformat(each.shift_ends), each.officer)
        for each in site.cameras
        if each.shift_ends is not None
    }
    return Orders(
        may_erase=erased and site.erase.directory_erase,
        may_erase_usb=erased,
        unsigned=site.erase.unsigned,
        policy=policy_of(site),
        assigned={each.serial: each.officer for each in site.cameras if each.officer is not None},
        welcome=frozenset(each.serial for each in site.cameras) if site.unknown_cameras == "refuse" else None,
        alerts=Rules(site.alerts.undocked_hours, ZoneInfo(site.time_zone), shifts),
        channels=_channels(site.alerts),
        shift_starts={each.serial: time.fromisoformat(each.shift_starts) for each in site.cameras if each.shift_starts},
        keep=Keep(site.spool.keep_days, site.spool.low_water_bytes),
        bandwidth=Timetable(tuple(_window(each) for each in site.bandwidth), ZoneInfo(site.time_zone)),
    )


def _window(hours: Bandwidth) -> Window:
    begins, ends = (time.fromisoformat(text) for text in (hours.begins, hours.ends))
    days = frozenset(DAYS.index(day) for day in hours.days)
    return Window(days, begins.hour * 60 + begins.minute, ends.hour * 60 + ends.minute, hours.limit_bytes_s)


def _channels(told: Alerts) -> tuple[Channel, ...]:
    channels: list[Channel] = []
    if (hook := told.webhook) is not None:
        channels.append(Webhook(hook.url, hook.token_file))
    if (mail := told.email) is not None:
        from dockd.alerts.mail import Mail, MailServer  # noqa: PLC0415 - 2 MB that most docks can do without

        server = MailServer(mail.server, mail.port, mail.security, mail.user, mail.password_file)
        channels.append(Mail(server, mail.sender, mail.to))
    return tuple(channels)


def accepted(acceptance: Acceptance) -> custody.Noted:
    """The custody entry that says on whose acceptance the dock runs from here on."""
    content = acceptance.content
    return custody.Noted(
        "configuration.accepted",
        {
            "by": content.by,
            "accepted": content.at,
            "changes": list(content.changes),
            "digest": acceptance.digest,
            "before": content.before,
            "site_file": content.site_file_sha256,
        },
    )


def handed_over(running: Running) -> list[custody.Noted]:
    """The custody entry that says by which statements the dock believes another key than an admin accepted, where it does."""
    trusted, now = running.acceptance.content.guarded.archive, running.site.archive
    if now.key == trusted.key:
        return []
    return [custody.Noted("archive.handed-over", {"old": trusted.key, "new": now.key, "handovers": list(now.handovers)})]


def shown(running: Running, site_file: Path, *, spool_encrypted: bool) -> Configuration:
    """What the board says of it."""
    content = running.acceptance.content
    return Configuration(
        accepted_by=content.by,
        accepted_at=content.at,
        pending=tuple(map(str, running.pending)),
        accept_with=command_for(site_file) if running.pending else "",
        spool_encrypted=spool_encrypted,
    )


def warn(running: Running, site_file: Path) -> None:
    """Log what waits for an admin."""
    for each in running.pending:
        _log.warning("not in force before it is accepted", change=str(each), command=command_for(site_file))


class Reloader:
    """Watches one site file for as long as the daemon runs.

    Args:
        site_file: as the admin named it.
        running: by what the dock was started.
        dock: goes by it.
        look_again: makes every bay begin another round.
    """

    def __init__(self, site_file: Path, running: Running, dock: Dock, look_again: Callable[[], None]) -> None:
        self._site_file, self._dock, self._look_again = site_file, dock, look_again
        self._site, self._acceptance = running.site, running.acceptance.digest

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()

        def heard() -> None:
            loop.call_soon_threadsafe(self._dock.live.touch)

        with _watched(self._site_file, heard) as watch:
            await asyncio.to_thread(watch.rearm)
            self._dock.live.touch()  # it may have changed since it was read at the start
            while True:
                await self._dock.live.wanted()
                await asyncio.to_thread(watch.rearm)
                await self._dock.clock.sleep(_QUIET_S)
                await self._reread()
                self._dock.live.has_reread()

    async def _reread(self) -> None:
        board = self._dock.board
        before = board.configuration
        try:
            running = await asyncio.to_thread(_checked, self._site_file)
        except ConfigError as exc:
            if before.error != exc.message:
                _log.error("site file not in force", why=exc.message, hint=exc.hint)
            board.configuration = replace(before, error=exc.message)
            board.tell()
            return
        await self._take_over(running)
        standing = shown(running, self._site_file, spool_encrypted=before.spool_encrypted)
        if standing.pending != before.pending:
            warn(running, self._site_file)
        waiting = tuple(each.key for each in differences(self._site, running.site))
        board.configuration = replace(standing, restart_for=waiting)
        if waiting and waiting != before.restart_for:
            _log.warning("in force only after a restart", keys=list(waiting))
        board.tell()

    async def _take_over(self, running: Running) -> None:
        """Write down what is about to be in force, then put it in force."""
        changed = [str(each) for each in differences(self._site, running.site) if each.live]
        notes: list[custody.Noted] = []
        if running.acceptance.digest != self._acceptance:
            notes.append(accepted(running.acceptance))
        if changed:
            notes.append(custody.Noted("configuration.changed", {"changes": changed}))
        await self._dock.journal.record(*notes)
        self._acceptance = running.acceptance.digest
        if changed:
            self._site = taken_over(self._site, running.site)
            self._dock.live.now = orders_of(self._site)
            self._dock.retention_due.set()  # the policy may ask for more of what is archived
            self._dock.room_due.set()  # and the spool may be asked to keep less of it
            self._dock.ledger.keep_free_bytes = self._site.spool.keep_free_bytes
            _log.info("configuration changed", changes=changed)
            self._look_again()


def _checked(site_file: Path) -> Running:
    """What the site file says now, if all that belongs to it is good."""
    running = in_force(site_file)
    load_profiles(running.site)
    return running


class _Watch:
    """The folders of the site file, of what it links to, and of what was accepted."""

    def __init__(self, instance: InotifyFD | None, site_file: Path, heard: Callable[[], None]) -> None:
        self._instance, self._site_file, self._heard = instance, site_file, heard
        self._watches: dict[Path, FolderWatch] = {}

    def rearm(self) -> None:
        """Watch what is not watched, or not any more; blocks. Without an instance, only who asks has the file read again."""
        if self._instance is None:
            return
        names = {self._site_file.absolute(), path_of(self._site_file).absolute(), self._site_file.resolve()}
        for folder in {each.parent for each in names}:
            watch = self._watches.get(folder)
            if watch is None or watch.dead:
                try:
                    self._watches[folder] = FolderWatch(self._instance, folder, self._hears(names), deep=False)
                except OSError as exc:
                    _log.warning("site file is not watched", folder=str(folder), why=str(exc))

    def _hears(self, names: set[Path]) -> Callable[[str, Happened], None]:
        texts = {os.fspath(each) for each in names}

        def heard(path: str, happened: Happened) -> None:
            # A roster is read with the site file, whatever it is called by then.
            if path in texts or path.endswith(".csv") or happened & (Happened.SELF | Happened.LOST):
                self._heard()

        return heard


@contextmanager
def _watched(site_file: Path, heard: Callable[[], None]) -> Iterator[_Watch]:
    try:
        instance = InotifyFD()
    except OSError as exc:
        _log.warning("site file is not watched", folder=str(site_file.parent), why=str(exc))
        yield _Watch(None, site_file, heard)
        return
    instance.start()
    try:
        yield _Watch(instance, site_file, heard)
    finally:
        instance.stop()
        instance.join()
