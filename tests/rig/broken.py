"""File systems that lie, made by patching sound ones: what a worn-out card holds, or somebody who wants the dock to choke.

Each gets the same lies, as far as its format can tell them: a file that says it is larger than the disk, one whose blocks are not
there, two that share their blocks, a folder that lies in itself, a folder that cannot be read, and one with thousands of names.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.rig.cameras import MIB, Camera, build, sha256_of
from tests.rig.image import RigError, run

SOUND, TWIN = "DCIM/100MEDIA/CLIP0001.MP4", "DCIM/200TWIN/TWIN.MP4"
TOO_LARGE, TORN = "DCIM/300LARGE/LARGE.MP4", "DCIM/400TORN/TORN.MP4"
LOOP, DARK = "DCIM/500LOOP/AGAIN", "DCIM/600DARK"
NEVER_SOUND = tuple(path.encode() for path in (TWIN, TOO_LARGE, TORN, f"{LOOP}/IN.MP4", f"{DARK}/IN.MP4"))
_CROWD = 3000
_ENTRY_BYTES = 32


def sound(folder: Path, serial: str, filesystem: str) -> Camera:
    """A sound camera's disk with everything in it that `damaged` damages."""
    more = {TWIN: MIB, TOO_LARGE: MIB, TORN: MIB, f"{LOOP}/IN.MP4": 1000, f"{DARK}/IN.MP4": 1000}
    # As computers leave behind, and nobody's evidence; more names than any buffer for a folder holds.
    crowd = {f"System Volume Information/{number:08}.TMP": 0 for number in range(_CROWD)}
    return build(
        folder, serial, filesystem=filesystem, partitioned=False, recording_bytes=MIB, more=more | crowd, ignored=tuple(crowd)
    )


def damaged(camera: Camera) -> Camera:
    """The same disk, damaged; what must reach the archive all the same, which is what its kernel can still read."""
    match camera.filesystem:
        case "vfat":
            _damage_vfat(camera.disk)
        case "exfat":
            _damage_exfat(camera.disk)
        case _:
            _damage_ext4(camera.disk)
    originals = {path: digest for path, digest in camera.originals.items() if path not in NEVER_SOUND}
    originals[TWIN.encode()] = originals[SOUND.encode()]
    if camera.filesystem != "ext4":
        # There a folder is known by where its entry lies, so only the second time round it is seen to be the same.
        originals |= {f"{LOOP}/".encode() + path.removeprefix(b"DCIM/"): digest for path, digest in originals.items()}
    return replace(camera, originals=originals, sha256=sha256_of(camera.disk))


def darkened(camera: Camera) -> Camera:
    """The same disk with nothing damaged but one folder, which its kernel then shows as an empty one."""
    with _changed(camera.disk) as content:
        if camera.filesystem == "exfat":
            exfat = _Exfat(content)
            exfat.stream(DARK, replace(exfat.stream_of(DARK), first=0xFFFFFF00))
    if camera.filesystem == "ext4":
        run("tune2fs", "-O", "^metadata_csum", camera.disk)
        _darken_ext4(camera.disk)
    originals = {path: digest for path, digest in camera.originals.items() if not path.startswith(DARK.encode())}
    return replace(camera, originals=originals, sha256=sha256_of(camera.disk))


def _darken_ext4(disk: Path) -> None:
    (block,) = run("debugfs", "-R", f"blocks {DARK}", disk).split()
    with _changed(disk) as content:
        (log_bytes,) = struct.unpack_from("<I", content, 1024 + 24)
        begin, blocks_bytes = int(block) << 10 + log_bytes, 1024 << log_bytes
        content[begin : begin + blocks_bytes] = b"\xee" * blocks_bytes


def _damage_vfat(disk: Path) -> None:
    with _changed(disk) as content:
        fat = _Fat(content)
        fat.begin_at(TWIN, fat.first_of(SOUND))
        struct.pack_into("<I", content, fat.entry(TOO_LARGE) + 28, 0xFFFFFFFF)
        middle = fat.chain(fat.first_of(TORN))[100]
        fat.link(middle, 0x0FFFFFFF)
        fat.begin_at(LOOP, fat.first_of("DCIM"))
        # Whoever follows it to its end never comes there.
        fat.link(fat.first_of(DARK), fat.first_of(DARK))


