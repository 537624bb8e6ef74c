"""What the errors tell a person to do can be done."""

import re
from collections.abc import Iterator

import click
import pytest

from dockd import cli, errors


def _classes(root: type[errors.DockError]) -> Iterator[type[errors.DockError]]:
    yield root
    for each in root.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _classes(each)


HINTS = sorted({each.default_hint for each in _classes(errors.DockError) if each.default_hint})


@pytest.mark.parametrize("hint", HINTS)
def test_commands_in_hints_exist(hint: str) -> None:
    """A hint names no verb of `dockd` that is not there."""
    verbs = cli._dockd.list_commands(click.Context(cli._dockd))
    for verb in re.findall(r"[:,] dockd (\S+)", hint):
        assert verb in verbs


def test_some_hints_name_a_command() -> None:
    """The test above looks at what there is."""
    for command in ("journal rebuild", "retry", "enroll"):
        assert any(f"dockd {command}" in hint for hint in HINTS)
