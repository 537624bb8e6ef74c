"""`dockd release`: lift a hold, or all of a case."""

import os
from pathlib import Path
from typing import cast

import click

from dockd.cli.acts import ActDocument, Which, act, which
from dockd.cli.asking import AS_JSON, REASON, reaching


@click.command(
    epilog="""\b
Examples:
  dockd release --camera X12345 --reason "complaint 2026-118 is closed"
  dockd release --recording 0123456789abcdef0123456789abcdef --reason "order 7 was lifted" --case 26-cv-1042
  dockd release --case 2026-119 --reason "closed without finding"

A hold is named as it was placed, with its case if it was placed for one; --case alone lifts all that were placed for it. It takes
an admin, and is in the custody log with who did it. What is proved may then be erased at once. On a dock with USB bays it takes
root: the helper, which erases there, keeps holds of its own and obeys nobody else."""
)
@which
@REASON
@AS_JSON
@reaching
def command(*, which: Which, reason: str, as_json: bool, place: Path) -> None:
    """Lift a hold, so that what the archive has proved may be erased."""
    scope, subject = which.order(alone=True)
    _at_helper(scope, subject, which.case, reason)
    done = ActDocument("release", scope, subject, reason, which.case)
    act(place, done, as_json=as_json, words=f"{scope} {subject} is not on hold any more", body=which.body)


def _at_helper(scope: str, subject: str, case: str, reason: str) -> None:
    """Lift the helper's own holds, if it has them: only root may, so only root tries. The daemon's stand until those are gone.

    Raises:
        DockError: the helper cannot be asked, or does not lift one.
    """
    from dockd.config.acceptance import person  # noqa: PLC0415 - only root needs all this
    from dockd.helper import client, wire  # noqa: PLC0415 - see above

    if os.geteuid() or not Path(wire.SOCKET).is_socket():
        return
    for each in client.list_holds(path=wire.SOCKET):
        if each.case == case and (scope == "case" or (each.scope, each.subject) == (scope, subject)):
            client.lift_hold(cast("wire.Scope", each.scope), each.subject, person(), reason, case=case, path=wire.SOCKET)
