"""`dockd release`: lift a hold."""

import os
from pathlib import Path
from typing import Literal

import click

from dockd.cli.acts import ActDocument, act, either, subject
from dockd.cli.asking import AS_JSON, REASON, reaching


@click.command(
    epilog="""\b
Examples:
  dockd release --camera X12345 --reason "complaint 2026-118 is closed"
  dockd release --recording 0123456789abcdef0123456789abcdef --reason "order 7 was lifted"

It takes an admin, and is in the custody log with who did it. What is proved may then be erased at once. On a dock with USB bays
it takes root: the helper, which erases there, keeps holds of its own and obeys nobody else."""
)
@either
@REASON
@AS_JSON
@reaching
def command(*, camera: str | None, recording: str | None, reason: str, as_json: bool, place: Path) -> None:
    """Lift a hold, so that what the archive has proved may be erased."""
    scope, name = subject(camera, recording)
    _at_helper(scope, name, reason)
    act(place, ActDocument("release", scope, name, reason), as_json=as_json, words=f"{scope} {name} is not on hold any more")


def _at_helper(scope: Literal["camera", "recording"], name: str, reason: str) -> None:
    """Lift the helper's own hold, if it has it: only root may, so only root tries. The daemon's stands until that is gone.

    Raises:
        DockError: the helper cannot be asked, or does not lift it.
    """
    from dockd.config.acceptance import person  # noqa: PLC0415 - only root needs all this
    from dockd.helper import client, wire  # noqa: PLC0415 - see above

    if os.geteuid() or not Path(wire.SOCKET).is_socket():
        return
    if any((each.scope, each.subject) == (scope, name) for each in client.list_holds(path=wire.SOCKET)):
        client.lift_hold(scope, name, person(), reason, path=wire.SOCKET)
