"""Every durable step can be cut off by a test, and is."""

import ast
import re

from tests.gates.source import calls, modules, text, tracked

_NAME = re.compile(r"[a-z]+\.[a-z]+(-[a-z]+)*")


def _points() -> dict[str, str]:
    """Every crash point of the product, and the module that passes it."""
    points: dict[str, str] = {}
    for name, tree in modules().items():
        if name == "dockd/crashpoint.py":
            continue
        for called, call in calls(tree):
            if called.rpartition(".")[2] == "passing":
                match call.args:
                    case [ast.Constant(value=str(point))]:
                        points[point] = name
                    case _:
                        points[ast.unparse(call)] = name
    return points


def test_crash_points_are_named_part_and_step() -> None:
    """A crash point's name is a literal, so that it can be found: the part, a dot, the step."""
    assert not [point for point in _points() if not _NAME.fullmatch(point)]


def _walked() -> set[str]:
    """Every crash point that a test names: of both processes in tests/crash, of making a journal beside the journal's tests."""
    found: set[str] = set()
    for name in tracked():
        if name.endswith(".py") and (name.startswith("tests/crash/") or name.endswith("/test_power_cut.py")):
            found |= set(re.findall(r"\"([a-z]+\.[a-z]+(?:-[a-z]+)*)(?::\d+)?\"", text(name)))
    return found


def test_every_crash_point_is_walked_by_a_crash_test() -> None:
    """Each point of the source is named by a test that cuts the power there, in every run of the tests."""
    assert set(_points()) <= _walked()
