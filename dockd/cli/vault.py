"""`dockd vault`: serve the archive that ships with dockd, and make its docks' tokens."""

import asyncio
import logging
from pathlib import Path

import click

from dockd.clock import SystemClock
from dockd.errors import VaultError
from dockd.logs import speak
from dockd.vault import rotation, witness
from dockd.vault.serve import Listening, serve
from dockd.vault.service import VaultSettings, load_key, open_ledger

_ROOT = click.option("--root", type=click.Path(path_type=Path, file_okay=False), help="The store's folder; made if missing.")
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group(
    invoke_without_command=True,
    epilog="""Examples:

    dockd vault --root /var/lib/dockd-vault --listen 127.0.0.1:8080

    dockd vault token baltimore-1 --root /var/lib/dockd-vault

    dockd vault key --root /var/lib/dockd-vault""",
)
@_ROOT
@click.option("--listen", default="127.0.0.1:8080", show_default=True, help="HOST:PORT; port 0 takes a free one.")
@click.option("--archive-id", default="", help="The archive's name in every receipt; kept from the first start on.")
@click.option("--tls-cert", type=_FILE, help="PEM file; without it only loopback is served.")
@click.option("--tls-key", type=_FILE, help="PEM file.")
@click.option("--client-ca", type=_FILE, help="PEM file: every dock must show a certificate of this authority.")
@click.option(
    "--retain-days", type=click.IntRange(1, 36_500), default=365, show_default=True, help="Keep objects at least so long."
)
@click.option(
    "--expire-hours", type=click.FloatRange(0, min_open=True), default=168, show_default=True, help="Forget silent uploads."
)
@click.option("--max-size", type=click.IntRange(0), default=2**44, show_default=True, help="Bytes of one upload.")
@click.pass_context
def command(  # noqa: PLR0917 - click passes them by name
    ctx: click.Context,
    root: Path | None,
    listen: str,
    archive_id: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    retain_days: int,
    expire_hours: float,
    max_size: int,
) -> None:
    """Serve a vault: a tus 1.0.0 archive that proves what it holds."""
    ctx.obj = root
    if ctx.invoked_subcommand is not None:
        speak(logging.WARNING)
        return
    if root is None:
        msg = "--root is needed: the store's folder"
        raise click.UsageError(msg)
    if (tls_cert is None) != (tls_key is None) or (client_ca is not None and tls_cert is None):
        msg = "--tls-cert and --tls-key go together, and --client-ca needs them"
        raise click.UsageError(msg)
    host, port = _address(listen)
    settings = VaultSettings(root, archive_id, retain_days, expire_hours, max_size)
    speak()
    asyncio.run(serve(settings, Listening(host, port, tls_cert, tls_key, client_ca), SystemClock()))


@command.command(
    epilog="""\b
Examples:
  dockd vault token balt-ero-01 --root /var/lib/dockd-vault
  dockd vault token balt-ero-01 --replace --root /var/lib/dockd-vault"""
)
@click.argument("dock")
@_ROOT
@click.option("--replace", is_flag=True, help="End the dock's older tokens.")
@click.pass_obj
def token(group_root: Path | None, dock: str, root: Path | None, *, replace: bool) -> None:
    """Make a token for DOCK and print it, once; the vault keeps only its SHA-256."""
    if not dock.isprintable() or not dock.strip() or len(dock) > 256:  # noqa: PLR2004 - as long as a receipt has room for
        msg = "DOCK is 1 to 256 printable characters"
        raise click.UsageError(msg)
    _place, ledger = open_ledger(_chosen(root, group_root))
    try:
        click.echo(ledger.issue_token(dock, SystemClock().now(), replace=replace))
    finally:
        ledger.close()


