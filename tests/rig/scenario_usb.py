"""Cameras in USB bays, through real udev, the helper and the kernel's file systems: the dock as it is used."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig.cameras import MIB, Camera, build
from tests.rig.docks import ALL_BAYS, BEHIND_HUB, HUB_PORT, Dock, objects_count
from tests.rig.machine import KIOSK, Faults, Machine
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared
from tests.rig.redirected import DISK, KEYBOARD, Redirected, plugged

CONTROLLER = "/sys/bus/pci/devices/0000:00:04.0"


def usb_dock(machine: Machine, outside: Outside, bays: Sequence[dict[str, str]] = ALL_BAYS) -> Dock:
    """A dock whose bays are USB ports, among others."""
    return Dock(machine, outside, bays)


async def ready(dock: Dock, filesystem: str = "vfat") -> Dock:
    """Have it run for cameras of one file system."""
    dock.filesystem = filesystem
    return await dock.ready()


async def dock_camera(
    machine: Machine, camera: Camera, bay: str, faults: Faults | None = None, *, log: Path | None = None
) -> None:
    """Put a camera into a bay of `EIGHT`."""
    await machine.plug(camera.disk, name=camera.serial, port=bay, serial=camera.serial, faults=faults, log=log)


@pytest.mark.always
async def test_eight_cameras_at_once(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Eight cameras that are docked together all reach the archive whole; none is written to, clean or dirty, or read by udev."""
    # Mounted for writing, a clean vfat would be marked as in use.
    cameras = [build(place, f"CAM-{number}", partitioned=number % 2 == 0, dirty=number > 4) for number in range(1, 9)]
    own = build(place, "OWN-1")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        for number, camera in enumerate(cameras, 1):
            await dock_camera(machine, camera, str(number))
        await dock.archived(cameras)
        await machine.plug(own.disk, name="own", port="1", serial="own", controller=KIOSK)
        own_disk = "/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_own-0:0-part1"
        await machine.guest.until(f"udevadm info {own_disk} | grep -q ID_FS_TYPE=vfat")
        disks = await machine.guest.sh(f"for each in {CONTROLLER}/usb*/*/*/host*/target*/*/block/*; do basename $each; done")
        assert len(disks.split()) == len(cameras)
        told = await machine.guest.sh("for each in /dev/sd*; do udevadm info --query=all $each | tr '\\n' ' '; echo; done")
        in_bays = [each for each in told.splitlines() if "DOCKD_BAY=" in each]
        assert len(in_bays) == len(cameras) + sum(each.offset_bytes > 0 for each in cameras)
        assert [each for each in in_bays if "ID_FS_" in each or "disk/by-" in each] == []
        # Neither a desktop's automounter nor a unit of systemd takes them for disks of this machine.
        assert [each for each in in_bays if "UDISKS_IGNORE=1" not in each or "SYSTEMD_READY=0" not in each] == []
        assert "UDISKS_IGNORE" not in await machine.guest.sh(f"udevadm info {own_disk}")
        for camera in cameras:
            await machine.pull(camera.serial)
        assert all(camera.as_it_was() for camera in cameras)


