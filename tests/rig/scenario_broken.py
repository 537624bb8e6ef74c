"""Cameras whose disks are worn out, or were prepared by somebody who wants the dock to choke: the good recordings go on."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig.broken import DARK, LOOP, TOO_LARGE, TORN, damaged, sound
from tests.rig.cameras import MIB, Camera, build
from tests.rig.docks import fill_exfat
from tests.rig.machine import Faults, Machine
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared
from tests.rig.scenario_usb import dock_camera, ready, usb_dock

# On ext4 the folder is readable for root only, whose right the dock does not use; a site's profile would ignore it.
_NAMED = {
    "vfat": {TOO_LARGE, TORN, LOOP, DARK},
    "exfat": {TOO_LARGE, TORN, LOOP, DARK},
    "ext4": {TOO_LARGE, TORN, LOOP, DARK, "lost+found"},
}


@pytest.mark.parametrize("filesystem", sorted(_NAMED))
async def test_file_system_that_lies(filesystem: str, prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Loops, shared and missing blocks, impossible sizes: each is named, the sound recordings are archived, the dock lives."""
    camera = sound(place, "CAM-1", filesystem)
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        if filesystem == "exfat":
            camera = await fill_exfat(machine, camera)
        camera = damaged(camera)
        dock = await ready(usb_dock(machine, outside), filesystem)
        await dock_camera(machine, camera, "1")
        shown = await dock.lamp_until("1", lamp="get help", phase="resting", deadline_s=600)
        await dock.archived([camera])
        assert {each["path"] for each in shown["problems"]} == _NAMED[filesystem]
        # Nobody minds: another camera comes and goes as ever.
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
    assert camera.as_it_was()


async def test_bad_sectors_hold_up_their_recordings_alone(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """The recordings without bad sectors are archived, each bad one is named, and is tried again when a person says so."""
    camera = build(place, "CAM-1", recordings=4)
    bad = [b"DCIM/100MEDIA/CLIP0002.MP4", b"DCIM/100MEDIA/CLIP0003.MP4", b"DCIM/100MEDIA/CLIP0004.THM"]
    places = [camera.sectors_of(bad[0], at_bytes=MIB), camera.sectors_of(bad[1]), camera.sectors_of(bad[2])]
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
