"""What a bay does with what is put into it: learned, refused, held, dropped by its hub, without power, in several parts."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.rig.cameras import MIB, Camera, build
from tests.rig.docks import BEHIND_HUB, HUB_PORT, PROFILES, Dock, custody, objects_count
from tests.rig.machine import BAYS, KIOSK, Faults, Machine, bay_path
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared
from tests.rig.scenario_usb import CONTROLLER, dock_camera, ready, usb_dock

_PYTHON = "/usr/lib/dockd/bin/python -I"
# Whoever charges: switches the port off and sits there, until it is killed.
_HOLD = """
import asyncio, sys
from dockd.helper import client

async def hold():
    async with client.port_power("/run/dockd-helper.sock", sys.argv[1]) as power:
        print(await power.switch(on=False), flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


@pytest.mark.once
async def test_bays_are_learned_by_plugging_and_written(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Before any dock runs: one camera goes through the bays, and the site file then names their ports; comments stay."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = Dock(machine, outside, [{"id": "1", "directory": "/srv/bays/1"}])
        await dock.configure()
        await machine.guest.sh("echo '# reviewed by A. Smith' >>/etc/dockd/site.yaml")
        learning = asyncio.create_task(machine.guest.sh("dockd bays learn 1 left --write --json 2>/run/said", timeout_s=600))
        for words, port in (("bay 1", "3"), ("bay left", "7")):
            await machine.guest.until(f"grep -q 'Plug one camera into {words}' /run/said")
            await dock_camera(machine, camera, port)
            await machine.guest.until(f"grep -q '^B{words[1:]} is ' /run/said")
            await machine.pull(camera.serial)
        learned = json.loads(await learning)
        assert [(each["id"], each["usb_port"]) for each in learned["bays"]] == [("1", bay_path("3")), ("left", bay_path("7"))]
        assert all(each["serial"] == camera.serial for each in learned["bays"])
        text = await machine.guest.sh("cat /etc/dockd/site.yaml; dockd config check")
        assert "# reviewed by A. Smith" in text
        assert "2 bays" in text


@pytest.mark.once
async def test_keyboard_that_was_in_a_bay_before_the_machine_started(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """The helper shuts it out by itself, with the daemon dead; the daemon then shows it, and records that it was there first."""
    parts = prepared_machine.docking(place)
    async with Machine(parts, place / "console") as machine:
        await ready(usb_dock(machine, outside))
        await machine.guest.sh("systemctl disable --quiet dockd.service; systemctl stop dockd.service; sync")
        await machine.quit()
    async with Machine(prepared_machine.again(parts), place / "console") as machine:
        await machine.plug_other("usb-kbd", name="own", port="1", controller=KIOSK)
        await machine.plug_other("usb-kbd", name="hostile", port="2")
        await machine.guest.until("systemctl is-active dockd-helper.service", deadline_s=600)
        await machine.guest.until(f"grep -qx 0 {CONTROLLER}/usb*/*-2/authorized")
        await machine.guest.sh(
            "grep -q usb-0000:00:05.0 /proc/bus/input/devices; ! grep -q usb-0000:00:04.0 /proc/bus/input/devices"
        )
        dock = usb_dock(machine, outside)
        await dock.start()
        shown = await dock.lamp_until("2", lamp="get help")
        assert "a keyboard is in bay 2" in shown["reason"]
        assert "Take it out" in shown["next_step"]
        (entry,) = await dock.entered("device.refused", count=1)
        assert (entry["bay"], entry["policy"]) == ("2", "present at start")


_SEVERAL = """
name: rig
present: internal/DCIM
folders: [internal/DCIM, card/DCIM]
recordings: ["*.MP4"]
sidecars: ["*.THM"]
ignore: ["card/MISC/*"]
serial: {file: internal/MISC/CAMERA.TXT, line: 'serial: *(.+)'}
usb: [{vendor: "46f4"}]
filesystem: vfat
volumes:
  - {name: internal, lun: 0, partition: 1}
  - {name: card, lun: 1, optional: true}
erase: {method: never}
"""


async def _plug_several(machine: Machine, disks: Sequence[Path], *, name: str, port: str, serial: str) -> None:
    """One device with a logical unit for each disk, which it shows all at once."""
    device = {"driver": "usb-bot", "id": name, "bus": f"{BAYS}.0", "port": port, "serial": serial}
    await machine.qmp.order("device_add", device)
    for lun, disk in enumerate(disks):
        node = f"{name}-lun{lun}"
        await machine.qmp.order("blockdev-add", {"driver": "file", "filename": str(disk), "node-name": f"{node}-file"})
        await machine.qmp.order("blockdev-add", {"driver": "raw", "file": f"{node}-file", "node-name": node})
        unit = {"driver": "scsi-hd", "id": f"{node}-unit", "bus": f"{name}.0", "scsi-id": 0, "lun": lun, "drive": node}
        await machine.qmp.order("device_add", unit)
    await machine.qmp.order("qom-set", {"path": f"/machine/peripheral/{name}", "property": "attached", "value": True})


async def test_camera_with_a_memory_and_a_card_is_read_whole_or_not_at_all(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Under a profile that names no volumes nothing is read; under one that does both are archived, and no bit changes."""
    (place / "second").mkdir()
    internal, card = build(place, "CAM-1"), build(place / "second", "CAM-1", partitioned=False, recording_bytes=MIB)
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await _plug_several(machine, [internal.disk, card.disk], name="cam", port="1", serial="CAM-1")
        shown = await dock.lamp_until("1", lamp="get help")
        assert "the camera shows 2 volumes, and profile rig names none" in shown["reason"]
        assert objects_count(outside.vault) == 0
        await machine.pull("cam")
        await dock.lamp_until("1", lamp=None)
        await machine.guest.write(f"{PROFILES}/rig.yaml", _SEVERAL)
        await machine.guest.sh("systemctl restart dockd.service", timeout_s=600)
        for node in ("cam-lun0", "cam-lun1"):
            await machine.qmp.order("blockdev-del", {"node-name": node})
            await machine.qmp.order("blockdev-del", {"node-name": f"{node}-file"})
        await _plug_several(machine, [internal.disk, card.disk], name="cam", port="1", serial="CAM-1")
        await dock.archived([internal, card])
        await dock.lamp_until("1", lamp="take it")
    assert internal.as_it_was()
    assert card.as_it_was()


@pytest.mark.once
async def test_two_cameras_with_one_serial_are_both_held(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Neither is taken for the other; put back alone, one is archived."""
    first, second = build(place, "CAM-1"), build(place / "double", "CAM-1")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock_camera(machine, first, "1", Faults(rate_bytes_s=MIB))
        await dock.lamp_until("1", camera="CAM-1")
        await machine.plug(second.disk, name="double", port="2", serial="CAM-1")
        for bay, other in (("1", "2"), ("2", "1")):
            shown = await dock.lamp_until(bay, lamp="get help")
            assert f"the one in bay {other}" in shown["reason"]
        await machine.pull("CAM-1")
        await machine.pull("double")
        await dock.lamp_until("2", lamp=None)
        await dock.lamp_until("1", lamp=None)
        await dock_camera(machine, first, "1")
        await dock.lamp_until("1", lamp="take it")
        await dock.archived([first])


async def behind_a_hub(machine: Machine, cameras: Sequence[Camera], faults: Faults | None = None, *, obeys: bool = True) -> None:
    """Cameras on a hub that switches its ports' power, or does not although it is told to."""
    await machine.plug_other("usb-hub", name="hub", port=HUB_PORT, controller=BAYS, **{"port-power": obeys})
    await machine.guest.until(f"ls {CONTROLLER}/usb*/*-{HUB_PORT}/*:1.0/*-port1/disable")
    for number, camera in enumerate(cameras, 1):
        await machine.plug(camera.disk, name=camera.serial, port=f"{HUB_PORT}.{number}", serial=camera.serial, faults=faults)


async def test_camera_that_drops_and_comes_back_by_itself(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Its port loses it in the middle of a copy: a second docking goes on, nobody is alarmed, each file is archived once."""
    camera = build(place, "CAM-1", recordings=3, recording_bytes=4 * MIB)
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside, BEHIND_HUB))
        await behind_a_hub(machine, [camera], Faults(rate_bytes_s=MIB))
        await machine.guest.until("ls /var/lib/dockd/spool/recordings/*.part")
        await machine.guest.sh(
            f"for each in {CONTROLLER}/usb*/*-{HUB_PORT}/*:1.0/*-port1/disable; do echo 1 >$each; echo 0 >$each; done"
        )
        await dock.archived([camera])
        await dock.lamp_until("h1", lamp="take it")
        assert len(await custody(machine.guest, "camera.docked")) == 2
        assert await custody(machine.guest, "docking.failed") == []


async def test_port_power_goes_and_comes_back_whatever_dies(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """A camera in use keeps its power, a resting one comes back; when whoever asked dies, or the helper, the port has power."""
    resting, busy = build(place, "CAM-1"), build(place, "CAM-2", recordings=3, recording_bytes=20 * MIB, size_bytes=96 * MIB)
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        guest = machine.guest
        dock = await ready(usb_dock(machine, outside, BEHIND_HUB))
        await behind_a_hub(machine, [resting])
        await dock.lamp_until("h1", lamp="take it")
        await dock.archived([resting])
        probed = await guest.call("dockd", "bays", "probe", "h1", "--json", timeout_s=600)
        assert json.loads(probed.stdout)["verdict"] == "switches", probed
        await dock.lamp_until("h1", lamp="take it")

        await machine.plug(busy.disk, name="busy", port=f"{HUB_PORT}.2", serial=busy.serial, faults=Faults(rate_bytes_s=MIB))
        await guest.until("ls /var/lib/dockd/spool/recordings/*.part")
        refused = await guest.call("dockd", "bays", "probe", "h2", timeout_s=600)
        assert "the camera in bay h2 is in use, so its power stays on" in refused.stderr

        power = f"cat {CONTROLLER}/usb*/*-{HUB_PORT}/*:1.0/*-port1/disable"
        await guest.write("/run/hold.py", _HOLD)
        for end in ("kill -9 $(cat /run/hold.pid)", "systemctl kill -s KILL dockd-helper.service"):
            await dock.lamp_until("h1", lamp="take it")
            await guest.sh(
                "setsid /usr/lib/dockd/bin/python -I /run/hold.py h1 </dev/null >/run/held 2>&1 & echo $! >/run/hold.pid"
            )
            await guest.until("grep -qx True /run/held")
            assert (await guest.sh(power)).split() == ["1"]
            await dock.lamp_until("h1", lamp=None)
            await guest.sh(end)
            await guest.until(f"{power} | grep -qx 0")
        await dock.lamp_until("h1", lamp="take it")


@pytest.mark.once
async def test_hub_that_ignores_what_it_is_told_is_found_out(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Its power stays on whatever it is told: the probe says so, and the camera is docked again."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside, BEHIND_HUB))
        await behind_a_hub(machine, [camera], obeys=False)
        await dock.lamp_until("h1", lamp="take it")
        probed = await machine.guest.call("dockd", "bays", "probe", "h1", "--json", timeout_s=600)
        assert (probed.status, json.loads(probed.stdout)["verdict"]) == (1, "ignores")
        await dock.lamp_until("h1", lamp="take it")
        await dock.archived([camera])
