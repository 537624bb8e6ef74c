"""`dockd report quarantine`: what was refused and is kept, and a way to take all of it out."""

from pathlib import Path

import click

from dockd.cli.options import CONFIG
from dockd.config.handing_over import archive_keys


@click.command(
    epilog="""\b
Examples:
  dockd report quarantine
  dockd report quarantine --output /mnt/quarantine-2026-11

What the archive or the dock refused is kept until a person acts: dockd retry, or a mended archive, lets it go on. --output copies
the bytes that the dock has of each recording, a record.json with why and with digests, and a bundle for dockd verify; the dock
keeps its own. It needs the dock's key and journal: call it as root or dockd, whether the daemon runs or not."""
)
@click.option("--output", type=click.Path(path_type=Path), help="A new folder for all of it.")
@CONFIG
def quarantine(output: Path | None, config: Path) -> None:
    """List what is in quarantine, or copy all of it out."""
    from dockd.cli.words import plain  # noqa: PLC0415 - --help needs none of it
    from dockd.clock import SystemClock  # noqa: PLC0415
    from dockd.config.site import load_site  # noqa: PLC0415
    from dockd.custody.keyring import dock_key  # noqa: PLC0415
    from dockd.evidence.bundle import Maker  # noqa: PLC0415
    from dockd.evidence.exporting import export, write  # noqa: PLC0415
    from dockd.evidence.gathering import Wish  # noqa: PLC0415
    from dockd.evidence.quarantine import quarantined, take_out  # noqa: PLC0415
    from dockd.offload.spool import Spool  # noqa: PLC0415

    site = load_site(config)
    spool = Spool(site.spool.directory)
    found = quarantined(spool)
    for each in found:
        click.echo(plain(each.words()))
    if not found:
        click.echo("Nothing is in quarantine.")
    if output is None or not found:
        return
    signing = dock_key(site.spool.directory, new=False)
    keys = archive_keys(site.archive)[::-1]  # the present one first
    maker = Maker(site.dock, signing, keys, site.archive.id, SystemClock().now())
    ids = tuple(each.recording.recording_id for each in found)
    files = take_out(found, output)
    write(export(spool.journal, Wish(ids), maker, None), output / "evidence.zip")
    click.echo(f"{output}: {files} files, and evidence.zip about them")
