"""The daemon: builds every part from the site file, owns every task, and stops them all.

Nothing imports this module but `dockd run` and `dockd demo`.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from dockd.archive.limited import Limited
from dockd.archive.probe import Findings, probe
from dockd.archive.protocol import Archive, Witness
from dockd.archive.retrying import Retrying, RetryingWitness
from dockd.archive.s3.archive import probe_s3
from dockd.archive.s3.keeper import S3Keeper
from dockd.archive.throttle import Throttle
from dockd.archive.witness import TusWitness
from dockd.bays import directory, usb
from dockd.bays.directory import DirectoryBay
from dockd.bays.outpost import Outpost
from dockd.bays.protocol import Bay
from dockd.bays.udev import Udev
from dockd.bays.usb import Helper, UsbBay
from dockd.charging.badges import BadgeReader
from dockd.charging.checkout import Desk
from dockd.charging.lighting import Keeper, keepers_of
from dockd.charging.outlets import charger_of, least_of
from dockd.charging.rehearsal import Rehearsal
from dockd.clock import Clock
from dockd.config import model
from dockd.config.acceptance import Running
from dockd.config.handing_over import archive_keys
from dockd.config.model import Site
from dockd.config.spool_disk import check_spool_disk
from dockd.control.display import Display
from dockd.control.fitness import Fitness
from dockd.control.holding import HelperHolds
from dockd.control.overview import Overview
from dockd.control.reloading import Reloader, accepted, handed_over, orders_of, shown, warn
from dockd.core.concurrency import Concurrency
from dockd.core.profile import Profile
from dockd.core.readiness import Needs
from dockd.custody import circumstances
from dockd.custody.alerting import Alerting
from dockd.custody.archived_holds import ArchivedHolds
from dockd.custody.keyring import dock_key
from dockd.custody.notary import Notary
from dockd.custody.reconciling import Reconciler
from dockd.delivery.reaching import bare_archive, s3_settings, tus_settings
from dockd.delivery.recovery import open_journal, recover
from dockd.delivery.retaining import Retention
from dockd.delivery.sealing import Sealer
from dockd.delivery.sending import Delivery
from dockd.delivery.spool_watch import SpoolWatch
from dockd.dock.board import Board
from dockd.dock.live import Live
from dockd.dock.outbox import Outbox
from dockd.dock.parts import Dock
from dockd.docking.attendant import Attendant
from dockd.errors import ArchiveError
from dockd.helper import client
from dockd.helper.wire import SOCKET
from dockd.offload.spool import Ledger, Spool
from dockd.offload.workers import OUTPOST, Workers
from dockd.ready import heartbeat, notify
from dockd.web.assets import load_assets
from dockd.web.control import control_api
from dockd.web.kiosk import serve_kiosk
from dockd.web.peers import Groups

_log = structlog.get_logger(__name__)


async def run(site_file: Path, running: Running, profiles: Sequence[Profile], clock: Clock, workers: Workers) -> None:
    """Run one dock until SIGTERM or SIGINT.

    Args:
        site_file: as the admin named it.
        running: what it says, as far as it was accepted.
        profiles: in the order in which they are tried.
        clock: the machine's.
        workers: the process that forks the bays' workers.

    Raises:
        DockError: it cannot start, or its own journal or disk failed while it ran.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    site = running.site
    async with built(site_file, running, clock) as dock, witnessing(site, dock) as notary:
        before = await circumstances.interrupted(dock.journal)
        await recover(dock)
        begun = [*before, circumstances.started(site.dock), *await circumstances.running(), accepted(running.acceptance)]
        await dock.journal.record(*begun, *handed_over(running))
        await _serve(running, profiles, dock, workers, notary=notary, stop=stop, site_file=site_file)
        # Not after a failure: it was no stop in good order, and the next start says that it was none.
        await dock.journal.record(circumstances.stopped(site.dock))
    _log.info("stopped")


