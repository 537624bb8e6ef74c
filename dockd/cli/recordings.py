"""`dockd recordings`: what the dock has seen, and how far each of it has come."""

from collections.abc import Iterator
from pathlib import Path

import click

from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.words import plain, size
from dockd.core.recording import State
from dockd.web.view import RecordingsView, RecordingView

_PAGE = 1000


@click.command(
    epilog="""\b
Examples:
  dockd recordings
  dockd recordings --state refused
  dockd recordings --camera X12345 --limit 1000
  dockd recordings --json | jq '.recordings[] | select(.state == "refused") | .recording'"""
)
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only these.")
@click.option("--camera", metavar="SERIAL", help="Only of this camera.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many: the newest.")
@AS_JSON
@reaching
def command(*, state: str | None, camera: str | None, limit: int, as_json: bool, place: Path) -> None:
    """List recordings, the newest last."""
    found = list(recordings(place, state=state, camera=camera))
    newest = found[-limit:]
    if as_json:
        print_json(RecordingsView(tuple(newest)))
        return
    from dockd.cli.tables import print_table  # noqa: PLC0415 - --json is for programs, which wait for no table

    print_table(
        ("Recording", "Camera", "Seen", "State", "Size", "File"),
        [(each.recording, each.camera, each.seen, each.state, size(each.size_bytes), each.path) for each in newest],
        right=("Size",),
        whole=("Recording", "State", "Size"),
        none="No such recordings.",
    )
    for each in newest:
        if why := _why(each):
            click.echo(plain(f"{each.recording}: {why}"))
    if len(found) > len(newest):
        click.echo(f"{len(found) - len(newest)} older ones are not shown: --limit")


def recordings(place: Path, *, state: str | None = None, camera: str | None = None) -> Iterator[RecordingView]:
    """Every recording of a state and a camera, page by page, in the order in which they were seen.

    Raises:
        ControlError: the daemon does not answer.
    """
    after: int | None = 0
    while after is not None:
        query = {"state": state, "camera": camera, "after": after, "limit": _PAGE}
        page = read(place, ask(place, "/recordings", query=query), RecordingsView)
        yield from page.recordings
        after = page.next_after


def _why(recording: RecordingView) -> str:
    return " ".join(part for part in (recording.reason, recording.next_step) if part)
