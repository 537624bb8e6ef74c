"""`dockd report gaps`: what is missing between cameras, dock and archive, asked now."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockd.cli.asking import AS_JSON, print_json
from dockd.cli.documents import GapDocument, GapsDocument
from dockd.cli.options import CONFIG
from dockd.cli.words import plain

if TYPE_CHECKING:
    from dockd.config.model import Site
    from dockd.core.alerts import Alert


@click.command(
    epilog="""\b
Examples:
  dockd report gaps
  dockd report gaps --json | jq -r '.missing[].message'
  dockd report gaps --sample 1000 || mail -s "recordings are missing" admin@example.org

The daemon does the same every day by itself, and raises alerts. This looks now, changes nothing, and needs no daemon; call it as
root or dockd."""
)
@click.option("--sample", type=click.IntRange(0, 1_000_000), default=50, show_default=True, help="Older recordings to ask for.")
@AS_JSON
@CONFIG
def gaps(*, sample: int, as_json: bool, config: Path) -> None:
    """Compare what cameras listed, what the dock copied, and what the archive proves now. Exit code 1: something is missing."""
    from dockd.config.site import load_site  # noqa: PLC0415 - --help needs none of it
    from dockd.logs import speak  # noqa: PLC0415

    speak(logging.WARNING)
    proved, found = asyncio.run(_look(load_site(config), sample))
    if as_json:
        print_json(GapsDocument(proved, tuple(GapDocument(each.kind, each.subject, each.message) for each in found)))
    else:
        click.echo(f"the archive proved again that it holds {proved} recording{'' if proved == 1 else 's'}")
        for each in found:
            click.echo(plain(f"{each.kind}: {each.message}"))
    if found:
        sys.exit(1)


async def _look(site: "Site", sample: int) -> "tuple[int, list[Alert]]":
    from dockd.clock import SystemClock  # noqa: PLC0415 - --help needs none of it
    from dockd.core import gaps as findings  # noqa: PLC0415
    from dockd.custody.reconciling import ask_again, due  # noqa: PLC0415
    from dockd.delivery.reaching import bare_archive  # noqa: PLC0415 - as above
    from dockd.journal import gaps as kept  # noqa: PLC0415
    from dockd.journal import holds  # noqa: PLC0415
    from dockd.journal.onlooking import onlooking  # noqa: PLC0415
    from dockd.offload.spool import Spool  # noqa: PLC0415

    journal, clock = Spool(site.spool.directory).journal, SystemClock()
    with onlooking(journal) as connection:
        stuck = kept.stuck(connection, journal)
        held = holds.held(connection, clock.now())
        since = kept.reconciled_to(connection)
        recordings = kept.proved(connection, journal, since=since, sample=sample, also=sorted(held))
        until = kept.kept_until(connection, recordings)
        docked = {row[0] for row in connection.execute("SELECT camera FROM docking WHERE ended IS NULL")}
    archive = bare_archive(site, clock)
    try:
        asked = await ask_again(archive, due(recordings, until, clock.now(), held))
    finally:
        await archive.close()
    found = findings.uncopied(stuck, docked) + findings.set_aside(stuck) + findings.unproved(asked.lost)
    return asked.proved, found
