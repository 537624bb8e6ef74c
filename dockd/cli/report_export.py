"""`dockd report export` and `dockd report key`: what is handed to somebody who does not trust us."""

import logging
import os
import shlex
import socket
from datetime import datetime
from pathlib import Path

import click

from dockd.cli.asking import AS_JSON, ask, print_json
from dockd.cli.documents import ExportDocument, KeyDocument
from dockd.cli.options import CONFIG, moment
from dockd.config.handing_over import archive_keys
from dockd.errors import DockError


@click.command(
    epilog="""\b
Examples:
  dockd report export --camera A1-7 --since 2026-11-01 --output case-17.zip
  dockd report export 0f3a... 77b1... --media /mnt/copies --output case-18.zip
  dockd report export --camera A1-7 --output case-17.zip --json | jq -r .verify_with

It needs the dock's key and journal: call it as root or dockd, whether the daemon runs or not. Check what came of it with
dockd verify."""
)
@click.argument("recordings", nargs=-1, metavar="[RECORDING]...")
@click.option("--camera", metavar="SERIAL", help="All recordings of this camera.")
@click.option("--since", "--from", metavar="TIME", callback=moment, help="Recordings that the dock first saw from then on.")
@click.option("--until", "--to", metavar="TIME", callback=moment, help="Recordings that the dock first saw before then.")
@click.option("--whole-log", is_flag=True, help="Show every entry of the custody log, not only those about these recordings.")
@click.option(
    "--media",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with files of these recordings: they are checked and get an ASC media hash list.",
)
@click.option(
    "--tsa",
    metavar="URL",
    help="An RFC 3161 authority that is asked to timestamp the checkpoint, such as http://tsa.example.org.",
)
@click.option(
    "--archive-key",
    metavar="KEY",
    multiple=True,
    help="A public key that the archive had earlier, where recordings were archived under it; that of the site file is known.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("evidence.zip"),
    show_default=True,
    help="A new file.",
)
@AS_JSON
@CONFIG
def export(
    *,
    recordings: tuple[str, ...],
    camera: str | None,
    since: datetime | None,
    until: datetime | None,
    whole_log: bool,
    media: Path | None,
    tsa: str | None,
    archive_key: tuple[str, ...],
    output: Path,
    as_json: bool,
    config: Path,
) -> None:
    """Write a bundle about RECORDINGs that anybody can check offline, without this dock."""
    if not (recordings or camera or since or until or whole_log):
        msg = "name recordings, a --camera, a time, or --whole-log"
        raise click.UsageError(msg)
    from dockd.clock import SystemClock, rfc3339  # noqa: PLC0415 - --help needs none of it
    from dockd.config.site import load_site  # noqa: PLC0415
    from dockd.custody.keyring import dock_key  # noqa: PLC0415
    from dockd.evidence.bundle import Maker  # noqa: PLC0415
    from dockd.evidence.exporting import export as exported  # noqa: PLC0415
    from dockd.evidence.exporting import write  # noqa: PLC0415
    from dockd.evidence.gathering import Wish  # noqa: PLC0415
    from dockd.logs import speak  # noqa: PLC0415
    from dockd.offload.spool import Spool  # noqa: PLC0415

    speak(logging.WARNING)
    site = load_site(config)
    key = dock_key(site.spool.directory, new=False)
    begin, end = (None if each is None else rfc3339(each) for each in (since, until))
    wish = Wish(recordings, camera, begin, end, whole_log)
    keys = tuple(dict.fromkeys([*reversed(archive_keys(site.archive)), *archive_key]))
    maker = Maker(site.dock, key, keys, site.archive.id, SystemClock().now(), tsa)
    files = exported(Spool(site.spool.directory).journal, wish, maker, media)
    write(files, output)
    theirs = "".join(f" --archive-key {each}" for each in keys)
    verify_with = f"dockd verify {shlex.quote(str(output))}{theirs} --dock-key {key.public_text}"
    if as_json:
        print_json(ExportDocument(str(output), len(files), keys, key.public_text, verify_with))
    else:
        click.echo(f"{output}: {len(files)} files\n  {verify_with}")


@click.command(
    epilog="""\b
Examples:
  sudo dockd report key
  sudo dockd report key --backup /media/stick/balt-ero-01-key.pem
  sudo dockd report key --json | jq -r .key

The copy is read again from where it lies before the custody log says so; dockd selftest asks for one. Whoever has it can sign
as this dock: put it into a safe, and onto no other machine. docs/runbook.md says how a lost key is put back."""
)
@click.option(
    "--backup", type=click.Path(path_type=Path, dir_okay=False), help="Copy the private key to this new file, for a safe."
)
@AS_JSON
@CONFIG
def key(*, config: Path, backup: Path | None, as_json: bool) -> None:
    """Print the dock's public key, which signs its custody log; publish it where others can find it."""
    from dockd.config.site import load_site  # noqa: PLC0415 - as above
    from dockd.custody.keyring import dock_key  # noqa: PLC0415

    site = load_site(config)
    ours = dock_key(site.spool.directory, new=False)
    if not as_json:
        click.echo(ours.public_text)
    if backup is not None:
        place = backup.absolute()
        if os.path.realpath(place).startswith(f"{os.path.realpath(site.spool.directory)}/"):
            msg = f"{backup} lies on the spool, which the copy is to outlive"
            raise DockError(msg, hint="Name a file on a stick, or on another machine's disk.")
        try:
            ours.save(place)
        except OSError as exc:
            msg = f"{backup}: {exc.strerror}"
            raise DockError(msg, hint="Name a file that does not exist yet, in a folder that you may write to.") from exc
        ask(site.control.socket, "/key-backed-up", body={"key": ours.public_text, "to": f"{socket.gethostname()}:{place}"})
        click.echo(f"{backup}: the private key, mode 0600, read again; put it into a safe", err=True)
    if as_json:
        print_json(KeyDocument(ours.public_text, None if backup is None else str(backup)))
