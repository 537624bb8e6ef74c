"""Options that several verbs share."""

from datetime import datetime
from pathlib import Path

import click

CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/etc/dockd/site.yaml"),
    show_default=True,
    metavar="FILE",
    help="The site file.",
)


def moment(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """A date or a time; without a zone, this machine's."""
    try:
        return None if value is None else datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError) as exc:
        msg = f"{value!r} is not a date or a time, such as 2026-11-27 or 2026-11-27T18:00"
        raise click.BadParameter(msg, ctx, parameter) from exc
