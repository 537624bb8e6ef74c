"""Whether the spool's disk is encrypted, and what is refused if it is not.

Docks get stolen. What lies in the spool is footage of people who may have done nothing at all.
"""

from dataclasses import dataclass
from pathlib import Path

from dockd.blockdev import SYS, device_of
from dockd.config.acceptance import Running, command_for
from dockd.core.encryption import bare_disks
from dockd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SpoolDisk:
    """Where a spool lies.

    Attributes:
        encrypted: all of it reaches the disk through dm-crypt.
        why: if it is not, how that is known, as half a sentence about the spool.
    """

    encrypted: bool
    why: str = ""


def spool_disk(directory: Path, sys: Path = SYS) -> SpoolDisk:
    """What the kernel says of the disk under a spool; of the nearest folder above it, where it is not made yet."""
    device = device_of(directory, sys)
    if device is None:
        return SpoolDisk(
            encrypted=False, why="lies on a file system of which the kernel names no disk, so nothing says that it is encrypted"
        )
    disks = bare_disks(device)
    if disks:
        return SpoolDisk(encrypted=False, why=f"lies on {', '.join(disks)}, which is not encrypted (no dm-crypt)")
    return SpoolDisk(encrypted=True)


def check_spool_disk(running: Running, site_file: Path, sys: Path = SYS) -> SpoolDisk:
    """Refuse a spool on a disk that is not encrypted, unless an admin accepted that for this very folder.

    Raises:
        ConfigError: with both ways out.
    """
    directory = running.site.spool.directory
    disk = spool_disk(directory, sys)
    if not disk.encrypted and running.acceptance.content.guarded.unencrypted_spool != directory:
        msg = f"the spool {directory} {disk.why}: whoever takes the dock's disk can read every recording on it"
        hint = (
            "Put the spool's disk on LUKS (docs/HARDWARE.md), or accept it as it is, as root: "
            f"{command_for(site_file)} --unencrypted-spool"
        )
        raise ConfigError(msg, file=str(site_file), hint=hint)
    return disk
