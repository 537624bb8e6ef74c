"""Docks by the hundred, each the real client with the retry and limits of the daemon, and one recording for each camera.

A dock that runs is a process with workers, a journal and a page; two hundred of these do not fit beside a vault on one machine.
What a vault meets of a dock is its client, and that is here: connection, token, couriers, retries, proof. The bytes come from
files.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from dockd.archive.limited import Limited
from dockd.archive.protocol import Archive, Consignment
from dockd.archive.retrying import Retrying
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import Clock, SystemClock
from dockd.errors import ArchiveError, UploadLostError
from tests.sim.consignments import Watched, consign
from tests.sim.vault_process import VaultProcess

COURIERS = 2
"""Of each dock at once: what the site file says if it says nothing."""


@dataclass(frozen=True, slots=True)
class Consigned:
    """A recording of the fleet, and the SHA-256 of what was written for it, by other means than dockd's."""

    consignment: Consignment
    sha256: str


@dataclass(slots=True)
class Rush:
    """One shift change.

    Attributes:
        recordings: in all.
        seconds: from the first docking to the last proof.
        waited_s: of each recording, from its docking to its proof.
        tried_again: how often an archive's error was waited out.
        half: set once half of the recordings are proved.
    """

    recordings: int
    seconds: float = 0.0
    waited_s: list[float] = field(default_factory=list)
    tried_again: int = 0
    half: asyncio.Event = field(default_factory=asyncio.Event)

    def proved(self, waited_s: float) -> None:
        """One more."""
        self.waited_s.append(waited_s)
        if 2 * len(self.waited_s) >= self.recordings:
            self.half.set()

    def waited(self, share: float) -> float:
        """The wait that so large a share of the recordings did not exceed, in seconds."""
        return sorted(self.waited_s)[min(int(len(self.waited_s) * share), len(self.waited_s) - 1)]


@contextmanager
def cargo(folder: Path, docks: int, cameras: int, size_bytes: int) -> Iterator[dict[str, list[Consigned]]]:
    """For each dock, by its name, a recording of each of its cameras; no two are alike."""
    folder.mkdir()
    loaded: dict[str, list[Consigned]] = {}
    try:
        for dock in (f"dock-{number:03}" for number in range(docks)):
            contents = {f"{dock}-camera-{number}": os.urandom(size_bytes) for number in range(cameras)}
            loaded[dock] = [
                Consigned(consign(folder, content, camera=camera, dock=dock), sha256(content).hexdigest())
                for camera, content in contents.items()
            ]
        yield loaded
    finally:
        for each in folder.iterdir():
            each.unlink()
        folder.rmdir()


def planned(loaded: dict[str, list[Consigned]]) -> Rush:
    """The rush that these will make."""
    return Rush(sum(map(len, loaded.values())))


async def rush(vault: VaultProcess, loaded: dict[str, list[Consigned]], outcome: Rush) -> None:
    """Every bay of every dock is filled in the same instant; return when the archive has proved everything."""
    clock = SystemClock()
    tokens = {dock: await asyncio.to_thread(vault.token, dock) for dock in loaded}
    key = await asyncio.to_thread(lambda: vault.public_key)

    def tried_again(_: ArchiveError, __: float) -> None:
        outcome.tried_again += 1

    async with AsyncExitStack() as stack:
        archives: dict[str, Archive] = {}
        for dock, token in tokens.items():
            archives[dock] = Retrying(
                Limited(TusArchive(TusSettings(vault.files_url, dock, (key,), token), clock), COURIERS), clock, tried_again
            )
            stack.push_async_callback(archives[dock].close)
        began_s = clock.monotonic()
        async with asyncio.TaskGroup() as group:
            for dock, recordings in loaded.items():
                group.create_task(_dock(archives[dock], recordings, clock, outcome))
        outcome.seconds = clock.monotonic() - began_s


async def _dock(archive: Archive, recordings: list[Consigned], clock: Clock, outcome: Rush) -> None:
    """One dock's couriers, from the moment at which all of its cameras are docked."""
    docked_s, waiting = clock.monotonic(), list(reversed(recordings))

    async def courier() -> None:
        while waiting:
            consignment = waiting.pop().consignment
            await _deliver(archive, consignment)
            outcome.proved(clock.monotonic() - docked_s)

    async with asyncio.TaskGroup() as group:
        for _ in range(COURIERS):
            group.create_task(courier())


async def _deliver(archive: Archive, consignment: Consignment) -> None:
    """As a daemon's courier: what the archive forgot begins again."""
    watched = Watched()
    while True:
        try:
            stored = await archive.store(consignment, watched.point, watched)
            await archive.prove(stored, camera=consignment.camera)
        except UploadLostError:
            watched = Watched()
        else:
            return


def place_for(folder: Path) -> Path:
    """A folder of its own below `folder`."""
    return folder / f"fleet-{secrets.token_hex(4)}"
