"""Options that several verbs share."""

from pathlib import Path

import click

CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/etc/dockd/site.yaml"),
    show_default=True,
    help="The site file.",
)
