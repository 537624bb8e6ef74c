"""Cameras in USB bays, through real udev, the helper and the kernel's file systems: the dock as it is used."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.rig.cameras import MIB, Camera, build
from tests.rig.docks import Dock, Outside, fill_exfat, objects_count
from tests.rig.machine import KIOSK, Faults, Machine, bay_path
from tests.rig.prepared import Prepared

PROFILE = "/etc/dockd/profiles"
EIGHT = [{"id": str(number), "usb_port": bay_path(str(number))} for number in range(1, 9)]
HUB_PORT = "9"
BEHIND_HUB = [{"id": f"h{number}", "usb_port": bay_path(f"{HUB_PORT}.{number}")} for number in (1, 2)]
SITE: dict[str, Any] = {"profiles": {"directory": PROFILE}, "offload": {"stall_after_s": 10}}


def usb_dock(machine: Machine, outside: Outside, bays: list[dict[str, str]] = EIGHT) -> Dock:
    """A dock whose bays are USB ports."""
    return Dock(machine, outside, bays, SITE)


async def ready(dock: Dock, filesystem: str = "vfat") -> Dock:
    """Configure it for cameras of one file system and start it."""
    await dock.guest.sh(
        # QEMU's disks are the cameras here; all else is as the profile that ships has it.
        f"mkdir -p {PROFILE}; sed -e 's/^name: dcf/name: rig/' -e '/^# yaml-language/d' /usr/share/dockd/profiles/dcf.yaml "
        f">{PROFILE}/rig.yaml; printf 'usb:\\n  - vendor: \"46f4\"\\nfilesystem: {filesystem}\\n' >>{PROFILE}/rig.yaml"
    )
    await dock.configure()
    await dock.start()
    return dock


async def dock_camera(machine: Machine, camera: Camera, bay: str, faults: Faults | None = None) -> None:
    """Put a camera into a bay of `EIGHT`."""
    await machine.plug(camera.disk, name=camera.serial, port=bay, serial=camera.serial, faults=faults)


async def test_eight_cameras_at_once(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Eight cameras that are docked together all reach the archive whole, and none is written to."""
    cameras = [build(place, f"CAM-{number}", partitioned=number % 2 == 0) for number in range(1, 9)]
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        for number, camera in enumerate(cameras, 1):
            await dock_camera(machine, camera, str(number))
        await dock.archived(cameras)
        for camera in cameras:
            await machine.pull(camera.serial)
        assert all(camera.as_it_was() for camera in cameras)


