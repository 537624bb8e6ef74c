"""A pytest plugin that writes down every error and alert of dockd's own that running code makes in a test, in people's words.

    pytest -p tests.sim.said_errors --said-errors FILE TEST...

FILE has a line of JSON for each: the test, the code and the message; an alert's code is `alert.KIND`. What a test makes itself
does not count; what a daemon of a test's own logs, with code and reason, does.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dockd.errors
from dockd.core.changes import AlertBegun
from dockd.errors import DockError
from tests.sim.dock_process import DockProcess

_DOCKD = Path(dockd.errors.__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where they go."""
    parser.addoption("--said-errors", type=Path, required=True, help="a file that is made")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Listen while one test is set up, runs and ends."""
    said: list[tuple[str, str]] = []
    docks: list[DockProcess] = []
    with pytest.MonkeyPatch.context() as patch:
        made, begun, started = DockError.__init__, AlertBegun.__init__, DockProcess.start

        def listening(error: DockError, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - whatever it takes
            made(error, *arguments, **named)
            if _raised_in_dockd():
                said.append((error.code, error.message))

        def beginning(alert: AlertBegun, kind: str, subject: str, message: str) -> None:
            begun(alert, kind, subject, message)
            if _raised_in_dockd():
                said.append((f"alert.{kind}", message))

        def starting(dock: DockProcess, **named: Any) -> None:  # noqa: ANN401 - whatever it takes
            docks.append(dock)
            started(dock, **named)

        patch.setattr(DockError, "__init__", listening)
        patch.setattr(AlertBegun, "__init__", beginning)
        patch.setattr(DockProcess, "start", starting)
        result = yield
    said += [(line["code"], line["why"]) for dock in docks for line in dock.lines if "code" in line and "why" in line]
    test = item.nodeid.partition("[")[0]
    with Path(item.config.getoption("--said-errors")).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({"test": test, "code": code, "message": message}) + "\n" for code, message in said)
    return result


def _raised_in_dockd() -> bool:
    """Whether the first caller that is no constructor of an error is code of dockd's."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_name == "__init__" and isinstance(frame.f_locals.get("self"), DockError):
        frame = frame.f_back
    return Path(frame.f_code.co_filename).is_relative_to(_DOCKD)
