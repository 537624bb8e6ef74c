"""File systems made anew: whoever else checks such file systems finds nothing wrong, and the camera's own numbers are kept."""

import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.helper import exfat, ext4, fat
from dockd.helper.sectors import NotRebuiltError, Sectors, Tree, tree_of

MIB = 1 << 20
FACTS = b"serial: CAM-1\n"
TREE = tree_of(
    ["DCIM/100MEDIA", "DCIM", "A folder with a long name"],
    {
        "MISC/CAMERA.TXT": FACTS,
        "MISC/Settings of the camera.json": b"{}" * 40_000,
        "MISC/EMPTY.TXT": b"",
        "MISC/settings2.json": b"1",
    },
)
PATHS = {
    "DCIM/100MEDIA", "A folder with a long name", "MISC/CAMERA.TXT", "MISC/Settings of the camera.json", "MISC/EMPTY.TXT",
}  # fmt: skip

Fresh = Callable[[fat.Read, int, Tree], Sectors]


def reader(path: Path) -> fat.Read:
    """Reads a file as a volume."""

    def read(offset: int, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    return read


def made(folder: Path, command: list[str], size_bytes: int, fresh: Fresh, tree: Tree = TREE) -> Path:
    """A file system that a program formatted, then filled with what looks like footage, made anew."""
    old = folder / "old"
    with old.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run([*command, old], check=True, capture_output=True)
    return laid_down(folder, fresh(reader(old), size_bytes, tree))


def laid_down(folder: Path, sectors: Sectors) -> Path:
    """What a disk holds afterwards."""
    new = folder / "new"
    with new.open("wb") as file:
        file.truncate(sectors.size_bytes)
        for number, content in sectors.sectors.items():
            file.seek(512 * number)
            file.write(content)
    return new


def said(*command: str | Path) -> str:
    """What a program says that must be content."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("options", "size_bytes"),
    [
        (["-F", "32", "-n", "CAMERA", "-i", "1234abcd"], 64 * MIB),
        (["-F", "32", "-s", "64", "-R", "4000", "-n", "BIG CARD"], 2300 * MIB),
        (["-F", "32", "-f", "1", "-S", "4096"], 300 * MIB),
        (["-F", "16", "-n", "OLD"], 32 * MIB),
        (["-F", "16", "-r", "64"], 64 * MIB),
    ],
)
def test_fat_is_sound_and_keeps_its_geometry(options: list[str], size_bytes: int, tmp_path: Path) -> None:
    """fsck.vfat finds nothing, mtools find everything, and not a number in the boot sector has moved."""
    new = made(tmp_path, ["mkfs.vfat", *options], size_bytes, fat.fresh)
    said("fsck.vfat", "-n", "-v", new)
    listed = said("mdir", "-/", "-b", "-i", new, "::")
    assert {line.removeprefix("::/").rstrip("/") for line in listed.splitlines()} >= PATHS
    assert said("mtype", "-i", new, "::/MISC/CAMERA.TXT").encode() == FACTS
    assert len(said("mtype", "-i", new, "::/MISC/Settings of the camera.json")) == 80_000
    before, after = (tmp_path / "old").read_bytes()[:512], new.read_bytes()[:512]
    assert after[11:40] == before[11:40]
    assert after[48:90] == before[48:90] if "32" in options else after[36:62] == before[36:62]
    assert not any(after[90:510])
    if "-n" in options:
        assert options[options.index("-n") + 1] in said("mdir", "-i", new, "::")


@pytest.mark.parametrize(("options", "size_bytes"), [(["-L", "CAMERA"], 64 * MIB), (["-c", "128K"], 300 * MIB)])
def test_exfat_is_sound_and_keeps_its_geometry(options: list[str], size_bytes: int, tmp_path: Path) -> None:
    """fsck.exfat finds nothing, counts everything, and the numbers are the camera's."""
    new = made(tmp_path, ["mkfs.exfat", *options], size_bytes, exfat.fresh)
    assert "clean. directories 5, files 4" in said("fsck.exfat", "-n", new)
    kept = [said("dump.exfat", each) for each in (tmp_path / "old", new)]
    names = ("Volume Serial", "Cluster Heap Offset", "FAT Offset", "Cluster Count", "Volume label:", "Upcase table size")
    for before, after in zip(*(text.splitlines() for text in kept), strict=True):
        if before.startswith(names):
            assert after == before


@pytest.mark.parametrize("options", [["-L", "camera"], ["-O", "^metadata_csum,^64bit", "-b", "1024"], ["-O", "^has_journal"]])
def test_ext4_is_sound_and_has_the_same_features(options: list[str], tmp_path: Path) -> None:
    """e2fsck finds nothing; features, label and identity are the camera's."""
    new = made(tmp_path, ["mkfs.ext4", "-q", "-F", *options], 64 * MIB, ext4.fresh)
    said("e2fsck", "-f", "-n", new)
    before, after = ([*said("dumpe2fs", "-h", each).splitlines()] for each in (tmp_path / "old", new))
    for name in ("Filesystem features", "Filesystem volume name", "Filesystem UUID", "Block size", "Inode count", "Inode size"):
        assert [line for line in after if line.startswith(name)] == [line for line in before if line.startswith(name)]
    assert said("debugfs", "-R", "cat /MISC/CAMERA.TXT", new).encode() == FACTS


def test_ext4_of_a_camera_that_expects_nothing(tmp_path: Path) -> None:
    """It is just empty."""
    said("e2fsck", "-f", "-n", made(tmp_path, ["mkfs.ext4", "-q", "-F"], 16 * MIB, ext4.fresh, {}))


@pytest.mark.parametrize(
    ("command", "fresh", "tree"),
    [(["mkfs.vfat"], fat.fresh, TREE), (["mkfs.exfat"], exfat.fresh, TREE), (["mkfs.ext4", "-q"], ext4.fresh, {})],
)
def test_it_is_the_same_each_time(command: list[str], fresh: Fresh, tree: Tree, tmp_path: Path) -> None:
    """A clear that begins anew writes what the first one began to write; what mke2fs puts into ext4 has the time of that."""
    made(tmp_path, command, 64 * MIB, fresh)
    twice = [fresh(reader(tmp_path / "old"), 64 * MIB, tree).sectors for _ in range(2)]
    assert twice[0] == twice[1]


@pytest.mark.parametrize("fresh", [fat.fresh, exfat.fresh, ext4.fresh])
@pytest.mark.parametrize("content", [bytes(4096), b"\xff" * 4096, os.urandom(4096)])
def test_garbage_is_not_made_anew(fresh: Fresh, content: bytes) -> None:
    """What is no such file system is not guessed at, whatever it claims."""
    with pytest.raises(NotRebuiltError):
        fresh(lambda offset, size: (content * 600)[offset : offset + size], MIB, {})


def formatted(folder: Path, command: list[str], size_bytes: int = 64 * MIB) -> bytearray:
    """The bytes of a fresh file system."""
    path = folder / "image"
    with path.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run([*command, path], check=True, capture_output=True)
    return bytearray(path.read_bytes())


def refused(fresh: Fresh, image: bytearray, tree: Tree | None = None) -> str:
    """Why it is not made anew."""
    with pytest.raises(NotRebuiltError) as caught:
        fresh(lambda offset, size: bytes(image[offset : offset + size]), len(image), TREE if tree is None else tree)
    return str(caught.value)


@settings(deadline=None)  # a busy machine is no wrong answer
@given(st.integers(0, 119), st.integers(0, 255))
def test_no_boot_sector_makes_it_write_beside_the_volume(place: int, value: int) -> None:
    """Whatever byte of the numbers is changed: it is refused, or lies within the volume."""
    for name, fresh in (("fat", fat.fresh), ("exfat", exfat.fresh)):
        try:
            sectors = fresh(changed(IMAGES[name], place, value), len(IMAGES[name]), TREE)
        except NotRebuiltError:
            continue
        assert all(0 <= number < len(IMAGES[name]) // 512 for number in sectors.sectors)


def changed(image: bytes, place: int, value: int) -> fat.Read:
    """Reads an image in which one byte is another."""

    def read(offset: int, size: int) -> bytes:
        found = bytearray(image[offset : offset + size])
        if offset <= place < offset + len(found):
            found[place - offset] = value
        return bytes(found)

    return read


IMAGES: dict[str, bytes] = {}


@pytest.fixture(autouse=True, scope="module")
def _images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Small ones, made once."""
    folder = tmp_path_factory.mktemp("images")
    IMAGES["fat"] = bytes(formatted(folder, ["mkfs.vfat", "-F", "32"], 40 * MIB)[: 40 * MIB])
    IMAGES["exfat"] = bytes(formatted(folder, ["mkfs.exfat"], 8 * MIB))


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    """Kinds, features, names and sizes that are not made anew, each in words."""
    small = formatted(tmp_path, ["mkfs.vfat", "-F", "12"], 2 * MIB)
    assert "of a kind that is not made anew" in refused(fat.fresh, small)
    wide = bytearray(IMAGES["fat"])
    assert "no name that FAT can hold" in refused(fat.fresh, wide, {"Grün.txt": b"x"})
    assert "no room" in refused(fat.fresh, wide, {f"{number}.TXT": b"" for number in range(40)})
    assert "no room" in refused(fat.fresh, wide, {"X": bytes(50 * MIB)})
    assert "too much like" in refused(fat.fresh, wide, {f"long name {number}": b"" for number in range(10)})
    old = formatted(tmp_path, ["mkfs.vfat", "-F", "16", "-r", "16"], 32 * MIB)
    assert "no room" in refused(fat.fresh, old, {f"{number}.TXT": b"" for number in range(100)})
    new = bytearray(IMAGES["exfat"])
    assert "no name that is compared alike" in refused(exfat.fresh, new, {"Grün.txt": b"x"})
    assert "no room" in refused(exfat.fresh, new, {f"{number}.TXT": b"" for number in range(100)})
    assert "no room" in refused(exfat.fresh, new, {"X": bytes(9 * MIB)})
    heap, root = (struct.unpack_from("<I", new, place)[0] for place in (88, 96))
    begin = heap * 512 + (root - 2) * (1 << (new[108] + new[109]))
    new[begin : begin + 512] = bytes(512)
    assert "upper-case" in refused(exfat.fresh, new)


def test_ext4_that_cannot_be_kept_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown feature, a label that is no text, a program that fails, is missing or hangs."""
    image = formatted(tmp_path, ["mkfs.ext4", "-q", "-F"], 16 * MIB)
    unknown = bytearray(image)
    unknown[1024 + 0x62] |= 1  # encrypt
    assert "a feature (0x10000)" in refused(ext4.fresh, unknown)
    odd = bytearray(image)
    odd[1024 + 0x78] = 0xFF
    assert "label" in refused(ext4.fresh, odd)
    few = bytearray(image)
    struct.pack_into("<H", few, 1024 + 0x58, 3)
    assert "mke2fs does not make it" in refused(ext4.fresh, few)
    monkeypatch.setattr(ext4, "MKE2FS", str(tmp_path / "missing"))
    assert "mke2fs cannot be run" in refused(ext4.fresh, image)


def test_a_tree_has_no_two_things_in_one_place() -> None:
    """A profile that wants both says so at the bench, not on a camera."""
    with pytest.raises(NotRebuiltError, match="both a file and a folder"):
        tree_of(["MISC/CAMERA.TXT"], {"MISC/CAMERA.TXT": b""})
    with pytest.raises(NotRebuiltError, match="both a file and a folder"):
        tree_of([], {"A": b"", "A/B": b""})


@given(st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=1500)), max_size=8))
def test_sectors_hold_what_was_put_last(puts: list[tuple[int, bytes]]) -> None:
    """As a plain run of bytes would, and zeros take no room."""
    sectors, plain = Sectors(8192), bytearray(8192)
    for offset, content in puts:
        sectors.put(offset, content)
        plain[offset : offset + len(content)] = content
    view = bytearray(8192)
    assert sectors.fill(memoryview(view), 0) == any(plain)
    assert view == plain
    assert all(any(each) for each in sectors.sectors.values())
    part = bytearray(1024)
    sectors.fill(memoryview(part), 2048)
    assert part == plain[2048:3072]
    whole = Sectors(16384)
    whole.embed(4096, sectors)
    whole.fill(memoryview(view), 4096)
    assert view == plain


@pytest.mark.parametrize("offset", [-1, 8192 - 3])
def test_sectors_end_where_the_disk_does(offset: int) -> None:
    """Nothing is put beside it."""
    with pytest.raises(NotRebuiltError, match="do not fit"):
        Sectors(8192).put(offset, b"four")
