"""`dockd watch`: the dock's state as it changes, until Ctrl-C."""

import contextlib
from pathlib import Path

import click

from dockd.cli.asking import ask, reaching, read
from dockd.web.view import StatusView

WAITS_S = 25
"""How long the daemon holds a question to which there is no new answer."""


@click.command(
    epilog="""\b
Examples:
  dockd watch
  dockd watch --config site.yaml

The daemon answers when something changed, and each second while something moves; nothing is asked in between. Exit code 3: the
daemon cannot be reached, or has been stopped."""
)
@reaching
def command(*, place: Path) -> None:
    """Show bays, recordings, the queue and the way to the archive as they change."""
    watch(place)


def watch(place: Path) -> None:
    """Show until somebody presses Ctrl-C.

    Raises:
        ControlError: the daemon does not answer, or not any more.
    """
    from rich.console import Console  # noqa: PLC0415 - the help needs none of it
    from rich.live import Live  # noqa: PLC0415 - see above

    from dockd.cli.status import screen  # noqa: PLC0415 - see above

    shown = read(place, ask(place, "/status"), StatusView)
    with contextlib.suppress(KeyboardInterrupt), Live(screen(shown), console=Console(), auto_refresh=False) as live:
        while True:
            live.update(screen(shown), refresh=True)
            query = {"after": shown.change, "wait_s": WAITS_S}
            shown = read(place, ask(place, "/status", query=query, waits_s=WAITS_S), StatusView)
