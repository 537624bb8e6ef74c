"""The planner and the helper together, on a hub that switches: whose port rests, what its tile says, and what a crash leaves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.docking.attendant import CUT
from tests.rig.cameras import MIB, Camera, build, sha256_of
from tests.rig.docks import BEHIND_HUB, HUB_PORT, Dock, custody
from tests.rig.guest import Guest
from tests.rig.image import run
from tests.rig.machine import Machine
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared
from tests.rig.scenario_bays import behind_a_hub
from tests.rig.scenario_usb import CONTROLLER, ready, usb_dock
from tests.sim.cameras import write_file

_PORTS = {bay["id"]: f"{CONTROLLER}/usb*/*-{HUB_PORT}/*:1.0/*-port{number}/disable" for number, bay in enumerate(BEHIND_HUB, 1)}
_LOOK_AGAIN_S = 0.3
ONE_OF_TWO = "900 mA"
"""What one camera draws whose profile says nothing."""


def rationed(machine: Machine, outside: Outside, budget: str) -> Dock:
    """A dock whose hub has so much for both of its bays; a camera keeps its power for two minutes, and rests for one."""
    dock = usb_dock(machine, outside, BEHIND_HUB)
    hub = {"name": "left", "bays": list(_PORTS), "budget": budget}
    dock.site = {"charging": {"hubs": [hub], "slice_minutes": 2, "rest_minutes": 1}}
    return dock


async def without_power(guest: Guest) -> set[str]:
    """The bays whose ports are off, by what the kernel reads from the hub."""
    said = await guest.sh(f"cat {' '.join(_PORTS.values())}")
    return {bay for bay, disabled in zip(_PORTS, said.split(), strict=True) if disabled == "1"}


@asynccontextmanager
async def never_green_without_power(dock: Dock) -> AsyncIterator[list[str]]:
    """Look again and again, all the while: a bay whose port is off before and after a look never says *take it* in between.

    Yields what was seen of such bays, as it is seen.
    """
    seen: list[str] = []

    async def look() -> None:
        while True:
            before, status, after = await without_power(dock.guest), await dock.status(), await without_power(dock.guest)
            for shown in status["bays"]:
                if shown["bay"] in before & after:  # a port rests for a minute, so it was off all the time
                    assert shown["lamp"] == "leave it", shown
                    seen.append(shown["reason"])
            await asyncio.sleep(_LOOK_AGAIN_S)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        await asyncio.wait([looking])
    if not looking.cancelled():
        looking.result()


def used_meanwhile(camera: Camera) -> Camera:
    """Somebody took it, filmed, and put it back, while its port had no power; the camera as it is then."""
    path = "DCIM/100MEDIA/CLIP0099.MP4"
    digest = write_file(camera.tree, path.encode(), MIB, "while nobody could see")
    run("mcopy", "-m", "-i", camera.disk, camera.tree / path, f"::{path}")
    return replace(camera, originals=camera.originals | {path.encode(): digest}, sha256=sha256_of(camera.disk))


async def hub_power(dock: Dock) -> str:
    """What the self-test says of the hubs."""
    checks = (await dock.ask("GET", "selftest"))["checks"]
    reasons: list[str] = [each["reason"] for each in checks if each["part"] == "hub power"]
    (reason,) = reasons
    return reason


async def plug_both(machine: Machine, cameras: Sequence[Camera]) -> None:
    """The second one a moment after the first is on its hub, as people do it."""
    await behind_a_hub(machine, cameras[:1])
    await machine.plug(cameras[1].disk, name=cameras[1].serial, port=f"{HUB_PORT}.2", serial=cameras[1].serial)


@pytest.mark.once
async def test_planner_lets_a_port_rest_and_looks_at_its_camera_afresh(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Never green without power; with it, what came onto the camera meanwhile is archived; one that left meanwhile is noted."""
    first, second = build(place, "CAM-1", partitioned=False), build(place, "CAM-2")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(rationed(machine, outside, ONE_OF_TWO))
        await behind_a_hub(machine, [first])
        async with never_green_without_power(dock) as seen:
            await dock.lamp_until("h1", lamp="take it")
            assert await without_power(machine.guest) == set()  # the budget reaches for one
            await machine.plug(second.disk, name=second.serial, port=f"{HUB_PORT}.2", serial=second.serial)
            shown = await dock.lamp_until("h1", phase="unpowered")
            assert (shown["lamp"], shown["camera"], shown["files_total"]) == ("leave it", "CAM-1", 0)
            assert shown["reason"] == "Resting while other cameras charge; it was charged 87 % when last asked."
            first = used_meanwhile(first)
            await dock.archived([first, second])
            await dock.lamp_until("h1", lamp="take it", files_archived=len(first.originals))
            await dock.lamp_until("h2", phase="unpowered")
            await machine.pull(second.serial)  # at once: the other port is off for a minute, at least
            assert await hub_power(dock) == "Switch: bay h1, h2."
            await dock.lamp_until("h2", phase="empty", lamp=None)
            await dock.lamp_until("h1", lamp="take it")
        assert seen
        dockings = [each["docking"] for each in await custody(machine.guest, "camera.docked") if each["camera"] == "CAM-1"]
        ended = {each["docking"]: each["reason"] for each in await custody(machine.guest, "docking.ended")}
        assert len(dockings) >= 2
        assert {ended[each] for each in dockings[:-1]} == {CUT}
        (left,) = await custody(machine.guest, "camera.left-unpowered")
        assert (left["camera"], left["bay"]) == ("CAM-2", "h2")
        assert await custody(machine.guest, "docking.failed") == []
    assert first.as_it_was()
    assert second.as_it_was()


