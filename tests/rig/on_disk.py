"""What is on a camera's disk after it was emptied, read on the host by other programs than dockd's."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from tests.rig.cameras import Camera
from tests.rig.image import RigError, run

FACTS = "MISC/CAMERA.TXT"
TOKEN = b"This disk is being cleared"
_PATIENCE_S = 600.0


def _volume(camera: Camera) -> Path:
    """The file system on the camera's disk, cut out."""
    inner = camera.disk.with_suffix(".volume")
    inner.write_bytes(camera.disk.read_bytes()[camera.offset_bytes :])
    return inner


def is_sound(camera: Camera) -> None:
    """Return if whoever checks such file systems finds nothing.

    Raises:
        RigError: it finds something.
    """
    checks = {"vfat": ["fsck.vfat", "-n"], "exfat": ["fsck.exfat", "-n"], "ext4": ["e2fsck", "-f", "-n"]}
    run(*checks[camera.filesystem], _volume(camera))


def facts_on(camera: Camera) -> bytes:
    """What the camera's own file says; exfat, for which no program reads files, is looked through for it."""
    content = (camera.tree / FACTS).read_bytes()
    match camera.filesystem:
        case "vfat":
            return run("mtype", "-i", _volume(camera), f"::/{FACTS}").encode()
        case "ext4":
            return run("debugfs", "-R", f"cat /{FACTS}", _volume(camera)).encode()
        case _:
            return content if content in camera.disk.read_bytes() else b""


def footage_on(camera: Camera) -> list[str]:
    """Recordings of which any of a few samples is anywhere on the camera's disk."""
    disk = camera.disk.read_bytes()
    found = []
    for path in camera.originals:
        content = (camera.tree / path.decode()).read_bytes()
        samples = [content[begin : begin + 64] for begin in range(0, len(content) - 64, max(1, len(content) // 16))]
        if any(sample in disk for sample in samples):
            found.append(path.decode())
    return found


async def token_on(camera: Camera) -> None:
    """Wait until the camera's clearing has begun; the host sees what the machine writes.

    Raises:
        RigError: it did not in time.
    """

    def begun() -> bool:
        with camera.disk.open("rb") as disk:
            return disk.read(len(TOKEN)) == TOKEN

    await _until(begun, f"the clearing of {camera.serial} did not begin")


async def overwriting(camera: Camera) -> None:
    """Wait until the first recording has gone under.

    Raises:
        RigError: it has not, in time.
    """
    await _until(lambda: len(footage_on(camera)) < len(camera.originals), f"nothing on {camera.serial} is overwritten")


async def _until(seen: Callable[[], bool], why_not: str) -> None:
    given_up_s = time.monotonic() + _PATIENCE_S
    while not await asyncio.to_thread(seen):
        if time.monotonic() > given_up_s:
            raise RigError(why_not)
        await asyncio.sleep(0.1)
