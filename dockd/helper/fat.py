"""Makes a FAT16 or FAT32 file system anew: the same geometry to the last sector, empty but for what the camera expects.

A formatting program would choose its own place for the data area, and cameras are slow, or refuse, where that does not fit their
card. So what the boot sector says of the geometry stays, and everything else is written afresh: nothing that anybody could have
hidden in code, reserved sectors or slack survives. After Microsoft's FAT specification (fatgen103, 2000).
"""

import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from dockd.core.occupancy import Occupancy
from dockd.helper.sectors import NotRebuiltError, Sectors, Tree

Read = Callable[[int, int], bytes]
"""Reads so many bytes from an offset of the volume."""

_LEAST_FAT16, _LEAST_FAT32 = 4085, 65525
_FAT32_ENTRY_END, _FAT16_ENTRY_END = 90, 62
_SIGNATURE = b"\x55\xaa"
_FOLDER, _ARCHIVE, _LABEL, _LONG = 0x10, 0x20, 0x08, 0x0F
_ENTRY_BYTES = 32
_DATE = struct.pack("<HH", 0, 0x0021)  # midnight of the first day that FAT knows
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")
_LONG_CHARACTERS = 13
_ROOT_CLUSTER = 2
_PIECE_BYTES = 1 << 20
_ROOT_INODE = 1  # fs/fat/fat.h


@dataclass(frozen=True, slots=True)
class _Geometry:
    """What the boot sector says, checked."""

    boot: bytes
    sector_bytes: int
    cluster_bytes: int
    reserved: int
    tables: int
    table_sectors: int
    root_entries: int
    data_start: int
    clusters: int

    @property
    def wide(self) -> bool:
        """FAT32."""
        return self.clusters >= _LEAST_FAT32


