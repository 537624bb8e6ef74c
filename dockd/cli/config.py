"""`dockd config`: everything about configuration that needs no running daemon."""

import json
import sys
from pathlib import Path

import click

from dockd.config import Site, load_profiles, load_site
from dockd.config.schema import Kind, printed
from dockd.core.profile import Profile
from dockd.errors import ConfigError

NO_USB_ERASE = "never erased: this version does not erase cameras in USB bays"
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
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def check(*, path: Path, as_json: bool) -> None:
    """Say whether a site file and its profiles are good; these are read, on any machine, and nothing else is looked at."""
    try:
        site = load_site(path)
        profiles = load_profiles(site)
    except ConfigError as error:
        # The lines stand alone, as a compiler's do, so that editors and CI can jump to each place.
        click.echo(error.message, err=True)
        if as_json:
            click.echo(json.dumps({"good": False, "file": str(path), "problems": error.message.split("\n")}))
        sys.exit(2)
    click.echo(json.dumps(_facts(path, site, profiles)) if as_json else _summary(site, profiles))


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


def _summary(site: Site, profiles: tuple[Profile, ...]) -> str:
    bays = f"{len(site.bays)} bay{'' if len(site.bays) == 1 else 's'}"
    return "\n".join(
        [
            f"site file is good: dock {site.dock}, {bays}, archive {site.archive.url}",
            f"  belongs to   {site.agency} {site.division}, {site.site} ({site.time_zone})",
            f"  profiles     {', '.join(profile.name for profile in profiles)}",
            f"  cameras are  {_erasing(site)}",
            f"  take it      once everything is {site.ready.needs}",
        ]
    )


def _erasing(site: Site) -> str:
    if site.erase.policy == "never":
        return "never erased"
    usb = sum(bay.usb_port is not None for bay in site.bays)
    if usb == len(site.bays):
        return NO_USB_ERASE
    return f"{_erasing_folders(site)}; in USB bays {NO_USB_ERASE}" if usb else _erasing_folders(site)


def _erasing_folders(site: Site) -> str:
    if not site.erase.directory_erase:
        return "never erased in directory bays (erase.directory_erase is false)"
    return "erased once the archive has proved that it holds everything"


def _facts(path: Path, site: Site, profiles: tuple[Profile, ...]) -> dict[str, object]:
    return {
        "good": True,
        "file": str(path),
        "problems": [],
        "dock": site.dock,
        "agency": site.agency,
        "division": site.division,
        "site": site.site,
        "time_zone": site.time_zone,
        "bays": [bay.id for bay in site.bays],
        "never_erased": [bay.id for bay in site.bays if bay.usb_port is not None],
        "archive": site.archive.url,
        "erase": {"policy": site.erase.policy, "directory_erase": site.erase.directory_erase},
        "ready": str(site.ready.needs),
        "profiles": [profile.name for profile in profiles],
    }
