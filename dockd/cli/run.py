"""`dockd run`: the daemon."""

import asyncio
from pathlib import Path

import click

from dockd.app import run
from dockd.cli.options import CONFIG
from dockd.clock import SystemClock
from dockd.config.profile import load_profiles
from dockd.config.site import load_site
from dockd.logs import speak
from dockd.offload.workers import Workers


@click.command(
    name="run",
    epilog="""Examples:

    dockd run --config /etc/dockd/site.yaml

    systemctl start dockd""",
)
@CONFIG
def command(config: Path) -> None:
    """Run the dock: offload, verify, upload, prove, erase. SIGTERM stops it within five seconds, wherever it is."""
    site = load_site(config)
    profiles = load_profiles(site)
    speak()
    workers = Workers.start()
    try:
        with asyncio.Runner() as runner:
            try:
                runner.run(run(site, profiles, SystemClock(), workers))
            except BaseExceptionGroup as group:
                raise _first(group) from group
    finally:
        workers.close()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error inside: the one that ended the others."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
