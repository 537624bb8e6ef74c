"""Erasing in USB bays on the kernel's own file systems: deleted, cleared, broken off, forbidden, and asked for by an attacker."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.rig.cameras import MIB, Camera, build, sha256_of
from tests.rig.docks import EIGHT, PROFILES, Dock, fill_exfat
from tests.rig.guest import Guest
from tests.rig.image import RigError, run
from tests.rig.machine import Faults, Machine
from tests.rig.outside import DOCK_ID, Outside
from tests.rig.prepared import Prepared
from tests.rig.scenario_bays import custody
from tests.rig.scenario_usb import dock_camera

FACTS = "MISC/CAMERA.TXT"
SLOW = Faults(rate_bytes_s=4 * MIB)
_PYTHON = "/usr/lib/dockd/bin/python -I -"
_TOKEN = b"This disk is being cleared"


async def erasing(machine: Machine, outside: Outside, policy: str, filesystem: str = "vfat", *, start: bool = True) -> Dock:
    """A dock that empties cameras, and says `take it` only of empty ones."""
    site: dict[str, Any] = {"erase": {"policy": policy}, "ready": {"needs": "erased"}}
    dock = Dock(machine, outside, EIGHT, site, filesystem)
    await dock.configure()
    await dock.guest.sh(
        f"sed -i 's/method: delete/method: {policy}/' {PROFILES}/rig.yaml; grep -q 'method: {policy}' {PROFILES}/rig.yaml"
    )
    if start:
        await dock.start()
    return dock


async def made(machine: Machine, place: Path, filesystem: str, *, partitioned: bool = True) -> Camera:
    """A camera of that file system, filled."""
    camera = build(place, "CAM-1", filesystem=filesystem, partitioned=partitioned)
    return await fill_exfat(machine, camera) if filesystem == "exfat" else camera


def volume(camera: Camera) -> Path:
    """The file system on the camera's disk, cut out."""
    inner = camera.disk.with_suffix(".volume")
    inner.write_bytes(camera.disk.read_bytes()[camera.offset_bytes :])
    return inner


def sound(camera: Camera) -> None:
    """Who checks such file systems finds nothing."""
    checks = {"vfat": ["fsck.vfat", "-n"], "exfat": ["fsck.exfat", "-n"], "ext4": ["e2fsck", "-f", "-n"]}
    run(*checks[camera.filesystem], volume(camera))


def facts_on(camera: Camera) -> bytes:
    """What the camera's own file says, read on the host; exfat, for which no program reads files, is looked through for it."""
    content = (camera.tree / FACTS).read_bytes()
    match camera.filesystem:
        case "vfat":
            return run("mtype", "-i", volume(camera), f"::/{FACTS}").encode()
        case "ext4":
            return run("debugfs", "-R", f"cat /{FACTS}", volume(camera)).encode()
        case _:
            return content if content in camera.disk.read_bytes() else b""


