"""`dockd release`: lift a hold."""

from pathlib import Path

import click

from dockd.cli.acts import ActDocument, act, either, subject
from dockd.cli.asking import AS_JSON, REASON, reaching


@click.command(
    epilog="""\b
Examples:
  dockd release --camera X12345 --reason "complaint 2026-118 is closed"
  dockd release --recording 0123456789abcdef0123456789abcdef --reason "order 7 was lifted"

It takes an admin, and is in the custody log with who did it. What is proved may then be erased at once."""
)
@either
@REASON
@AS_JSON
@reaching
def command(*, camera: str | None, recording: str | None, reason: str, as_json: bool, place: Path) -> None:
    """Lift a hold, so that what the archive has proved may be erased."""
    scope, name = subject(camera, recording)
    act(place, ActDocument("release", scope, name, reason), as_json=as_json, words=f"{scope} {name} is not on hold any more")
