import asyncio
import os
import re
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from dockd.bays import lookout, watching
from dockd.bays.directory import DirectoryBay, Patience
from dockd.bays.protocol import Bay, BayEvent, Changed, Inserted, Removed, Stalled, Unrecognised
from dockd.core.profile import Profile, Source
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera

DEADLINE_S = 60.0
DCF = Profile(
    name="dcf",
    present="DCIM",
    folders=("DCIM",),
    recordings=("*.mp4",),
    sidecars=("*.thm",),
    serial=Source("MISC/CAMERA.TXT", re.compile(r"serial: (.*)")),
)
OTHER = Profile(name="other", present="PRIVATE/OTHER", folders=("PRIVATE",), recordings=("*.mts",))
PATIENCE = Patience(settle_s=0.2, latest_s=2.0, stalled_s=30.0)

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may bind-mount")


class Told:
    """What a bay tells, in order."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[BayEvent] = asyncio.Queue()

    async def next(self) -> BayEvent:
        """The next event."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.queue.get()

    async def next_but_changed(self) -> BayEvent:
        """The next event that is not a change of the same camera's tree."""
        while isinstance(event := await self.next(), Changed):
            pass
        return event

    async def until(self, wanted: BayEvent) -> list[BayEvent]:
        """Everything up to and with `wanted`."""
        told: list[BayEvent] = []
        while wanted not in told:
            told.append(await self.next())
        return told


@asynccontextmanager
async def telling(bay: Bay) -> AsyncIterator[Told]:
    """Listen to a bay."""
    told = Told()

    async def listen() -> None:
        async with aclosing(bay.events()) as events:
            async for event in events:
                await told.queue.put(event)

    task = asyncio.create_task(listen())
    try:
        yield told
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def bay_at(directory: Path, bay_id: str = "1", patience: Patience = PATIENCE) -> DirectoryBay:
    """A bay that knows both profiles."""
    return DirectoryBay(bay_id, directory, (DCF, OTHER), patience=patience)


async def test_camera_that_is_there_at_start(tmp_path: Path) -> None:
    """A camera that was put in while the dock was off is told of first, and nothing else while nothing happens."""
    make_camera(tmp_path / "bay", "X1", recordings=1)
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Inserted("1", tmp_path / "bay", DCF)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await told.queue.get()


@pytest.mark.parametrize("there", [True, False])
async def test_camera_that_is_copied_into_the_bay(tmp_path: Path, there: bool) -> None:
    """A camera is docked as soon as what its profile asks for exists, and told as changed once the copy is quiet."""
    if there:
        (tmp_path / "bay").mkdir()
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Removed("1")
        (tmp_path / "bay/DCIM/100MEDIA").mkdir(parents=True)
        assert await told.next() == Inserted("1", tmp_path / "bay", DCF)
        (tmp_path / "bay/DCIM/100MEDIA/CLIP0001.MP4").write_bytes(b"1")
        assert await told.next() == Changed("1")
        (tmp_path / "bay/DCIM/101MEDIA").mkdir()
        (tmp_path / "bay/DCIM/101MEDIA/CLIP0001.MP4").write_bytes(b"2")
        assert await told.next() == Changed("1")
        with (tmp_path / "bay/DCIM/101MEDIA/CLIP0001.MP4").open("ab") as growing:
            growing.write(b"3")
        assert await told.next() == Changed("1")


async def test_tree_that_is_never_quiet_is_told_as_changed_all_the_same(tmp_path: Path) -> None:
    """A copy without end does not put off the change for ever."""
    make_camera(tmp_path / "bay", "X1", recordings=0)
    patience = Patience(settle_s=1e6, latest_s=0.1)
    async with telling(bay_at(tmp_path / "bay", patience=patience)) as told:
        assert isinstance(await told.next(), Inserted)
        (tmp_path / "bay/DCIM/a").write_bytes(b"1")
        assert await told.next() == Changed("1")


async def test_camera_that_is_renamed_into_place_and_away(tmp_path: Path) -> None:
    """Moving a whole camera in and out is an insertion and a removal."""
    make_camera(tmp_path / "camera", "X1", recordings=1)
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Removed("1")
        for _ in range(3):
            (tmp_path / "camera").rename(tmp_path / "bay")
            assert await told.next_but_changed() == Inserted("1", tmp_path / "bay", DCF)
            (tmp_path / "bay").rename(tmp_path / "camera")
            assert await told.next_but_changed() == Removed("1")


