"""Cameras of each file system, on the kernel's own: read as they are, lies included, and then deleted or cleared."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig.broken import DARK, LOOP, TOO_LARGE, TORN, damaged, darkened, sound
from tests.rig.cameras import MIB, Camera, build, sha256_of
from tests.rig.docks import Dock, custody, fill_exfat
from tests.rig.image import run
from tests.rig.machine import Machine
from tests.rig.on_disk import FACTS, facts_on, footage_on, is_sound
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared
from tests.rig.scenario_usb import dock_camera, ready, usb_dock

HIDDEN = f"{DARK}/IN.MP4"
_TWICE = {TOO_LARGE, TORN}
# The root itself: what is in use is not what was seen.
_ROOT = "/"
_LOOPED = _TWICE | {_ROOT} | {f"{LOOP}/{each.removeprefix('DCIM/')}" for each in (*_TWICE, "DCIM/500LOOP")}
_NAMED = {
    # The folder that lies in itself is the same one at once.
    "ext4": _TWICE | {LOOP, _ROOT},
    # There it is seen to be the same the second time round.
    "exfat": _LOOPED,
    # Only vfat's driver says of a folder without sound content that it cannot be read; the others show it as an empty one.
    "vfat": _LOOPED | {DARK, f"{LOOP}/600DARK"},
}


async def filled(machine: Machine, camera: Camera) -> Camera:
    """The camera with its footage on it, which only a kernel can bring onto exfat."""
    return await fill_exfat(machine, camera) if camera.filesystem == "exfat" else camera


def _root_alone(camera: Camera) -> Camera:
    """The same ext4 camera, with files of mode 0600 in folders of 0700."""
    orders = [f"sif {path.decode()} mode 0100600" for path in camera.originals]
    orders += [f"sif {each} mode 040700" for each in ("DCIM", "DCIM/100MEDIA", "MISC", "/")] + [f"sif {FACTS} mode 0100600"]
    script = camera.disk.with_suffix(".orders")
    script.write_text("\n".join(orders))
    run("debugfs", "-w", "-f", script, camera.disk)
    return replace(camera, sha256=sha256_of(camera.disk))


@pytest.mark.always
@pytest.mark.parametrize("filesystem", sorted(_NAMED))
async def test_cameras_are_read_and_nothing_is_written(
    filesystem: str, prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """No journal is replayed, no mark changed; of a file system that lies each lie is named, and what is sound is archived."""
    cameras = [build(place, "CAM-1", filesystem=filesystem, dirty=filesystem == "ext4"), sound(place, "LIES-1", filesystem)]
    if filesystem == "ext4":
        cameras.append(_root_alone(build(place, "CAM-2", filesystem=filesystem, partitioned=False)))
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        cameras = [await filled(machine, each) for each in cameras]
        cameras[1] = damaged(cameras[1])
        dock = await ready(usb_dock(machine, outside), filesystem)
        for number, camera in enumerate(cameras, 1):
            await dock_camera(machine, camera, str(number))
        shown = await dock.lamp_until("2", lamp="get help", phase="resting", deadline_s=600)
        await dock.archived(cameras)
        assert {each["path"] for each in shown["problems"]} == _NAMED[filesystem]
        for number, camera in enumerate(cameras, 1):
            if number != 2:
                await dock.lamp_until(str(number), lamp="take it")
            await machine.pull(camera.serial)
            await dock.lamp_until(str(number), camera=None)
    assert [each.serial for each in cameras if not each.as_it_was()] == []


@pytest.mark.parametrize(
    ("filesystem", "partitioned"), [pytest.param("vfat", True, marks=pytest.mark.always), ("exfat", True), ("ext4", False)]
)
async def test_cameras_are_deleted_and_cleared(
    filesystem: str, partitioned: bool, prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """What the archive holds is gone by the way that the policy says, and no more; the camera is sound, shut, and docks again.

    A camera on which there is more than anybody saw is never cleared. vfat's kernel names such a folder (see `_NAMED`).
    """
    first = build(place, "CAM-1", filesystem=filesystem)
    second = build(place, "CAM-2", filesystem=filesystem, partitioned=partitioned)
    third = build(place, "DARK-1", filesystem=filesystem, partitioned=False, more={HIDDEN: MIB})
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        first, second = await filled(machine, first), await filled(machine, second)
        third = darkened(await filled(machine, third))
        table = second.disk.read_bytes()[440:512]
        dock = await ready(usb_dock(machine, outside), filesystem)
        await dock.change(erase={"policy": "delete"})
        await _emptied(dock, first, "1")
        await dock.archived([first])
        await dock.change(erase={"policy": "clear"})
        await _emptied(dock, second, "3")
        await dock.archived([first, second])
        deleted, cleared = await custody(machine.guest, "camera.cleared")
        if filesystem != "vfat":
            await _not_overwritten(dock, third, "5")
            await dock.archived([first, second, third])
    assert (deleted["method"], deleted["files"]) == ("delete", len(first.originals))
    assert cleared["method"] == "clear"
    assert cleared["overwritten"]["written_bytes"] == str(second.disk.stat().st_size)
    assert footage_on(second) == []
    assert not partitioned or second.disk.read_bytes()[440:512] == table


async def _not_overwritten(dock: Dock, camera: Camera, bay: str) -> None:
    """Dock a camera with a folder that looks empty: its kernel says nothing, but what is in use and was not seen is missed."""
    await dock_camera(dock.machine, camera, bay)
    shown = await dock.lamp_until(bay, lamp="get help", phase="resting", camera=camera.serial)
    assert [each["path"] for each in shown["problems"]] == ["/"]
    await dock.heard("are in use, and belong to no file.*camera kept")
    await dock.machine.pull(camera.serial)
    await dock.lamp_until(bay, camera=None)
    assert camera.as_it_was()


async def _emptied(dock: Dock, camera: Camera, bay: str) -> None:
    """Dock a camera, see it emptied, look at its disk here, and dock it again in the next bay."""
    await dock_camera(dock.machine, camera, bay)
    shown = await dock.lamp_until(bay, lamp="take it", files_erased=len(camera.originals))
    assert shown["files_total"] == len(camera.originals)
    # Whether writes to every disk in the bays are blocked.
    assert "0" not in await dock.guest.sh("cat /sys/block/sd*/ro /sys/block/sd*/sd*/ro 2>/dev/null || true")
    await dock.machine.pull(camera.serial)
    await dock.lamp_until(bay, camera=None)
    is_sound(camera)
    assert facts_on(camera) == (camera.tree / FACTS).read_bytes()
    again = str(int(bay) + 1)
    await dock_camera(dock.machine, camera, again)
    await dock.lamp_until(again, lamp="take it", camera=camera.serial, files_total=0)
    await dock.machine.pull(camera.serial)
