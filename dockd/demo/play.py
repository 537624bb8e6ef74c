"""The demo from its first frame to its last number."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dockd.clock import Clock
from dockd.config.profile import load_profiles
from dockd.core.names import shown
from dockd.demo import cameras, footage, originals, programs, report, stage
from dockd.demo.cameras import Camera
from dockd.demo.compare import compare
from dockd.demo.folder import WorkFolder
from dockd.demo.footage import FRAMES_S, Clip
from dockd.demo.journey import Journey, Log
from dockd.demo.show import Show, megabytes, show_for


async def play(folder: WorkFolder, sources: Sequence[Path], console: Console, clock: Clock) -> bool:
    """Play the whole demo; whether everything ended as it must.

    Args:
        folder: where; emptied first.
        sources: a user's own folders, none for cameras that are made here.
        console: where it is shown.
        clock: of this machine.

    Raises:
        DockError: it could not be played to its end.
    """
    programs.require("b3sum", "sha256sum", *(() if sources else ("ffmpeg", "ffprobe")))
    scene = show_for(console, clock)
    timings_s: dict[str, float] = {}
    mark_s = began_s = clock.monotonic()

    def lap(name: str) -> None:
        nonlocal mark_s
        now_s = clock.monotonic()
        timings_s[name], mark_s = now_s - mark_s, now_s

    with folder.fresh(sources):
        scene.say(f"work folder: {folder.root}")
        listed = await (_copied(folder, sources, scene) if sources else _made(folder, scene))
        lap("cameras")
        before = await originals.measure(folder, listed)
        count = sum(each.evidence for each in before)
        scene.say(f"b3sum and sha256sum hashed {count} originals: {folder.blake3.name}, {folder.sha256.name}")
        lap("digests")
        log = await _journey(folder, listed, scene, clock)
        lap("journey")
        comparison = await compare(folder, clock)
        lap("comparison")
        timings_s["total"] = clock.monotonic() - began_s
        await report.write(folder, comparison, cameras=listed, log=log, timings_s=timings_s)
        report.tell(console, comparison, timings_s)
        return not comparison.complaints and not log.help


async def compare_again(folder: WorkFolder, console: Console, clock: Clock) -> bool:
    """Compare what an earlier demo left, once more; whether everything is as it must be.

    Raises:
        DockError: there is nothing to compare.
    """
    programs.require("b3sum", "sha256sum")
    with folder.as_it_is():
        began_s = clock.monotonic()
        comparison = await compare(folder, clock)
        report.tell(console, comparison, {"comparison": clock.monotonic() - began_s})
        return not comparison.complaints


async def _made(folder: WorkFolder, scene: Show) -> list[Camera]:
    """Cameras with real video."""
    await asyncio.to_thread(cameras.need_room, folder.root)
    clips = cameras.planned_clips()
    recipe = await footage.find_recipe()
    scene.say(
        f"ffmpeg makes {len(clips)} clips with {recipe.name}, {sum(clip.frames for clip in clips) / FRAMES_S:.0f} s of video"
    )

    def made(clip: Clip, size_bytes: int) -> None:
        scene.say(
            f"  {clip.camera} {clip.path}.MP4: {clip.source}, {clip.frames / FRAMES_S:.1f} s, {megabytes(size_bytes)}, playable"
        )

    await footage.make(clips, folder.cameras, recipe, made)
    return await asyncio.to_thread(cameras.finish_made, folder.cameras, clips)


async def _copied(folder: WorkFolder, sources: Sequence[Path], scene: Show) -> list[Camera]:
    """Copies of a user's own folders."""
    await asyncio.to_thread(cameras.write_profile, folder.profiles)
    profiles = await asyncio.to_thread(load_profiles, folder.profiles)
    listed = []
    stop = threading.Event()
    try:
        for number, source in enumerate(sources, 1):
            camera = await asyncio.to_thread(cameras.copy_of, source, folder.cameras, number, profiles, said=scene.say, stop=stop)
            for path in camera.left_out:
                scene.say(f"  left out: {shown(path)} is no plain file, and no camera's file system could hold it")
            listed.append(camera)
    finally:
        stop.set()
    cameras.tell_apart(listed)
    return listed


async def _journey(folder: WorkFolder, listed: Sequence[Camera], scene: Show, clock: Clock) -> Log:
    """Everything between the first docking and the last process's end."""
    async with stage.built(folder, listed, clock) as built:
        scene.say(f"vault and dock are running, with {len(built.bays)} bays: {folder.site_file}")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in (built.vault.guard(), built.dock.guard(), built.watch.run())]
            shown = group.create_task(scene.follow(built.watch))
            journey = Journey(built, clock, scene.say)
            log = await journey.run()
            shown.cancel()  # the last picture is that of all lights
            await asyncio.wait([shown])
            await journey.take_all()
            for task in tasks:
                task.cancel()
        dock_s, vault_s = await built.dock.stop(), await built.vault.stop()
        scene.say(f"stopped with SIGTERM: the dock within {dock_s:.1f} s, the vault within {vault_s:.1f} s")
    for words in log.help:
        scene.say(f"GET HELP: {words}")
    return log
