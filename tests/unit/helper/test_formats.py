"""What a file system says of how it was closed, on volumes that other programs formatted."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockd.helper.formats import needs_repair, unclean

COMMANDS = {
    "fat32": ["mkfs.vfat", "-F", "32"],
    "fat16": ["mkfs.vfat", "-F", "16"],
    "fat12": ["mkfs.vfat", "-F", "12"],
    "exfat": ["mkfs.exfat"],
    "ext4": ["mkfs.ext4", "-q", "-F"],
}
SIZES = {"fat32": 64 << 20, "fat12": 2 << 20}


@contextmanager
def volume(kind: str, folder: Path, changes: dict[int, bytes]) -> Iterator[int]:
    """A fresh file system in which some bytes are others."""
    path = folder / "volume"
    with path.open("wb") as file:
        file.truncate(SIZES.get(kind, 32 << 20))
    subprocess.run([*COMMANDS[kind], path], check=True, capture_output=True)
    descriptor = os.open(path, os.O_RDWR)
    try:
        for place, content in changes.items():
            os.pwrite(descriptor, content, place)
        yield descriptor
    finally:
        os.close(descriptor)


def name(kind: str) -> str:
    """As a profile calls it."""
    return "vfat" if kind.startswith("fat") else kind


@pytest.mark.parametrize("kind", sorted(COMMANDS))
def test_what_was_just_formatted_is_clean(kind: str, tmp_path: Path) -> None:
    """Nothing stands against it."""
    with volume(kind, tmp_path, {}) as descriptor:
        assert unclean(descriptor, name(kind)) == ""
        assert not needs_repair(descriptor, name(kind))


NOT_CLOSED = {
    "fat32, as Linux marks it": ("fat32", {0x41: b"\x01"}),
    "fat32, as Windows marks it": ("fat32", {32 * 512 + 7: b"\x07"}),
    "fat16, as Linux marks it": ("fat16", {0x25: b"\x01"}),
    "fat16, as Windows marks it": ("fat16", {4 * 512 + 3: b"\x7f"}),
    "exfat": ("exfat", {106: b"\x02"}),
    "ext4 with a journal to be replayed": ("ext4", {1024 + 0x60: b"\xc6"}),
    "ext4 with orphans": ("ext4", {1024 + 0xE8: b"\x0c"}),
    "ext4 with a file of orphans": ("ext4", {1024 + 0x66: b"\x01"}),
    "ext4 that is still mounted": ("ext4", {1024 + 0x3A: b"\x00"}),
}


@pytest.mark.parametrize("how", sorted(NOT_CLOSED))
def test_what_was_not_closed_says_so(how: str, tmp_path: Path) -> None:
    """By the marks that the systems which write them set, each alone."""
    kind, changes = NOT_CLOSED[how]
    with volume(kind, tmp_path, changes) as descriptor:
        assert "not closed properly" in unclean(descriptor, name(kind))
        assert needs_repair(descriptor, name(kind)) == (kind == "ext4" and "mounted" not in how)


@pytest.mark.parametrize(("kind", "changes"), [("exfat", {106: b"\x04"}), ("ext4", {1024 + 0x3A: b"\x03"})])
def test_what_is_damaged_says_so(kind: str, changes: dict[int, bytes], tmp_path: Path) -> None:
    """Whoever found the damage has written it down."""
    with volume(kind, tmp_path, changes) as descriptor:
        assert "damaged" in unclean(descriptor, kind)


@pytest.mark.parametrize("kind", ["vfat", "exfat", "ext4"])
def test_a_disk_that_has_left_says_nothing(kind: str, tmp_path: Path) -> None:
    """The kernel's answer to a read of it is that it ends; that is an error of the medium's, and no word of the file system."""
    (tmp_path / "left").write_bytes(b"")
    with (tmp_path / "left").open("rb") as file, pytest.raises(OSError, match="Input/output error"):
        unclean(file.fileno(), kind)
