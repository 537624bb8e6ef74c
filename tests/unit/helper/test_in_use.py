"""What FAT and exFAT say is taken, on volumes that other programs made, against what those programs count."""

import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

from dockd.core.clearance import Identity
from dockd.core.occupancy import UNREADABLE
from dockd.helper import exfat, fat
from dockd.helper.occupied import in_use, in_use_if_readable
from dockd.helper.sectors import NotRebuiltError, tree_of
from tests.sim.bay_sysfs import loop_device
from tests.unit.helper.test_fresh import MIB, laid_down, reader, said

SIZES = {"DCIM/A.MP4": 3 * MIB + 1, "DCIM/B.MP4": 1, "DCIM/EMPTY.MP4": 0, "MISC/C.TXT": 70_000}


def identities(sizes: dict[str, int], folders: dict[str, int]) -> list[Identity]:
    """As a walk would tell of them; the root is number 1."""
    named = {**folders, **sizes}
    return [Identity(1, 1 if not path else 100 + number, size, 0, 0) for number, (path, size) in enumerate(named.items())]


def fat_volume(folder: Path, options: list[str], size_bytes: int) -> Path:
    """With files on it, brought there by mtools."""
    tree, volume = folder / "tree", folder / "volume"
    for path, size in SIZES.items():
        place = tree / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x" * size)
    with volume.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run(["mkfs.vfat", *options, volume], check=True, capture_output=True)
    subprocess.run(["mcopy", "-s", "-i", volume, tree / "DCIM", tree / "MISC", "::"], check=True, capture_output=True)
    return volume


@pytest.mark.parametrize(
    ("options", "size_bytes", "root_in_clusters"),
    [(["-F", "32"], 64 * MIB, True), (["-F", "32", "-s", "64"], 2300 * MIB, True), (["-F", "16"], 32 * MIB, False)],
)
def test_fat_counts_what_fsck_counts(options: list[str], size_bytes: int, root_in_clusters: bool, tmp_path: Path) -> None:
    """And every cluster of it is accounted for by the files and folders; one that is hidden is not."""
    volume = fat_volume(tmp_path, options, size_bytes)
    clusters = fat.in_use(reader(volume), size_bytes)
    counted = re.search(r"(\d+)/\d+ clusters", said("fsck.vfat", "-n", "-v", volume))
    assert counted is not None
    assert (clusters.taken, clusters.first <= 1) == (int(counted[1]), root_in_clusters)
    folders = dict.fromkeys(["", "DCIM", "MISC"], clusters.cluster_bytes)
    assert clusters.unaccounted(identities(SIZES, folders)) == ""
    hidden = {path: size for path, size in SIZES.items() if path != "DCIM/B.MP4"}
    assert "1 clusters are in use, and belong to no file" in clusters.unaccounted(identities(hidden, folders))


def test_bad_clusters_are_nobodys(tmp_path: Path) -> None:
    """A card's own mark for what it cannot hold is no file."""
    volume = fat_volume(tmp_path, ["-F", "32"], 64 * MIB)
    before = fat.in_use(reader(volume), 64 * MIB)
    boot = volume.read_bytes()[:512]
    sector_bytes, reserved = struct.unpack_from("<H", boot, 11)[0], struct.unpack_from("<H", boot, 14)[0]
    with volume.open("r+b") as file:
        file.seek(reserved * sector_bytes + 4 * 100_000)
        file.write(struct.pack("<I", 0x0FFFFFF7))
    assert fat.in_use(reader(volume), 64 * MIB) == before


@pytest.mark.parametrize(("options", "size_bytes"), [([], 64 * MIB), (["-c", "128K"], 301 * MIB)])
def test_exfat_counts_its_bitmap(options: list[str], size_bytes: int, tmp_path: Path) -> None:
    """Its own tables and every file and folder account for it; fsck.exfat finds the volume sound."""
    empty = tmp_path / "empty"
    with empty.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run(["mkfs.exfat", *options, empty], check=True, capture_output=True)
    files = {path: b"x" * size for path, size in SIZES.items()}
    volume = laid_down(tmp_path, exfat.fresh(reader(empty), size_bytes, tree_of(["DCIM", "MISC"], files)))
    said("fsck.exfat", "-n", volume)
    for path, sizes in ((empty, {}), (volume, SIZES)):
        clusters = exfat.in_use(reader(path), size_bytes)
        folders = dict.fromkeys(["", "DCIM", "MISC"] if sizes else [""], clusters.cluster_bytes)
        assert clusters.unaccounted(identities(sizes, folders)) == ""
        assert "in use" in clusters.unaccounted(identities(sizes, {}))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have loop devices")
def test_what_cannot_be_counted_is_not_known(tmp_path: Path) -> None:
    """FAT12 is on no camera's card; an error of the medium hides nothing else of it, and is said."""
    small = tmp_path / "small"
    with small.open("wb") as file:
        file.truncate(2 * MIB)
    subprocess.run(["mkfs.vfat", "-F", "12", small], check=True, capture_output=True)
    with loop_device(small) as node:
        volume = os.open(node, os.O_RDONLY)
        assert in_use(volume, "vfat", tmp_path) is None
        os.close(volume)
    with (tmp_path / "no disk").open("wb") as file:
        assert in_use_if_readable(file.fileno(), "exfat", tmp_path) == UNREADABLE
        with pytest.raises(OSError, match="ioctl"):
            in_use(file.fileno(), "exfat", tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have loop devices")
def test_exfat_is_counted_on_its_disk(tmp_path: Path) -> None:
    """As the helper asks for it."""
    card = tmp_path / "card"
    with card.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["mkfs.exfat", card], check=True, capture_output=True)
    with loop_device(card) as node:
        volume = os.open(node, os.O_RDONLY)
        assert in_use(volume, "exfat", tmp_path) == exfat.in_use(reader(card), 64 * MIB)
        os.close(volume)


def test_exfat_without_its_bitmap(tmp_path: Path) -> None:
    """Nothing can be accounted for, and so nothing is overwritten."""
    volume = tmp_path / "volume"
    with volume.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["mkfs.exfat", volume], check=True, capture_output=True)
    content = bytearray(volume.read_bytes())
    cluster_bytes = 1 << content[108] + content[109]
    heap, root = struct.unpack_from("<I", content, 88)[0], struct.unpack_from("<I", content, 96)[0]
    begin = (heap << content[108]) + (root - 2) * cluster_bytes
    place = next(at for at in range(begin, begin + cluster_bytes, 32) if content[at] == 0x81)
    content[place] = 0x01
    volume.write_bytes(content)
    with pytest.raises(NotRebuiltError, match="bitmap"):
        exfat.in_use(reader(volume), 64 * MIB)
