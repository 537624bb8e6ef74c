"""What may lie in the tree, and how large it may grow."""

import re
import tomllib
from typing import Any

import pytest

from tests.gates.source import ROOT, modules, text, tracked

TOP_LEVEL = {
    *(".ci", ".editorconfig", ".gitattributes", ".gitignore"),
    *("CHANGELOG.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"),
    *("config", "dockd", "docs", "packaging", "tests", "udev"),
}
LONGEST_MODULE_LINES = 400
LONGEST_TEST_LINES = 600
VAGUE_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|constants|misc|tools|base|shared)(_|$)")

LOCKS = ("packaging/requirements/runtime.txt", "packaging/requirements/dev.txt")

# Spelled in parts, so that this file does not hold what it forbids.
_MACHINE_PATHS = re.compile(r"(?<![\w.$}\"'-])/(?:" + "|".join(["wor" + "k", "roo" + "t", "hom" + "e/[a-z]+"]) + r")/[\w.]")
_REGISTRIES = re.compile(
    "|".join([r"py" + r"pi\.org", "python" + r"hosted\.org", r"deb\." + r"debian\.org", r"npm" + r"js\.org"])
)


def _pyproject() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins(lock: str) -> dict[str, str]:
    return {_normal(name): version for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text(lock), re.MULTILINE)}


def _wanted(requirements: list[str]) -> set[str]:
    return {_normal(re.split(r"[\[<>=!~; ]", each)[0]) for each in requirements}


def test_nothing_new_lies_at_the_top() -> None:
    """The top level is what docs/ARCHITECTURE.md draws; whatever else appears there has a better place."""
    assert {name.partition("/")[0] for name in tracked()} <= TOP_LEVEL


def test_no_module_outgrows_its_reason_to_exist() -> None:
    """Every module of the product, of the fakes, and every list of tests can be read in one sitting."""
    for name in tracked():
        if name.endswith(".py"):
            limit = LONGEST_TEST_LINES if name.rpartition("/")[2].startswith("test_") else LONGEST_MODULE_LINES
            assert len(text(name).splitlines()) <= limit, name


def test_every_module_is_named_after_what_it_does() -> None:
    """No module is called after the fact that nobody knew where else to put something."""
    assert not [name for name in modules() if VAGUE_NAMES.search(name.rpartition("/")[2].removesuffix(".py"))]


def test_every_module_says_its_reason_to_exist_first() -> None:
    """The first line of each module is a sentence that fits the line."""
    for name in modules():
        first = text(name).splitlines()[0] if text(name) else ""
        assert first.startswith('"""'), name


def test_nothing_committed_names_a_path_of_one_machine() -> None:
    """What is committed works wherever it is cloned to."""
    found = {}
    for name in tracked():
        data = (ROOT / name).read_bytes()
        if b"\0" not in data and (hits := _MACHINE_PATHS.findall(data.decode("utf-8", "replace"))):
            found[name] = hits
    assert not found


def test_nothing_committed_names_a_registry() -> None:
    """Where packages come from is the machine's configuration; hashes say that they are the right ones."""
    found = [name for name in tracked() if _REGISTRIES.search((ROOT / name).read_bytes().decode("utf-8", "replace"))]
    assert not found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    """No package is installed that was not seen when the lock was made."""
    entries = re.split(r"^(?=[\w.-]+==)", text(lock), flags=re.MULTILINE)
    assert len(entries) > 10
    assert not [entry.splitlines()[0] for entry in entries[1:] if "--hash=sha256:" not in entry]


def test_the_locks_hold_what_the_project_asks_for() -> None:
    """Whoever adds a dependency to pyproject.toml renews the locks with `make lock`."""
    project = _pyproject()
    needed = _wanted(project["project"]["dependencies"])
    groups = project["dependency-groups"]
    assert needed <= set(_pins(LOCKS[0]))
    assert needed | _wanted(groups["dev"]) | _wanted(groups["bench"]) <= set(_pins(LOCKS[1]))


def test_tests_run_with_the_versions_that_docks_run() -> None:
    """A package that both locks name has the same version in both."""
    runtime, development = _pins(LOCKS[0]), _pins(LOCKS[1])
    assert runtime == {name: development.get(name, "missing") for name in runtime}


def test_ci_runs_what_the_readme_says() -> None:
    """Continuous integration calls the README's test command, as a newcomer would."""
    assert text(".ci/run").rstrip().endswith("\nmake test")
    assert "\nmake test\n" in text("README.md")
    assert "\nmake demo\n" in text("README.md")
