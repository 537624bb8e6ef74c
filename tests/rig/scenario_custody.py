"""What a dock in a machine recorded, judged outside it: a bundle by the host, and a disk that was put back by the vault."""

import asyncio
import json
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.rig.cameras import build
from tests.rig.docks import ARCHIVED_S, Dock, custody
from tests.rig.image import RigError, run
from tests.rig.machine import Machine
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared
from tests.rig.scenario_usb import dock_camera, ready, usb_dock

_BOOTS_S = 600.0


@pytest.mark.always
async def test_bundle_of_the_docks_is_verified_on_the_host(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """A dock's export proves all that was done to a camera, to the host's dockd and the package's single file."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        guest = machine.guest
        dock = await ready(usb_dock(machine, outside))
        await dock.change(erase={"policy": "clear"})
        await dock_camera(machine, camera, "1")
        await dock.lamp_until("1", lamp="take it", files_erased=len(camera.originals))
        await machine.pull(camera.serial)
        await _witnessed(dock)
        (cleared,) = await custody(guest, "camera.cleared")
        assert cleared["method"] == "clear"
        await guest.sh("dockd report export --camera CAM-1 --output /run/case.zip")
        dock_key = (await guest.sh("dockd report key")).strip()
        bundle, alone = place / "case.zip", place / "dockd-verify.py"
        bundle.write_bytes(await guest.read("cat /run/case.zip"))
        alone.write_bytes(await guest.read("cat /usr/share/dockd/dockd-verify.py"))
    media = [f"--media={camera.tree / path.decode()}" for path in camera.originals]
    keys = ["--archive-key", outside.vault.public_key, "--dock-key", dock_key]
    single = run(sys.executable, "-I", "-S", alone, bundle, *media, *keys, "--json")
    whole = run(sys.executable, "-c", "from dockd.cli import main; main()", "verify", bundle, *media, *keys, "--json")
    for said in (json.loads(single), json.loads(whole)):
        assert said["exit_code"] == 0, said
        words = [each["words"] for each in said["lines"] if each["mark"] == "PROVED"]
        assert sum("byte for byte" in each for each in words) == len(camera.originals)
        assert sum("erased from the camera" in each for each in words) == len(camera.originals)
        assert any("saw the log grow" in each for each in words)
    changed = place / "changed.zip"
    changed.write_bytes(bundle.read_bytes().replace(b'"camera.cleared"', b'"camera.clearee"', 1))
    done = json.loads(run("sh", "-c", f"'{sys.executable}' -I -S '{alone}' '{changed}' --json || test $? -eq 1"))
    assert done["exit_code"] == 1


@pytest.mark.once
async def test_disk_image_that_is_put_back_is_named_by_the_vault(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """The spool's disk of before the second camera comes back: vault and dock name the rollback, and nothing is cosigned.

    On the way, each loss of power is an entry, told apart from the end of a program.
    """
    first, second = build(place, "CAM-1"), build(place, "CAM-2")
    parts = prepared_machine.docking(place)
    async with Machine(parts, place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock_camera(machine, first, "1")
        await dock.archived([first])
        await machine.guest.sh("sync")
        await machine.quit()
    image = shutil.copy(parts.spool, place / "image.qcow2")
    parts = prepared_machine.again(parts)
    async with Machine(parts, place / "console") as machine:
        dock = usb_dock(machine, outside)
        await machine.guest.until("test -S /run/dockd/control.sock", deadline_s=_BOOTS_S)
        (cut,) = await custody(machine.guest, "daemon.interrupted")
        assert "lost its power" in cut["cause"]
        await machine.guest.sh("systemctl kill --signal=KILL dockd.service")
        await dock.heard('"event": "ready"', count=2)
        (_, killed) = await custody(machine.guest, "daemon.interrupted")
        assert "the program ended" in killed["cause"]
        await dock_camera(machine, second, "2")
        await dock.archived([first, second])
        await machine.pull(second.serial)
        await _witnessed(dock)
        await machine.guest.sh("sync")
        await machine.quit()
    before = _known(outside)
    shutil.copy(image, parts.spool)
    async with Machine(parts, place / "console") as machine:
        dock = usb_dock(machine, outside)
        await machine.guest.until("test -S /run/dockd/control.sock", deadline_s=_BOOTS_S)
        await dock.heard("custody log refused")
        assert "rolled back" in (await dock.status())["custody"]["alarm"]
        (refused,) = await dock.entered("log.refused", count=1)
        assert "rolled back" in refused["message"]
    (alarm,) = _alarms(outside)
    assert alarm == "rollback"
    assert _known(outside) == before


async def _witnessed(dock: Dock) -> None:
    """Wait until every docking is over, and the archive has seen that in the log."""
    given_up_s = time.monotonic() + ARCHIVED_S
    while not await _is_witnessed(dock):
        if time.monotonic() > given_up_s:
            msg = f"the archive does not witness the log\n{await dock.log()}"
            raise RigError(msg)
        await asyncio.sleep(0.3)


async def _is_witnessed(dock: Dock) -> bool:
    begun, ended = await custody(dock.guest, "camera.docked"), await custody(dock.guest, "docking.ended")
    witnessed: int = (await dock.status())["custody"]["witnessed"]
    return len(begun) == len(ended) and witnessed >= ended[-1]["seq"]


def _known(outside: Outside) -> list[tuple[str, int]]:
    """Each log that the vault knows, and how long it was when it was last cosigned."""
    return _rows(outside, "SELECT origin, size FROM logs")


def _alarms(outside: Outside) -> list[str]:
    """The kinds of the vault's alarms about logs."""
    return [kind for (kind,) in _rows(outside, "SELECT kind FROM log_alarms")]


def _rows(outside: Outside, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{(outside.vault.root / 'vault.sqlite').as_uri()}?mode=ro", uri=True, timeout=30)) as ledger:
        return ledger.execute(query).fetchall()