@command.command(
    epilog="""\b
Example:
  dockd vault key --root /var/lib/dockd-vault"""
)
@_ROOT
@click.pass_obj
def key(group_root: Path | None, root: Path | None) -> None:
    """Print the vault's public key, for archive.key in a dock's site file."""
    place, ledger = open_ledger(_chosen(root, group_root))
    ledger.close()
    click.echo(load_key(place).public_text)


@command.command(
    epilog="""Examples:

    dockd vault rotate --root /var/lib/dockd-vault

    dockd vault rotate --switch --root /var/lib/dockd-vault""",
)
@_ROOT
@click.option("--switch", "switching", is_flag=True, help="Sign with the new key from now on; the vault must be stopped.")
@click.pass_obj
def rotate(group_root: Path | None, root: Path | None, *, switching: bool) -> None:
    """Make the vault's next key, and print what every dock's site file needs to know it, signed with the present one.

    Docks that have these lines take statements under both keys. Once all of them have, stop the vault and run this with --switch:
    the old key is removed. A key that was stolen cannot be replaced so, for the thief could sign such lines as well.
    """
    place, ledger = open_ledger(_chosen(root, group_root))
    try:
        if switching:
            place.own()
            click.echo(f"The vault signs with {rotation.switch(place)} from its next start on.")
            return
        following, statement = rotation.prepare(place, ledger, SystemClock())
    finally:
        ledger.close()
        place.close()
    click.echo(f"archive:\n  key: {following}\n  handovers:  # after those that are there already\n    - {statement}")


@command.command(
    epilog="""Examples:

    dockd vault logs --root /var/lib/dockd-vault

    dockd vault logs --root /var/lib/dockd-vault --accept dockd/balt-ero-01/3f2a9c0d11223344 --by A.Jones""",
)
@_ROOT
@click.option("--accept", metavar="LOG", help="Let this new log of a dock take the place of the one before.")
@click.option("--show", metavar="LOG", help="Print its last cosigned checkpoint, for dockd verify --against.")
@click.option("--by", default="", help="Who accepts it; kept for whoever asks later.")
@click.pass_obj
def logs(group_root: Path | None, root: Path | None, *, accept: str | None, show: str | None, by: str) -> None:
    """Show every dock's custody log and every alarm about one. Exit code 1: there are alarms.

    A dock whose journal was made anew has a new log. It is cosigned only after it was accepted here; look first why it is new.
    """
    if accept is not None and not by.strip():
        msg = "--accept needs --by: who looked at it"
        raise click.UsageError(msg)
    _place, ledger = open_ledger(_chosen(root, group_root))
    try:
        if accept is not None and not ledger.change(lambda cursor: witness.accept(cursor, accept, by)):
            msg = f"{accept} is not a log that waits to be accepted"
            raise VaultError(msg, hint="See the list: dockd vault logs --root DIR")
        known, alarms = ledger.change(witness.logs), ledger.change(witness.alarms)
    finally:
        ledger.close()
    if show is not None:
        notes = [log.note for log in known if log.origin == show]
        if not notes:
            msg = f"{show} is not a log that was ever shown here"
            raise VaultError(msg, hint="See the list: dockd vault logs --root DIR")
        click.echo(notes[0], nl=False)
        return
    for log in known:
        accepted = f", accepted by {log.accepted_by}" if log.accepted_by else ""
        click.echo(f"{log.origin}: {log.state}, {log.size} entries at {log.seen}, key {log.key}{accepted}")
    for alarm in alarms:
        click.echo(f"ALARM {alarm.number} {alarm.time} {alarm.origin}: {alarm.kind}: {alarm.words}")
    if alarms:
        click.get_current_context().exit(1)


def _chosen(root: Path | None, group_root: Path | None) -> Path:
    chosen = root or group_root
    if chosen is None:
        msg = "--root is needed: the store's folder"
        raise click.UsageError(msg)
    return chosen


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - TCP's limit
        msg = f"--listen: {text!r} is not HOST:PORT"
        raise click.UsageError(msg)
    return host.strip("[]"), int(port)
