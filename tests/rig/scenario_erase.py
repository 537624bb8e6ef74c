"""Erasing that is broken off, forbidden, and asked for by an attacker; tests/rig/scenario_filesystems.py shows it undisturbed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig.cameras import MIB, build, sha256_of
from tests.rig.docks import EIGHT, custody
from tests.rig.guest import Guest
from tests.rig.machine import Faults, Machine
from tests.rig.on_disk import TOKEN, footage_on, is_sound, overwriting, token_on
from tests.rig.outside import DOCK_ID, Outside
from tests.rig.power_cut import flushes, replay
from tests.rig.prepared import Prepared
from tests.rig.scenario_usb import dock_camera, ready, usb_dock

SLOW = Faults(rate_bytes_s=4 * MIB)
_PYTHON = "/usr/lib/dockd/bin/python -I -"


@pytest.mark.once
async def test_clear_after_which_only_what_was_flushed_is_there(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """What says that a camera is being cleared is durable, there and here, before its first block is overwritten."""
    camera = build(place, "CAM-1", size_bytes=48 * MIB)
    parts, log = prepared_machine.docking(place, logged=True), place / "camera.log"
    assert parts.writes_log is not None
    content = camera.disk.read_bytes()
    async with Machine(parts, place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock.change(erase={"policy": "clear"})
        await machine.guest.sh("sync")
        await dock_camera(machine, camera, "1", SLOW, log=log)
        await overwriting(camera)
        await machine.cut()
    camera.disk.write_bytes(content)
    flushed = replay(log, camera.disk, place / "flushed.img", flush=flushes(log))
    assert flushed.read_bytes()[: len(TOKEN)] == TOKEN
    flushed.rename(camera.disk)
    spool = replay(parts.writes_log, prepared_machine.spool_of(parts), place / "spool.img", flush=flushes(parts.writes_log))
    parts = replace(prepared_machine.again(parts), spool=spool, spool_format="raw")
    async with Machine(parts, place / "console") as machine:
        await machine.guest.until("test -S /run/dockd/control.sock", deadline_s=600)
        dock = usb_dock(machine, outside)
        await dock_camera(machine, camera, "1")
        await dock.lamp_until("1", lamp="take it", camera=camera.serial, deadline_s=600)
        assert len(await custody(machine.guest, "camera.clear-finished")) == 1
        await dock.archived([camera])
        await machine.pull(camera.serial)
    assert footage_on(camera) == []
    is_sound(camera)


@pytest.mark.always
async def test_clear_that_a_power_cut_and_a_pull_break_off_is_finished(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """The dock loses its power in the middle of it, and the camera is pulled when it goes on: whole at the third docking."""
    camera = build(place, "CAM-1", size_bytes=48 * MIB)
    parts = prepared_machine.docking(place)
    async with Machine(parts, place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock.change(erase={"policy": "clear"})
        await machine.guest.sh("sync")
        await dock_camera(machine, camera, "1", SLOW)
        await token_on(camera)
        assert (await dock.lamp("1"))["lamp"] == "leave it"
        await machine.quit()
    assert camera.disk.read_bytes()[: len(TOKEN)] == TOKEN
    async with Machine(prepared_machine.again(parts), place / "console") as machine:
        dock = usb_dock(machine, outside)
        await machine.guest.until("systemctl is-active --quiet dockd.service", deadline_s=600)
        await dock_camera(machine, camera, "1", SLOW)
        await dock.lamp_until("1", phase="clearing", lamp="leave it", deadline_s=600)
        await machine.pull(camera.serial)
        # Not the camera's name: a clearing that goes on does so before anybody knows it.
        await dock.lamp_until("1", phase="empty")
        assert camera.disk.read_bytes()[: len(TOKEN)] == TOKEN
        await dock_camera(machine, camera, "3")
        await dock.lamp_until("3", lamp="take it", camera=camera.serial, deadline_s=600)
        (finished,) = await custody(machine.guest, "camera.clear-finished")
        assert (finished["camera"], finished["method"]) == (camera.serial, "clear")
        assert (await dock.status())["recordings"]["erased"] == len(camera.originals)
        await machine.pull(camera.serial)
    assert footage_on(camera) == []
    is_sound(camera)


_HOLD = """
import sys
from dockd.errors import DockError
from dockd.helper import client
try:
    getattr(client, sys.argv[1])("camera", sys.argv[2], "the rig", "a court asks")
    print("done")
except DockError as exc:
    print(exc.message)