def footage_on(camera: Camera) -> list[str]:
    """Recordings of which any of a few samples is anywhere on the camera's disk."""
    disk = camera.disk.read_bytes()
    found = []
    for path in camera.originals:
        content = (camera.tree / path.decode()).read_bytes()
        samples = [content[begin : begin + 64] for begin in range(0, len(content) - 64, max(1, len(content) // 16))]
        if any(sample in disk for sample in samples):
            found.append(path.decode())
    return found


async def shut(guest: Guest) -> bool:
    """Whether writes to every disk in the bays are blocked."""
    return "0" not in await guest.sh("cat /sys/block/sd*/ro /sys/block/sd*/sd*/ro 2>/dev/null || true")


async def token_on(camera: Camera, *, deadline_s: float = 600.0) -> None:
    """Wait until the camera's clearing has begun; the host sees what the machine writes.

    Raises:
        RigError: it did not in time.
    """
    given_up_s = time.monotonic() + deadline_s
    while True:
        with camera.disk.open("rb") as disk:
            if disk.read(len(_TOKEN)) == _TOKEN:
                return
        if time.monotonic() > given_up_s:
            msg = f"the clearing of {camera.serial} did not begin"
            raise RigError(msg)
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("filesystem", ["vfat", "exfat", "ext4"])
async def test_proved_recordings_are_deleted(filesystem: str, prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """What the archive holds is gone from the camera, which is sound, shut, and has its own file; and it can be docked again."""
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        camera = await made(machine, place, filesystem)
        dock = await erasing(machine, outside, "delete", filesystem)
        await dock_camera(machine, camera, "1")
        await dock.archived([camera])
        shown = await dock.lamp_until("1", lamp="take it", files_erased=len(camera.originals))
        assert shown["files_total"] == len(camera.originals)
        assert await shut(machine.guest)
        (cleared,) = await custody(machine.guest, "camera.cleared")
        assert (cleared["method"], cleared["files"]) == ("delete", len(camera.originals))
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        sound(camera)
        assert facts_on(camera) == (camera.tree / FACTS).read_bytes()
        await dock_camera(machine, camera, "2")
        await dock.lamp_until("2", lamp="take it", camera=camera.serial, files_total=0)


@pytest.mark.parametrize(("filesystem", "partitioned"), [("vfat", True), ("exfat", True), ("ext4", False)])
async def test_camera_is_cleared_and_accepted_again(
    filesystem: str, partitioned: bool, prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Not a byte of the footage is left; table, label and number are the same, and the kernel mounts what was made."""
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        camera = await made(machine, place, filesystem, partitioned=partitioned)
        table = camera.disk.read_bytes()[440:512] if partitioned else b""
        dock = await erasing(machine, outside, "clear", filesystem)
        await dock_camera(machine, camera, "1")
        await dock.archived([camera])
        await dock.lamp_until("1", lamp="take it", files_erased=len(camera.originals))
        (cleared,) = await custody(machine.guest, "camera.cleared")
        assert cleared["method"] == "clear"
        assert cleared["overwritten"]["written_bytes"] == str(camera.disk.stat().st_size)
        assert await shut(machine.guest)
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        assert footage_on(camera) == []
        assert not partitioned or camera.disk.read_bytes()[440:512] == table
        sound(camera)
        assert facts_on(camera) == (camera.tree / FACTS).read_bytes()
        await dock_camera(machine, camera, "2")
        await dock.lamp_until("2", lamp="take it", camera=camera.serial, files_total=0)


async def test_pull_during_a_clear_is_finished_in_another_bay(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Pulled in the middle of it the camera is nothing that anybody takes for a camera; put in again it is cleared by itself."""
    camera = build(place, "CAM-1", size_bytes=48 * MIB)
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await erasing(machine, outside, "clear")
        await dock_camera(machine, camera, "1", SLOW)
        await token_on(camera)
        assert (await dock.lamp("1"))["lamp"] == "leave it"
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        assert camera.disk.read_bytes()[: len(_TOKEN)] == _TOKEN
        await dock_camera(machine, camera, "3", SLOW)
        await dock.lamp_until("3", phase="clearing", lamp="leave it")
        await dock.lamp_until("3", lamp="take it", camera=camera.serial, deadline_s=600)
        (finished,) = await custody(machine.guest, "camera.clear-finished")
        assert (finished["camera"], finished["method"]) == (camera.serial, "clear")
        assert (await dock.status())["recordings"]["erased"] == len(camera.originals)
        await machine.pull(camera.serial)
    assert footage_on(camera) == []
    sound(camera)


async def test_power_cut_during_a_clear_is_finished_at_the_next_start(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """The dock loses its power in the middle of it; started again, with the same camera, it clears it by itself."""
    camera = build(place, "CAM-1", size_bytes=48 * MIB)
    parts = prepared_machine.parts(place)
    async with Machine(parts, place / "console") as machine:
        dock = await erasing(machine, outside, "clear")
        await machine.guest.sh("sync")
        await dock_camera(machine, camera, "1", SLOW)
        await token_on(camera)
        await machine.quit()
    async with Machine(prepared_machine.again(parts), place / "console") as machine:
        dock = Dock(machine, outside, EIGHT)
        await machine.guest.until("test -S /run/dockd/control.sock", deadline_s=600)
        await dock_camera(machine, camera, "1")
        await dock.lamp_until("1", lamp="take it", camera=camera.serial, deadline_s=600)
        assert len(await custody(machine.guest, "camera.clear-finished")) == 1
        assert (await dock.status())["recordings"]["erased"] == len(camera.originals)
        await machine.pull(camera.serial)
    assert footage_on(camera) == []
    sound(camera)


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


@pytest.mark.parametrize("policy", ["delete", "clear"])
async def test_hold_that_the_helper_knows_keeps_a_camera(
    policy: str, prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Not a bit of it changes, whatever the daemon knows; the daemon's own user cannot lift it, root can."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await erasing(machine, outside, policy)
        assert await order(machine.guest, "dockd", "place_hold", camera.serial) == "done"
        await dock_camera(machine, camera, "1")
        await dock.archived([camera])
        shown = await dock.lamp_until("1", lamp="get help")
        assert "on hold" in shown["reason"]
        assert "only root" in await order(machine.guest, "dockd", "lift_hold", camera.serial)
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        assert camera.as_it_was()
        assert await order(machine.guest, "root", "lift_hold", camera.serial) == "done"
        await dock_camera(machine, camera, "2")
        await dock.lamp_until("2", lamp="take it", files_erased=len(camera.originals))


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


async def test_daemon_that_was_taken_over_erases_nothing(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Run as the daemon's own user against the real helper: everything is refused, and not a bit of camera or system changes."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await erasing(machine, outside, "clear", start=False)
        await machine.guest.sh("systemctl start dockd-helper.socket dockd-helper.service")
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
