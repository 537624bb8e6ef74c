"""`dockd verify`: check an evidence bundle, on any machine, without a dock."""

from pathlib import Path

import click

from dockd.evidence import verifier


@click.command(
    epilog="""\b
Examples:
  dockd verify evidence.zip --archive-key ed25519:... --dock-key ed25519:...
  dockd verify evidence.zip --media DCIM/100DOCKD/MVI_0001.MP4
  dockd verify --write-verifier dockd-verify.py"""
)
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--media", type=click.Path(path_type=Path), multiple=True, help="A file that should be one of the recordings.")
@click.option(
    "--archive-key",
    metavar="KEY",
    multiple=True,
    help="A public key of the archive's: dockd vault key. Once for each that it had.",
)
@click.option("--dock-key", metavar="KEY", help="The dock's public key: dockd report key.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A checkpoint of the same log that another archive has: dockd vault logs --show LOG.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as docs/cli.md describes it.")
@click.option("--write-verifier", type=click.Path(path_type=Path), help="Write the same as one Python file that needs no dockd.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    bundle: Path | None,
    media: tuple[Path, ...],
    archive_key: tuple[str, ...],
    dock_key: str | None,
    against: tuple[Path, ...],
    as_json: bool,
    write_verifier: Path | None,
) -> None:
    """Say what BUNDLE proves, by whose key, and what it does not.

    Exit codes: 0 everything holds, under keys that you gave; 1 something is not as it was made; 2 the bundle cannot be read; 3
    nothing is wrong, but something is not proved.
    """
    if write_verifier is not None:
        from dockd.evidence.exporting import single_file  # noqa: PLC0415 - checking needs no part that exports

        write_verifier.write_text(single_file(), "utf-8")
        return
    if bundle is None:
        msg = "BUNDLE is needed: the .zip, or the folder that it was unpacked to"
        raise click.UsageError(msg)
    arguments = [str(bundle), *(f"--media={each}" for each in media), *(f"--against={each}" for each in against)]
    arguments += [f"--archive-key={each}" for each in archive_key]
    arguments += [f"--dock-key={dock_key}"] if dock_key else []
    ctx.exit(verifier.main([*arguments, *(["--json"] if as_json else [])]))
