"""`dockd status`: ask the running daemon how it is, and show it."""

import contextlib
import http.client
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
import msgspec

from dockd.errors import ControlError
from dockd.web.view import LAMPS, BayView, ConfigurationView, CustodyView, StatusView

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

DEFAULT_SOCKET = Path("/run/dockd/control.sock")
_ANSWER_S = 10.0
_EVERY_S = 1.0


@click.command(
    epilog="""Examples:

    dockd status

    dockd status --config site.yaml --watch

    dockd status --json | jq .queue"""
)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="The site file, which names the daemon's socket.")
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), help="The daemon's socket itself.")
@click.option("--json", "as_json", is_flag=True, help="Print the document that docs/status.md describes.")
@click.option("--watch", is_flag=True, help="Show it again every second until Ctrl-C.")
def command(*, config: Path | None, socket_path: Path | None, as_json: bool, watch: bool) -> None:
    """Show bays, recordings, the queue and the way to the archive. Exit code 3: the daemon cannot be reached."""
    if config is not None and socket_path is not None:
        msg = "--config and --socket exclude each other"
        raise click.UsageError(msg)
    if as_json and watch:
        msg = "--json and --watch exclude each other"
        raise click.UsageError(msg)
    place = _socket_of(config) if config is not None else socket_path or DEFAULT_SOCKET
    document = fetch(place)
    if as_json:
        click.echo(msgspec.json.format(document, indent=2))
        return
    _show(place, document, watch=watch)


def fetch(place: Path, method: str = "GET", what: str = "status") -> bytes:
    """What the daemon at `place` answers, its status document first of all, as it sent it.

    Raises:
        ControlError: nobody answers there, or not with a status.
    """
    line = _UnixConnection(place)
    try:
        line.request(method, f"/api/v1/{what}")
        answer = line.getresponse()
        body = answer.read()
    except PermissionError as exc:
        msg = f"this user may not ask the daemon at {place}"
        raise ControlError(msg, hint="Ask your admin to add you to the socket's group (usually dockd).") from exc
    except TimeoutError as exc:
        msg = f"the daemon at {place} does not answer within {_ANSWER_S:.0f} s"
        raise ControlError(msg, hint="Look at its log, then restart it.") from exc
    except (OSError, http.client.HTTPException) as exc:
        msg = f"no daemon answers at {place}: {exc}"
        raise ControlError(msg) from exc
    finally:
        line.close()
    if answer.status != http.HTTPStatus.OK:
        raise _refused(place, body)
    return body


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket; the standard library's client starts in a tenth of the time of an asynchronous one."""

    def __init__(self, place: Path) -> None:
        super().__init__("dockd", timeout=_ANSWER_S)
        self._place = place

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_S)
        try:
            self.sock.connect(os.fspath(self._place))
        except OSError:
            self.sock.close()
            raise


def _refused(place: Path, body: bytes) -> ControlError:
    try:
        words = json.loads(body)
        return ControlError(str(words["message"]), hint=str(words["hint"]))
    except (ValueError, KeyError, TypeError):
        return ControlError(f"what answers at {place} is not dockd")


def _socket_of(config: Path) -> Path:
    from dockd.config.site import load_site  # noqa: PLC0415 - the usual call needs no YAML

    return load_site(config).control.socket


def _decode(place: Path, document: bytes) -> StatusView:
    try:
        return msgspec.json.decode(document, type=StatusView)
    except msgspec.MsgspecError as exc:
        msg = f"the daemon at {place} sent a status that this dockd cannot read: {exc}"
        raise ControlError(msg, hint="Are daemon and command of the same version? --json shows the document as it is.") from exc


def _show(place: Path, document: bytes, *, watch: bool) -> None:
    from rich.console import Console  # noqa: PLC0415 - --json is for programs, which wait for no table
    from rich.live import Live  # noqa: PLC0415

    console = Console()
    if not watch:
        console.print(screen(_decode(place, document)))
        return
    import asyncio  # noqa: PLC0415 - as rich: only who watches waits for it

    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(screen(_decode(place, document)), console=console, auto_refresh=False) as live,
    ):
        asyncio.run(_watch(place, live))


async def _watch(place: Path, live: "Live") -> NoReturn:
    """Show what the daemon says, again and again."""
    import asyncio  # noqa: PLC0415 - see _show

    from dockd.clock import SystemClock  # noqa: PLC0415

    clock = SystemClock()
    while True:
        await clock.sleep(_EVERY_S)
        live.update(screen(_decode(place, await asyncio.to_thread(fetch, place))), refresh=True)


