"""What lies below a folder, as sysfs tells it."""

from pathlib import Path

import pytest

from dockd.blockdev import device_of
from dockd.core.encryption import Layer, bare_disks, encrypted
from tests.sim.block_sysfs import BlockSysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> BlockSysfs:
    """An empty one."""
    return BlockSysfs(tmp_path / "sys")


def test_volume_on_luks_on_a_partition_is_walked_to_its_end(sysfs: BlockSysfs, tmp_path: Path) -> None:
    """Each device with what it stands on."""
    partition = sysfs.partition(sysfs.disk("sda"), "sda2")
    crypt = sysfs.mapped("dm-0", "CRYPT-LUKS2-0123-sda2_crypt", partition)
    sysfs.holds(tmp_path, sysfs.mapped("dm-1", "LVM-xyz", crypt))
    assert device_of(tmp_path, sysfs.root) == Layer(
        "dm-1", "LVM-xyz", (Layer("dm-0", "CRYPT-LUKS2-0123-sda2_crypt", (Layer("sda2"),)),)
    )


def test_folder_that_is_not_made_yet_is_looked_for_above(sysfs: BlockSysfs, tmp_path: Path) -> None:
    """An admin accepts before the first start has made the spool."""
    sysfs.holds(tmp_path, sysfs.disk("sda"))
    assert device_of(tmp_path / "dockd/spool", sysfs.root) == Layer("sda")


def test_partition_of_a_raid_stands_on_the_raids_disks(sysfs: BlockSysfs, tmp_path: Path) -> None:
    """md0p1 names no slaves of its own."""
    raid = sysfs.mapped("md0", "", sysfs.disk("sda"), sysfs.disk("sdb"))
    sysfs.holds(tmp_path, sysfs.partition(raid, "md0p1"))
    found = device_of(tmp_path, sysfs.root)
    assert found is not None
    assert bare_disks(found) == ("sda", "sdb")


def test_partition_of_an_encrypted_device_is_encrypted(sysfs: BlockSysfs, tmp_path: Path) -> None:
    """It is the whole that dm-crypt encrypts."""
    crypt = sysfs.mapped("dm-0", "CRYPT-PLAIN-x", sysfs.disk("sda"))
    sysfs.holds(tmp_path, sysfs.partition(crypt, "dm-0p1"))
    found = device_of(tmp_path, sysfs.root)
    assert found is not None
    assert encrypted(found)


def test_file_as_a_disk_is_as_encrypted_as_what_holds_the_file(sysfs: BlockSysfs, tmp_path: Path) -> None:
    """A loop device in itself says nothing."""
    image = tmp_path / "image"
    image.touch()
    sysfs.holds(tmp_path, sysfs.mapped("dm-0", "CRYPT-LUKS2-x", sysfs.disk("sda")))
    loop = sysfs.mapped("dm-1", "LVM-x", sysfs.loop("loop0", image))
    lost = sysfs.mapped("dm-2", "LVM-x", sysfs.loop("loop1", tmp_path / "gone (deleted)"))
    (tmp_path / "on-loop").mkdir()
    for node, wanted in ((loop, True), (lost, False)):
        # Only what the loop's file lies on is looked up by number again, so the top is asked for by its node.
        from dockd.blockdev import _layer  # noqa: PLC0415

        assert encrypted(_layer(node, sysfs.root, 16)) is wanted


def test_stack_without_end_counts_as_bare(sysfs: BlockSysfs, tmp_path: Path) -> None:
    """The kernel allows no such thing; a reader that trusted that would never return."""
    node = sysfs.mapped("dm-0", "LVM-x")
    (node / "slaves/dm-0").symlink_to(node)
    sysfs.holds(tmp_path, node)
    found = device_of(tmp_path, sysfs.root)
    assert found is not None
    assert bare_disks(found) == ("dm-0",)


def test_file_system_without_a_disk_is_told_as_that(sysfs: BlockSysfs, tmp_path: Path) -> None:
    """btrfs, overlay, memory, network: no number leads to a disk; and a path through a file leads nowhere."""
    assert device_of(tmp_path, sysfs.root) is None
    (tmp_path / "file").touch()
    assert device_of(tmp_path / "file/spool", sysfs.root) is None
