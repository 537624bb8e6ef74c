"""`dockd journal`: make a lost or damaged journal anew from the spool."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click

from dockd.cli.options import CONFIG
from dockd.clock import SystemClock
from dockd.config.site import load_site
from dockd.core.manifest import Manifest
from dockd.core.recording import MediumReading, State
from dockd.journal.rebuild import rebuild as rebuild_journal
from dockd.offload.spool import Spool


@click.group()
def command() -> None:
    """The dock's record of every recording."""


@command.command(
    epilog="""Example:

    systemctl stop dockd && dockd journal rebuild --config /etc/dockd/site.yaml"""
)
@CONFIG
def rebuild(config: Path) -> None:
    """Make a new journal from the manifests in the spool, reading every recording there once more.

    The old journal is renamed, never deleted. The new one says that it was rebuilt, and treats nothing as archived:
    everything in the spool is sent again, and nothing is erased before the archive was asked again. The daemon must not run.
    """
    site = load_site(config)
    spool = Spool(site.spool.directory)
    spool.prepare()
    counts = asyncio.run(_rebuild(spool, site.dock))
    click.echo(f"{spool.journal}: rebuilt with {counts[State.VERIFIED]} verified recordings, {counts[State.REFUSED]} refused")


async def _rebuild(spool: Spool, dock: str) -> dict[State, int]:
    journal = await rebuild_journal(spool.journal, _examined(spool), SystemClock(), dock)
    try:
        counts = journal.counts()
    finally:
        await journal.close()
    return {state: counts.get(state, 0) for state in State}


def _examined(spool: Spool) -> Iterator[tuple[Manifest, MediumReading | None]]:
    """Every recording that the spool finished, and what its medium gives back now."""
    finished = spool.recording_ids()
    for path, manifest in spool.manifests():
        if manifest is None:
            click.echo(f"{path}: cannot be read as a manifest; the recording is left out and stays where it is", err=True)
        elif manifest.recording_id in finished:
            yield manifest, spool.examine(manifest.recording_id)
