"""Lamps that a program of the site's drives."""

from pathlib import Path

import pytest

from dockd.core.readiness import Lamp
from dockd.errors import LampError
from dockd.power import command
from dockd.power.command import CommandLamps


def program(folder: Path, script: str) -> str:
    """An executable shell script."""
    path = folder / "lamp"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


async def test_program_is_told_bay_and_state(tmp_path: Path) -> None:
    """In words, after what it is always told."""
    lamps = CommandLamps([program(tmp_path, 'printf "%s|" "$@" >> "$0.log"'), "--dock"])
    await lamps.show({"1": Lamp.TAKE, "2": Lamp.HELP, "3": Lamp.LEAVE, "4": None})
    assert (tmp_path / "lamp.log").read_text() == "--dock|1|take it|--dock|2|get help|--dock|3|leave it|--dock|4|off|"


async def test_program_that_fails_is_named_with_its_words(tmp_path: Path) -> None:
    """So that an admin can mend it."""
    lamps = CommandLamps([program(tmp_path, "echo no such relay >&2; exit 3")])
    with pytest.raises(LampError, match="lamp failed: it ended with 3: no such relay"):
        await lamps.show({"1": Lamp.TAKE})
    with pytest.raises(LampError, match="No such file"):
        await CommandLamps([str(tmp_path / "gone")]).show({"1": Lamp.TAKE})


async def test_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else waits for it."""
    monkeypatch.setattr(command, "_PATIENCE_S", 0.2)
    lamps = CommandLamps([program(tmp_path, "exec sleep 600")])
    with pytest.raises(LampError, match="did not end within"):
        await lamps.show({"1": Lamp.TAKE})
