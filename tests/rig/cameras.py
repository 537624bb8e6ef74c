"""Disks as cameras have them, made without root and without mounting anything, and what must come out of them.

vfat is filled by mtools, ext4 by `mkfs.ext4 -d`. No program fills exfat without mounting it, so an exfat camera leaves here
formatted and empty, with its tree beside it, and the machine's own kernel fills it before the scenario begins
(`tests.rig.docks.fill_exfat`). Digests come from the tree on the host, never from what dockd or the machine says.
"""

import hashlib
import shutil
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.rig.image import run
from tests.sim.cameras import make_camera, write_file

MIB = 1 << 20
SECTOR_BYTES = 512
_PARTITION_START_BYTES = MIB
_TYPES = {"vfat": 0x0C, "exfat": 0x07, "ext4": 0x83}


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera's disk.

    Attributes:
        originals: SHA-256 in hexadecimal by path of everything that must reach the archive.
        offset_bytes: where its file system begins.
        tree: what lies in that file system.
        sha256: of the whole disk as it was made, to see whether anybody has written to it.
    """

    serial: str
    disk: Path
    filesystem: str
    originals: dict[bytes, str]
    offset_bytes: int
    tree: Path
    sha256: str

    def as_it_was(self) -> bool:
        """Whether the disk still holds what it held, bit for bit."""
        return sha256_of(self.disk) == self.sha256

    def sectors_of(self, path: bytes, *, at_bytes: int = 0, count: int = 8) -> tuple[int, ...]:
        """Where on the disk a part of a file lies: found by its bytes, which are random.

        Args:
            path: of one of `originals`.
            at_bytes: how far in the file, at least.
            count: so many sectors from there.
        """
        start = at_bytes - at_bytes % SECTOR_BYTES
        with (self.tree / path.decode()).open("rb") as file:
            file.seek(start)
            sample = file.read(SECTOR_BYTES)
        with self.disk.open("rb") as disk:
            place = disk.read().find(sample)
        if place < 0 or place % SECTOR_BYTES:
            msg = f"{path!r} does not lie on whole sectors of {self.disk}"
            raise ValueError(msg)
        return tuple(range(place // SECTOR_BYTES, place // SECTOR_BYTES + count))


def build(
    folder: Path,
    serial: str,
    *,
    filesystem: str = "vfat",
    partitioned: bool = True,
    recordings: int = 2,
    recording_bytes: int = 2 * MIB,
    size_bytes: int = 64 * MIB,
    dirty: bool = False,
    more: Mapping[str, int] = MappingProxyType({}),
    ignored: Collection[str] = (),
) -> Camera:
    """Make a camera's disk below `folder`, with random footage.

    Args:
        folder: of all cameras; this one takes names that begin with its serial.
        serial: as the camera's own file of facts has it.
        filesystem: vfat, exfat (left empty) or ext4.
        partitioned: with a partition table, or the file system over the whole disk.
        recordings: how many.
        recording_bytes: size of each.
        size_bytes: of the disk.
        dirty: as a camera leaves it that was switched off while it wrote.
        more: further files, their sizes by path.
        ignored: those of `more` that no archive wants.
    """
    tree = folder / f"{serial}.tree"
    originals = make_camera(tree, serial, recordings=recordings, size_bytes=recording_bytes)
    for path, length in more.items():
        digest = write_file(tree, path.encode(), length, f"{serial}/{path}")
        if path not in ignored:
            originals[path.encode()] = digest
    offset = _PARTITION_START_BYTES if partitioned else 0
    inner = folder / f"{serial}.fs"
    with inner.open("wb") as file:
        file.truncate(size_bytes - offset)
    _format(inner, filesystem, tree)
    if dirty:
        _make_dirty(inner, filesystem)
    disk = folder / f"{serial}.img"
    with disk.open("wb") as file:
        if partitioned:
            file.write(_partition_table(_TYPES[filesystem], offset, size_bytes - offset))
            file.seek(offset)
        with inner.open("rb") as content:
            shutil.copyfileobj(content, file)
    inner.unlink()
    return Camera(serial, disk, filesystem, originals, offset, tree, sha256_of(disk))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _format(place: Path, filesystem: str, tree: Path) -> None:
    match filesystem:
        case "vfat":
            run("mkfs.vfat", "-F", "32", "-n", "CAMERA", place)
            run("mcopy", "-s", "-m", "-i", place, *sorted(tree.iterdir()), "::")
        case "exfat":
            run("mkfs.exfat", "-L", "CAMERA", place)
        case _:
            run("mkfs.ext4", "-q", "-F", "-L", "camera", "-d", tree, place)


def _make_dirty(place: Path, filesystem: str) -> None:
    """Set what says that it was not unmounted; whoever mounts it to write, or replays its journal, changes the disk."""
    with place.open("r+b") as file:
        if filesystem == "vfat":
            file.seek(0x41)  # FAT32's boot sector: bit 0 of the reserved byte is Linux's dirty mark
            file.write(b"\x01")
            return
    # s_feature_incompat's RECOVER: the journal must be replayed.
    run("debugfs", "-w", "-R", "feature needs_recovery", place)


def _partition_table(kind: int, start_bytes: int, size_bytes: int) -> bytes:
    """A master boot record with one partition."""
    entry = struct.pack(
        "<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start_bytes // SECTOR_BYTES, size_bytes // SECTOR_BYTES
    )
    return bytes(440) + b"RIG!" + bytes(2) + entry + bytes(48) + b"\x55\xaa"
