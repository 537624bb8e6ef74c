"""`dockd config`: everything about configuration that needs no running daemon."""

import asyncio
import logging
import sys
from pathlib import Path

import click
import msgspec

from dockd.cli.asking import AS_JSON, print_json
from dockd.cli.documents import AcceptDocument, ConfigCheckDocument, ConfigDiffDocument, DifferenceDocument, EraseDocument
from dockd.cli.options import CONFIG
from dockd.clock import SystemClock, rfc3339
from dockd.config import Site, acceptance, load_profiles, load_site
from dockd.config.difference import differences
from dockd.config.guarded import changes, guarded, permits, weakenings
from dockd.config.model import Bay
from dockd.config.schema import Kind, printed
from dockd.config.spool_disk import spool_disk
from dockd.core.fitness import Check, Grade
from dockd.core.profile import Profile
from dockd.errors import ConfigError, DockError
from dockd.web.lists import CheckView

DEFAULT_SITE_FILE = Path("/etc/dockd/site.yaml")


@click.group()
def command() -> None:
    """Check the site file and the profiles."""


@command.command(
    epilog="""\b
Examples:
  dockd config check
  dockd config check --config balt-ero-01.yaml
  dockd config check --config balt-ero-01.yaml --json
  sudo dockd config check --online

Problems go to standard error, one to a line, as file:line:col: what, and what was expected; the exit code is then 2."""
)
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_SITE_FILE,
    show_default=True,
    metavar="FILE",
    help="The site file.",
)
@AS_JSON
@click.option(
    "--online",
    is_flag=True,
    help="Look too at ports, spool's disk, archive and key; on the dock, as root.",
)
def check(*, path: Path, as_json: bool, online: bool) -> None:
    """Say whether a site file and its profiles are good; these are read, on any machine, and nothing else is looked at.

    With --online, exit code 1 says that the files are good and something that they name is not.
    """
    try:
        site = load_site(path)
        profiles = load_profiles(site)
    except ConfigError as error:
        # The lines stand alone, as a compiler's do, so that editors and CI can jump to each place.
        click.echo(error.message, err=True)
        if as_json:
            print_json(ConfigCheckDocument(good=False, file=str(path), problems=tuple(error.message.split("\n"))))
        sys.exit(2)
    checks = world(site) if online else []
    if as_json:
        seen = tuple(CheckView(each.part, each.grade, each.reason, each.cure) for each in checks)
        print_json(msgspec.structs.replace(_facts(path, site, profiles), world=seen if online else msgspec.UNSET))
    else:
        click.echo(_summary(site, profiles))
        for each in checks:
            click.echo(f"  {each.grade:<5} {each.part}: {each.reason}{f' {each.cure}' if each.cure else ''}")
    if any(each.grade is Grade.BAD for each in checks):
        sys.exit(1)


@command.command(
    epilog="""\b
Examples:
  sudo dockd config accept
  sudo dockd config accept --unencrypted-spool
  sudo dockd config accept --yes          (in a play or a script that was reviewed)
  sudo dockd config accept --json         (asks nothing: without --yes it says what waits)

Exit code 1: not accepted, because the answer was not yes, or because the spool's disk is not encrypted."""
)
@CONFIG
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--unencrypted-spool", is_flag=True, help="Accept too that the spool's disk is not encrypted.")
@AS_JSON
def accept(*, config: Path, yes: bool, unencrypted_spool: bool, as_json: bool) -> None:
    """Accept what in the site file weakens evidence; until then the last accepted one stays in force.

    That is: another archive, key or authority; an erase policy under which more is erased; a spool on a disk in the clear. Run
    as root, or as the owner of a dock of one's own. A running dock takes it over; who accepted what is in its custody log.
    """
    site = load_site(config)
    load_profiles(site)
    disk = spool_disk(site.spool.directory)
    before = acceptance.standing_or_none(config)
    known = before is not None and before.content.guarded.unencrypted_spool == site.spool.directory
    bare = not disk.encrypted and (unencrypted_spool or known)
    wanted = guarded(site, unencrypted_spool=bare)
    lines = permits(wanted) if before is None else changes(before.content.guarded, wanted)

    def say(text: str, document: AcceptDocument) -> None:
        if as_json:
            print_json(document)
        else:
            click.echo(text)

    if not disk.encrypted and not bare:
        why = f"the spool {site.spool.directory} {disk.why}: whoever takes the dock's disk can read every recording on it"
        cure = "Put the spool's disk on LUKS, or accept that too: --unencrypted-spool"
        say(f"{why}\n  {cure}", AcceptDocument(accepted=False, changes=tuple(lines), why=f"{why}. {cure}"))
        sys.exit(1)
    if before is not None and before.content.guarded == wanted:
        by, at = before.content.by, before.content.at
        say(f"nothing to accept: {by} accepted it all at {at}", AcceptDocument(accepted=True, by=by, at=at))
        return
    shown = tuple(lines) or ("nothing weaker; what was accepted before and is not asked for any more is withdrawn",)
    if not as_json:
        click.echo("\n  ".join((f"{config}:", *shown)))
    if not yes and (as_json or not click.confirm("Accept this for this dock?")):
        if as_json:
            print_json(AcceptDocument(accepted=False, changes=shown, why="nobody said yes: --yes"))
        sys.exit(1)
    by, at = acceptance.person(), rfc3339(SystemClock().now())
    acceptance.accept(config, site, by=by, at=at, unencrypted_spool=bare)
    say(f"accepted by {by}; in {acceptance.path_of(config)}", AcceptDocument(accepted=True, changes=shown, by=by, at=at))


