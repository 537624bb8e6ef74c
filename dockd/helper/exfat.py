"""Makes an exFAT file system anew: the same geometry to the last sector, empty but for what the camera expects.

As `fat`. What is kept: the boot sector's numbers, the table of upper-case letters, which is checked against its sum, and the
label. After Microsoft's exFAT specification (2019).
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dockd.core.occupancy import Occupancy
from dockd.helper.sectors import NotRebuiltError, Sectors, Tree

Read = Callable[[int, int], bytes]
"""Reads so many bytes from an offset of the volume."""

_BOOT_SECTORS, _CHECKED_SECTORS = 12, 11
_ENTRY_BYTES, _NAME_CHARACTERS = 32, 15
_BITMAP, _UPCASE, _LABEL = 0x81, 0x82, 0x83
_TABLES = {_BITMAP, _UPCASE}
_END_OF_FAT = 0xFFFFFFFF
_MOST_UPCASE_BYTES = 128 * 1024
_MOST_ROOT_BYTES = 1 << 20
_FIRST_CLUSTER = 2
_PIECE_BYTES = 1 << 20
_TIME = struct.pack("<III", *[0x00210000] * 3) + bytes([0, 0, 0x80, 0x80, 0x80])  # the first day that exFAT knows, UTC
_FOLDER, _ARCHIVE = 0x10, 0x20


@dataclass(frozen=True, slots=True)
class _Geometry:
    """What the boot sector says, checked."""

    boot: bytes
    sector_bytes: int
    cluster_bytes: int
    table_offset: int
    table_bytes: int
    heap_offset: int
    clusters: int
    root: int


def _geometry(boot: bytes, size_bytes: int) -> _Geometry:
    length, table, table_sectors, heap, clusters, root = struct.unpack_from("<QIIIII", boot, 72)
    sector_shift, cluster_shift, tables = boot[108], boot[109], boot[110]
    if boot[3:11] != b"EXFAT   " or boot[510:512] != b"\x55\xaa" or not 9 <= sector_shift <= 12 or tables != 1:  # noqa: PLR2004
        msg = "its boot sector is not one of exFAT with one table"
        raise NotRebuiltError(msg)
    sector_bytes = 1 << sector_shift
    made = _Geometry(
        boot,
        sector_bytes,
        1 << (sector_shift + min(cluster_shift, 25 - sector_shift)),
        table * sector_bytes,
        table_sectors * sector_bytes,
        heap * sector_bytes,
        clusters,
        root,
    )
    end = made.heap_offset + clusters * made.cluster_bytes
    if (
        cluster_shift > 25 - sector_shift
        or not clusters
        or made.table_offset < 2 * _BOOT_SECTORS * sector_bytes
        or made.table_bytes < (clusters + _FIRST_CLUSTER) * 4
        or made.heap_offset < made.table_offset + made.table_bytes
        or not end <= length * sector_bytes <= size_bytes
        or not _FIRST_CLUSTER <= root < clusters + _FIRST_CLUSTER
    ):
        msg = "the numbers in its exFAT boot sector do not add up"
        raise NotRebuiltError(msg)
    return made


def in_use(read: Read, size_bytes: int) -> Occupancy:
    """The clusters that are given away, counted from the bitmap; arguments and errors as in `fat.fresh`."""
    geometry = _geometry(read(0, 512), size_bytes)
    own = {entry[0]: struct.unpack_from("<IQ", entry, 20) for entry in _root_entries(read, geometry) if entry[0] in _TABLES}
    if own.keys() != _TABLES or own[_BITMAP][1] != -(-geometry.clusters // 8):
        msg = "its bitmap of clusters is not where exFAT has it"
        raise NotRebuiltError(msg)
    cluster, bitmap_bytes = own[_BITMAP]
    begin = geometry.heap_offset + (cluster - _FIRST_CLUSTER) * geometry.cluster_bytes
    taken = 0
    for done in range(0, bitmap_bytes, _PIECE_BYTES):
        bits = int.from_bytes(read(begin + done, min(_PIECE_BYTES, bitmap_bytes - done)), "little")
        taken += (bits & (1 << (geometry.clusters - done * 8)) - 1).bit_count()
    return Occupancy(taken, sum(-(-size // geometry.cluster_bytes) for _, size in own.values()), geometry.cluster_bytes)


def fresh(read: Read, size_bytes: int, tree: Tree) -> Sectors:
    """The file system that is there, made anew with `tree` in it; arguments and errors as in `fat.fresh`."""
    geometry = _geometry(read(0, 512), size_bytes)
    upcase, checksum, label = _kept(read, geometry)
    made = _Made(geometry, size_bytes)
    bitmap_bytes = -(-geometry.clusters // 8)
    bitmap = made.allocate(bitmap_bytes)
    table = made.allocate(len(upcase))
    root = made.allocate(1)
    system = [
        struct.pack("<BB18xIQ", _BITMAP, 0, bitmap, bitmap_bytes),
        struct.pack("<B3xI12xIQ", _UPCASE, checksum, table, len(upcase)),
    ]
    made.image.put(made.offset(table), upcase)
    made.folder(root, ([label] if label else []) + system + made.entries(tree))
    made.finish(bitmap, table, root)
    return made.image


class _Made:
    """A file system in the making; clusters are given out one after the other."""

    def __init__(self, geometry: _Geometry, size_bytes: int) -> None:
        self._geometry = geometry
        self.image = Sectors(size_bytes)
        self._next = _FIRST_CLUSTER

    def allocate(self, count_bytes: int) -> int:
        """The first of as many clusters in a row as so many bytes take."""
        first = self._next
        self._next += max(1, -(-count_bytes // self._geometry.cluster_bytes))
        if self._next > self._geometry.clusters + _FIRST_CLUSTER:
            msg = "there is no room for what the camera expects"
            raise NotRebuiltError(msg)
        return first

    def offset(self, cluster: int) -> int:
        """Where a cluster begins."""
        return self._geometry.heap_offset + (cluster - _FIRST_CLUSTER) * self._geometry.cluster_bytes

    def folder(self, cluster: int, entries: list[bytes]) -> None:
        """Lay down a folder, which is one cluster."""
        content = b"".join(entries)
        if len(content) > self._geometry.cluster_bytes:
            msg = "there is no room for what the camera expects in one folder"
            raise NotRebuiltError(msg)
        self.image.put(self.offset(cluster), content)

    def entries(self, tree: Tree) -> list[bytes]:
        """The entries of a folder for `tree`, whose folders and files are laid down."""
        found: list[bytes] = []
        for name, inner in sorted(tree.items()):
            if isinstance(inner, dict):
                first = self.allocate(1)
                self.folder(first, self.entries(inner))
                found.append(_entry_set(name, _FOLDER, first, self._geometry.cluster_bytes))
            else:
                first = self.allocate(len(inner)) if inner else 0
                if inner:
                    self.image.put(self.offset(first), inner)
                found.append(_entry_set(name, _ARCHIVE, first, len(inner)))
        return found

    def finish(self, bitmap: int, table: int, root: int) -> None:
        """Lay down boot regions, table and bitmap."""
        g = self._geometry
        used = self._next - _FIRST_CLUSTER
        self.image.put(self.offset(bitmap), ((1 << used) - 1).to_bytes(-(-used // 8), "little"))
        entries = [0xFFFFFFF8, _END_OF_FAT]
        # Only what the boot sector and the root name is chained; folders and files say themselves that they are in one piece.
        for first, end in ((bitmap, table), (table, root), (root, root + 1)):
            entries += [*range(first + 1, end), _END_OF_FAT]
        self.image.put(g.table_offset, struct.pack(f"<{len(entries)}I", *entries))
        region = self._boot_region(root)
        for begin in (0, len(region)):
            self.image.put(begin, region)

    def _boot_region(self, root: int) -> bytes:
        g = self._geometry
        boot = bytearray(g.sector_bytes)
        boot[:120] = g.boot[:120]
        struct.pack_into("<I", boot, 96, root)
        struct.pack_into("<H", boot, 106, 0)  # closed properly
        boot[112] = 0xFF  # nobody counted how much is in use
        boot[113:120] = bytes(7)
        boot[510:512] = b"\x55\xaa"
        extended = (bytes(g.sector_bytes - 4) + b"\x00\x00\x55\xaa") * 8
        region = bytes(boot) + extended + bytes(2 * g.sector_bytes)
        checksum = 0
        for place, each in enumerate(region):
            if place not in {106, 107, 112}:
                checksum = ((checksum << 31 | checksum >> 1) + each) & 0xFFFFFFFF
        return region + struct.pack("<I", checksum) * (g.sector_bytes // 4)


def _root_entries(read: Read, geometry: _Geometry) -> Iterator[bytes]:
    """What lies at the beginning of the root folder, where exFAT has its tables and the label."""
    begin = geometry.heap_offset + (geometry.root - _FIRST_CLUSTER) * geometry.cluster_bytes
    root = read(begin, min(geometry.cluster_bytes, _MOST_ROOT_BYTES))
    for place in range(0, len(root) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        if not root[place]:
            return
        yield root[place : place + _ENTRY_BYTES]


def _kept(read: Read, geometry: _Geometry) -> tuple[bytes, int, bytes]:
    """The table of upper-case letters with its sum, and the label's entry."""
    g = geometry
    heap = g.heap_offset
    label, upcase, checksum = b"", b"", 0
    for entry in _root_entries(read, geometry):
        if entry[0] == _LABEL and entry[1] <= 11:  # noqa: PLR2004 - the longest label
            label = entry[:2] + entry[2 : 2 + 2 * entry[1]].ljust(30, b"\0")
        elif entry[0] == _UPCASE:
            checksum, cluster, size = struct.unpack_from("<I12xIQ", entry, 4)
            if 0 < size <= _MOST_UPCASE_BYTES and _FIRST_CLUSTER <= cluster < g.clusters + _FIRST_CLUSTER:
                upcase = read(heap + (cluster - _FIRST_CLUSTER) * g.cluster_bytes, size)
    found = 0
    for each in upcase:
        found = ((found << 31 | found >> 1) + each) & 0xFFFFFFFF
    if not upcase or found != checksum:
        msg = "its table of upper-case letters is not where exFAT has it"
        raise NotRebuiltError(msg)
    return upcase, checksum, label


