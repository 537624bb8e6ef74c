"""The `dockd` command: one file for each verb, loaded only when it is called.

Exit codes: 0 done; 1 it ran and the answer is no (a byte differs, a camera is kept); 2 wrong usage or wrong configuration; 3 the
daemon cannot be reached; 4 the journal or the spool cannot be used; 5 any other failure, named on standard error. Unknown
codes are failures.
"""

import importlib
import sys

import click

from dockd.errors import ConfigError, ControlError, DockError, JournalError, SpoolError

_VERBS = (
    *("bays", "cameras", "checkout", "config", "demo", "enroll", "hold", "journal", "lamps", "log", "mark", "queue"),
    *("recordings", "refuse", "release", "report", "retry", "run", "selftest", "status", "vault", "verify", "version", "watch"),
)


class _Verbs(click.Group):
    """Finds a verb's `command` in `dockd.cli.<verb>`, so that `dockd status` does not load the daemon."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click names it
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click names it
        if cmd_name not in _VERBS:
            return None
        command = importlib.import_module(f"dockd.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            msg = f"dockd.cli.{cmd_name}.command is not a command"
            raise TypeError(msg)
        return command


@click.group(cls=_Verbs, epilog="Each verb has --help with examples.")
def _dockd() -> None:
    """Docking station software for body-worn cameras."""


def exit_code(error: DockError) -> int:
    """The published exit code for `error`."""
    match error:
        case ConfigError():
            return 2
        case ControlError():
            return 3
        case JournalError() | SpoolError():
            return 4
        case _:
            return 5


def main() -> None:
    """Entry point of the console script."""
    try:
        _dockd()
    except DockError as error:
        # An error in a file begins with file:line:column, so that editors and people find the place.
        click.echo(error.message if isinstance(error, ConfigError) else f"dockd: {error.message}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        sys.exit(exit_code(error))
