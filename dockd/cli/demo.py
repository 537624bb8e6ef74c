"""`dockd demo`: the whole journey, to be watched and to be checked."""

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

import click

from dockd.clock import SystemClock
from dockd.errors import DockError

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(
    epilog="""Examples:

    dockd demo

    dockd demo --camera ~/Videos /media/card

    dockd demo --check"""
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/demo"),
    show_default=True,
    help="The work folder. Whatever an earlier demo left in it is deleted; a folder that no demo made is refused.",
)
@click.option(
    "--camera", "cameras", type=_FOLDER, multiple=True, help="A folder to use as camera; copied, never touched. Repeatable."
)
@click.option("--check", is_flag=True, help="Only compare again what the last demo left.")
@click.argument("more", type=_FOLDER, nargs=-1, metavar="[DIR]...")
def command(*, directory: Path, cameras: tuple[Path, ...], check: bool, more: tuple[Path, ...]) -> None:
    """Dock cameras with real video, interrupt everything, and compare every byte of the archive with the originals.

    Exit code 1: a byte differs, or something is missing.
    """
    if more and not cameras:
        msg = "folders are given after --camera"
        raise click.UsageError(msg)
    if check and cameras:
        msg = "--check and --camera exclude each other"
        raise click.UsageError(msg)
    from rich.console import Console  # noqa: PLC0415 - --help needs none of it

    from dockd.demo.folder import WorkFolder  # noqa: PLC0415 - see above
    from dockd.demo.play import compare_again, play  # noqa: PLC0415 - see above
    from dockd.logs import speak  # noqa: PLC0415 - see above

    speak(logging.WARNING)
    folder, console, clock = WorkFolder(directory.absolute()), Console(highlight=False), SystemClock()
    sources = [each.absolute() for each in (*cameras, *more)]
    good = _run(compare_again(folder, console, clock) if check else play(folder, sources, console, clock))
    if not good:
        sys.exit(1)


def _run(work: Coroutine[None, None, bool]) -> bool:
    """Run to the end, or until SIGINT, SIGTERM or SIGHUP: then everything that was started is stopped first."""
    caught: list[signal.Signals] = []

    async def interruptible() -> bool:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: signal.Signals) -> None:
            caught.append(number)
            if task is not None:
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup(1) means it
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        click.echo(f"\ndemo: stopped by {caught[0].name}, with everything that it had started", err=True)
        sys.exit(128 + caught[0])
    except (BaseExceptionGroup, OSError) as exc:
        error = _first(exc)
        if isinstance(error, OSError):
            msg = f"the demo cannot go on: {error}"
            raise DockError(msg) from exc
        raise error from exc


def _first(error: BaseException) -> BaseException:
    """The error itself, or the first inside a group: the one that ended the others."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
