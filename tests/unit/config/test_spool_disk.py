"""A spool in the clear is refused until an admin accepted it."""

from pathlib import Path

import pytest

from dockd.config import load_site
from dockd.config.acceptance import Running, accept, in_force
from dockd.config.spool_disk import SpoolDisk, check_spool_disk, spool_disk
from dockd.errors import ConfigError
from tests.sim.block_sysfs import BlockSysfs
from tests.unit.config.test_site import GOOD


def running(tmp_path: Path, *, unencrypted_spool: bool, spool: str = "spool") -> tuple[Path, Running]:
    """A dock with its spool in the test's folder."""
    site_file = tmp_path / "site.yaml"
    site_file.write_text(GOOD.replace("/var/lib/dockd/spool", str(tmp_path / "spool")))
    accept(site_file, load_site(site_file), by="ann", at="now", unencrypted_spool=unencrypted_spool)
    site_file.write_text(GOOD.replace("/var/lib/dockd/spool", str(tmp_path / spool)))
    return site_file, in_force(site_file)


def test_spool_in_the_clear_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    """Encrypt it, or accept it."""
    sysfs = BlockSysfs(tmp_path / "sys")
    sysfs.holds(tmp_path, sysfs.partition(sysfs.disk("sda"), "sda1"))
    site_file, dock = running(tmp_path, unencrypted_spool=False)
    with pytest.raises(ConfigError, match=r"spool lies on sda1, which is not encrypted \(no dm-crypt\)") as raised:
        check_spool_disk(dock, site_file, sysfs.root)
    assert "on LUKS" in raised.value.hint
    assert f"sudo dockd config accept --config {site_file} --unencrypted-spool" in raised.value.hint


def test_spool_in_the_clear_that_was_accepted_is_used_and_told(tmp_path: Path) -> None:
    """For this folder only: another one is asked about anew."""
    sysfs = BlockSysfs(tmp_path / "sys")
    sysfs.holds(tmp_path, sysfs.disk("sda"))
    site_file, dock = running(tmp_path, unencrypted_spool=True)
    assert not check_spool_disk(dock, site_file, sysfs.root).encrypted
    site_file, moved = running(tmp_path, unencrypted_spool=True, spool="other")
    with pytest.raises(ConfigError, match="other lies on sda"):
        check_spool_disk(moved, site_file, sysfs.root)


def test_encrypted_spool_needs_nobody(tmp_path: Path) -> None:
    """It is what a dock should have."""
    sysfs = BlockSysfs(tmp_path / "sys")
    sysfs.holds(tmp_path, sysfs.mapped("dm-0", "CRYPT-LUKS2-x-spool", sysfs.disk("sda")))
    site_file, dock = running(tmp_path, unencrypted_spool=False)
    assert check_spool_disk(dock, site_file, sysfs.root) == SpoolDisk(encrypted=True)


def test_file_system_without_a_disk_counts_as_not_encrypted(tmp_path: Path) -> None:
    """What nothing is known of is not taken for good."""
    found = spool_disk(tmp_path, BlockSysfs(tmp_path / "sys").root)
    assert not found.encrypted
    assert "the kernel names no disk" in found.why
