"""`dockd run`: the daemon."""

import asyncio
import gc
from pathlib import Path

import click

from dockd.cli.options import CONFIG
from dockd.docking import worker
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
    workers = Workers.fork(worker.zygote)
    try:
        _run(config, workers)
    finally:
        workers.close()


def _run(config: Path, workers: Workers) -> None:
    """Load what only the daemon needs, now that the zygote was forked without it, and run."""
    from dockd.app import has_served, run  # noqa: PLC0415 - see above
    from dockd.clock import SystemClock, rfc3339  # noqa: PLC0415
    from dockd.config.acceptance import at_start  # noqa: PLC0415
    from dockd.config.profile import load_profiles  # noqa: PLC0415
    from dockd.logs import speak  # noqa: PLC0415

    clock = SystemClock()
    running = at_start(config, has_served, rfc3339(clock.now()))
    profiles = load_profiles(running.site)
    speak()
    gc.collect()
    gc.freeze()  # what is loaded stays; a full collection would walk all of it, and the event loop would wait
    with asyncio.Runner() as runner:
        try:
            runner.run(run(config, running, profiles, clock, workers))
        except BaseExceptionGroup as group:
            raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error inside: the one that ended the others."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
