"""Tables and words for a terminal; only the verbs that draw load this."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dockd.cli.words import plain


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    none: str,
) -> None:
    """A table without lines, or the sentence `none` where there are no rows.

    Args:
        headings: of the columns.
        rows: cells; text of others is made plain.
        right: headings of the columns of numbers.
        whole: headings of columns whose cells are never broken, for they are copied from here.
        none: said in place of an empty table.
    """
    console = Console()
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        drawn.add_column(heading, justify="right" if heading in right else "left", overflow="fold", no_wrap=heading in whole)
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    if drawn.row_count:
        console.print(drawn)
    else:
        console.print(none)
