"""docs/admin-guide.md followed to the letter: each of its commands is run, or named here as what needs a bare machine.

The bare machine itself is a scenario of the rig (`tests/rig/scenario_kiosk.py`, `tests/rig/scenario_installed.py`).
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from dockd.config.schema import Kind, printed
from dockd.core.recording import State
from tests.gates.source import text
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockProcess
from tests.sim.vault_process import VaultProcess

GUIDE = "docs/admin-guide.md"
DOCKD = Path(sys.executable).with_name("dockd")
SERIAL = "X1-00042"

NEEDS_A_MACHINE = {
    "timedatectl": "the machine's clock",
    "apt": "the package",
    "adduser": "the machine's accounts",
    "systemctl": "the services",
    "editor": "a person",
    "cp": "done here by what the guide says of it",
    "dockd bays learn": "somebody who plugs cameras into ports",
}
"""What a test cannot do of it, and why; everything else is run."""


def commands() -> list[list[str]]:
    """Each command of the guide's blocks, in its order, without its comment."""
    blocks = "".join(re.findall(r"```sh\n(.*?)```", text(GUIDE), re.DOTALL))
    return [words for line in blocks.splitlines() if (words := shlex.split(line, comments=True))]


def keys(schema: dict[str, Any], node: dict[str, Any], before: str = "") -> Iterator[str]:
    """Every key of the site file, with those that it stands in."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for inner in (*node.get("anyOf", ()), *([node["items"]] if "items" in node else ())):
        yield from keys(schema, inner, before)
    for name, below in node.get("properties", {}).items():
        yield before + name
        yield from keys(schema, below, f"{before}{name}.")


def test_every_key_that_the_guide_names_is_one() -> None:
    """Alone in backticks with those that it stands in, or written as in the file."""
    schema = yaml.safe_load(printed(Kind.SITE))
    known = set(keys(schema, schema))
    named = set(re.findall(r"`((?:archive|erase|bays|spool|kiosk|alerts|metrics|uploads)(?:\.\w+)*)`", text(GUIDE)))
    assert {"archive.url", "archive.key", "archive.id", "kiosk", "alerts"} <= named
    for flow in re.findall(r"`(\w+: \{[^`]+\})`", text(GUIDE)):
        ((name, inner),) = yaml.safe_load(flow).items()
        named |= {name} | {f"{name}.{each}" for each in inner}
    assert named <= known, named - known


def test_every_file_that_the_guide_names_is_installed() -> None:
    """By the package's rules, or it is one that the admin makes and the example of a site file names."""
    rules, example = text("packaging/debian/rules"), text("config/site.example.yaml")
    named = set(re.findall(r"(/(?:usr/share|etc)/dockd/[\w./-]*\w)", text(GUIDE)))
    assert {"/usr/share/dockd/site.example.yaml", "/usr/share/dockd/prometheus"} <= named
    for each in named:
        place = Path(each)
        if place.is_relative_to("/usr/share/dockd"):
            assert f"$(share)/{place.name}" in rules or re.search(rf"-t \$\(share\) .*{re.escape(place.name)}", rules), each
        else:
            assert each in example or each in rules, each


class _Followed(DockProcess):
    """A dock whose site file is the example, filled in as the guide says; nobody but the guide's own command accepts it."""

    def write_site(self) -> Path:
        """Section 4: agency and the rest as in the example, and the archive's own; folders where a machine has ports."""
        path = self.root / "site.yaml"
        if path.exists():
            return path
        assert self._vault is not None
        site = yaml.safe_load(text("config/site.example.yaml"))
        site["dock"] = self.site.dock
        site["bays"] = [{"id": str(number), "directory": str(self.bay(number))} for number in (1, 2)]
        site["spool"] = {"directory": str(self.spool), "keep_free": "0 B"}
        site["archive"] = {
            "kind": "tus",
            "url": self._vault.files_url,
            "key": self._vault.public_key,
            "token_file": str(self.root / "token"),
        }
        site["erase"] = yaml.safe_load(_flow("erase"))["erase"]
        site["categories"] = [{"name": "at-large-arrest", "retain_days": 3650}]
        site["control"] = {"socket": str(self.control)}
        (roster,) = re.findall("Take the `#` off the line `([^`]+)`", text(GUIDE))
        assert f"# {roster}\n" in text("config/site.example.yaml")
        site |= yaml.safe_load(roster)
        site.pop("kiosk", None)
        site.pop("metrics", None)
        path.write_text(yaml.safe_dump(site), encoding="utf-8")
        return path