async def test_camera_that_is_deleted(tmp_path: Path) -> None:
    """Deleting the tree is a removal, and a new tree at the same place is a new insertion."""
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Removed("1")
        for number in range(3):
            make_camera(tmp_path / "bay", f"X{number}", recordings=2)
            await told.until(Inserted("1", tmp_path / "bay", DCF))
            shutil.rmtree(tmp_path / "bay")
            await told.until(Removed("1"))


async def test_quick_swap_is_a_removal_and_an_insertion(tmp_path: Path) -> None:
    """Two cameras are never taken for one, however quick the swap."""
    for name in ("one", "two"):
        make_camera(tmp_path / name, name, recordings=1)
    (tmp_path / "one").rename(tmp_path / "bay")
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert isinstance(await told.next(), Inserted)
        (tmp_path / "bay").rename(tmp_path / "one")
        (tmp_path / "two").rename(tmp_path / "bay")
        assert await told.next_but_changed() == Removed("1")
        assert await told.next_but_changed() == Inserted("1", tmp_path / "bay", DCF)


async def test_deleted_and_made_again_at_once_is_another_camera(tmp_path: Path) -> None:
    """Even where the file system gives the new tree the old one's inode numbers, it is another camera."""
    make_camera(tmp_path / "bay", "one", recordings=1)
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert isinstance(await told.next(), Inserted)
        shutil.rmtree(tmp_path / "bay")
        make_camera(tmp_path / "bay", "two", recordings=1)
        assert await told.next_but_changed() == Removed("1")
        assert await told.next_but_changed() == Inserted("1", tmp_path / "bay", DCF)


async def test_link_that_is_turned_to_another_camera(tmp_path: Path) -> None:
    """A bay may be a symbolic link; turning it is a swap, and removing its target a removal."""
    for name in ("one", "two"):
        make_camera(tmp_path / "cameras" / name, name, recordings=1)
    (tmp_path / "bay").symlink_to("cameras/one")
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Inserted("1", tmp_path / "cameras/one", DCF)
        (tmp_path / "next").symlink_to("cameras/two")
        (tmp_path / "next").replace(tmp_path / "bay")
        assert await told.next_but_changed() == Removed("1")
        assert await told.next_but_changed() == Inserted("1", tmp_path / "cameras/two", DCF)
        (tmp_path / "cameras/two").rename(tmp_path / "cameras/three")
        assert await told.next_but_changed() == Removed("1")


async def test_folder_whose_parents_are_missing(tmp_path: Path) -> None:
    """A bay far below anything that exists is noticed when it appears, level by level."""
    place = tmp_path / "a/b/c/bay"
    async with telling(bay_at(place)) as told:
        assert await told.next() == Removed("1")
        make_camera(place, "X1", recordings=1)
        await told.until(Inserted("1", place, DCF))
        shutil.rmtree(tmp_path / "a")
        await told.until(Removed("1"))


async def test_stranger_in_the_bay(tmp_path: Path) -> None:
    """Something that no profile recognises is named once it is quiet, and may become a camera or go away."""
    (tmp_path / "bay").mkdir()
    (tmp_path / "bay/letter.txt").write_text("dear dock")
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Unrecognised("1", "What is in the bay is not a camera that the dock knows.")
        (tmp_path / "bay/DCIM").mkdir()
        assert await told.next() == Inserted("1", tmp_path / "bay", DCF)
        shutil.rmtree(tmp_path / "bay/DCIM")
        assert await told.next_but_changed() == Removed("1")
        assert isinstance(await told.next_but_changed(), Unrecognised)
        (tmp_path / "bay/letter.txt").unlink()
        assert await told.next() == Removed("1")


async def test_file_where_the_bay_should_be(tmp_path: Path) -> None:
    """A file in the bay's place is said in words, and a camera that replaces it is docked."""
    (tmp_path / "bay").write_text("not a folder")
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Unrecognised("1", f"{tmp_path / 'bay'} is not a folder.")
        (tmp_path / "bay").unlink()
        assert await told.next() == Removed("1")
        make_camera(tmp_path / "bay", "X1", recordings=0)
        assert await told.next() == Inserted("1", tmp_path / "bay", DCF)


