"""`dockd enroll`: say that a camera belongs here."""

from pathlib import Path

import click

from dockd.cli.acts import ActDocument, act
from dockd.cli.asking import AS_JSON, REASON, reaching


@click.command(
    epilog="""\b
Examples:
  dockd enroll X12345 --reason "new, for badge 4711"
  dockd enroll X12345 --reason "found, and examined" --json

It takes an admin, and is in the custody log with who did it. The roster of the site file stays the list of who has which camera;
dockd cameras shows which cameras were enrolled at the dock and should be added there."""
)
@click.argument("serial")
@REASON
@AS_JSON
@reaching
def command(*, serial: str, reason: str, as_json: bool, place: Path) -> None:
    """Say that the camera SERIAL belongs here; a bar on it is lifted. A camera that waits in a bay is put in again."""
    act(place, ActDocument("enroll", "camera", serial, reason), as_json=as_json, words=f"camera {serial} is enrolled here")