# Mounted for writing, a clean vfat would be marked as in use, and a dirty ext4 be repaired.
@pytest.mark.parametrize(("filesystem", "dirty"), [("vfat", False), ("vfat", True), ("ext4", True)])
async def test_camera_is_bit_identical_after_docking_and_pull(
    filesystem: str, dirty: bool, prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Nothing is written to a camera: no journal is replayed, no mark is changed."""
    camera = build(place, "CAM-1", filesystem=filesystem, dirty=dirty)
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside), filesystem)
        await dock_camera(machine, camera, "1")
        await dock.archived([camera])
        await machine.pull(camera.serial)
    assert camera.as_it_was()


async def test_exfat_camera(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """A camera with exfat is archived whole."""
    camera = build(place, "CAM-1", filesystem="exfat")
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        camera = await fill_exfat(machine, camera)
        dock = await ready(usb_dock(machine, outside), "exfat")
        await dock_camera(machine, camera, "1")
        await dock.archived([camera])
        await machine.pull(camera.serial)
    assert camera.as_it_was()


async def test_pull_in_the_middle_of_a_copy_and_another_bay(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """A camera pulled while it is copied and docked in another bay is archived whole, each recording once."""
    camera = build(place, "CAM-1", recordings=3, recording_bytes=4 * MIB)
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock_camera(machine, camera, "1", Faults(rate_bytes_s=MIB))
        await machine.guest.until("ls /var/lib/dockd/spool/recordings/*.part")
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        await dock_camera(machine, camera, "5")
        await dock.archived([camera])
        await dock.lamp_until("5", lamp="take it")


async def test_bad_sectors_hold_up_one_recording_and_name_it(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """With bad sectors under one recording the others are archived, and the light asks for help and names the bad one."""
    camera = build(place, "CAM-1", recordings=3)
    bad = b"DCIM/100MEDIA/CLIP0002.MP4"
    faults = Faults(bad_sectors=camera.sectors_of(bad, at_bytes=MIB))
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock_camera(machine, camera, "1", faults)
        shown = await dock.lamp_until("1", lamp="get help")
        await dock.archived([without(camera, bad)])
        assert [each["path"] for each in shown["problems"]] == [bad.decode()]


async def test_keyboard_in_a_bay_is_never_let_in(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """A keyboard in a bay has no driver and no input device; the kiosk's own keyboard works."""
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await machine.plug_other("usb-kbd", name="own", port="1", controller=KIOSK)
        await machine.guest.until("grep -q usb-0000:00:05.0 /proc/bus/input/devices")
        await machine.plug_other("usb-kbd", name="hostile", port="2")
        await dock.lamp_until("2", lamp="get help")
        # Not even for a moment: whoever types fast needs no more.
        await machine.guest.sh("! dmesg | grep 'input:.*0000:00:04.0'")
        authorised = await machine.guest.sh("cat /sys/bus/pci/devices/0000:00:04.0/usb*/*-2/authorized")
        assert authorised.split() == ["0"]


async def test_hub_that_drops_all_bays_at_once(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """When a hub goes, all its bays are empty; when it comes back, both cameras are archived whole."""
    cameras = [build(place, f"CAM-{number}", recordings=3, recording_bytes=3 * MIB) for number in (1, 2)]

    async def plugged(machine: Machine) -> None:
        await machine.plug_other("usb-hub", name="hub", port=HUB_PORT)
        for number, camera in enumerate(cameras, 1):
            await machine.plug(
                camera.disk,
                name=camera.serial,
                port=f"{HUB_PORT}.{number}",
                serial=camera.serial,
                faults=Faults(rate_bytes_s=MIB),
            )

    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside, BEHIND_HUB))
        await plugged(machine)
        await machine.guest.until("ls /var/lib/dockd/spool/recordings/*.part")
        for camera in cameras:
            await machine.pull(camera.serial)
        await machine.pull("hub")
        await asyncio.gather(*(dock.lamp_until(bay["id"], camera=None) for bay in BEHIND_HUB))
        await plugged(machine)
        await dock.archived(cameras)


async def test_camera_that_stalls_without_an_error_holds_up_nobody(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """A disk whose line stands still shows `get help`; the other bay goes on, and the daemon still stops in time."""
    stuck, good = build(place, "CAM-1", recordings=3, recording_bytes=4 * MIB), build(place, "CAM-2")
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock_camera(machine, stuck, "1", Faults(rate_bytes_s=MIB))
        await machine.guest.until("ls /var/lib/dockd/spool/recordings/*.part")
        before = objects_count(outside.vault)
        # QEMU waits for what it cancels, and the whole machine with it: the kernel must not lose patience and reset the device.
        await machine.guest.sh("for each in /sys/class/scsi_device/*/device/timeout; do echo 3600 >$each; done")
        await machine.rate(stuck.serial, 1)
        await dock_camera(machine, good, "2")
        await dock.lamp_until("1", lamp="get help")
        await dock.lamp_until("2", lamp="take it")
        assert objects_count(outside.vault) >= before + len(good.originals)
        # systemd goes on waiting for the worker, which the kernel holds; the daemon does not.
        pid = (await machine.guest.sh("systemctl show -P MainPID dockd.service")).strip()
        await machine.guest.sh("systemctl stop --no-block dockd.service")
        await machine.guest.until(f"! test -e /proc/{pid}", deadline_s=10)
        assert "process abandoned" in await dock.log()


def without(camera: Camera, path: bytes) -> Camera:
    """The camera, as far as the archive can have it."""
    originals = {each: digest for each, digest in camera.originals.items() if each != path}
    return Camera(camera.serial, camera.disk, camera.filesystem, originals, camera.offset_bytes, camera.tree, camera.sha256)
