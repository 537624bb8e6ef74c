"""`dockd hold`: have nothing of a camera, a recording, an officer or a span of time erased, or list what is held."""

from pathlib import Path

import click

from dockd.cli.acts import ActDocument, Which, act, which
from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read, said
from dockd.web.lists import HoldsView


@click.command(
    epilog="""\b
Examples:
  dockd hold
  dockd hold --camera X12345 --reason "complaint 2026-118"
  dockd hold --recording 0123456789abcdef0123456789abcdef --reason "court order 7" --case 26-cv-1042
  dockd hold --officer "A. Smith" --reason "complaint 2026-119" --case 2026-119
  dockd hold --from 2026-11-20T18:00 --to 2026-11-21T02:00 --reason "incident at the field office"

A hold by time keeps what may have been recorded in that span: what a camera closed up to a day after it, or by a clock that was
wrong, is kept too. The same may be held for several cases; what one releases, the others still hold. To place a hold takes an
admin; it is in the custody log with who placed it. dockd release lifts it."""
)
@which
@click.option("--reason", metavar="TEXT", callback=said, help="Why, for the custody log.")
@AS_JSON
@reaching
def command(*, which: Which, reason: str | None, as_json: bool, place: Path) -> None:
    """Place a hold: nothing of it is erased while it stands. Without any option: list the holds that stand."""
    if not which.body and reason is None:
        _list(place, as_json=as_json)
        return
    scope, subject = which.order()
    if not reason:
        msg = "say why, for the custody log: --reason"
        raise click.UsageError(msg)
    done = ActDocument("hold", scope, subject, reason, which.case)
    act(place, done, as_json=as_json, words=f"{scope} {subject} is on hold", body=which.body)


def _list(place: Path, *, as_json: bool) -> None:
    content = ask(place, "/holds")
    if as_json:
        print_json(content)
        return
    from dockd.cli.tables import print_table  # noqa: PLC0415 - --json is for programs

    print_table(
        ("What", "Which", "Case", "Since", "By", "Why"),
        [
            (each.scope, each.subject, each.case, each.placed, each.by, each.reason)
            for each in read(place, content, HoldsView).holds
        ],
        none="Nothing is on hold.",
    )