def _damage_exfat(disk: Path) -> None:
    with _changed(disk) as content:
        exfat = _Exfat(content)
        exfat.stream(TWIN, exfat.stream_of(SOUND))
        exfat.stream(TOO_LARGE, replace(exfat.stream_of(TOO_LARGE), size_bytes=1 << 50))
        # Without a chain the clusters simply follow each other, here over the end of the disk.
        exfat.stream(TORN, replace(exfat.stream_of(TORN), first=exfat.clusters - 8, contiguous=True))
        exfat.stream(LOOP, exfat.stream_of("DCIM"))
        exfat.stream(DARK, replace(exfat.stream_of(DARK), first=0xFFFFFF00))


def _damage_ext4(disk: Path) -> None:
    # A checksum over each inode would only turn every lie into the same one.
    run("tune2fs", "-O", "^metadata_csum", disk)
    inodes = {path: _inode_at(disk, path) for path in (SOUND, TWIN, TOO_LARGE, TORN)}
    _darken_ext4(disk)
    run("debugfs", "-w", "-R", f"rm {LOOP}/IN.MP4", disk)
    run("debugfs", "-w", "-R", f"rmdir {LOOP}", disk)
    run("debugfs", "-w", "-R", f"link DCIM {LOOP}", disk)
    with _changed(disk) as content:
        content[inodes[TWIN] + 40 : inodes[TWIN] + 100] = content[inodes[SOUND] + 40 : inodes[SOUND] + 100]
        struct.pack_into("<I", content, inodes[TOO_LARGE] + 108, 1 << 8)  # 2 ** 40 bytes, nearly all of them a hole
        struct.pack_into("<H", content, inodes[TORN] + 40, 0)
        # What the kernel is to do when it meets one of these; the dock must not let a camera decide.
        struct.pack_into("<H", content, 1024 + 60, 3)


def _inode_at(disk: Path, path: str) -> int:
    """Where on the disk a file's inode lies."""
    said = run("debugfs", "-R", f"imap {path}", disk)
    found = re.search(r"located at block (\d+), offset (0x[0-9a-f]+)", said)
    if found is None:
        msg = f"{path} is not on {disk}: {said}"
        raise RigError(msg)
    size = re.search(r"Block size:\s+(\d+)", run("dumpe2fs", "-h", disk))
    return int(found[1]) * int(size[1] if size else 0) + int(found[2], 16)


@contextmanager
def _changed(disk: Path) -> Iterator[bytearray]:
    """The disk's bytes, written back at the end."""
    content = bytearray(disk.read_bytes())
    yield content
    disk.write_bytes(content)


class _Fat:
    """FAT32, as far as it is needed (Microsoft, FAT: General Overview of On-Disk Format, 1.03)."""

    def __init__(self, content: bytearray) -> None:
        self._content = content
        sector, self._per_cluster, reserved, self._fats = struct.unpack_from("<HBHB", content, 11)
        (fat_sectors,) = struct.unpack_from("<I", content, 36)
        (self._root,) = struct.unpack_from("<I", content, 44)
        self._sector, self._fat_at, self._fat_bytes = sector, reserved * sector, fat_sectors * sector
        self._data_at = self._fat_at + self._fats * self._fat_bytes

    def chain(self, cluster: int) -> list[int]:
        """A file's clusters from this one on."""
        found = [cluster]
        while (following := struct.unpack_from("<I", self._content, self._fat_at + 4 * found[-1])[0]) < 0x0FFFFFF8:
            found.append(following)
        return found

    def link(self, cluster: int, following: int) -> None:
        """Say in each FAT what follows a cluster."""
        for copy in range(self._fats):
            struct.pack_into("<I", self._content, self._fat_at + copy * self._fat_bytes + 4 * cluster, following)

    def entry(self, path: str) -> int:
        """Where on the disk the entry of `path` lies, whose parts are upper-case 8.3 names."""
        cluster, place = self._root, -1
        for part in path.split("/"):
            stem, _, extension = part.partition(".")
            name = f"{stem:8}{extension:3}".encode()
            place = next(at for at in self._entries(cluster) if self._content[at : at + 11] == name)
            cluster = self._first(place)
        return place

    def first_of(self, path: str) -> int:
        """Where a file begins."""
        return self._first(self.entry(path))

    def begin_at(self, path: str, cluster: int) -> None:
        """Let a file begin elsewhere."""
        place = self.entry(path)
        struct.pack_into("<H", self._content, place + 20, cluster >> 16)
        struct.pack_into("<H", self._content, place + 26, cluster & 0xFFFF)

    def _first(self, place: int) -> int:
        high, low = struct.unpack_from("<H", self._content, place + 20), struct.unpack_from("<H", self._content, place + 26)
        return int(high[0]) << 16 | int(low[0])

    def _entries(self, cluster: int) -> Iterator[int]:
        size = self._per_cluster * self._sector
        for each in self.chain(cluster):
            begin = self._data_at + (each - 2) * size
            yield from range(begin, begin + size, _ENTRY_BYTES)


