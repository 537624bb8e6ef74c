"""A camera of several volumes at the helper's socket, on loop devices: a memory with two partitions, and a card."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.camera.tree import room_bytes, walk_volumes
from dockd.core.usb import Volume
from dockd.core.volumes import NamedVolume
from dockd.errors import CameraUnknownError, ClearanceRefusedError
from dockd.helper import wire
from dockd.helper.permitted import Permitted
from tests.sim.bay_sysfs import BAY, CAMERA, PERMITTED, add_partition, diskseq, loop_device
from tests.sim.helper_here import HelperHere, camera_image
from tests.sim.usb_devices import BULK

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

SEVERAL = replace(
    CAMERA,
    volumes=tuple(NamedVolume(name, 0, None, optional=False, filesystem="ext4") for name in ("system", "video", "card")),
)


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[HelperHere]:
    """A helper whose profile names three volumes."""
    made = HelperHere(tmp_path)
    permitted = replace(PERMITTED, profiles=(SEVERAL,))
    made.start(permitted=lambda: permitted)
    yield made
    made.stop()


@contextmanager
def camera(helper: HelperHere) -> Iterator[dict[str, Volume]]:
    """It is plugged in; its volumes by their names."""
    memory = helper.folder / "memory"
    part = camera_image(helper.folder / "part").read_bytes()
    with memory.open("wb") as file:
        file.truncate(40 << 20)
        for begin in (1 << 20, 17 << 20):
            file.seek(begin)
            file.write(part)
    with loop_device(memory) as node, loop_device(camera_image(helper.folder / "card")) as card:
        for number, begin in ((1, 2048), (2, 2048 + 32768)):
            add_partition(node, number, begin * 512, 32768 * 512)
        device = helper.port.plug(BULK)
        helper.port.disk(device, node, [1, 2])
        helper.port.disk(device, card)
        parts = {"system": Volume(diskseq(node), 1), "video": Volume(diskseq(node), 2)}
        yield parts | {"card": Volume(diskseq(card), 0)}


def test_all_volumes_are_one_root_and_not_a_bit_changes(helper: HelperHere) -> None:
    """Each is a folder under its name, read-only as the root itself; nobody else sees them, and they are given back."""
    with camera(helper) as volumes:
        before = [(helper.folder / name).read_bytes() for name in ("memory", "card")]
        seen = Path("/proc/self/mountinfo").read_text()
        with helper.session() as session:
            root = session.open_several(BAY, volumes)
            with os.scandir(root) as listing:
                assert sorted(entry.name for entry in listing) == ["card", "system", "video"]
            walked = walk_volumes(root, sorted(volumes), lambda _: None, session.opened.in_use)
            assert {each.path: each.problem for each in walked} == {b"%s/DCIM/A.MP4" % name.encode(): "" for name in volumes}
            assert session.opened.in_use.keys() == volumes.keys()
            for name in volumes:
                recording = os.open(f"{name}/DCIM/A.MP4", os.O_RDONLY, dir_fd=root)
                assert os.read(recording, 1 << 20) == b"footage" * 1000
                os.close(recording)
            for place in ("new", "card/new"):
                with pytest.raises(OSError, match="Read-only file system"):
                    os.open(place, os.O_WRONLY | os.O_CREAT, dir_fd=root)
            assert Path("/proc/self/mountinfo").read_text() == seen
            with pytest.raises(CameraUnknownError, match="open in this session already"):
                session.open_several(BAY, volumes)
            with pytest.raises(CameraUnknownError, match="still in use"):
                session.release()
            os.close(root)
            session.release()
            os.close(session.open_several(BAY, {"card": volumes["card"]}))
        assert [(helper.folder / name).read_bytes() for name in ("memory", "card")] == before


def test_the_room_is_that_of_the_volumes_that_are_filled(helper: HelperHere) -> None:
    """Together; one that is not in the camera has none, and the camera's root is none of them."""
    with camera(helper) as volumes, helper.session() as session:
        root = session.open_several(BAY, volumes)
        rooms = {name: room_bytes(root, [name]) for name in volumes}
        assert all(0 < each < 16 << 20 for each in rooms.values())
        assert room_bytes(root, ["video", "card", "second-card"]) == rooms["video"] + rooms["card"]
        assert room_bytes(root, []) == 0
        os.close(root)


def test_a_camera_of_several_volumes_has_no_eraser(helper: HelperHere) -> None:
    """Whatever the daemon asks for: what it has not seen whole is not emptied."""
    with camera(helper) as volumes, helper.session() as session:
        os.close(session.open_several(BAY, volumes))
        with pytest.raises(ClearanceRefusedError, match="no camera is open in this session"):
            list(session.answers(wire.Examine()))


def test_a_volume_that_cannot_be_mounted_is_named(helper: HelperHere) -> None:
    """Nothing of the camera is shown then, and nothing stays mounted."""
    with camera(helper) as volumes:
        with helper.session() as session, pytest.raises(CameraUnknownError, match=r"volume card: .* no sound ext4"):
            session.open_several(BAY, {"video": volumes["video"], "card": Volume(volumes["video"].diskseq, 0)})
        with helper.session() as session:
            os.close(session.open_several(BAY, volumes))


@pytest.mark.parametrize("name", ["other", "../../etc", "."])
def test_only_names_of_the_profile_are_folders(helper: HelperHere, name: str) -> None:
    """A name is compared with those that root has written, and never made into a path before."""
    refused = pytest.raises(CameraUnknownError, match="does not name these volumes")
    with camera(helper) as volumes, helper.session() as session, refused:
        session.open_several(BAY, {name: volumes["card"]})


def test_a_profile_without_volumes_has_none(tmp_path: Path) -> None:
    """The request is refused."""
    helper = HelperHere(tmp_path)
    helper.start(permitted=lambda: Permitted(PERMITTED.ports, (CAMERA,)))
    try:
        refused = pytest.raises(CameraUnknownError, match="does not name these volumes")
        with camera(helper) as volumes, helper.session() as session, refused:
            session.open_several(BAY, volumes)
    finally:
        helper.stop()