def screen(status: StatusView) -> "RenderableType":
    """The whole status for a terminal."""
    from rich.console import Group  # noqa: PLC0415 - see _show
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False, title=f"Dock {_plain(status.dock)}", title_justify="left")
    for heading in ("Bay", "Light", "Camera", "Battery", "Copied", "Archived", "Erased", "Rate"):
        numeric = heading in {"Battery", "Copied", "Archived", "Erased", "Rate"}
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=heading != "Camera", overflow="fold")
    for bay in status.bays:
        table.add_row(*(cell if isinstance(cell, Text) else Text(_plain(cell)) for cell in _row(bay)))
    lines = [*(line for bay in status.bays for line in _words(bay)), *_footer(status), *standing_words(status.configuration)]
    return Group(table, *(Text(_plain(line)) for line in lines))


def _row(bay: BayView) -> "tuple[str | Text, ...]":
    from rich.text import Text  # noqa: PLC0415 - see _show

    if bay.lamp is None:
        return (bay.bay, "\N{EN DASH} empty")
    shape, colour = LAMPS[bay.lamp]
    return (
        bay.bay,
        Text(f"{shape} {bay.lamp.upper()}", style=f"bold {colour}"),
        " ".join(part for part in (bay.camera, f"({bay.officer})" if bay.officer else None) if part),
        "" if bay.battery_percent is None else f"{bay.battery_percent} %",
        *(f"{files}/{bay.files_total}" for files in (bay.files_copied, bay.files_archived, bay.files_erased)),
        f"{_size(bay.rate_bytes_s)}/s" if bay.rate_bytes_s else "",
    )


def _words(bay: BayView) -> list[str]:
    """Why the light says so and what to do, then each file that needs a person."""
    why = " ".join(part for part in (bay.reason, bay.next_step, _left(bay.remaining_s)) if part)
    return [f"Bay {bay.bay}: {why}"] * bool(why) + [
        f"Bay {bay.bay}, {problem.path}: {problem.reason}" for problem in bay.problems
    ]


def _footer(status: StatusView) -> list[str]:
    archive, spool, queue, daemon = status.archive, status.spool, status.queue, status.daemon
    bare = "" if spool.encrypted else ", NOT encrypted"
    since = f" since {archive.since}" if archive.since else ""
    counts = ", ".join(f"{count} {state}" for state, count in msgspec.structs.asdict(status.recordings).items() if count)
    return [
        f"Archive: {'reachable' if archive.reachable else 'NOT reachable'}{since}. {archive.message}".rstrip(),
        f"Queue: {queue.files} files, {_size(queue.bytes)}, {_size(queue.rate_bytes_s)}/s. {_left(queue.drain_s)}".rstrip(),
        f"Spool: {_size(spool.free_bytes)} free, {_size(spool.used_bytes)} used, {_size(spool.reserved_bytes)} reserved{bare}.",
        f"Recordings: {counts or 'none'}.",
        *_custody(status.custody),
        f"dockd {daemon.version}, process {daemon.pid} since {daemon.started}, {_size(daemon.rss_bytes)} of memory.",
    ]


def _custody(custody: CustodyView) -> list[str]:
    """How far the custody log is witnessed; nothing before the archive ever cosigned it."""
    lines = [f"Custody log REFUSED by the archive: {custody.alarm}"] if custody.alarm else []
    if custody.witnessed:
        lines.append(f"Custody log: {custody.witnessed} entries witnessed{f' at {custody.since}' if custody.since else ''}.")
    return lines


def standing_words(standing: ConfigurationView) -> list[str]:
    """What of the site file is not in force, and what to do about it; nothing where all of it is."""
    lines = [f"Site file NOT in force, {standing.error}"] if standing.error else []
    lines += [f"Not accepted, so not in force: {each}" for each in standing.pending]
    if standing.pending:
        lines.append(f"An admin accepts it with: {standing.accept_with}")
    if standing.restart_for:
        lines.append(f"In force after systemctl restart dockd: {', '.join(standing.restart_for)}")
    return lines


def _left(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes, rest_s = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"About {hours} h {minutes} min left." if hours else f"About {minutes} min {rest_s} s left."


def _size(size_bytes: int) -> str:
    """Decimal units, as disks and links are sold."""
    value, unit = float(size_bytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":  # noqa: PLR2004 - a thousand
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _plain(text: str) -> str:
    """What a camera or the archive says must not move the cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