async def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    """A dangling link is an empty bay, and a link to itself is said in words."""
    (tmp_path / "bay").symlink_to("nowhere")
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Removed("1")
        (tmp_path / "next").symlink_to("bay")
        (tmp_path / "next").replace(tmp_path / "bay")
        assert isinstance(await told.next(), Unrecognised)


async def test_profile_is_found_by_any_part_of_its_path(tmp_path: Path) -> None:
    """A camera may be recognised by a path of several parts, whatever their case, but never through a link."""
    (tmp_path / "real/other").mkdir(parents=True)
    (tmp_path / "bay").mkdir()
    (tmp_path / "bay/private").symlink_to(tmp_path / "real")
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert isinstance(await told.next(), Unrecognised)
        (tmp_path / "bay/private").unlink()
        (tmp_path / "bay/private/other").mkdir(parents=True)
        await told.until(Inserted("1", tmp_path / "bay", OTHER))
        (tmp_path / "bay/private/other").rmdir()
        await told.until(Removed("1"))


async def test_two_bays_at_once(tmp_path: Path) -> None:
    """Each bay tells of its own camera only."""
    async with telling(bay_at(tmp_path / "one", "one")) as one, telling(bay_at(tmp_path / "two", "two")) as two:
        assert (await one.next(), await two.next()) == (Removed("one"), Removed("two"))
        make_camera(tmp_path / "two", "X2", recordings=1)
        make_camera(tmp_path / "one", "X1", recordings=1)
        await one.until(Inserted("one", tmp_path / "one", DCF))
        await two.until(Inserted("two", tmp_path / "two", DCF))
        shutil.rmtree(tmp_path / "two")
        await two.until(Removed("two"))
        assert all(isinstance(event, Changed) for event in _rest(one))


def _rest(told: Told) -> list[BayEvent]:
    events = []
    while not told.queue.empty():
        events.append(told.queue.get_nowait())
    return events


async def test_tree_with_too_many_folders_is_docked_and_its_removal_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera with more folders than may be watched is docked all the same; its top level is watched."""
    monkeypatch.setattr(watching, "MOST_FOLDERS", 10)
    make_camera(tmp_path / "bay", "X1", recordings=0)
    for number in range(30):
        (tmp_path / f"bay/DCIM/{number}").mkdir()
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert isinstance(await told.next(), Inserted)
        (tmp_path / "bay/MORE").mkdir()
        assert await told.next() == Changed("1")
        shutil.rmtree(tmp_path / "bay")
        await told.until(Removed("1"))


async def test_ten_thousand_files(tmp_path: Path) -> None:
    """A full camera is docked at once, and a burst of ten thousand deletions comes out as few words."""
    make_camera(tmp_path / "bay", "X1", recordings=0)
    for folder in range(100):
        (tmp_path / f"bay/DCIM/{folder}").mkdir()
        for number in range(100):
            (tmp_path / f"bay/DCIM/{folder}/{number}.MP4").touch()
    async with telling(bay_at(tmp_path / "bay")) as told:
        async with asyncio.timeout(DEADLINE_S):
            assert isinstance(await told.next(), Inserted)
        await asyncio.to_thread(_empty, tmp_path / "bay/DCIM")
        assert await told.next() == Changed("1")
        (tmp_path / "bay").rename(tmp_path / "away")
        assert len(await told.until(Removed("1"))) < 20


def _empty(folder: Path) -> None:
    for path in folder.rglob("*.MP4"):
        path.unlink()


@needs_fuse
async def test_mount_and_unmount_over_the_bay(tmp_path: Path) -> None:
    """Mounting a camera over the bay's folder is an insertion, unmounting a removal; the dock keeps nothing busy."""
    make_camera(tmp_path / "camera", "X1", recordings=1)
    (tmp_path / "bay").mkdir()
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Removed("1")
        for _ in range(2):
            async with CameraFs(tmp_path / "camera", tmp_path / "bay") as camera:
                assert await told.next_but_changed() == Inserted("1", tmp_path / "bay", DCF)
                await asyncio.to_thread((tmp_path / "bay/DCIM/100MEDIA/CLIP0001.MP4").unlink)
                assert await told.next() == Changed("1")
                await asyncio.to_thread(camera.unmount)
                assert await told.next_but_changed() == Removed("1")
            make_camera(tmp_path / "camera", "X1", recordings=1)


