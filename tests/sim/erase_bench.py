"""A camera in a bay of a real helper, an archive's notary, and a client that may be the daemon or whoever took its place."""

import errno
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dockd.core.erasure import Erasing, Erasure, Method
from dockd.core.profile import Profile, Source, UsbId
from dockd.core.proof import StatementKind
from dockd.core.recording import StoredObject
from dockd.core.usb import Volume
from dockd.helper import begun, client, overwriting, wire
from dockd.helper.permitted import Permitted
from tests.sim.bay_sysfs import BAY, PORT, add_partition, diskseq, loop_device
from tests.sim.evidence import DOCK, Notary, measure
from tests.sim.helper_here import HelperHere
from tests.sim.usb_devices import BULK

SERIAL = "CAM-1"
CLIP, OTHER = b"DCIM/100MEDIA/CLIP0001.MP4", b"DCIM/100MEDIA/CLIP0002.MP4"
FACTS = b"MISC/CAMERA.TXT"
CONTENT = {CLIP: b"footage of the first" * 5000, OTHER: b"footage of the second" * 5000}
PROFILE = Profile(
    "cam",
    "DCIM",
    ("DCIM",),
    ("*.MP4",),
    ignore=("lost+found", "lost+found/*", FACTS.decode()),
    serial=Source(FACTS.decode(), re.compile(r"serial: (\S+)")),
    erase=Erasing(Method.CLEAR, folders=("DCIM/100MEDIA",)),
    usb=(UsbId("2c9b"),),
    filesystem="ext4",
)


def permitted(notary: Notary, *, erase: Method = Method.DELETE, profile: Profile = PROFILE) -> Permitted:
    """What the root-owned files of this dock say."""
    return Permitted({BAY: PORT}, (profile,), DOCK, (notary.key.public_text,), erase)


def tree(folder: Path) -> Path:
    """What lies on the camera."""
    for path, content in {**CONTENT, FACTS: f"serial: {SERIAL}\n".encode()}.items():
        place = folder / path.decode()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def ext4_image(path: Path, *, size_bytes: int = 16 << 20) -> Path:
    """An ext4 camera."""
    with path.open("wb") as image:
        image.truncate(size_bytes)
    source = tree(path.with_suffix(".tree"))
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "camera", "-d", source, path], check=True)
    return path


@dataclass
class EraseBench:
    """The camera, docked.

    Attributes:
        node: its loop device.
        device: in the sysfs.
    """

    helper: HelperHere
    image: Path
    node: Path
    device: Path
    notary: Notary
    partition: int = 0
    content: dict[bytes, bytes] = field(default_factory=lambda: dict(CONTENT))

    @property
    def volume(self) -> Volume:
        """What is asked for."""
        return Volume(diskseq(self.node), self.partition)

    @contextmanager
    def opened(self) -> Iterator[client.Session]:
        """A session that has the camera open, and nobody looks into it."""
        with self.helper.session() as session:
            os.close(session.open(BAY, self.volume))
            yield session

    def stored(self, path: bytes) -> StoredObject:
        """Where the archive has it."""
        name = path.decode().rpartition("/")[2]
        return StoredObject(
            "archive", f"object-{name}", f"http://127.0.0.1:1/{name}", "ab" * 16, name, measure(self.content[path])
        )

    def demand(
        self, path: bytes, nonce: str, *, camera: str = SERIAL, kind: StatementKind = StatementKind.HOLDING, dock: str = DOCK
    ) -> wire.Demand:
        """What the daemon asks with a true statement in its hand, unless something else is said."""
        stored = self.stored(path)
        statement = replace(self.notary.statement(stored, kind=kind, nonce=nonce, camera=camera), dock=dock)
        return wire.Demand(stored.recording_id, path, stored, self.notary.key.envelope(statement))

    def erase(self, *paths: bytes, method: Method = Method.DELETE) -> Erasure:
        """All that an honest daemon does."""
        with self.opened() as session:
            seen = session.examine(paths, quiet)
            demands = [self.demand(path, seen.nonce) for path in paths]
            return session.erase("d1", method, demands, quiet).erasure

    def there(self) -> set[bytes]:
        """What is on the camera, as a new session sees it."""
        with self.opened() as session:
            return {each.path for each in session.examine([], quiet).scan.files if not each.path.startswith(b"lost+found")}

    def shut(self) -> bool:
        """Whether writes to the disk are blocked."""
        return Path("/sys/class/block", self.node.name, "ro").read_text().strip() == "1"


def obey_orders(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have helpers that are forked from here obey files in `folder`.

    `cut`: die when more bytes than it says were written to a camera that is being cleared; once.
    `spoil`: the disk whose image it names gives back something else than was written.
    `mute`: a disk's first block cannot be read; if it names a folder of the kernel's, renamed now: the disk left.
    """
    write, samples = overwriting._Overwriting._write, overwriting._Overwriting._samples
    token = begun._token
    cut, spoil, mute = folder / "cut", folder / "spoil", folder / "mute"
    written = 0

    def writing(self: overwriting._Overwriting, content: memoryview, offset: int) -> None:
        nonlocal written
        write(self, content, offset)
        written += len(content)
        if cut.exists() and written > int(cut.read_text()):
            cut.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def sampling(self: overwriting._Overwriting) -> list[int]:
        if spoil.exists():
            with Path(spoil.read_text()).open("r+b") as disk:
                disk.seek(-4096, os.SEEK_END)
                disk.write(b"x" * 4096)
        return samples(self)

    def reading(disk: int) -> str | None:
        if not mute.exists():
            return token(disk)
        if left := mute.read_text():
            Path(left).rename(f"{left}.left")
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(begun, "_token", reading)
    monkeypatch.setattr(overwriting._Overwriting, "_write", writing)
    monkeypatch.setattr(overwriting._Overwriting, "_samples", sampling)


def quiet(_: int) -> None:
    """Nobody listens for signs of life."""


@contextmanager
def erase_bench(helper: HelperHere, image: Path, notary: Notary, *, begin_bytes: int = 0) -> Iterator[EraseBench]:
    """The camera of that image in the helper's bay; with `begin_bytes`, its file system is in a partition that begins there."""
    with loop_device(image) as node:
        device = helper.port.plug(BULK)
        if begin_bytes:
            add_partition(node, 1, begin_bytes, image.stat().st_size - begin_bytes)
        helper.port.disk(device, node, [1] if begin_bytes else [])
        yield EraseBench(helper, image, node, device, notary, partition=1 if begin_bytes else 0)