@command.command(
    epilog="""\b
Examples:
  dockd config diff new.yaml
  dockd config diff new.yaml --config /etc/dockd/site.yaml
  dockd config diff new.yaml --json | jq '.differences[] | select(.needs_acceptance)'

Exit code 0: nothing differs; 1: something does, and is listed."""
)
@CONFIG
@click.argument("new", type=click.Path(path_type=Path, dir_okay=False), metavar="NEW")
@AS_JSON
def diff(*, config: Path, new: Path, as_json: bool) -> None:
    """Say what would change if NEW took the place of the site file: at once, at the next start, or once an admin accepts it."""
    before, after = load_site(config), load_site(new)
    load_profiles(after)
    accepted = acceptance.standing_or_none(config)
    weaker = {each.key for each in weakenings(after, guarded(before) if accepted is None else accepted.content.guarded)}
    found = differences(before, after)
    if as_json:
        rows = (DifferenceDocument(each.key, each.before, each.after, each.live, each.key in weaker) for each in found)
        print_json(ConfigDiffDocument(tuple(rows), acceptance.command_for(config) if weaker else ""))
        sys.exit(1 if found else 0)
    for each in found:
        when = "live" if each.live else "at the next start"
        click.echo(f"{each}  ({'once accepted, ' if each.key in weaker else ''}{when})")
    if weaker:
        click.echo(f"An admin accepts it, once it is there, with: {acceptance.command_for(config)}")
    if found:
        sys.exit(1)
    click.echo("nothing differs")


@command.command(
    epilog="""Example:

    dockd config reload

Exit code 1: the daemon cannot use it, so the last good one stays in force."""
)
@CONFIG
@AS_JSON
def reload(*, config: Path, as_json: bool) -> None:
    """Have the running daemon read the site file again; it does so by itself as well, whenever the file changes."""
    from dockd.cli.asking import ask  # noqa: PLC0415 - checking a file needs no connection
    from dockd.cli.status import standing_words  # noqa: PLC0415 - checking a file needs no connection
    from dockd.web.view import ConfigurationView  # noqa: PLC0415

    answer = ask(load_site(config).control.socket, "/reload", act=True)
    if as_json:
        print_json(answer)
    said = msgspec.json.decode(answer, type=ConfigurationView)
    if not as_json:
        for line in standing_words(said) or ["all of the site file is in force"]:
            click.echo(line)
    if said.error:
        sys.exit(1)


@command.command(
    epilog="""\b
Example:
  dockd config fleet config/fleet/fleet.csv config/fleet/dock.yaml --output /srv/fleet

The spreadsheet's columns: dock, division, site, time_zone, serial, officer, shift_ends; one row for each camera."""
)
@click.argument("spreadsheet", type=click.Path(path_type=Path, dir_okay=False), metavar="CSV")
@click.argument("template", type=click.Path(path_type=Path, dir_okay=False), metavar="TEMPLATE")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the docks' folders are made."
)
def fleet(*, spreadsheet: Path, template: Path, output: Path) -> None:
    """Make the site file and the roster of every dock of a fleet, from one spreadsheet and one template, and check them."""
    from dockd.config.fleet import write_fleet  # noqa: PLC0415 - for one verb only

    made = write_fleet(spreadsheet, template, output)
    click.echo(f"{output}: {len(made)} docks, each with site.yaml and roster.csv, all of them good")


