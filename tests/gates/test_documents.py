"""What the documents point at exists."""

import re

import pytest

from tests.gates.source import ROOT, text, tracked

DOCUMENTS = [name for name in tracked() if name.endswith(".md")]

_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
_FILE = re.compile(r"`((?:dockd|tests|packaging|config|docs|udev)/[\w./-]*)(?:::(\w+))?`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    """A relative link in a document names a file or folder of the tree."""
    folder = (ROOT / document).parent
    assert not [target for target in _LINK.findall(text(document)) if not (folder / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_test_that_is_named_exists(document: str) -> None:
    """A path in backticks is there, and a test that is said to show something has that name."""
    wrong = []
    for path, test in _FILE.findall(text(document)):
        if not (ROOT / path).exists() or (test and f"def {test}(" not in text(path)):
            wrong.append(f"{path}::{test}" if test else path)
    assert not wrong


def test_every_decision_is_in_the_index() -> None:
    """docs/adr/README.md lists each decision under the title that it has."""
    index = text("docs/adr/README.md")
    for name in tracked():
        if found := re.fullmatch(r"docs/adr/(\d{4})-[\w-]+\.md", name):
            number, title = found[1], text(name).splitlines()[0].removeprefix(f"# {found[1]}. ")
            assert f"| [{number}]({name.rpartition('/')[2]}) | {title} |" in index


def test_the_readme_publishes_every_exit_code() -> None:
    """Scripts rely on exit codes, so the README's table has those that the command's own text names."""
    promised = set(re.findall(r"(?:codes: |; )(\d)\s", text("dockd/cli/__init__.py").split('"""')[1]))
    assert promised == set(re.findall(r"^\| (\d) \|", text("README.md"), re.MULTILINE))
    assert promised


def test_the_changelog_keeps_its_form() -> None:
    """What is not released yet stands under Unreleased, in sections that Keep a Changelog knows."""
    headings = re.findall(r"^(##+) (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == ("##", "[Unreleased]")
    known = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert {title for level, title in headings if level == "###"} <= known
