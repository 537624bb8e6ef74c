"""A camera in a USB bay from the helper to the archive: the real helper, worker and docking, on a loop device."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.core import custody
from dockd.core.erasure import Erasing, Method
from dockd.core.profile import Profile, UsbId
from dockd.core.readiness import Lamp, Least, Needs
from dockd.core.recording import State
from dockd.core.usb import UsbSource, Volume
from dockd.core.volumes import NamedVolume
from dockd.helper import client
from dockd.helper.permitted import Permitted
from tests.sim.archive import SimArchive
from tests.sim.bay_sysfs import BAY, PORT, diskseq, loop_device
from tests.sim.dock_here import DockHere, dock_here
from tests.sim.erase_bench import obey_orders
from tests.sim.helper_here import HelperHere, camera_image
from tests.sim.usb_devices import BULK

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

PROFILE = Profile(
    "cam", "DCIM", ("DCIM",), ("*.MP4",), ignore=("lost+found", "lost+found/*"), usb=(UsbId("2c9b"),), filesystem="ext4"
)


@pytest.fixture
def archive() -> SimArchive:
    """An archive whose key the helper knows."""
    return SimArchive()


@pytest.fixture
def helper(tmp_path: Path, archive: SimArchive) -> Iterator[HelperHere]:
    """A helper that knows the profile, and may delete."""
    made = HelperHere(tmp_path)
    made.start(permitted=lambda: Permitted({BAY: PORT}, (PROFILE,), "dock-1", (archive.pinned_key,), Method.DELETE))
    yield made
    made.stop()


def camera_in(helper: HelperHere, node: Path) -> UsbSource:
    """A camera at the port, with a serial number of its own."""
    device = helper.port.plug(BULK)
    (device / "serial").write_text("SER-1\n")
    helper.port.disk(device, node)
    return UsbSource(BAY, "SER-1", (Volume(diskseq(node), 0),), helper.path)


def erased(dock: DockHere) -> bool:
    """Whether the recording is gone from the camera and the dock rests."""
    states = [each.recording.state for each in dock.bay().present.values()]
    return dock.bay().phase == "resting" and states == [State.ERASED]


def archived(dock: DockHere) -> bool:
    """Whether the recording is archived and the dock rests."""
    states = [each.recording.state for each in dock.bay().present.values()]
    return dock.bay().phase == "resting" and states == [State.ARCHIVED]


def free(node: Path) -> None:
    """Wait until nobody holds the disk; the kernel says so by letting it be opened exclusively, and by nothing else."""
    ended = threading.Event()
    for _ in range(1000):
        try:
            os.close(os.open(node, os.O_RDONLY | os.O_EXCL))
        except OSError:
            ended.wait(0.01)
        else:
            return
    pytest.fail("still mounted after 10 s")


async def test_a_usb_camera_is_archived_and_left_as_it_is(helper: HelperHere, archive: SimArchive, tmp_path: Path) -> None:
    """Everything reaches the archive; where the site does not erase, not a bit of the camera changes."""
    image = camera_image(tmp_path / "card", dirty=True)
    before = image.read_bytes()
    with loop_device(image) as node:
        helper.port.disk(helper.port.plug(BULK), node)
        async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
            dock.insert(UsbSource(BAY, "SER-1", (Volume(diskseq(node), 0),), helper.path), profile=PROFILE)
            await dock.until(lambda: archived(dock))
            assert dock.bay().camera == "SER-1"
            await asyncio.to_thread(free, node)  # what rests is not in use
            assert await dock.states() == {b"DCIM/A.MP4": State.ARCHIVED}
            dock.change()
            await dock.until(lambda: not archived(dock))
            await dock.until(lambda: archived(dock))
            dock.remove()
            await dock.until(lambda: dock.bay().camera is None)
    assert image.read_bytes() == before


def larger(image: Path) -> Path:
    """The same camera on a disk of 64 MiB."""
    os.truncate(image, 64 << 20)
    subprocess.run(["resize2fs", "-f", image], check=True, capture_output=True)
    return image


@pytest.mark.parametrize(
    ("filled", "lamp"), [((), Lamp.TAKE), (("small",), Lamp.HELP), (("large",), Lamp.TAKE), (("small", "large"), Lamp.TAKE)]
)
async def test_a_camera_of_several_volumes_has_the_room_of_those_that_it_fills(
    archive: SimArchive, tmp_path: Path, filled: tuple[str, ...], lamp: Lamp
) -> None:
    """Nobody asks for room where nobody knows which it fills, and a volume that it does not fill is of no use to it."""
    volumes = tuple(
        NamedVolume(name, lun, None, optional=False, filesystem="ext4", fills=name in filled)
        for lun, name in enumerate(("small", "large"))
    )
    paths = ("small/lost+found*", "large/lost+found*")
    profile = replace(PROFILE, present="small", folders=("small/DCIM", "large/DCIM"), ignore=paths, volumes=volumes)
    images = {"small": camera_image(tmp_path / "small"), "large": larger(camera_image(tmp_path / "large"))}
    helper = HelperHere(tmp_path)
    helper.start(permitted=lambda: Permitted({BAY: PORT}, (profile,), "dock-1", (archive.pinned_key,), Method.NEVER))
    try:
        with loop_device(images["small"]) as small, loop_device(images["large"]) as large:
            device = helper.port.plug(BULK)
            for node in (small, large):
                helper.port.disk(device, node)
            async with dock_here(tmp_path / "spool", archive, may_erase=False) as dock:
                dock.bay().least = Least(free_bytes=30 << 20)
                shown_as = (Volume(diskseq(small), 0, lun=0), Volume(diskseq(large), 0, lun=1))
                dock.insert(UsbSource(BAY, "SER-1", shown_as, helper.path), profile=profile)
                await dock.until(
                    lambda: (
                        dock.bay().phase == "resting"
                        and {each.recording.state for each in dock.bay().present.values()} == {State.ARCHIVED}
                    )
                )
                shown = dock.bay().lamp(Needs.ARCHIVED)
                assert shown is not None
                assert (shown.lamp, shown.code == "no-room") == (lamp, lamp is Lamp.HELP)
    finally:
        helper.stop()


def image_with_a_nameless_file(folder: Path) -> Path:
    """A camera's disk on which a recording lost its name."""
    image = camera_image(folder / "card")
    for order in (f"write {folder / 'card'} DCIM/LOST.MP4", "unlink DCIM/LOST.MP4"):
        subprocess.run(["debugfs", "-w", "-R", order, image], check=True, capture_output=True)
    return image