@command.command(
    epilog="""\b
Examples:
  dockd config schema > site.schema.json
  dockd config schema profile > profile.schema.json"""
)
@click.argument("kind", type=click.Choice([kind.value for kind in Kind]), default=Kind.SITE.value)
def schema(*, kind: str) -> None:
    """Print the JSON Schema of a site file or of a profile, for editors."""
    click.echo(printed(Kind(kind)), nl=False)


def world(site: Site) -> list[Check]:
    """What a site file names and this machine shows: its ports, the spool's disk, the archive and its key."""
    from dockd.app import ask_archive  # noqa: PLC0415 - checking files alone needs none of it
    from dockd.control.fitness import archive_checks  # noqa: PLC0415
    from dockd.helper.sysfs import Sysfs  # noqa: PLC0415
    from dockd.logs import speak  # noqa: PLC0415

    speak(logging.WARNING)
    sysfs, checks = Sysfs(), []
    for bay in site.bays:
        if bay.usb_port is not None and not sysfs.ports(bay.usb_port):
            cure = "Find the port of each bay with: dockd bays learn"
            checks.append(Check(f"bay {bay.id}", Grade.BAD, f"This machine has no USB port {bay.usb_port}.", cure))
        elif bay.directory is not None and not bay.directory.parent.is_dir():
            checks.append(Check(f"bay {bay.id}", Grade.BAD, f"There is no folder {bay.directory.parent}.", "Make it."))
        else:
            checks.append(Check(f"bay {bay.id}", Grade.GOOD, "It is there."))
    disk = spool_disk(site.spool.directory)
    if disk.encrypted:
        checks.append(Check("spool", Grade.GOOD, "Its disk is encrypted."))
    else:
        checks.append(Check("spool", Grade.LOOK, f"{site.spool.directory} {disk.why}.", "Put it on LUKS, or accept it as it is."))
    try:
        return checks + archive_checks(asyncio.run(ask_archive(site, SystemClock())))
    except DockError as exc:
        return [*checks, Check("archive", Grade.BAD, exc.message, exc.hint)]


def _summary(site: Site, profiles: tuple[Profile, ...]) -> str:
    bays = f"{len(site.bays)} bay{'' if len(site.bays) == 1 else 's'}"
    return "\n".join(
        [
            f"site file is good: dock {site.dock}, {bays}, archive {site.archive.url}",
            f"  belongs to   {site.agency} {site.division}, {site.site} ({site.time_zone})",
            f"  profiles     {', '.join(profile.name for profile in profiles)}",
            f"  archived     once {_proving(site)}",
            f"  cameras are  {_erasing(site)}",
            f"  take it      once everything is {site.ready.needs}",
        ]
    )


def _proving(site: Site) -> str:
    word = "the dock's word for it is enough" if site.erase.unsigned else "no camera is emptied"
    if site.archive.kind == "s3":
        return f"the store showed checksum and lock, or gave it back; nobody signs that, so {word}"
    if site.archive.proof == "read-back":
        return f"it was fetched back and compared; nobody signs that, so {word}"
    return "the archive signed a receipt for it"


def _erasing(site: Site) -> str:
    if site.erase.policy == "never":
        return "never erased"
    how = {"delete": "erased", "clear": "cleared where their profile says so, and erased elsewhere,"}[site.erase.policy]
    words = f"{how} once the archive has proved that it holds everything"
    folders = any(bay.directory is not None for bay in site.bays)
    if not folders or site.erase.directory_erase:
        return words
    never = "never erased in directory bays (erase.directory_erase is false)"
    return f"{words}; {never}" if any(bay.usb_port is not None for bay in site.bays) else never


def _never_erased(site: Site, bay: Bay) -> bool:
    return site.erase.policy == "never" or (bay.directory is not None and not site.erase.directory_erase)


def _facts(path: Path, site: Site, profiles: tuple[Profile, ...]) -> ConfigCheckDocument:
    return ConfigCheckDocument(
        good=True,
        file=str(path),
        dock=site.dock,
        agency=site.agency,
        division=site.division,
        site=site.site,
        time_zone=site.time_zone,
        bays=tuple(bay.id for bay in site.bays),
        never_erased=tuple(bay.id for bay in site.bays if _never_erased(site, bay)),
        archive=site.archive.url,
        erase=EraseDocument(site.erase.policy, site.erase.directory_erase),
        ready=str(site.ready.needs),
        profiles=tuple(profile.name for profile in profiles),
    )