_CRASHES = {
    "the daemon": "kill -9 $(systemctl show -P MainPID dockd.service)",
    "the helper": "systemctl kill -s KILL dockd-helper.service",
    "both": "systemctl kill -s KILL dockd.service dockd-helper.service",
}


async def test_crash_while_a_port_is_off_leaves_every_port_with_power(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Whoever is killed, the port is on again and its camera is docked anew; so is every port when both are stopped."""
    cameras = [build(place, "CAM-1"), build(place, "CAM-2")]
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        guest = machine.guest
        dock = await ready(rationed(machine, outside, ONE_OF_TWO))
        await plug_both(machine, cameras)
        for script in _CRASHES.values():
            bay = await resting_bay(dock)
            pid = (await guest.sh("systemctl show -P MainPID dockd.service")).strip()
            await guest.sh(script)
            await guest.until(f"cat {_PORTS[bay]} | grep -qx 0", deadline_s=60)
            if script != _CRASHES["the helper"]:
                another = '[ "$(systemctl show -P MainPID dockd.service)" != '
                await guest.until(f"{another} {pid} ] && systemctl is-active --quiet dockd.service", deadline_s=600)
            await dock.lamp_until(bay, lamp="take it", deadline_s=600)
        await resting_bay(dock)
        await guest.sh("systemctl stop dockd.service dockd-helper.socket dockd-helper.service", timeout_s=600)
        assert await without_power(guest) == set()
        await dock.archived(cameras)
    assert all(each.as_it_was() for each in cameras)


async def resting_bay(dock: Dock) -> str:
    """The bay whose camera rests, as soon as one does: its tile says so, and its port is off."""
    async with asyncio.timeout(600):
        while True:
            off, status = await without_power(dock.guest), await dock.status()
            for shown in status["bays"]:
                # One whose port has just been switched on is still shown as it was.
                if shown["bay"] in off and shown["phase"] == "unpowered":
                    assert shown["lamp"] == "leave it"
                    bay: str = shown["bay"]
                    return bay
            await asyncio.sleep(_LOOK_AGAIN_S)


@pytest.mark.once
async def test_planner_leaves_a_hub_alone_that_ignores_it(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """It says that the power stayed on: the camera is docked again and stays, and the self-test says why."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(rationed(machine, outside, "100 mA"))
        await behind_a_hub(machine, [camera], obeys=False)
        await dock.heard("port does not switch")
        await dock.lamp_until("h1", lamp="take it", phase="resting")
        # Longer than until the next attempt, if there were one: by the machine's own clock.
        await machine.guest.until(f"[ $(($(cut -d. -f1 /proc/uptime) - {await _uptime(machine.guest)})) -gt 90 ]")
        await dock.lamp_until("h1", lamp="take it", phase="resting")
        assert await hub_power(dock) == (
            "Can switch, not tried yet: bay h2; bay h1 does not switch (the hub says that the power stayed on); "
            "hub left gives more than its budget."
        )
        assert len(await custody(machine.guest, "camera.docked")) == 2
        await dock.archived([camera])


async def _uptime(guest: Guest) -> str:
    return (await guest.sh("cut -d. -f1 /proc/uptime")).strip()
