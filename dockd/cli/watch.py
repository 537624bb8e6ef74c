"""`dockd watch`: the dock's state as it changes, until Ctrl-C."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from dockd.cli.asking import ask, reaching, read
from dockd.web.view import StatusView

WAITS_S = 25
"""How long the daemon holds a question to which there is no new answer."""


@click.command(
    epilog="""\b
Examples:
  dockd watch
  dockd watch --config site.yaml
  dockd watch --json | jq --unbuffered -c '[.bays[] | {bay, lamp, camera}]'

The daemon answers when something changed, and each second while something moves; nothing is asked in between. Exit code 3: the
daemon cannot be reached, or has been stopped."""
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document in each line, as docs/cli.md describes it.")
@reaching
def command(*, as_json: bool, place: Path) -> None:
    """Show bays, recordings, the queue and the way to the archive as they change."""
    if as_json:
        with contextlib.suppress(KeyboardInterrupt):
            for content in _statuses(place):
                click.echo(msgspec.json.format(content, indent=-1))
        return
    watch(place)


def watch(place: Path) -> None:
    """Show until somebody presses Ctrl-C.

    Raises:
        ControlError: the daemon does not answer, or not any more.
    """
    from rich.console import Console  # noqa: PLC0415 - the help needs none of it
    from rich.live import Live  # noqa: PLC0415 - see above

    from dockd.cli.status import screen  # noqa: PLC0415 - see above

    statuses = _statuses(place)
    first = read(place, next(statuses), StatusView)
    with contextlib.suppress(KeyboardInterrupt), Live(screen(first), console=Console(), auto_refresh=False) as live:
        live.refresh()
        for content in statuses:
            live.update(screen(read(place, content, StatusView)), refresh=True)


def _statuses(place: Path) -> Iterator[bytes]:
    """The status as the daemon sends it: now, and whenever something changed."""
    content = ask(place, "/status")
    while True:
        yield content
        query = {"after": read(place, content, StatusView).change, "wait_s": WAITS_S}
        content = ask(place, "/status", query=query, waits_s=WAITS_S)
