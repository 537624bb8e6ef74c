"""Lamps that a program of the site's drives."""

import subprocess
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


def died(notes: Path) -> None:
    """What systemd does then."""
    script = Path(__file__).parents[3] / "packaging/systemd/lamp-command-asks-for-help"
    subprocess.run([script, notes], timeout=60, check=True)


async def test_lamps_that_are_lit_ask_for_help_when_the_daemon_dies(tmp_path: Path) -> None:
    """By the program, as it was always called; a dark one stays dark, and after a stop in order nothing is said."""
    command = [program(tmp_path, 'printf "%s|" "$@" >> "$0.log"'), "--two words"]
    lamps = CommandLamps(command, tmp_path / "notes")
    await lamps.show({"1": Lamp.TAKE, "2": Lamp.LEAVE, "3": Lamp.LEAVE})
    await lamps.show({"2": None})
    (tmp_path / "lamp.log").unlink()
    died(tmp_path / "notes")
    told = (tmp_path / "lamp.log").read_text().split("--two words|")[1:]
    assert sorted(told) == ["1|get help|", "3|get help|"]
    await lamps.show({"1": None, "3": None})
    (tmp_path / "lamp.log").unlink()
    died(tmp_path / "notes")
    assert not (tmp_path / "lamp.log").exists()
    died(tmp_path / "never lit")


async def test_lamps_are_shown_where_no_notes_can_be_kept(tmp_path: Path) -> None:
    """It is logged, and the lamp says what is so."""
    (tmp_path / "notes").touch()
    await CommandLamps([program(tmp_path, 'printf "%s|" "$@" >> "$0.log"')], tmp_path / "notes").show({"1": Lamp.TAKE})
    assert (tmp_path / "lamp.log").read_text() == "1|take it|"


async def test_program_that_fails_for_one_bay_is_called_for_the_others(tmp_path: Path) -> None:
    """Whatever order they come in."""
    lamps = CommandLamps([program(tmp_path, '[ "$1" != 1 ] && printf "%s|" "$@" >> "$0.log"')])
    with pytest.raises(LampError, match="it ended with 1"):
        await lamps.show({"1": Lamp.TAKE, "2": Lamp.HELP})
    assert (tmp_path / "lamp.log").read_text() == "2|get help|"


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
