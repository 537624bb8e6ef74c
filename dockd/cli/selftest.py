"""`dockd selftest`: whether this dock is fit for tonight, on one page."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from dockd.cli.asking import AS_JSON, ask, print_json, reaching, read
from dockd.core.fitness import Grade
from dockd.web.lists import CheckView, SelftestView

if TYPE_CHECKING:
    from rich.text import Text

_TAKES_S = 60.0
_SIGNS = {Grade.GOOD: ("\N{BLACK CIRCLE}", "#009E73"), Grade.LOOK: ("\N{BLACK UP-POINTING TRIANGLE}", "#E69F00")}
_BAD = ("\N{BLACK SQUARE}", "#D55E00")


@click.command(
    epilog="""\b
Examples:
  dockd selftest
  dockd selftest --json | jq '.checks[] | select(.grade != "good")'
  dockd selftest || mail -s "$(hostname) is not fit" admin@example.org

Exit code 1: something is bad, and the line says what cures it. What only needs a look soon is shown, and does not count.
Nothing is changed; the archive is sent one megabyte under a wrong checksum, which it must refuse."""
)
@AS_JSON
@reaching
def command(*, as_json: bool, place: Path) -> None:
    """Look at bays, ports, disk, encryption, archive, receipt key, journal, clock, memory and temperature."""
    from dockd.cli import machine  # noqa: PLC0415 - it loads the C library's door

    told = read(place, ask(place, "/selftest", waits_s=_TAKES_S), SelftestView)
    here = [CheckView(each.part, each.grade, each.reason, each.cure) for each in machine.checks()]
    checks = (*told.checks, *here)
    whole = msgspec.structs.replace(told, checks=checks, fit=all(each.grade is not Grade.BAD for each in checks))
    if as_json:
        print_json(whole)
    else:
        _show(whole)
    if not whole.fit:
        sys.exit(1)


def _show(whole: SelftestView) -> None:
    from rich.text import Text  # noqa: PLC0415 - --json is for programs

    from dockd.cli.tables import print_table  # noqa: PLC0415 - see above

    def sign(grade: Grade) -> "Text":
        shape, colour = _SIGNS.get(grade, _BAD)
        return Text(f"{shape} {grade.upper()}", style=f"bold {colour}")

    rows: list[tuple[str | Text, ...]] = []
    for each in whole.checks:
        rows.append((sign(each.grade), each.part, each.reason))
        if each.cure:
            rows.append(("", "", f"-> {each.cure}"))
    print_table(("", "Part", "What was found"), rows, none="Nothing was looked at.")
    click.echo(f"Dock {whole.dock} is {'fit' if whole.fit else 'NOT fit'} for tonight ({whole.time}).")
