"""`dockd lamps`: see whether the bays' lamps work."""

from pathlib import Path

import click

from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.words import plain
from dockd.web.lists import LampsView


@click.group()
def command() -> None:
    """See whether the bays' lamps work."""


@command.command(
    epilog="""\b
Examples:
  dockd lamps test
  dockd lamps test --json

It takes an admin. Lamps over a camera keep saying what is so: take the cameras out to see all. A lamp that shows nothing is
broken or wired wrongly; the log says where one could not be set (lamps cannot be shown)."""
)
@AS_JSON
@reaching
def test(*, as_json: bool, place: Path) -> None:
    """Have every lamp over an empty bay show: take it, leave it, get help, one after the other."""
    content = ask(place, "/lamps/test", act=True)
    if as_json:
        print_json(content)
        return
    begun = read(place, content, LampsView)
    bays = f"bay {', '.join(begun.bays)}" if begun.bays else "no bay, for each has a camera"
    click.echo(plain(f"for {begun.each_s:.0f} s each, take it, leave it and get help are shown at: {bays}"))
