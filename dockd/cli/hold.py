"""`dockd hold`: have nothing of a camera or a recording erased, or list what is held."""

from pathlib import Path

import click

from dockd.cli.acts import ActDocument, act, either, subject
from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.web.lists import HoldsView


@click.command(
    epilog="""\b
Examples:
  dockd hold
  dockd hold --camera X12345 --reason "complaint 2026-118"
  dockd hold --recording 0123456789abcdef0123456789abcdef --reason "court order 7"

To place a hold takes an admin; it is in the custody log with who placed it. dockd release lifts it."""
)
@either
@click.option("--reason", metavar="TEXT", help="Why, for the custody log.")
@AS_JSON
@reaching
def command(*, camera: str | None, recording: str | None, reason: str | None, as_json: bool, place: Path) -> None:
    """Place a hold: nothing of it is erased while it stands. Without any option: list the holds that stand."""
    if camera is None and recording is None and reason is None:
        _list(place, as_json=as_json)
        return
    scope, name = subject(camera, recording)
    if not reason:
        msg = "say why, for the custody log: --reason"
        raise click.UsageError(msg)
    act(place, ActDocument("hold", scope, name, reason), as_json=as_json, words=f"{scope} {name} is on hold")


def _list(place: Path, *, as_json: bool) -> None:
    content = ask(place, "/holds")
    if as_json:
        print_json(content)
        return
    from dockd.cli.tables import print_table  # noqa: PLC0415 - --json is for programs

    print_table(
        ("What", "Which", "Since", "By", "Why"),
        [(each.scope, each.subject, each.placed, each.by, each.reason) for each in read(place, content, HoldsView).holds],
        none="Nothing is on hold.",
    )
