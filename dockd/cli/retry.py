"""`dockd retry`: let refused recordings go on."""

from pathlib import Path

import click
import msgspec

from dockd.cli.acts import recording_id
from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.recordings import recordings
from dockd.cli.words import plain
from dockd.core.recording import State
from dockd.web.view import RecordingView


class RetriedDocument(msgspec.Struct, frozen=True):
    """What `dockd retry --json` prints.

    Attributes:
        recordings: those that go on, as they are now.
    """

    recordings: tuple[RecordingView, ...]


@click.command(
    epilog="""\b
Examples:
  dockd retry 0123456789abcdef0123456789abcdef
  dockd retry --all

Mend the cause first: dockd recordings --state refused names it. It takes an admin, and is in the custody log with who did it."""
)
@click.argument("ids", nargs=-1, metavar="[RECORDING]...")
@click.option("--all", "everything", is_flag=True, help="Every refused recording.")
@AS_JSON
@reaching
def command(*, ids: tuple[str, ...], everything: bool, as_json: bool, place: Path) -> None:
    """Let refused recordings go on: to the archive if the spool has their bytes, else from their camera at its next docking."""
    if bool(ids) == everything:
        msg = "name recordings, or --all"
        raise click.UsageError(msg)
    for each in ids:
        recording_id(each)
    wanted = [each.recording for each in recordings(place, state=State.REFUSED)] if everything else list(ids)
    gone_on = []
    for each in wanted:
        gone_on.append(read(place, ask(place, f"/retry/{each}", act=True), RecordingView))
        if not as_json:
            click.echo(plain(f"{each} goes on: {gone_on[-1].state} {gone_on[-1].path}"))
    if as_json:
        print_json(RetriedDocument(tuple(gone_on)))
    elif not wanted:
        click.echo("No recording is refused.")
