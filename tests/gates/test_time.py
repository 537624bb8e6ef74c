"""Time is read and waited for in one place."""

import ast
import re

import pytest

from tests.gates.source import calls, dotted, imported, modules

CLOCK = "dockd/clock.py"

LOOP_TIME = {
    "dockd/archive/s3/wire.py": "asyncio.timeout is rescheduled in its own clock's terms",
    "dockd/archive/wire.py": "asyncio.timeout is rescheduled in its own clock's terms",
    "dockd/vault/receive.py": "how often a slow upload's bytes reach the medium; no result depends on it",
}
"""Who may ask the event loop what time it is, and why that is not a way round the clock."""

_READS = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|asyncio\.sleep|trio\.sleep)$")


def _uses_of_time(tree: ast.Module) -> set[str]:
    """What in a module reads a clock or sleeps, by its dotted name."""
    names = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    read = {name for name in names if _READS.search(name)}
    return read | {name for name in imported(tree) if name.partition(".")[0] == "time" or name == "asyncio.sleep"}


def test_only_the_clock_reads_time_or_sleeps() -> None:
    """No module but the clock imports time, asks datetime for now, or sleeps: tests could not hold its time still."""
    assert {name for name, tree in modules().items() if _uses_of_time(tree)} == {CLOCK}


def test_the_event_loops_clock_is_asked_only_where_it_is_named() -> None:
    """`loop.time()` and timers on the loop appear only in the modules listed here with a reason."""
    pattern = re.compile(r"(^|\.|_)loop(\(\))?\.(time|call_later|call_at)$|^\?\.(call_later|call_at)$")
    assert {name for name, tree in modules().items() if any(pattern.search(called) for called, _ in calls(tree))} == set(
        LOOP_TIME
    )


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from time import monotonic",
        "from asyncio import sleep",
        "import asyncio\nasyncio.sleep(1)",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\nlater = datetime.now",
    ],
)
def test_the_gate_sees_each_way_to_the_clock(line: str) -> None:
    """Each spelling of reading time or sleeping is seen by this gate."""
    assert _uses_of_time(ast.parse(line))
