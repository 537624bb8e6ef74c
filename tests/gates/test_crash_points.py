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


def test_every_crash_point_is_walked_by_a_crash_test() -> None:
    """Each point of the source is in a list of tests/crash, so that a process dies there in every run of the tests."""
    walked = " ".join(text(name) for name in tracked() if name.startswith("tests/crash/") and name.endswith(".py"))
    listed = set(re.findall(r"\"([a-z]+\.[a-z-]+)(?::\d+)?\"", walked))
    assert not set(_points()) - listed


def test_no_crash_test_waits_for_a_point_that_is_gone() -> None:
    """A point that crash tests name exists: one that was renamed would never kill anything, and its test would prove nothing."""
    parts = {point.partition(".")[0] for point in _points()}
    walked = " ".join(text(name) for name in tracked() if name.startswith("tests/crash/") and name.endswith(".py"))
    listed = {
        point for point in re.findall(r"\"([a-z]+\.[a-z]+(?:-[a-z]+)*)(?::\d+)?\"", walked) if point.partition(".")[0] in parts
    }
    assert not listed - set(_points())