@pytest.mark.parametrize("reserves_room", [False, True])
async def test_a_camera_with_more_in_use_than_its_files_asks_for_help(
    archive: SimArchive, tmp_path: Path, reserves_room: bool
) -> None:
    """What can be seen is archived, and nothing is written to it: the bay says why, unless such cameras keep room reserved."""
    profile = replace(PROFILE, reserves_room=reserves_room)
    helper = HelperHere(tmp_path)
    helper.start(permitted=lambda: Permitted({BAY: PORT}, (profile,), "dock-1", (archive.pinned_key,), Method.DELETE))
    with loop_device(image_with_a_nameless_file(tmp_path)) as node, ExitStack() as stack:
        stack.callback(helper.stop)
        camera = camera_in(helper, node)
        async with dock_here(tmp_path / "spool", archive) as dock:
            dock.insert(camera, profile=profile)
            await dock.until(lambda: erased(dock) if reserves_room else archived(dock))
            light = dock.lamp()
            assert light.lamp is (Lamp.TAKE if reserves_room else Lamp.HELP)
            assert ("Something on the camera cannot be taken: 1 inodes are in use" in light.reason) is not reserves_room


async def test_a_usb_camera_is_erased_by_the_helper(helper: HelperHere, archive: SimArchive, tmp_path: Path) -> None:
    """The daemon asks the archive anew, the helper checks and deletes, and the record says how; the camera is looked at again."""
    with loop_device(camera_image(tmp_path / "card")) as node:
        device = helper.port.plug(BULK)
        (device / "serial").write_text("SER-1\n")
        helper.port.disk(device, node)
        async with dock_here(tmp_path / "spool", archive) as dock:
            dock.insert(UsbSource(BAY, "SER-1", (Volume(diskseq(node), 0),), helper.path), profile=PROFILE)
            await dock.until(lambda: erased(dock))
            assert dock.lamp().lamp is Lamp.TAKE
            assert await dock.states() == {b"DCIM/A.MP4": State.ERASED}
            (cleared,) = await dock.entries("camera.cleared")
            assert (cleared["method"], cleared["files"], cleared["instead"]) == ("delete", 1, "")
            # The helper had the camera to itself; now it is read again, and another recording on it would be copied.
            dock.change()
            await dock.until(lambda: not erased(dock))
            await dock.until(lambda: dock.bay().phase == "resting")
            assert dock.bay().failure is None


