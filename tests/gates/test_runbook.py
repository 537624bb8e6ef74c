"""docs/runbook.md has a cure for every light, error and alert, and for nothing that does not exist."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import yaml

from dockd import errors
from dockd.core.alerts import Kind
from dockd.core.checkout import Reserved
from dockd.core.readiness import CODES, BayEvidence, Least, Needs, readiness, unpowered
from dockd.core.recording import State
from tests.gates.source import ROOT, calls, modules, text

_RUNBOOK = "docs/runbook.md"
_KEPT = "The camera is kept: nothing on camera C1 may be erased."


def _rows(heading: str) -> dict[str, list[str]]:
    """The cells of each row below a heading, by the first of them."""
    section = text(_RUNBOOK).split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in row.split(" | ")] for row in re.findall(r"^\| (`.*) \|$", section, re.MULTILINE)]
    return {first.strip("`"): rest for first, *rest in cells}


def _kinds(root: type[errors.DockError]) -> list[type[errors.DockError]]:
    return [root, *(each for below in root.__subclasses__() if below.__module__ == errors.__name__ for each in _kinds(below))]


def test_every_error_that_is_raised_has_its_cure() -> None:
    """By its code; parents that are never raised themselves have none."""
    raised = {called.rpartition(".")[2] for tree in modules().values() for called, _ in calls(tree)}
    assert set(_rows("Errors")) == {each.code for each in _kinds(errors.DockError) if each.__name__ in raised}


def test_every_error_and_alert_says_what_the_runbook_says(tmp_path: Path) -> None:
    """Each named test is run, and what dockd says in it is written down: the runbook's words are among them, to the letter."""
    rows = _rows("Errors") | {f"alert.{kind}": cells for kind, cells in _rows("Alerts of the dock itself").items()}
    said = _said(tmp_path / "said", sorted({shown_by.strip("`") for *_, shown_by in rows.values()}))
    never = []
    for code, (says, _, shown_by) in rows.items():
        heard = said[shown_by.strip("`").partition("[")[0], code]
        if not any(_pattern(says).fullmatch(words) for words in heard):
            never.append(f"{code}: {says!r} is not among {sorted(heard)}")
    assert never == []


def _said(file: Path, tests: list[str]) -> defaultdict[tuple[str, str], set[str]]:
    """By test and code, every message that dockd made in it."""
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", "-p", "tests.sim.said_errors"]
    with tempfile.TemporaryDirectory() as short:  # under a worker's own folder, a socket's path would be too long for the kernel
        done = subprocess.run(
            [*command, "--said-errors", str(file), f"--basetemp={short}/t", *tests],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))},
        )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for line in file.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        found[told["test"], told["code"]].add(told["message"])
    return found


def _pattern(says: str) -> re.Pattern[str]:
    return re.compile(".+".join(re.escape(part) for part in says.split("\N{HORIZONTAL ELLIPSIS}")), re.DOTALL)


def _lights() -> dict[str, tuple[str, str]]:
    """Light and reason of each code, as the dock's own rules make them."""
    two = (State.SEEN, State.SEEN)
    shown = [
        readiness(evidence, needs)
        for evidence, needs in (
            (BayEvidence(None, scanned=False, states=()), Needs.ARCHIVED),
            (BayEvidence("C1", scanned=True, states=two), Needs.ARCHIVED),
            (BayEvidence("C1", scanned=True, states=(State.VERIFIED, State.UPLOADING)), Needs.ARCHIVED),
            (BayEvidence("C1", scanned=True, states=(State.ARCHIVED,)), Needs.ERASED),
            (BayEvidence("C1", scanned=True, states=(State.VERIFIED,)), Needs.VERIFIED),
            (BayEvidence("C1", scanned=True, states=(State.ARCHIVED,)), Needs.ARCHIVED),
            (BayEvidence("C1", scanned=True, states=(State.ERASED,)), Needs.ERASED),
            (BayEvidence("C1", scanned=True, states=(State.REFUSED, State.REFUSED)), Needs.ARCHIVED),
            (BayEvidence("C1", scanned=True, states=(State.ARCHIVED,), held=True), Needs.ERASED),
            (
                BayEvidence(
                    "C1", scanned=True, states=(State.ARCHIVED,), kept="The camera is kept: nothing on camera C1 may be erased."
                ),
                Needs.ERASED,
            ),
        )
    ]
    done = BayEvidence("C1", scanned=True, states=(State.ARCHIVED,), percent=62, charges_min=25, free_bytes=10**9, assigned=False)
    asked = (Least(percent=80), Least(free_bytes=16 * 10**9), Least(assigned=True))
    shown += [readiness(done, Needs.ARCHIVED, least) for least in asked]
    shown.append(readiness(replace(done, hot=True), Needs.ARCHIVED))
    shown.append(Reserved("A. Smith", "18:00").over(readiness(done, Needs.ARCHIVED)))
    shown += [unpowered(62, hot=hot) for hot in (False, True)]
    return {each.code: (each.lamp.value, each.reason) for each in shown}


def test_every_light_has_its_cure() -> None:
    """With the words that the dock's own rules give, and no reason is left out."""
    rows = {code: (light, says) for code, (light, says, _) in _rows("What a bay's light says").items()}
    assert rows == _lights()
    assert set(rows) == set(CODES)


def test_every_alert_has_its_cure() -> None:
    """Those of the dock itself, and those of Prometheus."""
    rules = yaml.safe_load(text("packaging/prometheus/dockd.rules.yaml"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert set(_rows("Alerts of Prometheus")) == alerts
    assert set(_rows("Alerts of the dock itself")) == {kind.value for kind in Kind}