def _flow(key: str) -> str:
    """What the guide has an admin set first."""
    found = re.search(rf"`({key}: \{{[^`]+\}})`", text(GUIDE))
    assert found is not None
    return found[1]


def _run(words: list[str], site: Path, *, codes: set[int]) -> str:
    """One command as an admin types it, with yes to what it asks."""
    command = [str(DOCKD), *words[1:]]
    if words[1] != "version" and "--help" not in words:
        command += ["--config", str(site)]
    if words[1:3] == ["config", "accept"]:
        command.append("--unencrypted-spool")  # the guide has it encrypted, and a test's disk is what it is
    done = subprocess.run(
        command, capture_output=True, text=True, input="y\n", timeout=60, check=False, cwd=site.parent, env=os.environ
    )
    said = f"$ {shlex.join(words)}\n{done.stdout}{done.stderr}"
    assert done.returncode in codes, said
    assert "Traceback" not in said
    return said


def test_the_guide_is_followed(tmp_path: Path) -> None:
    """From the example of a site file to the first docked camera, and then all that an admin will be asked for."""
    with VaultProcess(tmp_path / "vault") as vault, closing(_Followed(tmp_path / "dock", vault)) as dock:
        site = dock.write_site()
        (site.parent / "cameras.csv").write_text(f"serial,officer\n{SERIAL},A. Pérez\n", encoding="utf-8")
        for words in commands():
            if words[:3] == ["systemctl", "start", "dockd"]:
                dock.start()
            if any(shlex.join(words).startswith(each) for each in NEEDS_A_MACHINE):
                continue
            if words == ["dockd", "recordings"]:
                make_camera(tmp_path / "camera", SERIAL, recordings=2, size_bytes=100_000, sidecars=False)
                (tmp_path / "camera").rename(dock.bay(1))
                dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 2, why="its recordings in the archive")
                dock.wait_until(lambda _: dock.lamp(1).lamp == "take it", why="the lamp that the guide promises")
            said = _run(
                [SERIAL if each == "SERIAL" else each for each in words], site, codes={0, 1} if "selftest" in words else {0}
            )
            promised = {"recordings": "archived", "queue": "Nothing waits", "log": "camera.docked"}.get(words[1], "")
            assert promised in said
        recording = dock.recordings(State.ARCHIVED)[0].recording_id
        for words in asked_for():
            given = {"SERIAL": SERIAL, "RECORDING": recording, "NAME": "A. Pérez", "TIME": "2026-11-27T18:00"}
            refused = words[1] == "retry"  # this one did arrive
            if words[1:3] == ["release", "--case"]:  # "the same with --case NAME"
                same = ["dockd", "hold", "--camera", SERIAL, "--case", given["NAME"], "--reason", "as the guide says"]
                _run(same, site, codes={0})
            _run([given.get(each, each) for each in words], site, codes={3} if refused else {0})


def asked_for() -> list[list[str]]:
    """Each command of the table of what an admin will be asked for, as it is typed."""
    table = text(GUIDE).split("## What you will be asked for")[1]
    found = [shlex.split(each) for each in re.findall(r"`(?:sudo )?(dockd [^`]+)`", table)]
    reason = ["--reason", "as the guide says"]
    acts = {"hold", "release", "refuse", "enroll", "mark"}
    return [
        words if words[1] not in acts or "--reason" in words or words == ["dockd", "hold"] else words + reason for words in found
    ]
