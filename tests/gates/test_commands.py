"""Every verb explains itself and is documented, and no document names one that does not exist."""

import re

import click
import pytest

from dockd import cli
from dockd.cli import schemas
from tests.gates.source import ROOT, imported, modules, text, tracked

MUTE = {"dockd.cli.verify": "it writes the verifier with a part of what exports, of which nothing looks at a journal"}
"""Verbs that import what could log, and call nothing of it that does."""


def _verbs() -> dict[str, click.Command]:
    """Every verb and every verb below it, by its full name."""

    def below(name: str, command: click.Command) -> dict[str, click.Command]:
        found = {name: command}
        if isinstance(command, click.Group):
            for word in command.list_commands(click.Context(command)):
                inner = command.get_command(click.Context(command), word)
                if inner is not None and not inner.hidden:
                    found |= below(f"{name} {word}", inner)
        return found

    return below("dockd", cli._dockd)


VERBS = _verbs()
CALLABLE = [name for name, command in VERBS.items() if not isinstance(command, click.Group) or command.invoke_without_command]


@pytest.mark.parametrize("name", CALLABLE)
def test_every_verb_explains_itself_with_examples(name: str) -> None:
    """--help says in a sentence what it does, what each option is for, and shows how it is called."""
    command = VERBS[name]
    assert command.help
    assert f"{name} " in f"{command.epilog} " or f"{name}\n" in (command.epilog or "")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_every_verb_is_in_the_list_of_commands() -> None:
    """docs/cli.md names each, or the group that it belongs to."""
    listed = text("docs/cli.md")
    assert not [name for name in CALLABLE if f"| `{name}`" not in listed]


@pytest.mark.parametrize("document", [name for name in tracked() if name.endswith(".md") and name != "CHANGELOG.md"])
def test_every_command_in_a_document_exists(document: str) -> None:
    """In backticks, and at the beginning of a line of a block of commands."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text(document), re.DOTALL))
    prose = re.sub(r"```.*?```", "", text(document), flags=re.DOTALL)
    named = re.findall(r"`(?:sudo )?(dockd(?: [a-z-]+)+)", prose)
    named += re.findall(r"^(?:sudo |\.venv/bin/)?(dockd(?: [a-z-]+)+)", blocks, re.MULTILINE)
    for line in named:
        words = line.split()
        verb = VERBS.get(" ".join(words[:2]))
        assert verb is not None, line
        if isinstance(verb, click.Group) and len(words) > 2:
            assert " ".join(words[:3]) in VERBS or verb.invoke_without_command, line


def _documented(document: str) -> list[list[str]]:
    """Every call of dockd in a document, as words: in backticks, and at the beginning of a line of a block of commands."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text(document), re.DOTALL))
    prose = re.sub(r"```.*?```", "", text(document), flags=re.DOTALL)
    lines = re.findall(r"`(?:sudo )?(dockd [^`]+)`", prose)
    lines += re.findall(r"^(?:sudo |\.venv/bin/)?(dockd .+?)(?: +#.*)?$", blocks.replace("\\\n", " "), re.MULTILINE)
    called = [re.split(r"[\s,]+", re.split(r" [|>&;]", line)[0].strip()) for line in lines]
    return [words for words in called if words[1].islower()]


@pytest.mark.parametrize("document", [name for name in tracked() if name.endswith(".md") and name != "CHANGELOG.md"])
def test_every_option_of_a_command_in_a_document_exists(document: str) -> None:
    """So that whoever follows it to the letter meets no 'no such option'."""
    for words in _documented(document):
        verb = VERBS.get(" ".join(words[:3])) or VERBS.get(" ".join(words[:2]))
        assert verb is not None, words
        known = {option for each in verb.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
        given = {word.partition("=")[0].rstrip(".,;)") for word in words if word.startswith("--")}
        assert given <= known, words


def test_every_verb_with_json_has_its_schema() -> None:
    """Under its own name, and told apart in docs/cli.md by the command that prints it; none is left over."""
    printing = {name for name in CALLABLE if any(each.name == "as_json" for each in VERBS[name].params)}
    rows = re.findall(r"^\| `(dockd[a-z ]+) --json`.*\| `([a-z-]+)\.schema\.json` \|$", text("docs/cli.md"), re.MULTILINE)
    assert {command for command, _ in rows} == printing
    assert {name.removeprefix("dockd ").replace(" ", "-") for name in printing} | {"hold-list"} == set(schemas.DOCUMENTS)
    named = {each for name in CALLABLE for each in VERBS[name].params if "--json" in each.opts}
    assert {each.name for each in named} == {"as_json"}, "a verb's JSON is found by this name"


def test_every_verb_that_may_log_does_so_on_standard_error() -> None:
    """Whatever it loads of the dock: else structlog's own default puts a line among the answer."""
    sources = {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): tree for name, tree in modules().items()}
    imports = {name: set(imported(tree)) for name, tree in sources.items()}
    logs = {name for name, each in imports.items() if each & {"structlog", "dockd.logs.logger"}} - {"dockd.logs"}

    def loaded(name: str, seen: set[str]) -> set[str]:
        if name in sources and name not in seen:
            seen.add(name)
            for each in imports[name]:
                if not each.startswith("dockd.cli."):  # a verb's own file is looked at by itself
                    loaded(each, seen)
        return seen

    silent = [
        name
        for name in sources
        if name.startswith("dockd.cli.") and loaded(name, set()) & logs and "dockd.logs.speak" not in imports[name]
    ]
    assert silent == list(MUTE)


def test_every_json_document_is_listed_with_its_schema() -> None:
    """In docs/cli.md, and each schema is there."""
    listed = set(re.findall(r"`([a-z-]+)\.schema\.json` \|$", text("docs/cli.md"), re.MULTILINE))
    assert listed == set(schemas.DOCUMENTS)
    assert all((ROOT / "dockd/cli/schemas" / f"{name}.schema.json").is_file() for name in listed)