def _entry_set(name: str, kind: int, cluster: int, size: int) -> bytes:
    """What a folder holds about one file or folder that lies in one piece."""
    if not name.isascii() or not name.isprintable() or set(name) & set('"*/:<>?\\|'):
        msg = f"{name!r} is no name that is compared alike everywhere"
        raise NotRebuiltError(msg)
    text = name.encode("utf-16-le")
    digest = 0
    for each in name.upper().encode("utf-16-le"):
        digest = ((digest << 15 | digest >> 1) + each) & 0xFFFF
    flags = 0x03 if cluster else 0x01
    stream = struct.pack("<BBxBH2xQ4xIQ", 0xC0, flags, len(name), digest, size, cluster, size)
    parts = [text[begin : begin + 2 * _NAME_CHARACTERS] for begin in range(0, len(text), 2 * _NAME_CHARACTERS)]
    names = b"".join(b"\xc1\x00" + part.ljust(30, b"\0") for part in parts)
    first = struct.pack("<BBHH2x", 0x85, 1 + len(parts), 0, kind) + _TIME + bytes(7)
    whole = bytearray(first + stream + names)
    checksum = 0
    for place, each in enumerate(whole):
        if place not in {2, 3}:
            checksum = ((checksum << 15 | checksum >> 1) + each) & 0xFFFF
    struct.pack_into("<H", whole, 2, checksum)
    return bytes(whole)
