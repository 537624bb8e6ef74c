"""`dockd journal`: make a lost or damaged journal anew from the spool."""

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from dockd.cli.asking import AS_JSON, ask, fetch_file, print_json, reaching
from dockd.cli.documents import RebuiltDocument
from dockd.cli.options import CONFIG
from dockd.clock import SystemClock
from dockd.config.site import load_site
from dockd.core.manifest import Manifest
from dockd.core.recording import MediumReading, State
from dockd.errors import DockError
from dockd.journal.rebuild import rebuild as rebuild_journal
from dockd.journal.salvage import IN_DOUBT
from dockd.logs import speak
from dockd.offload.spool import Spool


@click.group()
def command() -> None:
    """The dock's record of every recording."""


@command.command(
    epilog="""\b
Examples:
  dockd journal backup /mnt/backup/balt-ero-01-$(date +%F).sqlite
  dockd journal backup /mnt/backup/journal.sqlite --json

It takes an admin; the daemon goes on meanwhile. FILE must not exist yet. Once it is safe on its disk, the custody log says when,
by whom and where to, and dockd selftest knows."""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@AS_JSON
@reaching
def backup(file: Path, *, as_json: bool, place: Path) -> None:
    """Write a copy of the running daemon's journal, as it is at one instant, to FILE."""
    place_of_file = file.absolute()
    try:
        descriptor = os.open(place_of_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as to:
            try:
                sha256 = fetch_file(place, "/journal", to, "X-Dockd-SHA256")
                to.flush()
                os.fsync(to.fileno())
                size_bytes = to.tell()
            except BaseException:
                place_of_file.unlink()
                raise
    except OSError as exc:
        msg = f"{file}: {exc.strerror}"
        raise DockError(msg, hint="Name a file that does not exist yet, in a folder that you may write to.") from exc
    ask(place, "/backed-up", body={"sha256": sha256, "to": f"{socket.gethostname()}:{place_of_file}"})
    if as_json:
        print_json(BackupDocument(str(place_of_file), size_bytes, sha256))
    else:
        click.echo(f"{file}: {size_bytes} bytes, SHA-256 {sha256}")


class BackupDocument(msgspec.Struct, frozen=True):
    """What `dockd journal backup --json` prints.

    Attributes:
        file: the copy.
        size_bytes: its length.
        sha256: hexadecimal.
    """

    file: str
    size_bytes: int
    sha256: str


@command.command(
    epilog="""\b
Examples:
  systemctl stop dockd && dockd journal rebuild --config /etc/dockd/site.yaml
  dockd journal rebuild --json | jq '{verified, refused, held}'"""
)
@AS_JSON
@CONFIG
def rebuild(*, as_json: bool, config: Path) -> None:
    """Make a new journal from the manifests in the spool, reading every recording there once more.

    The old journal is renamed, never deleted. The new one says that it was rebuilt, and treats nothing as archived:
    everything in the spool is sent again, and nothing is erased before the archive was asked again. The daemon must not run.
    """
    speak(logging.WARNING)
    site = load_site(config)
    spool = Spool(site.spool.directory)
    spool.prepare()
    counts, cases = asyncio.run(_rebuild(spool, site.dock))
    if as_json:
        print_json(RebuiltDocument(str(spool.journal), counts[State.VERIFIED], counts[State.REFUSED], IN_DOUBT in cases))
        return
    click.echo(f"{spool.journal}: rebuilt with {counts[State.VERIFIED]} verified recordings, {counts[State.REFUSED]} refused")
    if IN_DOUBT in cases:
        click.echo("Not every hold of the old journal could be read, so all that was recorded until now is on hold.")
        click.echo(f"Place again what must stay held, then: sudo dockd release --case {IN_DOUBT}")


async def _rebuild(spool: Spool, dock: str) -> tuple[dict[State, int], set[str]]:
    journal = await rebuild_journal(spool.journal, _examined(spool), SystemClock(), dock)
    try:
        counts, cases = journal.counts(), {each.case for each in await journal.hold_orders()}
    finally:
        await journal.close()
    return {state: counts.get(state, 0) for state in State}, cases


def _examined(spool: Spool) -> Iterator[tuple[Manifest, MediumReading | None]]:
    """Every recording that the spool finished, and what its medium gives back now."""
    finished = spool.recording_ids()
    for path, manifest in spool.manifests():
        if manifest is None:
            click.echo(f"{path}: cannot be read as a manifest; the recording is left out and stays where it is", err=True)
        elif manifest.recording_id in finished:
            yield manifest, spool.examine(manifest.recording_id)
