"""`dockd cameras`: which cameras this dock knows, and how far their recordings are."""

import sys
from pathlib import Path

import click

from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.cli.documents import ImportDocument
from dockd.cli.options import CONFIG
from dockd.web.lists import CamerasView, CameraView


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  dockd cameras
  dockd cameras --json | jq '.cameras[] | select(.files_waiting > 0)'""",
)
@AS_JSON
@reaching
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, place: Path) -> None:
    """List every camera that was docked here, or of which an admin said something."""
    if ctx.invoked_subcommand is not None:
        return
    content = ask(place, "/cameras")
    if as_json:
        print_json(content)
        return
    from dockd.cli.tables import print_table  # noqa: PLC0415 - --json is for programs

    print_table(
        ("Camera", "Officer", "Last docked", "Bay", "Waiting", "Archived", "Erased", "Refused", "Said of it"),
        [
            (
                each.camera,
                each.officer or "",
                each.last_docked or "never",
                f"{each.bay}, now" if each.docked else each.bay or "",
                str(each.files_waiting),
                str(each.files_archived),
                str(each.files_erased),
                str(each.files_refused),
                _said(each),
            )
            for each in read(place, content, CamerasView).cameras
        ],
        right=("Waiting", "Archived", "Erased", "Refused"),
        none="No camera was docked yet.",
    )


@command.command(
    "import",
    epilog="""\b
Examples:
  sudo dockd cameras import cameras.csv
  sudo dockd cameras import cameras.csv --yes

The first row names the columns: serial, and where wanted officer and shift_ends. The site file says: roster: roster.csv
--json asks nothing: without --yes it says what would change, and writes nothing.""",
)
@CONFIG
@click.option("--yes", is_flag=True, help="Ask nothing.")
@AS_JSON
@click.argument("sheet", type=click.Path(path_type=Path, dir_okay=False), metavar="CSV")
def import_(*, config: Path, yes: bool, as_json: bool, sheet: Path) -> None:
    """Take a spreadsheet of cameras as this dock's roster; every wrong row is named, and nothing is written then.

    A running dock takes it over. Exit code 1: the answer was not yes.
    """
    from dockd.config.importing import imported, write_roster  # noqa: PLC0415 - listing cameras needs no YAML

    plan = imported(config, sheet)
    if as_json:
        good = yes or not plan.changes
        if plan.changes and yes:
            write_roster(plan)
        print_json(ImportDocument(str(plan.roster), plan.changes, len(plan.cameras), written=good))
        sys.exit(0 if good else 1)
    for line in plan.changes or ("nothing differs",):
        click.echo(line)
    if not plan.changes:
        return
    if not yes and not click.confirm(f"Write these into {plan.roster}?"):
        sys.exit(1)
    write_roster(plan)
    click.echo(f"{plan.roster}: {len(plan.cameras)} cameras")


def _said(camera: CameraView) -> str:
    said = [] if camera.verdict is None else [f"{camera.verdict} by {camera.verdict_by}: {camera.verdict_reason}"]
    return "; ".join([*(["on hold"] if camera.held else []), *said])
