"""What docs/charging.md says of the planner is what the simulation gives, and its plot shows nothing else."""

from pathlib import Path

from tests.bench.charging import SHIFTS, STRATEGIES, drawn, read, rows, table

DOCS = Path(__file__).parents[2] / "docs"


def test_the_document_has_the_simulations_figures() -> None:
    """Those of eight bays are made anew here, and those of 32 by `make bench`."""
    written = read((DOCS / "charging.md").read_text("utf-8"))
    assert [row for row in written if row.bays == 8] == list(rows(8))
    assert len(written) == 2 * 2 * len(SHIFTS) * len(STRATEGIES)
    assert read(table(written)) == written


def test_the_plot_shows_what_the_table_says() -> None:
    """It is drawn from the table and from nothing else."""
    written = read((DOCS / "charging.md").read_text("utf-8"))
    assert (DOCS / "charging.svg").read_text("utf-8") == drawn(written)


def test_the_plan_never_has_fewer_cameras_ready_at_shift_start() -> None:
    """Under none of the circumstances that are compared."""
    written = read((DOCS / "charging.md").read_text("utf-8"))
    best: dict[tuple[int, int, str], int] = {}
    for row in written:
        place = (row.bays, row.budget_ma, row.shifts)
        best[place] = max(best.get(place, 0), row.ready_percent)
    planned = {(row.bays, row.budget_ma, row.shifts): row.ready_percent for row in written if row.strategy == "by plan"}
    assert planned == best
