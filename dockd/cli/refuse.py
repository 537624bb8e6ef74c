"""`dockd refuse`: bar a camera from this dock."""

from pathlib import Path

import click

from dockd.cli.acts import ActDocument, act
from dockd.cli.asking import AS_JSON, REASON, reaching


@click.command(
    epilog="""\b
Examples:
  dockd refuse X12345 --reason "reported stolen"
  dockd refuse X12345 --reason "not of this agency" --json

It takes an admin, and is in the custody log with who did it. dockd enroll lifts it."""
)
@click.argument("serial")
@REASON
@AS_JSON
@reaching
def command(*, serial: str, reason: str, as_json: bool, place: Path) -> None:
    """Bar the camera SERIAL: nothing of it is read, taken or erased here until it is enrolled; its bay says: get help."""
    act(place, ActDocument("refuse", "camera", serial, reason), as_json=as_json, words=f"camera {serial} is barred here")