@pytest.fixture
def clearing(tmp_path: Path, archive: SimArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[HelperHere]:
    """A helper that may clear, and obeys orders to break off."""
    obey_orders(monkeypatch, tmp_path)
    made = HelperHere(tmp_path)
    profile = replace(PROFILE, erase=Erasing(Method.CLEAR))
    made.start(permitted=lambda: Permitted({BAY: PORT}, (profile,), "dock-1", (archive.pinned_key,), Method.CLEAR))
    yield made
    made.stop()


async def test_a_usb_camera_is_cleared_as_a_whole(clearing: HelperHere, archive: SimArchive, tmp_path: Path) -> None:
    """The record claims what was done to every block; the camera is there afterwards, empty, and may be taken."""
    image = camera_image(tmp_path / "card")
    with loop_device(image) as node:
        source = camera_in(clearing, node)
        async with dock_here(tmp_path / "spool", archive) as dock:
            dock.insert(source, profile=PROFILE)
            await dock.until(lambda: erased(dock))
            assert dock.lamp().lamp is Lamp.TAKE
            (cleared,) = await dock.entries("camera.cleared")
            assert (cleared["method"], cleared["overwritten"]["written_bytes"]) == ("clear", str(16 << 20))
            assert b"footage" * 100 not in image.read_bytes()


async def test_a_camera_that_cannot_be_cleared_is_deleted_from_and_the_record_says_why(
    clearing: HelperHere, archive: SimArchive, tmp_path: Path
) -> None:
    """A camera whose file system was not closed would be for ever full if nothing less were done."""
    with loop_device(camera_image(tmp_path / "card", dirty=True)) as node:
        source = camera_in(clearing, node)
        async with dock_here(tmp_path / "spool", archive) as dock:
            dock.insert(source, profile=PROFILE)
            await dock.until(lambda: erased(dock))
            (cleared,) = await dock.entries("camera.cleared")
            assert cleared["method"] == "delete"
            assert "not closed properly" in cleared["instead"]


async def break_a_clear_off(dock: DockHere, source: UsbSource) -> None:
    """The camera is put in, its clear fails as ordered, and it is taken out again."""
    dock.insert(source, profile=PROFILE)
    await dock.until(lambda: dock.bay().failure is not None)
    dock.remove()
    await dock.until(lambda: dock.bay().failure is None)


async def test_a_clear_that_was_broken_off_goes_on_by_itself(clearing: HelperHere, archive: SimArchive, tmp_path: Path) -> None:
    """Put in again, the camera is cleared from the beginning; until then it is not to be taken, and the record tells both."""
    image = camera_image(tmp_path / "card")
    with loop_device(image) as node:
        source = camera_in(clearing, node)
        (tmp_path / "cut").write_text(str(5 << 20))
        async with dock_here(tmp_path / "spool", archive) as dock:
            await break_a_clear_off(dock, source)
            dock.insert(source, profile=PROFILE)
            await dock.until(lambda: dock.bay().erasing)
            assert dock.lamp(needs=Needs.VERIFIED).lamp is Lamp.LEAVE
            await dock.until(lambda: dock.bay().phase == "resting" and dock.bay().scanned)
            assert await dock.states() == {b"DCIM/A.MP4": State.ERASED}
            (finished,) = await dock.entries("camera.clear-finished")
            assert (finished["camera"], finished["method"], finished["files"]) == ("SER-1", "clear", 1)
            assert finished["begun"] == (await dock.entries("camera.clearing"))[0]["docking"]
            assert b"footage" * 100 not in image.read_bytes()


@pytest.mark.parametrize("scope", ["camera", "recording"])
async def test_an_order_that_only_the_journal_knows_stops_a_clear_that_was_broken_off(
    clearing: HelperHere, archive: SimArchive, tmp_path: Path, scope: str
) -> None:
    """The helper may not have been told yet; lifted, the clear goes on."""
    with loop_device(camera_image(tmp_path / "card")) as node:
        source = camera_in(clearing, node)
        (tmp_path / "cut").write_text(str(5 << 20))
        async with dock_here(tmp_path / "spool", archive) as dock:
            await break_a_clear_off(dock, source)
            (known,) = await dock.dock.journal.recordings()
            subject = known.camera if scope == "camera" else known.recording_id
            await dock.dock.journal.record(custody.HoldPlaced(scope, subject, "A. Jones", "a court asks"))
            dock.insert(source, profile=PROFILE)
            await dock.until(lambda: dock.bay().failure is not None)
            assert "on hold" in dock.lamp().reason
            assert not await dock.entries("camera.clear-finished")
            await dock.dock.journal.record(custody.HoldLifted(scope, subject, "A. Jones", "released"))
            dock.remove()
            await dock.until(lambda: dock.bay().failure is None)
            dock.insert(source, profile=PROFILE)
            await dock.until(lambda: dock.bay().phase == "resting" and dock.bay().scanned)
            assert len(await dock.entries("camera.clear-finished")) == 1


async def test_a_hold_that_only_the_helper_knows_keeps_a_camera_until_it_is_lifted(
    helper: HelperHere, archive: SimArchive, tmp_path: Path
) -> None:
    """Whatever the daemon's own journal says: the helper's word stands, and is on the lamp."""
    client.place_hold("camera", "SER-1", "uid 0", "a court asks", path=helper.path)
    with loop_device(camera_image(tmp_path / "card")) as node:
        device = helper.port.plug(BULK)
        (device / "serial").write_text("SER-1\n")
        helper.port.disk(device, node)
        async with dock_here(tmp_path / "spool", archive) as dock:
            dock.insert(UsbSource(BAY, "SER-1", (Volume(diskseq(node), 0),), helper.path), profile=PROFILE)
            await dock.until(lambda: dock.bay().kept is not None and archived(dock))
            assert dock.lamp().lamp is Lamp.HELP
            assert "on hold" in dock.lamp().reason
            client.lift_hold("camera", "SER-1", "uid 0", "released", path=helper.path)
            dock.change()
            await dock.until(lambda: erased(dock))
            assert dock.lamp().lamp is Lamp.TAKE


async def test_a_usb_camera_without_a_serial_is_for_a_person(helper: HelperHere, tmp_path: Path) -> None:
    """It would be mixed up with the next one."""
    with loop_device(camera_image(tmp_path / "card")) as node:
        helper.port.disk(helper.port.plug(BULK), node)
        async with dock_here(tmp_path / "spool", SimArchive()) as dock:
            dock.insert(UsbSource(BAY, "", (Volume(diskseq(node), 0),), helper.path), profile=PROFILE)
            await dock.until(lambda: dock.bay().failure is not None)
            failure = dock.bay().failure
            assert failure is not None
            assert failure.code == "camera-unknown"
            assert failure.message == "the camera shows no serial number, so it cannot be told from another one"


async def test_a_refusal_of_the_helper_is_on_the_lamp(helper: HelperHere, tmp_path: Path) -> None:
    """With its words; and a camera that was swapped for another is gone."""
    (tmp_path / "card").write_bytes(bytes(1 << 20))
    with loop_device(tmp_path / "card") as node:
        helper.port.disk(helper.port.plug(BULK), node)
        async with dock_here(tmp_path / "spool", SimArchive()) as dock:
            dock.insert(UsbSource(BAY, "S", (Volume(diskseq(node), 0),), helper.path), profile=PROFILE)
            await dock.until(lambda: dock.bay().failure is not None)
            failure = dock.bay().failure
            assert failure is not None
            assert "no sound ext4 file system" in failure.message
            dock.remove()
            await dock.until(lambda: dock.bay().failure is None)
            dock.insert(UsbSource(BAY, "S", (Volume(diskseq(node) + 1000, 0),), helper.path), profile=PROFILE)
            await dock.until(lambda: dock.bay().failure is not None)
            failure = dock.bay().failure
            assert failure is not None
            assert failure.code == "camera-gone"
    await asyncio.sleep(0)
