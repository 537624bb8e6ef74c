"""The dock that the demo plays on: its token, its site file, its bays, and what can be done with cameras by hand."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from dockd.clock import Clock
from dockd.demo.cameras import Camera
from dockd.demo.folder import WorkFolder
from dockd.demo.programs import output_of
from dockd.demo.served import Served, dockd_command
from dockd.demo.watch import Watch

DOCK = "demo-dock"
_LONGEST_SOCKET_BYTES = 107  # unix(7)


@dataclass(frozen=True, slots=True)
class Stage:
    """A running dock and its archive.

    Attributes:
        cameras: all of them, on the shelf at first.
        bays: one more than there are cameras, so that a camera can change its bay.
    """

    folder: WorkFolder
    cameras: Sequence[Camera]
    bays: tuple[str, ...]
    vault: Served
    dock: Served
    watch: Watch

    def put(self, camera: Camera, bay: str) -> None:
        """Dock a camera: its folder becomes the bay's."""
        (self.folder.cameras / camera.folder).rename(self.folder.bays / bay)

    def take(self, camera: Camera, bay: str) -> None:
        """Take a camera out of its bay, whatever is being done with it."""
        (self.folder.bays / bay).rename(self.folder.cameras / camera.folder)


@asynccontextmanager
async def built(folder: WorkFolder, cameras: Sequence[Camera], clock: Clock) -> AsyncIterator[Stage]:
    """A vault and a dock, started with the commands that anybody would use, and stopped at the end.

    Raises:
        DockError: one of them does not start.
    """
    dockd = dockd_command()
    token = await output_of(*dockd, "vault", "token", DOCK, "--root", folder.vault)
    folder.token.touch(mode=0o600)
    folder.token.write_bytes(token)
    key = (await output_of(*dockd, "vault", "key", "--root", folder.vault)).decode().strip()
    bays = tuple(str(number) for number in range(1, len(cameras) + 2))
    with _place_for_socket(folder) as socket:
        watch = Watch(socket, clock)
        vault = Served(
            ["vault", "--root", str(folder.vault), "--listen", "127.0.0.1:0"], "vault ready", folder.root / "vault.log", clock
        )
        async with vault:
            url = str((await vault.said("vault ready"))["url"])
            vault.listen_again_at(url.rpartition("/")[2])
            folder.site_file.write_text(_site(folder, bays, url, key, watch.socket))
            async with Served(["run", "--config", str(folder.site_file)], "ready", folder.root / "dock.log", clock) as dock:
                yield Stage(folder, cameras, bays, vault, dock, watch)


@contextmanager
def _place_for_socket(folder: WorkFolder) -> Iterator[Path]:
    """In the work folder, or where its path is short enough for a socket's."""
    if len(os.fsencode(folder.socket)) <= _LONGEST_SOCKET_BYTES:
        yield folder.socket
        return
    with tempfile.TemporaryDirectory(prefix="dockd-demo-") as short:
        yield Path(short) / folder.socket.name


def _site(folder: WorkFolder, bays: Sequence[str], url: str, key: str, socket: Path) -> str:
    text: dict[str, object] = {
        "agency": "ICE",
        "division": "ERO",
        "site": "Baltimore",
        "dock": DOCK,
        "time_zone": "America/New_York",
        "bays": [{"id": bay, "directory": os.fspath(folder.bays / bay)} for bay in bays],
        "spool": {"directory": os.fspath(folder.spool), "keep_free": "64 MiB"},
        "archive": {"kind": "tus", "url": f"{url}/files/", "token_file": os.fspath(folder.token), "key": key},
        "erase": {"policy": "delete", "directory_erase": True},
        "ready": {"needs": "erased"},
        "control": {"socket": os.fspath(socket)},
    }
    if folder.profiles.exists():
        text["profiles"] = {"directory": os.fspath(folder.profiles)}
    head = "# Made by dockd demo; deleted when it runs again.\n"
    return head + yaml.safe_dump(text, sort_keys=False)
