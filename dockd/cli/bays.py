"""`dockd bays`: which camera slot is which USB port of this machine."""

import asyncio
import itertools
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import msgspec

from dockd.bays.learning import Connected, UdevWatch, learned
from dockd.bays.probing import WORDS, Patience, Verdict, probed
from dockd.bays.udev import Udev
from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.documents import LearnedBayDocument, LearnedDocument, ProbedDocument
from dockd.cli.options import CONFIG
from dockd.clock import SystemClock
from dockd.config import load_site
from dockd.config.ports import with_ports
from dockd.errors import ConfigError
from dockd.helper.client import port_power
from dockd.helper.wire import SOCKET
from dockd.logs import speak
from dockd.web.view import BayView, StatusView


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  dockd bays
  dockd bays --json | jq '.bays[] | select(.lamp == "get help") | .bay'
  dockd bays learn""",
)
@AS_JSON
@reaching
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, place: Path) -> None:
    """List bays with the camera in each, what its light says, and why."""
    if ctx.invoked_subcommand is not None:
        return
    bays = BaysDocument(read(place, ask(place, "/status"), StatusView).bays)
    if as_json:
        print_json(bays)
        return
    from dockd.cli.tables import print_table  # noqa: PLC0415 - --json is for programs

    print_table(
        ("Bay", "Light", "Camera", "Officer", "Doing", "Why", "Next"),
        [
            (each.bay, each.lamp or "", each.camera or "", each.officer or "", each.phase, each.reason, each.next_step)
            for each in bays.bays
        ],
        none="This dock has no bay.",
    )


class BaysDocument(msgspec.Struct, frozen=True):
    """What `dockd bays --json` prints.

    Attributes:
        bays: in the order of the site file.
    """

    bays: tuple[BayView, ...]


@command.command(
    epilog="""\b
Examples:
  dockd bays learn
  dockd bays learn 1 2 3 4 --write
  dockd bays learn 1 2 --json

You are asked to plug one camera into each bay in turn; one camera serves for all of them. Use the kind of camera that the dock
is for: on some machines a fast and a slow device are at two ports in one socket. No dock needs to run, but one may."""
)
@click.argument("ids", nargs=-1, metavar="[BAY]...")
@click.option("--write", is_flag=True, help="Write the ports into the site file; its comments stay.")
@CONFIG
@AS_JSON
def learn(*, ids: tuple[str, ...], write: bool, config: Path, as_json: bool) -> None:
    """Find out which USB port each bay is.

    Without the bays' ids they are called 1, 2, 3 and so on, until you press Enter instead of plugging.
    """
    person = sys.stdin if not ids and sys.stdin.isatty() else None
    if not ids and person is None:
        msg = "nobody can press Enter here, so name the bays: dockd bays learn 1 2 3"
        raise click.UsageError(msg)
    if len({each.lower() for each in ids}) != len(ids):
        msg = "a bay is named twice"
        raise click.UsageError(msg)
    if person is not None:
        click.echo("Press Enter when there are no more bays.", err=True)
    bays: Iterable[str] = ids or map(str, itertools.count(1))
    found = learned(bays, UdevWatch(person), lambda words: click.echo(words, err=True))
    written = _write(config, {bay: device.port for bay, device in found.items()}) if write and found else None
    if as_json:
        print_json(_document(found, written))
    else:
        click.echo(_entries(found), nl=False)
    if written is not None:
        click.echo(f"Written to {written}. Put it into force with: systemctl restart dockd", err=True)


@command.command(
    epilog="""\b
Examples:
  dockd bays probe 3
  dockd bays probe 3 --json

Put a camera into the bay first, and wait until the dock is done with it: it leaves the machine for a moment and is docked anew.
What the hub says is not measured; docs/HARDWARE.md says how to. Exit code 1: the power cannot be switched."""
)
@click.argument("bay")
@CONFIG
@AS_JSON
def probe(*, bay: str, config: Path, as_json: bool) -> None:
    """Find out whether the power of a bay's port can be switched, which charging by plan needs."""
    port = next((each.usb_port for each in load_site(config).bays if each.id == bay), None)
    if port is None:
        msg = f"{bay!r} is no USB bay of {config}"
        raise click.UsageError(msg)
    speak(logging.WARNING)
    verdict = asyncio.run(_probed(bay, port))
    if as_json:
        print_json(ProbedDocument(bay, port, str(verdict)))
    else:
        click.echo(f"Bay {bay}: {WORDS[verdict]}.")
    sys.exit(0 if verdict is Verdict.SWITCHES else 1)


async def _probed(bay: str, port: str) -> Verdict:
    clock = SystemClock()
    udev = Udev(clock)
    view = udev.port(port)
    async with port_power(SOCKET, bay) as power:
        watching = asyncio.create_task(udev.run())
        try:
            return await probed(power, view, clock, Patience())
        finally:
            watching.cancel()
            await asyncio.wait([watching])


def _entries(found: Mapping[str, Connected]) -> str:
    """As a site file has them."""
    return "bays:\n" + "".join(f'  - id: "{bay}"\n    usb_port: {device.port}\n' for bay, device in found.items())


def _document(found: Mapping[str, Connected], written: Path | None) -> LearnedDocument:
    bays = tuple(LearnedBayDocument(bay, device.port, device.name, device.serial) for bay, device in found.items())
    return LearnedDocument(bays, str(written) if written is not None else None)


def _write(path: Path, ports: Mapping[str, str]) -> Path:
    """Put the ports into the site file, whole or not at all; the file that was written.

    Raises:
        ConfigError: the file cannot be used, or would not be good afterwards; it is as it was.
    """
    place = path.resolve()
    try:
        content = place.read_bytes()
        status = place.stat()
        edited = with_ports(content, ports, file=str(path))
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".dockd-bays-", suffix=".yaml", delete=False) as file:
            new = Path(file.name)
            try:
                file.write(edited)
                file.flush()
                _check(new, path)
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fsync(file.fileno())
                new.replace(place)
            except BaseException:
                new.unlink()
                raise
    except OSError as exc:
        msg = f"the ports could not be written into it: {exc.strerror}"
        raise ConfigError(msg, file=str(path)) from exc
    return place


def _check(new: Path, path: Path) -> None:
    try:
        load_site(new)
    except ConfigError as exc:
        msg = f"nothing was written, because the site file would not be good:\n{exc.message.replace(str(new), str(path))}"
        raise ConfigError(msg, file=str(path)) from exc