async def _serve(
    running: Running,
    profiles: Sequence[Profile],
    dock: Dock,
    workers: Workers,
    *,
    notary: Notary,
    stop: asyncio.Event,
    site_file: Path,
) -> None:
    site = running.site
    stall_after_s = site.offload.stall_after_s
    async with workers.process(OUTPOST, "watch of the bays", start_within_s=stall_after_s) as (reader, writer):
        outpost = Outpost(reader, writer)
        udev = Udev(dock.clock)
        bays = [_bay(each, profiles, outpost, udev, clock=dock.clock, stall_after_s=stall_after_s) for each in site.bays]
        attendants = [Attendant(dock, bay, workers, stall_after_s=stall_after_s) for bay in bays]

        def look_again() -> None:
            for each in attendants:
                each.look_again()

        charger = charger_of(site, dock, SOCKET)
        fitness = Fitness(
            dock,
            usb_bays=[bay.id for bay in site.bays if bay.usb_port is not None],
            guarded=partial(client.bays, SOCKET),
            archive=partial(ask_archive, site, dock.clock),
            power=charger.check,
            key=notary.public_key,
        )
        has_usb = any(isinstance(each, UsbBay) for each in bays)
        holds = HelperHolds(SOCKET) if has_usb else None
        desk, rehearsal = Desk(dock, site.checkout.hours, ZoneInfo(site.time_zone)), Rehearsal(dock.board, dock.clock)
        await desk.load()
        overview = Overview(dock, look_again, fitness.selftest, desk, rehearsal, helper=holds)
        groups = Groups(site.control.group, site.control.admin_group)
        async with control_api(site.control.socket, overview, groups), asyncio.TaskGroup() as group:
            watch = group.create_task(outpost.run(), name="watch of the bays")
            tasks = [group.create_task(Delivery(dock).run(), name="delivery")]
            tasks.append(group.create_task(notary.run(), name="notary"))
            tasks += [group.create_task(each.run(), name="attendant") for each in attendants]
            tasks += [
                group.create_task(each.run(), name="bays")
                for each in (charger, rehearsal, *_at_bays(site, dock, desk, stop.is_set))
            ]
            if has_usb:
                tasks.append(group.create_task(udev.run(), name="udev"))
            if holds is not None:
                tasks.append(group.create_task(holds.follow(dock.journal, dock.clock), name="holds of the helper"))
            reloader = Reloader(site_file, running, dock, look_again)
            tasks.append(group.create_task(reloader.run(), name="watch of the site file"))
            alerting = Alerting(dock, lambda: dock.live.now.channels, f"{site.agency} {site.division}, {site.site}")
            tasks.append(group.create_task(alerting.run(), name="alerts"))
            tasks += [group.create_task(each.run(), name="promises") for each in _promises(dock)]
            tasks += [group.create_task(each.run(), name="guard of the spool") for each in (SpoolWatch(dock), Sealer(dock))]
            tasks.append(group.create_task(dock.journal.examine(), name="examination of the journal"))
            tasks.append(group.create_task(heartbeat(dock.clock), name="heartbeat"))
            if (kiosk := site.kiosk) is not None:
                assets = await asyncio.to_thread(load_assets, kiosk.language, kiosk.layout)
                display = Display(dock, site.site, site.time_zone)
                tasks.append(group.create_task(serve_kiosk(kiosk.port, assets, display, dock.clock), name="kiosk page"))
            if site.metrics is not None:
                from dockd.web.metrics import serve_metrics  # noqa: PLC0415 - 3 MB that most docks can do without

                tasks.append(group.create_task(serve_metrics(site.metrics.port, overview, dock.clock), name="metrics"))
            _log.info("ready", dock=site.dock, bays=len(attendants), waiting=dock.outbox.files)
            notify("READY=1")
            await stop.wait()
            _log.info("stopping")
            notify("STOPPING=1")
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            watch.cancel()  # last: the bays' lookouts end through it


def _bay(bay: model.Bay, profiles: Sequence[Profile], outpost: Outpost, udev: Udev, *, clock: Clock, stall_after_s: float) -> Bay:
    if bay.usb_port is not None:
        helper = Helper(SOCKET, partial(client.bays, SOCKET), partial(client.authorise, SOCKET))
        patience = usb.Patience(stalled_s=stall_after_s)
        return UsbBay(bay.id, udev.port(bay.usb_port), profiles, helper, clock=clock, patience=patience)
    if bay.directory is None:
        msg = f"bay {bay.id} is neither a port nor a folder"
        raise RuntimeError(msg)
    patience_there = directory.Patience(stalled_s=stall_after_s)
    return DirectoryBay(bay.id, bay.directory, profiles, patience=patience_there, watch=outpost.watch)


def _promises(dock: Dock) -> tuple[Reconciler, ArchivedHolds, Retention]:
    """Whoever sees to it that the archive keeps what it has, and as long as it should."""
    return Reconciler(dock), ArchivedHolds(dock), Retention(dock)