@pytest.mark.always
async def test_pull_in_the_middle_of_a_copy_and_another_bay(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """A camera pulled while it is copied and docked in another bay is archived whole, each recording once."""
    camera = build(place, "CAM-1", recordings=3, recording_bytes=4 * MIB)
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock_camera(machine, camera, "1", Faults(rate_bytes_s=MIB))
        await machine.guest.until("ls /var/lib/dockd/spool/recordings/*.part")
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        await dock_camera(machine, camera, "5")
        await dock.archived([camera])
        await dock.lamp_until("5", lamp="take it")


@pytest.mark.always
async def test_keyboard_in_a_bay_is_never_let_in(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Neither it nor a network card gets a driver, an input device or an interface; the kiosk's own keyboard works."""
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await machine.plug_other("usb-kbd", name="own", port="1", controller=KIOSK)
        await machine.guest.until("grep -q usb-0000:00:05.0 /proc/bus/input/devices")
        await machine.plug_other("usb-kbd", name="hostile", port="2")
        await machine.plug_other("usb-net", name="card", port="3")
        shown = [await dock.lamp_until(bay, lamp="get help") for bay in ("2", "3")]
        words = "{} is in bay {}; it was not let in"
        assert [each["reason"] for each in shown] == [words.format("a keyboard", 2), words.format("a modem or network card", 3)]
        # Not even for a moment: whoever types fast needs no more.
        await machine.guest.sh("if dmesg | grep 'input:.*0000:00:04.0'; then exit 1; fi")
        await machine.guest.sh("if readlink /sys/class/net/*/device | grep usb; then exit 1; fi")
        authorised = await machine.guest.sh(f"cat {CONTROLLER}/usb*/*-[23]/authorized")
        assert authorised.split() == ["0", "0"]
        refused = await dock.entered("device.refused", count=2)
        assert sorted(each["bay"] for each in refused) == ["2", "3"]


@pytest.mark.once
async def test_camera_that_is_also_a_keyboard_is_never_let_in(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """It says that it is one of the dock's cameras: neither its disk nor its keys get a driver. One without keys is let in."""
    camera = Redirected(0x46F4, 0x0001, "CAM-1", (DISK,))
    both = replace(camera, functions=(DISK, KEYBOARD))
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        async with plugged(machine, both, place, port="2"), plugged(machine, camera, place, port="3"):
            shown = await dock.lamp_until("2", lamp="get help")
            assert shown["reason"] == "a disk that is also a keyboard is in bay 2; it was not let in"
            await machine.guest.until(f"ls -d {CONTROLLER}/usb*/*-3/*:1.0/host*")
            assert (await machine.guest.sh(f"cat {CONTROLLER}/usb*/*-[23]/authorized")).split() == ["0", "1"]
            await machine.guest.sh(f"! ls -d {CONTROLLER}/usb*/*-2/*:1.* && ! dmesg | grep 'input:.*0000:00:04.0'")
            (refused,) = await dock.entered("device.refused", count=1)
            assert (refused["bay"], refused["serial"]) == ("2", "CAM-1")


@pytest.mark.always
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

    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside, BEHIND_HUB))
        await plugged(machine)
        await machine.guest.until("ls /var/lib/dockd/spool/recordings/*.part")
        for camera in cameras:
            await machine.pull(camera.serial)
        await machine.pull("hub")
        await asyncio.gather(*(dock.lamp_until(bay["id"], phase="empty") for bay in BEHIND_HUB))
        # A bay that was not looked at yet is empty before the kernel has missed the hub, and one that comes too early is taken
        # for the one that slept there.
        await machine.guest.until(f"! ls -d {CONTROLLER}/usb*/*-{HUB_PORT}")
        await plugged(machine)
        await dock.archived(cameras)


@pytest.mark.always
async def test_camera_that_stalls_without_an_error_holds_up_nobody(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """A disk whose line stands still shows `get help`; the other bay goes on, and the daemon still stops in time."""
    stuck, good = build(place, "CAM-1", recordings=3, recording_bytes=4 * MIB), build(place, "CAM-2")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = usb_dock(machine, outside)
        dock.site = {"offload": {"stall_after_s": 20}}
        await ready(dock)
        await dock_camera(machine, stuck, "1", Faults(rate_bytes_s=MIB))
        # QEMU waits for what it cancels, and the whole machine with it: the kernel must not lose patience and reset the device.
        # Said in the moment in which a copy is seen, because on a slow machine another program would begin after the last copy.
        await machine.guest.until(
            "ls /var/lib/dockd/spool/recordings/*.part && "
            "for each in /sys/class/scsi_device/*/device/timeout; do echo 3600 >$each; done"
        )
        await machine.rate(stuck.serial, 1)
        before = objects_count(outside.vault)
        await dock_camera(machine, good, "2")
        await dock.lamp_until("1", lamp="get help")
        await dock.lamp_until("2", lamp="take it")
        assert objects_count(outside.vault) >= before + len(good.originals)
        # systemd goes on waiting for the worker, which the kernel holds; the daemon does not.
        pid = (await machine.guest.sh("systemctl show -P MainPID dockd.service")).strip()
        await machine.guest.sh("systemctl stop --no-block dockd.service")
        await machine.guest.until(f"! test -e /proc/{pid}", deadline_s=60)
        # The journal may hear its last words after its end.
        await dock.heard("process abandoned")


@pytest.mark.always
async def test_bad_sectors_hold_up_their_recordings_alone(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """The recordings without bad sectors are archived, each bad one is named, and is tried again when a person says so."""
    camera = build(place, "CAM-1", recordings=4)
    bad = [b"DCIM/100MEDIA/CLIP0002.MP4", b"DCIM/100MEDIA/CLIP0003.MP4", b"DCIM/100MEDIA/CLIP0004.THM"]
    places = [camera.sectors_of(bad[0], at_bytes=MIB), camera.sectors_of(bad[1]), camera.sectors_of(bad[2], count=1)]
    faults = Faults(bad_sectors=tuple(each for sectors in places for each in sectors))
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await dock_camera(machine, camera, "1", faults)
        shown = await dock.lamp_until("1", lamp="get help", phase="resting")
        await dock.archived([without(camera, *bad)])
        assert {each["path"].encode() for each in shown["problems"]} == set(bad)
        # Tried again while they are as bad as before, it stays as it is.
        await dock.retry_refused()
        await dock.heard("recording skipped", count=2 * len(bad))
        shown = await dock.lamp_until("1", lamp="get help", phase="resting")
        assert {each["path"].encode() for each in shown["problems"]} == set(bad)
        # The contacts were cleaned: what could not be read now can.
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        await dock_camera(machine, camera, "1")
        await dock.lamp_until("1", lamp="get help", phase="resting")
        await dock.retry_refused()
        await dock.archived([camera])
        await dock.lamp_until("1", lamp="take it", problems=[])


def without(camera: Camera, *paths: bytes) -> Camera:
    """The camera, as far as the archive can have it."""
    return replace(camera, originals={each: digest for each, digest in camera.originals.items() if each not in paths})
