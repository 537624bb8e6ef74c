"""A reason that a lamp can have is one that the page is seen to show: nobody can add one that is not.

`tests/kiosk/test_reasons.py` drives a real browser with every one of `tests.sim.lamp_reasons.REASONS`, in both languages. What is
held here is that the code gives no others.
"""

import ast
from collections.abc import Iterator

from dockd.core.readiness import CODES, Needs
from dockd.errors import (
    AlertError,
    ArchiveError,
    ConfigError,
    ControlError,
    DockError,
    EvidenceError,
    JournalError,
    LampError,
    VaultError,
)
from tests.gates.source import dotted, modules
from tests.sim.lamp_reasons import FAMILIES, REASONS, leaves

NO_DOCKINGS = {
    AlertError: "a message to people that was not delivered",
    ArchiveError: "of a recording or of the link: it refuses a recording (files-refused), or the lamp waits (archiving)",
    ConfigError: "the daemon does not start, or goes on with the last good site file",
    ControlError: "an answer to whoever asked",
    EvidenceError: "a bundle that does not verify",
    JournalError: "the daemon ends",
    LampError: "the lamp itself",
    VaultError: "another process",
}
"""Errors that are never a docking's, and what becomes of them."""

PASSED_ON = {"evidence.failure.code", "evidence.waiting.code", "light.code"}
"""Codes that a lamp has from elsewhere: of an error, or of another lamp."""


def calls(name: str) -> Iterator[tuple[str, list[ast.expr]]]:
    """Every call of a class in the product: the module, and its arguments in the class's order."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and dotted(node.func) == name:
                assert not any(each.arg in {None, "code"} for each in node.keywords), f"{module}: name the code by its place"
                yield module, node.args


def test_every_light_that_is_made_has_a_reason_of_the_list() -> None:
    """And every reason of the list is given by some light."""
    given: set[str] = set()
    for module, arguments in calls("Readiness"):
        match arguments[3]:
            case ast.Constant(value=str(code)):
                given.add(code)
            case ast.JoinedStr(values=[ast.Constant(value="done-"), ast.FormattedValue()]):
                given |= {f"done-{needs}" for needs in Needs}
            case passed:
                assert ast.unparse(passed) in PASSED_ON, f"{module}: {ast.unparse(passed)}"
    assert given == set(CODES)


def test_every_failure_of_a_docking_is_an_error_with_words() -> None:
    """A code that is written out is that of an error; all others are read from one, or from the journal, which has it of one."""
    for module, arguments in calls("Refusal"):
        match arguments[0]:
            case ast.Constant(value=str(code)):
                assert code in REASONS, f"{module}: {code}"
            case passed:
                words = ast.unparse(passed)
                assert words == "code" or words.endswith((".code", "_code']")), f"{module}: {words}"


def test_every_kind_of_error_is_a_dockings_or_cannot_be_one() -> None:
    """Whoever adds one says which; of a docking's, each is seen on the page by its code."""
    kinds = set(DockError.__subclasses__())
    assert kinds == {*FAMILIES, *NO_DOCKINGS}
    assert len({each.code for kind in FAMILIES for each in leaves(kind)}) == sum(1 for kind in FAMILIES for _ in leaves(kind))
