"""`dockd report`: what was docked, archived, erased and refused in a period, from the custody log."""

from datetime import datetime, timedelta
from pathlib import Path

import click
import msgspec

from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.log import entries
from dockd.cli.options import moment
from dockd.cli.report_export import export, key
from dockd.cli.report_gaps import gaps
from dockd.cli.report_quarantine import quarantine
from dockd.cli.words import plain, size
from dockd.clock import SystemClock, rfc3339
from dockd.core.report import Act, CameraTally, Refused, Report, tell
from dockd.web.view import StatusView


class ReportDocument(msgspec.Struct, frozen=True):
    """What `dockd report --json` prints.

    Attributes:
        dock: its id in the site file.
        since: the beginning of the period.
        until: its end, which does not belong to it.
        first: number of the period's first custody entry, 0 if it has none.
        last: number of its last custody entry, 0 if it has none.
        cameras: what happened to each.
        refused: files that needed a person.
        failed: how many dockings failed, by the error's code.
        proofs_lost: recordings that the archive had proved and did not hold any more.
        acts: what people did.
    """

    dock: str
    since: str
    until: str
    first: int
    last: int
    cameras: tuple[CameraTally, ...]
    refused: tuple[Refused, ...]
    failed: dict[str, int]
    proofs_lost: int
    acts: tuple[Act, ...]


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  dockd report
  dockd report --since 2026-11-01 --until 2026-12-01
  dockd report --since 2026-11-27T18:00 --json

Dates begin at midnight of this machine's time zone. The numbers of the custody entries say on which part of the log it rests.""",
)
@click.option(
    "--since", metavar="TIME", callback=moment, help="Beginning of the period; 24 hours before its end if it is not given."
)
@click.option("--until", metavar="TIME", callback=moment, help="End of the period; now if it is not given.")
@AS_JSON
@reaching
@click.pass_context
def command(ctx: click.Context, *, since: datetime | None, until: datetime | None, as_json: bool, place: Path) -> None:
    """Say what was docked, copied, archived, erased and refused in a period, and what people did; or hand out evidence of it."""
    if ctx.invoked_subcommand is not None:
        return
    end = until or SystemClock().now()
    begin = since or end - timedelta(days=1)
    if begin >= end:
        msg = "the period ends before it begins"
        raise click.UsageError(msg)
    dock = read(place, ask(place, "/status"), StatusView).dock
    told = tell(entries(place), rfc3339(begin), rfc3339(end))
    document = ReportDocument(
        dock=dock,
        since=rfc3339(begin),
        until=rfc3339(end),
        first=told.first,
        last=told.last,
        cameras=tuple(told.cameras.values()),
        refused=tuple(told.refused),
        failed=told.failed,
        proofs_lost=told.proofs_lost,
        acts=tuple(told.acts),
    )
    if as_json:
        print_json(document)
    else:
        _show(document, told)


def _show(document: ReportDocument, told: Report) -> None:
    from dockd.cli.tables import print_table  # noqa: PLC0415 - --json is for programs

    click.echo(f"Dock {document.dock}, from {document.since} up to {document.until}")
    click.echo(f"custody entries {told.first} to {told.last}" if told.first else "nothing was recorded")
    print_table(
        ("Camera", "Officer", "Dockings", "Copied", "", "Archived", " ", "Erased", "Refused"),
        [
            (
                *(each.camera, each.officer or "", str(each.dockings)),
                *(str(each.copied), size(each.copied_bytes), str(each.archived), size(each.archived_bytes)),
                *(str(each.erased), str(each.refused)),
            )
            for each in document.cameras
        ],
        right=("Dockings", "Copied", "", "Archived", " ", "Erased", "Refused"),
        none="No camera was docked, and nothing was archived.",
    )
    for refused in document.refused:
        click.echo(plain(f"refused {refused.time} {refused.camera} {refused.path}: {refused.message} ({refused.recording})"))
    for code, count in sorted(document.failed.items()):
        click.echo(f"{count} dockings failed: {code}")
    if document.proofs_lost:
        click.echo(f"{document.proofs_lost} recordings were in the archive and are not any more; they are copied again")
    for act in document.acts:
        click.echo(plain(f"{act.time} {act.event} by {act.by}: {act.subject} {act.reason}".rstrip(": ")))


command.add_command(export)
command.add_command(key)
command.add_command(gaps)
command.add_command(quarantine)
