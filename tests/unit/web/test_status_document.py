import re
from pathlib import Path

import msgspec
import pytest

from dockd.core.recording import State
from dockd.web.view import (
    ArchiveView,
    BatteryView,
    BayView,
    ConfigurationView,
    CustodyView,
    DaemonView,
    Problem,
    QueueView,
    RecordingCounts,
    SpoolView,
    StatusView,
)

DOCUMENTED: dict[str, type[msgspec.Struct]] = {
    "The document": StatusView,
    "`archive`": ArchiveView,
    "`spool`": SpoolView,
    "`queue`": QueueView,
    "`bays`": BayView,
    "`bays[].battery`": BatteryView,
    "`bays[].problems`": Problem,
    "`recordings`": RecordingCounts,
    "`daemon`": DaemonView,
    "`configuration`": ConfigurationView,
    "`custody`": CustodyView,
}
TEXT = (Path(__file__).parents[3] / "docs" / "status.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("heading", list(DOCUMENTED))
def test_every_field_is_described_and_no_other(heading: str) -> None:
    """docs/status.md has a row for each field of the struct, in its order, and none that does not exist."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", section, re.MULTILINE)
    assert rows == list(DOCUMENTED[heading].__struct_fields__)


def test_every_section_is_one_of_the_structs() -> None:
    """The document has no part that is described and not sent."""
    assert re.findall(r"^## (.*)$", TEXT, re.MULTILINE) == list(DOCUMENTED)


def test_every_state_is_counted() -> None:
    """The counts have exactly the states of a recording's life."""
    assert RecordingCounts.__struct_fields__ == tuple(state.value for state in State)
