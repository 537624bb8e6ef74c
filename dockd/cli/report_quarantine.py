"""`dockd report quarantine`: what was refused and is kept, and a way to take all of it out."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from dockd.cli.asking import AS_JSON, print_json
from dockd.cli.documents import QuarantinedDocument, QuarantineDocument
from dockd.cli.options import CONFIG
from dockd.cli.words import plain
from dockd.config.handing_over import archive_keys
from dockd.core.names import shown

if TYPE_CHECKING:
    from dockd.evidence.quarantine import Quarantined


@click.command(
    epilog="""\b
Examples:
  dockd report quarantine
  dockd report quarantine --output /mnt/quarantine-2026-11
  dockd report quarantine --json | jq -r '.recordings[].why'

What the archive or the dock refused is kept until a person acts: dockd retry, or a mended archive, lets it go on. --output copies
the bytes that the dock has of each recording, a record.json with why and with digests, and a bundle for dockd verify; the dock
keeps its own. It needs the dock's key and journal: call it as root or dockd, whether the daemon runs or not."""
)
@click.option("--output", type=click.Path(path_type=Path), help="A new folder for all of it.")
@AS_JSON
@CONFIG
def quarantine(*, output: Path | None, as_json: bool, config: Path) -> None:
    """List what is in quarantine, or copy all of it out."""
    from dockd.clock import SystemClock  # noqa: PLC0415 - --help needs none of it
    from dockd.config.site import load_site  # noqa: PLC0415
    from dockd.custody.keyring import dock_key  # noqa: PLC0415
    from dockd.evidence.bundle import Maker  # noqa: PLC0415
    from dockd.evidence.exporting import export, write  # noqa: PLC0415
    from dockd.evidence.gathering import Wish  # noqa: PLC0415
    from dockd.evidence.quarantine import quarantined, take_out  # noqa: PLC0415
    from dockd.logs import speak  # noqa: PLC0415
    from dockd.offload.spool import Spool  # noqa: PLC0415

    speak(logging.WARNING)
    site = load_site(config)
    spool = Spool(site.spool.directory)
    found = quarantined(spool)
    listed = QuarantineDocument(tuple(_document(each) for each in found))
    if not as_json:
        click.echo("\n".join(plain(each.words()) for each in found) or "Nothing is in quarantine.")
    if output is None or not found:
        if as_json:
            print_json(listed)
        return
    signing = dock_key(site.spool.directory, new=False)
    keys = archive_keys(site.archive)[::-1]  # the present one first
    maker = Maker(site.dock, signing, keys, site.archive.id, SystemClock().now())
    ids = tuple(each.recording.recording_id for each in found)
    files = take_out(found, output)
    write(export(spool.journal, Wish(ids), maker, None), output / "evidence.zip")
    if as_json:
        print_json(msgspec.structs.replace(listed, output=str(output), files=files))
    else:
        click.echo(f"{output}: {files} files, and evidence.zip about them")


def _document(each: "Quarantined") -> QuarantinedDocument:
    recording, refusal = each.recording, each.recording.refusal
    return QuarantinedDocument(
        recording=recording.recording_id,
        camera=recording.camera,
        path=shown(recording.path),
        state=recording.state,
        refused=each.refused,
        code=refusal.code if refusal else None,
        why=each.why(),
        hint=refusal.hint if refusal else "",
        kept=tuple(path.name for path in each.copies),
    )