def _geometry(boot: bytes, size_bytes: int) -> _Geometry:
    sector_bytes, per_cluster, reserved, tables, entries, total16 = struct.unpack_from("<HBHBHH", boot, 11)
    (table16,) = struct.unpack_from("<H", boot, 22)
    total32, table32 = struct.unpack_from("<II", boot, 32)
    total, table = total16 or total32, table16 or table32
    if (
        boot[510:512] != _SIGNATURE
        or sector_bytes not in {512, 1024, 2048, 4096}
        or per_cluster not in {1, 2, 4, 8, 16, 32, 64, 128}
        or tables not in {1, 2}
        or not reserved
        or not table
    ):
        msg = "its boot sector is not one of FAT"
        raise NotRebuiltError(msg)
    root_sectors = -(-entries * _ENTRY_BYTES // sector_bytes)
    data_start = reserved + tables * table + root_sectors
    clusters = max(0, total - data_start) // per_cluster
    bits = 32 if clusters >= _LEAST_FAT32 else 16
    if (
        clusters < _LEAST_FAT16
        or total * sector_bytes > size_bytes
        or table * sector_bytes * 8 < (clusters + 2) * bits
        or (bits == 32) != (not table16 and not entries)  # noqa: PLR2004 - FAT32
    ):
        msg = f"its FAT with {clusters} clusters is of a kind that is not made anew"
        raise NotRebuiltError(msg)
    return _Geometry(boot, sector_bytes, sector_bytes * per_cluster, reserved, tables, table, entries, data_start, clusters)


def in_use(read: Read, size_bytes: int) -> Occupancy:
    """The clusters that are given away, counted from the first table; FAT16's root folder, Linux's inode 1, takes none.

    Arguments and errors as in `fresh`.
    """
    geometry = _geometry(read(0, 512), size_bytes)
    width, bad = (4, 0x0FFFFFF7) if geometry.wide else (2, 0xFFF7)
    begin = geometry.reserved * geometry.sector_bytes + _ROOT_CLUSTER * width
    taken = 0
    for done in range(0, geometry.clusters * width, _PIECE_BYTES):
        piece = array("I" if geometry.wide else "H", read(begin + done, min(_PIECE_BYTES, geometry.clusters * width - done)))
        taken += len(piece) - piece.count(0) - piece.count(bad)
    return Occupancy(taken, 0, geometry.cluster_bytes, first=0 if geometry.wide else _ROOT_INODE + 1)


def fresh(read: Read, size_bytes: int, tree: Tree) -> Sectors:
    """The file system that is there, made anew with `tree` in it.

    Args:
        read: the volume as it is.
        size_bytes: of the volume.
        tree: what the camera expects.

    Raises:
        NotRebuiltError: it is of another kind, or the tree does not fit.
    """
    geometry = _geometry(read(0, 512), size_bytes)
    made = _Made(geometry, size_bytes)
    label = _label(read, geometry)
    root = made.allocate(1) if geometry.wide else 0
    entries = ([label] if label else []) + made.entries(tree, 0)
    if geometry.wide:
        made.folder(root, entries)
    else:
        made.fixed_root(entries)
    made.finish()
    return made.image


class _Made:
    """A file system in the making; clusters are given out one after the other, so that nothing is ever in two pieces."""

    def __init__(self, geometry: _Geometry, size_bytes: int) -> None:
        self._geometry = geometry
        self.image = Sectors(size_bytes)
        self._next = _ROOT_CLUSTER
        self._chains: list[tuple[int, int]] = []

    def allocate(self, count: int) -> int:
        """The first of so many clusters in a row."""
        first = self._next
        self._next += count
        if self._next > self._geometry.clusters + _ROOT_CLUSTER:
            msg = "there is no room for what the camera expects"
            raise NotRebuiltError(msg)
        self._chains.append((first, count))
        return first

    def entries(self, tree: Tree, parent: int) -> list[bytes]:
        """The entries of a folder for `tree`, whose folders and files are laid down. `parent` is that folder's cluster."""
        found: list[bytes] = []
        taken: set[bytes] = set()
        for name, inner in sorted(tree.items()):
            short = _short(name, taken)
            taken.add(short)
            if isinstance(inner, dict):
                count = self._clusters_for(_ENTRY_BYTES * (3 + sum(_entries_of(each) for each in inner)))
                first = self.allocate(count)
                dots = [_entry(b".".ljust(11), _FOLDER, first, 0), _entry(b"..".ljust(11), _FOLDER, parent, 0)]
                self.folder(first, dots + self.entries(inner, first))
                found += [*_long(name, short), _entry(short, _FOLDER, first, 0)]
            else:
                first = self.allocate(self._clusters_for(len(inner))) if inner else 0
                if inner:
                    self.image.put(self._offset(first), inner)
                found += [*_long(name, short), _entry(short, _ARCHIVE, first, len(inner))]
        return found

    def folder(self, cluster: int, entries: list[bytes]) -> None:
        """Lay down a folder's entries."""
        if cluster == _ROOT_CLUSTER and len(entries) * _ENTRY_BYTES > self._geometry.cluster_bytes:
            msg = "there is no room for what the camera expects in its root"
            raise NotRebuiltError(msg)
        self.image.put(self._offset(cluster), b"".join(entries))

    def fixed_root(self, entries: list[bytes]) -> None:
        """FAT16's root, which is no cluster."""
        if len(entries) > self._geometry.root_entries:
            msg = "there is no room for what the camera expects in its root"
            raise NotRebuiltError(msg)
        g = self._geometry
        self.image.put((g.reserved + g.tables * g.table_sectors) * g.sector_bytes, b"".join(entries))

    def finish(self) -> None:
        """Lay down boot sectors and tables."""
        g = self._geometry
        self._boot_sectors()
        media = g.boot[21]
        width, last = (4, 0x0FFFFFFF) if g.wide else (2, 0xFFFF)
        table = bytearray(width * self._next)
        entries = {0: (last & ~0xFF) | media, 1: last}
        for first, count in self._chains:
            entries |= {first + index: first + index + 1 for index in range(count - 1)} | {first + count - 1: last}
        for cluster, value in entries.items():
            table[cluster * width : (cluster + 1) * width] = value.to_bytes(width, "little")
        for number in range(g.tables):
            self.image.put((g.reserved + number * g.table_sectors) * g.sector_bytes, table)

    def _boot_sectors(self) -> None:
        g = self._geometry
        boot = bytearray(512)
        end = _FAT32_ENTRY_END if g.wide else _FAT16_ENTRY_END
        boot[:end] = g.boot[:end]
        boot[510:] = _SIGNATURE
        boot[0x41 if g.wide else 0x25] = 0  # closed properly, and no test of the medium is due
        if not g.wide:
            self.image.put(0, boot)
            return
        struct.pack_into("<H", boot, 40, 0)  # every table is kept
        struct.pack_into("<I", boot, 44, _ROOT_CLUSTER)
        information, backup = struct.unpack_from("<HH", boot, 48)
        self.image.put(0, boot)
        free = struct.pack("<II", g.clusters - (self._next - _ROOT_CLUSTER), self._next)
        sector = b"RRaA" + bytes(480) + b"rrAa" + free + bytes(14) + _SIGNATURE
        for place, content in ((information, sector), (backup, bytes(boot)), (backup + information, sector)):
            if 0 < place < g.reserved and (content is sector or backup):
                self.image.put(place * g.sector_bytes, content)

    def _clusters_for(self, count_bytes: int) -> int:
        return -(-count_bytes // self._geometry.cluster_bytes)

    def _offset(self, cluster: int) -> int:
        g = self._geometry
        return g.data_start * g.sector_bytes + (cluster - _ROOT_CLUSTER) * g.cluster_bytes


def _label(read: Read, geometry: _Geometry) -> bytes:
    """The volume's name, as its root folder has it: the entry itself, with nothing else in it kept."""
    g = geometry
    if g.wide:
        (cluster,) = struct.unpack_from("<I", g.boot, 44)
        offset = g.data_start * g.sector_bytes + (cluster - _ROOT_CLUSTER) * g.cluster_bytes
        size = g.cluster_bytes
    else:
        offset, size = (g.reserved + g.tables * g.table_sectors) * g.sector_bytes, g.root_entries * _ENTRY_BYTES
    root = read(offset, size)
    for begin in range(0, len(root) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        entry = root[begin : begin + _ENTRY_BYTES]
        if not entry[0]:
            break
        if entry[0] != 0xE5 and entry[11] & 0x3F == _LABEL:  # noqa: PLR2004 - removed
            return _entry(entry[:11], _LABEL, 0, 0)
    return b""


def _entry(name: bytes, kind: int, cluster: int, size: int) -> bytes:
    high, low = cluster >> 16, cluster & 0xFFFF
    return name + bytes([kind]) + bytes(8) + struct.pack("<H", high) + _DATE + struct.pack("<HI", low, size)


def _entries_of(name: str) -> int:
    """How many entries a name takes: its own, and those for a long name."""
    return 1 + (0 if _is_short(name) else -(-len(name) // _LONG_CHARACTERS))


def _is_short(name: str) -> bool:
    stem, dot, ending = name.partition(".")
    if not 1 <= len(stem) <= 8 or len(ending) > 3 or (dot and not ending):  # noqa: PLR2004 - 8.3
        return False
    return all(each in _PLAIN for each in (stem + ending).encode("utf-8"))


def _short(name: str, taken: set[bytes]) -> bytes:
    """The name in eight and three characters, made up where it has more."""
    if not name.isascii() or not name.isprintable() or set(name) & set('"*/:<>?\\|') or name.endswith((" ", ".")):
        msg = f"{name!r} is no name that FAT can hold for certain"
        raise NotRebuiltError(msg)
    stem, _, ending = name.rpartition(".")
    if not stem:
        stem, ending = name, ""
    if _is_short(name):
        return stem.encode().ljust(8) + ending.encode().ljust(3)
    plain = bytes(each for each in stem.upper().encode() if each in _PLAIN)
    end = bytes(each for each in ending.upper().encode() if each in _PLAIN)[:3].ljust(3)
    for number in range(1, 10):
        made = (plain[:6] + b"~%d" % number).ljust(8) + end
        if made not in taken:
            return made
    msg = f"{name!r} is too much like others beside it"
    raise NotRebuiltError(msg)


def _long(name: str, short: bytes) -> list[bytes]:
    """The entries for a name that is not short, the last part first."""
    if _is_short(name):
        return []
    check = 0
    for each in short:
        check = ((check & 1) << 7 | check >> 1) + each & 0xFF
    parts = [name[begin : begin + _LONG_CHARACTERS] for begin in range(0, len(name), _LONG_CHARACTERS)]
    entries = []
    for number, part in enumerate(parts, 1):
        text = (part.encode("utf-16-le") + (b"\0\0" if len(part) < _LONG_CHARACTERS else b"")).ljust(26, b"\xff")
        order = number | (0x40 if number == len(parts) else 0)
        entries.append(bytes([order]) + text[:10] + bytes([_LONG, 0, check]) + text[10:22] + bytes(2) + text[22:])
    return entries[::-1]
