"""What a verb printed with --json, held against the schema that ships; and the installed verb that needs no daemon."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from dockd.cli import schemas


@cache
def validator(name: str) -> Draft202012Validator:
    """Of the schema as it ships."""
    return Draft202012Validator(json.loads((schemas.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")))


def as_described(name: str, printed: str) -> Any:  # noqa: ANN401 - JSON
    """The document, which is as its schema says, and holds nothing that the schema does not name."""
    told = json.loads(printed)
    validator(name).validate(told)
    if isinstance(told, dict):
        known = json.loads((schemas.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))["properties"]
        assert told.keys() <= known.keys()
    return told


def installed(*arguments: str | Path, crash_at: str = "") -> subprocess.CompletedProcess[str]:
    """An installed verb that needs no daemon; `crash_at` is a crash point, as `DOCKD_CRASH_AT`.

    In a process of its own, for such a verb sets up the process's log; and in a session of its own, for a crash point kills all
    of its group.
    """
    dockd = Path(sys.executable).with_name("dockd")
    environment = os.environ | {"DOCKD_CRASH_AT": crash_at}
    command = [str(dockd), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment, start_new_session=True
    )
    assert "Traceback" not in done.stderr
    return done


def alone(*arguments: str | Path) -> tuple[int, str]:
    """What it ends with, and all that it prints on standard output."""
    done = installed(*arguments)
    return done.returncode, done.stdout


def gaps(site: Path, *options: str) -> tuple[int, str]:
    """What `dockd report gaps` ends with and prints."""
    return alone("report", "gaps", *options, "--config", site)
