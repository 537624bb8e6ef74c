"""`dockd checkout`: assign a camera of the pool to somebody."""

from datetime import datetime
from pathlib import Path

import click

from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.options import moment
from dockd.cli.words import plain
from dockd.web.lists import CheckoutView


@click.command(
    epilog="""\b
Examples:
  dockd checkout "A. Smith"
  dockd checkout "A. Smith" --until 2026-11-27T18:00
  dockd checkout "badge 4711" --camera X60A01234

It takes an admin. The tile says for whom the camera is. The custody log has it, and when the camera was taken and came back. A
badge reader does the same for whoever stands at the dock: checkout.reader in the site file."""
)
@click.argument("officer")
@click.option("--camera", metavar="SERIAL", help="This camera; without it the readiest that is nobody's.")
@click.option("--until", metavar="TIME", callback=moment, help="Until when; without it as long as the site file says.")
@AS_JSON
@reaching
def command(*, officer: str, camera: str | None, until: datetime | None, as_json: bool, place: Path) -> None:
    """Assign the readiest camera of the pool to an officer, and say in which bay it is."""
    order: dict[str, object] = {"officer": officer}
    if camera is not None:
        order["camera"] = camera
    if until is not None:
        order["until"] = until.isoformat()
    content = ask(place, "/checkout", body=order)
    if as_json:
        print_json(content)
        return
    made = read(place, content, CheckoutView)
    click.echo(plain(f"bay {made.bay}: camera {made.camera} is for {made.officer} until {made.until}"))