"""


async def order(guest: Guest, user: str, verb: str, serial: str) -> str:
    """What the helper answers to an order about a hold, from that user."""
    return (await guest.sh(f"runuser -u {user} -- {_PYTHON} {verb} {serial}", stdin=_HOLD.encode())).strip()


@pytest.mark.once
async def test_hold_that_the_helper_knows_keeps_a_camera(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Not a bit of it changes, whatever the daemon knows and the policy is; the daemon's own user cannot lift it, root can."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = usb_dock(machine, outside, EIGHT)
        dock.site = {"erase": {"policy": "delete"}, "ready": {"needs": "erased"}}
        await ready(dock)
        assert await order(machine.guest, "dockd", "place_hold", camera.serial) == "done"
        for bay, policy in (("1", "delete"), ("2", "clear")):
            if policy != "delete":
                await dock.change(erase={"policy": policy})
            await dock_camera(machine, camera, bay)
            shown = await dock.lamp_until(bay, lamp="get help")
            assert "on hold" in shown["reason"]
            await machine.pull(camera.serial)
            await dock.lamp_until(bay, camera=None)
            assert camera.as_it_was()
        await dock.archived([camera])
        assert "only root" in await order(machine.guest, "dockd", "lift_hold", camera.serial)
        assert await order(machine.guest, "root", "lift_hold", camera.serial) == "done"
        await dock_camera(machine, camera, "3")
        await dock.lamp_until("3", lamp="take it", files_erased=len(camera.originals))


# Whoever has become the daemon: its user, its key to the helper's socket, and everything that it knows how to say.
_ATTACK = """
import asyncio, json, os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from dockd.core.erasure import Method
from dockd.core.proof import Statement, StatementKind
from dockd.core.recording import StoredObject
from dockd.core.usb import Volume
from dockd.dsse import SigningKey
from dockd.errors import DockError
from dockd.helper import client, wire

BAY, DOCK, ARCHIVE = sys.argv[1:4]
disk = next(path for path in Path("/sys/block").glob("sd*"))
system = int(Path("/sys/block/vda/diskseq").read_text())
volume = Volume(int((disk / "diskseq").read_text()), 1)
key, now = SigningKey.generate(), datetime.now(UTC)
said = {}

def tried(name, attempt):
    try:
        attempt()
        said[name] = "DONE"
    except (DockError, OSError) as exc:
        said[name] = str(exc)

def session():
    made = client.Session.connect(wire.SOCKET)
    os.close(made.open(BAY, volume))
    return made

def forged(seen, path, nonce):
    stored = StoredObject(ARCHIVE, "object", "https://x/", "ab" * 16, "ab" * 16, seen.rehashes[path].measured)
    statement = Statement(StatementKind.HOLDING, ARCHIVE, "object", stored.measured, DOCK, seen.scan.serial, "ab" * 16, now,
                          now + timedelta(days=9), nonce, key.key_id)
    return wire.Demand("ab" * 16, path, stored, key.envelope(statement))

def with_forged_words(method):
    def attempt():
        one = session()
        paths = [each.path for each in one.examine([], int).scan.files]
        seen = one.examine(paths, int)
        one.erase("d1", method, [forged(seen, path, seen.nonce) for path in seen.rehashes], int)
    return attempt

def without_words():
    one = session()
    one.examine([], int)
    one.erase("d1", Method.DELETE, [], int)

asyncio.run(client.authorise(wire.SOCKET, BAY))
tried("delete with forged statements", with_forged_words(Method.DELETE))
tried("clear with forged statements", with_forged_words(Method.CLEAR))
tried("delete without statements", without_words)
tried("the system disk", lambda: client.Session.connect(wire.SOCKET).open(BAY, Volume(system, 0)))
tried("resume what was never begun", lambda: client.Session.connect(wire.SOCKET)._erased(wire.Resume(BAY, volume.diskseq), int))
tried("resume on the system disk", lambda: client.Session.connect(wire.SOCKET)._erased(wire.Resume(BAY, system), int))
tried("write to the disk", lambda: os.open(f"/dev/{disk.name}", os.O_WRONLY))
tried("forget the holds", lambda: list(Path("/var/lib/dockd-helper").iterdir()))
print(json.dumps(said))
"""


@pytest.mark.once
async def test_daemon_that_was_taken_over_erases_nothing(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Run as the daemon's own user against the real helper: everything is refused, and not a bit of camera or system changes."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock.change(erase={"policy": "clear"})
        await machine.guest.sh("systemctl stop dockd.service")
        await dock_camera(machine, camera, "1")
        await machine.guest.until("grep -l 46f4 /sys/bus/usb/devices/*/idVendor")
        await machine.guest.sh(f"runuser -u dockd -- {_PYTHON}", stdin=_AUTHORISE.encode())
        await machine.guest.until("ls /sys/block/sd*/sd*1")
        told = await machine.guest.sh(f"runuser -u dockd -- {_PYTHON} 1 {DOCK_ID} archive", stdin=_ATTACK.encode(), timeout_s=600)
        said: dict[str, str] = json.loads(told)
        assert len(said) == 8
        assert [name for name, words in said.items() if words == "DONE"] == []
        assert "signature" in said["delete with forged statements"]
        assert "is not in this bay" in said["the system disk"]
        assert "Permission denied" in said["write to the disk"]
        await machine.pull(camera.serial)
        assert sha256_of(camera.disk) == camera.sha256
        # The machine itself is as healthy as before.
        await dock.start()


_AUTHORISE = """
import asyncio
from dockd.helper import client, wire
asyncio.run(client.authorise(wire.SOCKET, "1"))
"""