def _at_bays(site: Site, dock: Dock, desk: Desk, stopping: Callable[[], bool]) -> list[Keeper | Desk | BadgeReader]:
    """Whoever deals with people: the desk with its badge reader, and whoever keeps the lamps."""
    reader = site.checkout.reader
    readers = [] if reader is None else [BadgeReader(reader, site.checkout.officers(), desk, dock.clock)]
    return [desk, *readers, *keepers_of(site, dock, stopping)]


def has_served(site: Site) -> bool:
    """Whether the site's spool has served a dock before."""
    return Spool(site.spool.directory).journal.exists()


@asynccontextmanager
async def built(site_file: Path, running: Running, clock: Clock) -> AsyncIterator[Dock]:
    """Every part of one dock, given back at the end.

    Raises:
        DockError: a part cannot be built.
    """
    site = running.site
    spool = Spool(site.spool.directory)
    await asyncio.to_thread(spool.prepare)
    disk = await asyncio.to_thread(check_spool_disk, running, site_file)
    if not disk.encrypted:
        _log.warning(
            "spool is not encrypted", why=f"{site.spool.directory} {disk.why}", accepted_by=running.acceptance.content.by
        )
    warn(running, site_file)
    configuration = shown(running, site_file, spool_encrypted=disk.encrypted)
    board = Board(clock, tuple(bay.id for bay in site.bays), configuration, Needs(site.ready.needs), least_of(site))
    journal = await open_journal(spool, clock)
    try:
        live, uploads = Live(orders_of(site)), Concurrency(site.uploads.parallel)
        throttle = Throttle(clock, lambda: live.now.bandwidth.at(clock.now()))
        bound = await journal.archive_of_last_proof()
        archive = await asyncio.to_thread(build_archive, site, clock, board, uploads, throttle, bound=bound)
        try:
            yield Dock(
                name=site.dock,
                journal=journal,
                spool=spool,
                ledger=Ledger(spool.directory, site.spool.keep_free_bytes),
                archive=archive,
                board=board,
                outbox=Outbox(),
                clock=clock,
                live=live,
                uploads=uploads,
                pinned_keys=archive_keys(site.archive),
            )
        finally:
            await archive.close()
    finally:
        await journal.close()


def build_archive(
    site: Site, clock: Clock, board: Board, uploads: Concurrency, throttle: Throttle, *, bound: str | None = None
) -> Archive:
    """The archive of the site file, with its limits and its retry around it. Reads files: call it in a thread.

    Raises:
        ConfigError: a file that the site file names cannot be used.
    """
    inner = bare_archive(site, clock, throttle, bound=bound)
    return _patient(Limited(inner, site.uploads.parallel), clock, board, "recording", uploads.failed)


@asynccontextmanager
async def witnessing(site: Site, dock: Dock) -> AsyncIterator[Notary]:
    """The notary of the dock, with its key and its own way to the archive.

    Raises:
        JournalError: the dock's key cannot be used.
        ConfigError: a file that the site file names cannot be used.
    """
    key = await asyncio.to_thread(dock_key, site.spool.directory)
    if site.archive.s3 is None:
        bound = await dock.journal.archive_of_last_proof()
        inner: Witness = TusWitness(await asyncio.to_thread(tus_settings, site, bound), dock.clock)
    else:
        inner = S3Keeper(await asyncio.to_thread(s3_settings, site), dock.clock)
    witness = RetryingWitness(inner, _patient(dock.archive, dock.clock, dock.board, "checkpoint"))
    try:
        yield Notary(dock, key, witness)
    finally:
        await witness.close()


def _patient(archive: Archive, clock: Clock, board: Board, of: str, failed: Callable[[], None] = lambda: None) -> Retrying:
    def report(error: ArchiveError, next_try_s: float) -> None:
        failed()
        board.archive_failed(error.message)
        _log.warning("archive", of=of, code=error.code, why=error.message, next_try_s=round(next_try_s, 1))

    return Retrying(archive, clock, report)


async def ask_archive(site: Site, clock: Clock) -> Findings:
    """Whether the site's archive is there, is who it should be, and checks what it is sent; beside all work."""
    if site.archive.s3 is not None:
        return await probe_s3(await asyncio.to_thread(s3_settings, site), clock)
    return await probe(await asyncio.to_thread(tus_settings, site), clock)
