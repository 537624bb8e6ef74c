"""`dockd status`: ask the running daemon how it is, and show it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.watch import watch
from dockd.cli.words import done_in, left, plain, size
from dockd.core.battery import Quality
from dockd.web.view import LAMPS, BatteryView, BayView, ConfigurationView, CustodyView, QueueView, StatusView

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text


@click.command(
    epilog="""Examples:

    dockd status

    dockd status --config site.yaml --watch

    dockd status --json | jq .queue"""
)
@AS_JSON
@click.option("--watch", "watched", is_flag=True, help="The same as dockd watch.")
@reaching
def command(*, as_json: bool, watched: bool, place: Path) -> None:
    """Show bays, recordings, the queue and the way to the archive. Exit code 3: the daemon cannot be reached."""
    if as_json and watched:
        msg = "--json and --watch exclude each other"
        raise click.UsageError(msg)
    if watched:
        watch(place)
        return
    document = fetch(place)
    if as_json:
        print_json(document)
        return
    from rich.console import Console  # noqa: PLC0415 - --json is for programs, which wait for no table

    Console().print(screen(read(place, document, StatusView)))


def fetch(place: Path) -> bytes:
    """The status document of the daemon at `place`, as it sent it.

    Raises:
        ControlError: nobody answers there, or not with a status.
    """
    return ask(place, "/status")


def screen(status: StatusView) -> "RenderableType":
    """The whole status for a terminal."""
    from rich.console import Group  # noqa: PLC0415 - see above
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False, title=f"Dock {plain(status.dock)}", title_justify="left")
    for heading in ("Bay", "Light", "Camera", "Battery", "Copied", "Archived", "Erased", "Rate"):
        numeric = heading in {"Battery", "Copied", "Archived", "Erased", "Rate"}
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=heading != "Camera", overflow="fold")
    for bay in status.bays:
        table.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in _row(bay)))
    lines = [*(line for bay in status.bays for line in _words(bay)), *_footer(status), *standing_words(status.configuration)]
    return Group(table, *(Text(plain(line)) for line in lines))


def _row(bay: BayView) -> "tuple[str | Text, ...]":
    from rich.text import Text  # noqa: PLC0415 - see above

    if bay.lamp is None:
        return (bay.bay, "\N{EN DASH} empty")
    shape, colour = LAMPS[bay.lamp]
    return (
        bay.bay,
        Text(f"{shape} {bay.lamp.upper()}", style=f"bold {colour}"),
        " ".join(part for part in (bay.camera, f"({bay.officer})" if bay.officer else None) if part),
        _battery(bay.battery),
        *(f"{files}/{bay.files_total}" for files in (bay.files_copied, bay.files_archived, bay.files_erased)),
        f"{size(bay.rate_bytes_s)}/s" if bay.rate_bytes_s else "",
    )


def _battery(battery: BatteryView) -> str:
    if battery.percent is None:
        return ""
    return f"{'about ' * (battery.quality is Quality.ESTIMATED)}{battery.percent} %"


def _words(bay: BayView) -> list[str]:
    """Why the light says so and what to do, then each file that needs a person."""
    why = " ".join(part for part in (bay.reason, bay.next_step, left(bay.remaining_s), done_in(bay.ready_in_s)) if part)
    return [f"Bay {bay.bay}: {why}"] * bool(why) + [
        f"Bay {bay.bay}, {problem.path}: {problem.reason}" for problem in bay.problems
    ]


def _footer(status: StatusView) -> list[str]:
    archive, spool, queue, daemon = status.archive, status.spool, status.queue, status.daemon
    bare = (", sealed" if spool.sealed else "") + ("" if spool.encrypted else ", NOT encrypted")
    since = f" since {archive.since}" if archive.since else ""
    counts = ", ".join(f"{count} {state}" for state, count in msgspec.structs.asdict(status.recordings).items() if count)
    return [
        f"Archive: {'reachable' if archive.reachable else 'NOT reachable'}{since}. {archive.message}".rstrip(),
        f"Queue: {queue.files} files, {size(queue.bytes)}, {size(queue.rate_bytes_s)}/s. {left(queue.drain_s)}".rstrip(),
        *_critical(queue),
        f"Spool: {size(spool.free_bytes)} free, {size(spool.used_bytes)} used, {size(spool.reserved_bytes)} reserved{bare}.",
        f"Recordings: {counts or 'none'}.",
        *_custody(status.custody),
        f"dockd {daemon.version}, process {daemon.pid} since {daemon.started}, {size(daemon.rss_bytes)} of memory.",
    ]


def _custody(custody: CustodyView) -> list[str]:
    """How far the custody log is witnessed; nothing before the archive ever cosigned it."""
    lines = [f"Custody log REFUSED by the archive: {custody.alarm}"] if custody.alarm else []
    if custody.witnessed:
        lines.append(f"Custody log: {custody.witnessed} entries witnessed{f' at {custody.since}' if custody.since else ''}.")
    return lines


def _critical(queue: QueueView) -> list[str]:
    """What goes first, and by when; nothing where there is none."""
    if not queue.critical:
        return []
    due = f"; the archive should have them by {queue.critical_by}" if queue.critical_by else ""
    return [f"Critical incident: {queue.critical} files go first{due}."]


def standing_words(standing: ConfigurationView) -> list[str]:
    """What of the site file is not in force, and what to do about it; nothing where all of it is."""
    lines = [f"Site file NOT in force, {standing.error}"] if standing.error else []
    lines += [f"Not accepted, so not in force: {each}" for each in standing.pending]
    if standing.pending:
        lines.append(f"An admin accepts it with: {standing.accept_with}")
    if standing.restart_for:
        lines.append(f"In force after systemctl restart dockd: {', '.join(standing.restart_for)}")
    return lines