@needs_fuse
async def test_pulled_camera_is_removed_when_its_file_system_fails(tmp_path: Path) -> None:
    """A file system that is gone under the mount is an empty bay, not a stranger."""
    make_camera(tmp_path / "camera", "X1", recordings=1)
    async with CameraFs(tmp_path / "camera", tmp_path / "bay") as camera, telling(bay_at(tmp_path / "bay")) as told:
        assert isinstance(await told.next(), Inserted)
        await asyncio.to_thread(camera.pull, error="ENODEV")
        async with CameraFs(tmp_path / "camera", tmp_path / "elsewhere"):
            assert await told.next_but_changed() == Removed("1")


@needs_root
async def test_bind_mount_over_the_bay(tmp_path: Path) -> None:
    """A bind mount over the bay is an insertion, and its end a removal."""
    make_camera(tmp_path / "camera", "X1", recordings=1)
    (tmp_path / "bay").mkdir()
    if _run("mount", "--bind", tmp_path / "camera", tmp_path / "bay").returncode:
        pytest.skip("this machine allows no bind mount")
    try:
        async with telling(bay_at(tmp_path / "bay")) as told:
            assert await told.next() == Inserted("1", tmp_path / "bay", DCF)
            assert _run("umount", tmp_path / "bay").returncode == 0
            assert await told.next_but_changed() == Removed("1")
    finally:
        _run("umount", "--lazy", "--quiet", tmp_path / "bay")


def _run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, check=False, capture_output=True, timeout=DEADLINE_S)


@needs_fuse
async def test_device_that_does_not_answer_is_stalled_and_comes_back(tmp_path: Path) -> None:
    """A look that hangs blocks neither the loop nor the other bay; the bay is said to stall, and goes on when it answers."""
    make_camera(tmp_path / "camera", "X1", recordings=1)
    make_camera(tmp_path / "good", "X2", recordings=0)
    patience = Patience(settle_s=0.1, latest_s=1.0, stalled_s=0.3)
    async with CameraFs(tmp_path / "camera", tmp_path / "bay") as camera:
        await asyncio.to_thread(camera.stall_on_stat, b"")
        async with telling(bay_at(tmp_path / "bay", patience=patience)) as told:
            assert await told.next() == Stalled("1", "Bay 1 has not answered for 0 s.")
            async with telling(bay_at(tmp_path / "good", "2")) as good:
                assert isinstance(await good.next(), Inserted)
            await asyncio.to_thread(camera.release)
            assert await told.next() == Inserted("1", tmp_path / "bay", DCF)
            await asyncio.to_thread(camera.stall_on_stat, b"")
            async with CameraFs(tmp_path / "good", tmp_path / "elsewhere"):
                assert isinstance(await told.next_but_changed(), Stalled)
            await asyncio.to_thread(camera.release)
            assert await told.next() == Changed("1")


@needs_fuse
async def test_closing_abandons_a_stalled_look(tmp_path: Path) -> None:
    """A bay with a dead device in it is closed within seconds."""
    make_camera(tmp_path / "camera", "X1", recordings=1)
    async with CameraFs(tmp_path / "camera", tmp_path / "bay") as camera:
        await asyncio.to_thread(camera.stall_on_stat, b"")
        async with telling(bay_at(tmp_path / "bay")):
            await asyncio.to_thread(camera.wait_stalled)
        # `telling` closed the bay while the look stood still.
        await asyncio.to_thread(camera.wait_stalled)


async def test_closing_ends_every_thread(tmp_path: Path) -> None:
    """Nothing of a closed bay runs on."""
    before = set(threading.enumerate())
    async with telling(bay_at(tmp_path / "bay")) as told:
        assert await told.next() == Removed("1")
        started = [thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")]
    assert started
    for thread in started:
        await asyncio.to_thread(thread.join, DEADLINE_S)
    assert not [thread for thread in started if thread.is_alive()]


async def test_machine_without_inotify_instances_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has used up its inotify instances is a sentence on the bay, not a dead thread."""

    def used_up() -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(lookout, "InotifyFD", used_up)
    async with telling(bay_at(tmp_path / "bay")) as told:
        event = await told.next()
    assert isinstance(event, Unrecognised)
    assert "fs.inotify" in event.message
