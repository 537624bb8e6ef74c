"""`dockd queue`: what waits for the archive."""

from pathlib import Path

import click
import msgspec

from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.recordings import recordings
from dockd.cli.words import left, plain, size
from dockd.core.recording import State
from dockd.web.view import ArchiveView, QueueView, RecordingView, StatusView


class QueueDocument(msgspec.Struct, frozen=True):
    """What `dockd queue --json` prints.

    Attributes:
        queue: the sum of it.
        archive: the way to the archive.
        recordings: those on their way, then those that wait; of each those of a critical incident first, then as they were seen.
    """

    queue: QueueView
    archive: ArchiveView
    recordings: tuple[RecordingView, ...]


@click.command(
    epilog="""\b
Examples:
  dockd queue
  dockd queue --json | jq .queue.drain_s"""
)
@AS_JSON
@reaching
def command(*, as_json: bool, place: Path) -> None:
    """List what is verified in the spool and not yet proved by the archive, and say how long it takes."""
    status = read(place, ask(place, "/status"), StatusView)
    states = (State.UPLOADING, State.VERIFIED)
    waiting = [each for state in states for each in sorted(recordings(place, state=state), key=lambda one: not one.critical)]
    if as_json:
        print_json(QueueDocument(status.queue, status.archive, tuple(waiting)))
        return
    from dockd.cli.tables import print_table  # noqa: PLC0415 - --json is for programs

    print_table(
        ("State", "Camera", "Seen", "Due", "Size", "File"),
        [(each.state, each.camera, each.seen, _due(each), size(each.size_bytes), each.path) for each in waiting],
        right=("Size",),
        none="Nothing waits for the archive.",
    )
    queue, archive = status.queue, status.archive
    if queue.files:
        click.echo(f"{queue.files} files, {size(queue.bytes)}, {size(queue.rate_bytes_s)}/s. {left(queue.drain_s)}".rstrip())
    if not archive.reachable:
        click.echo(plain(f"The archive is NOT reachable since {archive.since}: {archive.message}"))


def _due(recording: RecordingView) -> str:
    return " ".join(part for part in ("critical" if recording.critical else "", recording.deadline or "") if part)