@dataclass(frozen=True, slots=True)
class _Stream:
    """What an exfat entry says of a file's content."""

    first: int
    size_bytes: int
    contiguous: bool


@dataclass(slots=True)
class _Exfat:
    """exFAT, as far as it is needed (Microsoft, exFAT file system specification)."""

    content: bytearray
    clusters: int = field(init=False)
    _fat_at: int = field(init=False)
    _heap_at: int = field(init=False)
    _cluster_bytes: int = field(init=False)
    _root: int = field(init=False)

    def __post_init__(self) -> None:
        sector, cluster = (1 << self.content[108]), 1 << (self.content[108] + self.content[109])
        fat, _, heap, self.clusters, self._root = struct.unpack_from("<IIIII", self.content, 80)
        self._fat_at, self._heap_at, self._cluster_bytes = fat * sector, heap * sector, cluster

    def stream_of(self, path: str) -> _Stream:
        """What is said of `path`."""
        return self._said(self._entry(path) + _ENTRY_BYTES)

    def stream(self, path: str, stream: _Stream) -> None:
        """Say something else of `path`, with a checksum that fits."""
        begin = self._entry(path)
        at = begin + _ENTRY_BYTES
        self.content[at + 1] = 3 if stream.contiguous else 1
        struct.pack_into("<Q", self.content, at + 8, stream.size_bytes)
        struct.pack_into("<IQ", self.content, at + 20, stream.first, stream.size_bytes)
        total = 0
        for place in range((self.content[begin + 1] + 1) * _ENTRY_BYTES):
            if place not in {2, 3}:
                total = ((total >> 1 | total << 15) + self.content[begin + place]) & 0xFFFF
        struct.pack_into("<H", self.content, begin + 2, total)

    def _said(self, at: int) -> _Stream:
        first, size = struct.unpack_from("<IQ", self.content, at + 20)
        return _Stream(first, size, contiguous=bool(self.content[at + 1] & 2))

    def _entry(self, path: str) -> int:
        folder, place = _Stream(self._root, 0, contiguous=False), -1
        for part in path.split("/"):
            place = next(at for at in self._entries(folder) if self._name(at) == part)
            folder = self._said(place + _ENTRY_BYTES)
        return place

    def _name(self, at: int) -> str:
        if self.content[at] != 0x85:
            return ""
        names = range(at + 2 * _ENTRY_BYTES, at + (self.content[at + 1] + 1) * _ENTRY_BYTES, _ENTRY_BYTES)
        text = b"".join(bytes(self.content[each + 2 : each + _ENTRY_BYTES]) for each in names)
        return text.decode("utf-16-le", "replace")[: self.content[at + _ENTRY_BYTES + 3]]

    def _entries(self, folder: _Stream) -> Iterator[int]:
        cluster, left = folder.first, folder.size_bytes
        while 2 <= cluster < self.clusters + 2:
            begin = self._heap_at + (cluster - 2) * self._cluster_bytes
            yield from range(begin, begin + self._cluster_bytes, _ENTRY_BYTES)
            left -= self._cluster_bytes
            if folder.contiguous:
                if left <= 0:
                    return
                cluster += 1
            else:
                (cluster,) = struct.unpack_from("<I", self.content, self._fat_at + 4 * cluster)
