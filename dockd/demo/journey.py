"""What people do with cameras and what machines do to archives, while the dock works: dock, pull, dock elsewhere, kill, wait."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from dockd.clock import Clock
from dockd.core.readiness import Lamp
from dockd.demo.cameras import Camera
from dockd.demo.stage import Stage
from dockd.web.view import BayView, StatusView

_STEP_BYTES = 64 << 20  # a copy and an upload are safe against a break every so often (offload.pipeline, vault.receive)
_SMALLEST_BYTES = 4 << 20  # of what can be caught in the middle
_LOOK_S = 0.01
_DOWN_S = 1.0
_ATTEMPTS = 3


class Pulled(msgspec.Struct, frozen=True):
    """A camera that was taken out in the middle of its copy.

    Attributes:
        camera: serial.
        from_bay, to_bay: where it was, and where it was docked again.
        copied_bytes, of_bytes: how far its copy was.
        uncopied_files: how many of its files the dock had not got yet, as the dock's log says.
        kept_bytes: of the broken copy, what the spool can continue from.
    """

    camera: str
    from_bay: str
    to_bay: str
    copied_bytes: int
    of_bytes: int
    uncopied_files: int
    kept_bytes: int


class Restarted(msgspec.Struct, frozen=True):
    """The vault was killed in the middle of an upload, and started again.

    Attributes:
        upload: its id, which is the object's id at the end.
        received_bytes, of_bytes: how far it was.
        kept_bytes: of these, what the vault still had when it served again.
        down_s: how long nobody answered.
    """

    upload: str
    received_bytes: int
    of_bytes: int
    kept_bytes: int
    down_s: float


@dataclass(slots=True)
class Log:
    """What happened, and when.

    Attributes:
        pulled, restarted: None where everything was over before it could be broken off.
        copied_s, archived_s, ready_s: when all was copied, archived and to be taken; seconds from the first docking.
        help: bays that end with *get help*, and why.
    """

    pulled: Pulled | None = None
    restarted: Restarted | None = None
    copied_s: float | None = None
    archived_s: float | None = None
    ready_s: float = 0.0
    help: list[str] = field(default_factory=list)


class Journey:
    """One journey of all cameras of a stage.

    Args:
        say: told everything that happens, as it happens.
    """

    def __init__(self, stage: Stage, clock: Clock, say: Callable[[str], None]) -> None:
        self._stage, self._clock, self._say = stage, clock, say
        self._in_bay: dict[str, Camera] = {}
        self._began_s = clock.monotonic()
        self.log = Log()

    async def run(self) -> Log:
        """Until every camera shows *take it*, or *get help* for good.

        Raises:
            DockError: dock or vault fail.
        """
        self._began_s = self._clock.monotonic()
        for camera, bay in zip(self._stage.cameras, self._stage.bays, strict=False):
            self._put(camera, bay)
        async with asyncio.TaskGroup() as group:
            note = group.create_task(self._note())
            self._stage.watch.closely = True
            self.log.pulled = await self._pull()
            self._stage.watch.closely = False
            self.log.restarted = await self._restart_vault()
            self.log.help = await self._stage.watch.until(self._settled)
            self.log.ready_s = self._elapsed_s()
            note.cancel()
        return self.log

    async def take_all(self) -> None:
        """Take every camera out of its bay."""
        for bay, camera in list(self._in_bay.items()):
            self._take(bay, camera)
        await self._stage.watch.when(lambda status: _empty(status, set(self._stage.bays)))
        self._say("every camera was taken out")

    def _elapsed_s(self) -> float:
        return round(self._clock.monotonic() - self._began_s, 3)

    def _put(self, camera: Camera, bay: str) -> None:
        self._stage.put(camera, bay)
        self._in_bay[bay] = camera
        self._say(f"docked camera {camera.serial} in bay {bay}: {len(camera.evidence)} files, {camera.size_bytes / 1e6:.1f} MB")

    def _take(self, bay: str, camera: Camera) -> None:
        self._stage.take(camera, bay)
        del self._in_bay[bay]

    async def _note(self) -> None:
        """Write down when everything was copied and archived, and say it when a camera is done."""
        done: set[str] = set()

        def look(status: StatusView) -> bool:
            for bay in status.bays:
                if bay.lamp is Lamp.TAKE and bay.bay not in done:
                    done.add(bay.bay)
                    self._say(f"bay {bay.bay}: take it. {bay.reason}")
            counts = status.recordings
            if sum(msgspec.structs.astuple(counts)) < sum(len(each.evidence) for each in self._stage.cameras):
                return False
            if self.log.copied_s is None and not counts.seen + counts.copying:
                self.log.copied_s = self._elapsed_s()
            if self.log.archived_s is None and not counts.seen + counts.copying + counts.verified + counts.uploading:
                self.log.archived_s = self._elapsed_s()
            return False

        await self._stage.watch.when(look)

    def _settled(self, status: StatusView) -> list[str] | None:
        """None until every docked camera may be taken or needs help; then the words of those that need it."""
        words = []
        for bay in status.bays:
            if bay.bay not in self._in_bay:
                continue
            if bay.lamp is Lamp.HELP and bay.phase in {"resting", "failed"}:
                words.append(f"bay {bay.bay}, camera {bay.camera}: {bay.reason} {bay.next_step}")
                words += [f"bay {bay.bay}, {each.path}: {each.reason}" for each in bay.problems]
            elif bay.lamp is not Lamp.TAKE:
                return None
        return words

    async def _pull(self) -> Pulled | None:
        """Take the largest camera out in the middle of its copy and dock it in the spare bay."""
        spare = self._stage.bays[-1]
        order = sorted(self._in_bay.items(), key=lambda item: item[1].size_bytes, reverse=True)
        for bay, camera in order[:_ATTEMPTS]:
            seen = await self._stage.watch.until(partial(_midway, bay, camera))
            if seen is TOO_LATE:
                continue
            said = len(self._stage.dock.lines)
            self._take(bay, camera)
            share = seen.bytes_done / seen.bytes_total
            mb = f"{seen.bytes_done / 1e6:.0f} of {seen.bytes_total / 1e6:.0f} MB"
            self._say(f"pulled camera {camera.serial} out of bay {bay} mid-copy at {share:.0%} ({mb})")
            await self._stage.watch.when(lambda status: _empty(status, {bay}))  # noqa: B023 - called before the loop goes on
            ended = await self._stage.dock.said("docking ended", after=said, camera=camera.serial)
            kept = await self._kept(camera)
            uncopied = int(ended["uncopied"])
            if not uncopied:
                self._say(f"camera {camera.serial} had just been copied; it goes back into a bay")
            elif kept:
                self._say(f"{uncopied} of its files were not copied yet; {kept / 1e6:.0f} MB of the broken one are kept")
            else:
                self._say(f"{uncopied} of its files were not copied yet")
            self._put(camera, spare)
            if uncopied:
                return Pulled(camera.serial, bay, spare, seen.bytes_done, seen.bytes_total, uncopied, kept)
            spare = bay
        self._say("no camera could be pulled mid-copy: each was copied before a hand could reach it")
        return None

    async def _kept(self, camera: Camera) -> int:
        """How much of the broken copy the spool can continue from."""
        kept = 0
        for recording in await self._stage.watch.recordings(camera.serial, "copying"):
            steps = self._stage.folder.spool / "recordings" / f"{recording.recording}.steps"
            if steps.exists() and (lines := steps.read_text("ascii").splitlines()):
                kept += int(lines[-1].split()[0])
        return kept

    async def _restart_vault(self) -> Restarted | None:
        """Kill the vault while it receives, and start it again where it was."""
        largest = max(file.size_bytes for camera in self._stage.cameras for file in camera.evidence)
        store = Store(self._stage.folder.vault)
        for _ in range(_ATTEMPTS):
            upload = await self._uploading(store, min(largest, _STEP_BYTES + (16 << 20)))
            if upload is None:
                break
            await self._stage.vault.kill()
            began_s = self._clock.monotonic()
            found = store.received(upload)
            if found is None:
                self._say("vault killed, but the upload had just arrived in full; it is started again")
                await self._stage.vault.start()
                continue
            received, length = found
            self._say(f"vault killed (SIGKILL) with {received / 1e6:.0f} of {length / 1e6:.0f} MB of an upload received")
            await self._stage.watch.when(partial(self._missed, began_s))
            await self._clock.sleep(max(0.0, _DOWN_S - (self._clock.monotonic() - began_s)))
            await self._stage.vault.start()
            down_s = round(self._clock.monotonic() - began_s, 3)
            kept = store.durable_bytes(upload)
            self._say(f"vault started again after {down_s:.1f} s; it kept {kept / 1e6:.0f} MB of that upload")
            return Restarted(upload, received, length, kept, down_s)
        self._say("the vault could not be killed mid-upload: each upload was over too soon")
        return None

    def _missed(self, began_s: float, status: StatusView) -> bool:
        """The dock says that the archive is away; it may also be busy copying, and not ask it for a while."""
        return not status.archive.reachable or self._clock.monotonic() - began_s > 5 * _DOWN_S

    async def _uploading(self, store: "Store", at_least_bytes: int) -> str | None:
        """An upload that is on its way and large enough; None once all is archived. Looked for directly: it is soon over."""
        while True:
            if (found := store.midway(at_least_bytes)) is not None:
                return found
            status = self._stage.watch.status
            if at_least_bytes < _SMALLEST_BYTES or (status is not None and self._settled(status) is not None):
                return None
            await self._clock.sleep(_LOOK_S)


class Store:
    """What can be seen of a vault's uploads from outside, in its files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def midway(self, at_least_bytes: int) -> str | None:
        """An upload of at least so many bytes that is neither just begun nor nearly over."""
        for path in self._root.joinpath("uploads").iterdir():
            try:
                received = path.stat().st_size
            except FileNotFoundError:
                continue
            if received < _SMALLEST_BYTES // 2:
                continue
            length, durable = self._row(path.name)
            # A large one is worth continuing once the vault has made a good part of it durable; on a busy disk that may come too
            # late, and what was not made durable is sent again.
            begun = durable >= min(_STEP_BYTES, length // 3) if length > _STEP_BYTES else received > length // 4
            if length >= at_least_bytes and (begun or received > length // 2) and received < length - length // 16:
                return path.name
        return None

    def received(self, upload: str) -> tuple[int, int] | None:
        """Received and wanted bytes of an unfinished upload; None if it is finished."""
        length, _ = self._row(upload)
        try:
            received = (self._root / "uploads" / upload).stat().st_size
        except FileNotFoundError:
            return None
        return (received, length) if received < length else None

    def durable_bytes(self, upload: str) -> int:
        """What the vault's ledger says that it has of it."""
        return self._row(upload)[1]

    def _row(self, upload: str) -> tuple[int, int]:
        place = f"{(self._root / 'vault.sqlite').as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True, timeout=5.0)) as ledger:
            row = ledger.execute("SELECT length_bytes, offset_bytes FROM uploads WHERE id = ?", (upload,)).fetchone()
        return (int(row[0]), int(row[1])) if row is not None else (0, 0)


TOO_LATE = BayView("")
"""No moment will come any more."""


def _empty(status: StatusView, bays: set[str]) -> bool:
    return all(each.lamp is None for each in status.bays if each.bay in bays)


def _midway(bay: str, camera: Camera, status: StatusView) -> BayView | None:
    """The bay when its camera is to be pulled, TOO_LATE when it cannot be pulled mid-copy any more, None before."""
    seen = next(each for each in status.bays if each.bay == bay)
    if seen.lamp is Lamp.HELP or (
        seen.files_total and (seen.files_copied == seen.files_total or seen.bytes_total < _SMALLEST_BYTES)
    ):
        return TOO_LATE
    largest = max(file.size_bytes for file in camera.evidence)
    begun = seen.bytes_total * 0.3
    if largest > 2 * _STEP_BYTES:
        # The longest recording of a camera that was made here comes last; a step of it is to be safe in the spool.
        begun = min(seen.bytes_total - largest + _STEP_BYTES + (4 << 20), seen.bytes_total * 0.8)
    return seen if 0 < begun <= seen.bytes_done < seen.bytes_total * 0.95 else None
