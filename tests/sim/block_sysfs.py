"""The part of sysfs that tells what block devices stand on, made of folders and links as the kernel makes it."""

import os
from pathlib import Path


class BlockSysfs:
    """A tree below `root` in which devices are added; `holds` puts an existing folder's file system on one of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "dev/block").mkdir(parents=True)

    def disk(self, name: str) -> Path:
        """A whole disk."""
        node = self.root / "devices" / name
        (node / "slaves").mkdir(parents=True)
        return node

    def partition(self, disk: Path, name: str) -> Path:
        """A partition, which has no list of what it stands on."""
        node = disk / name
        node.mkdir()
        (node / "partition").write_text("1\n")
        return node

    def mapped(self, name: str, dm_uuid: str, *below: Path) -> Path:
        """A device of the device mapper, or of md where `dm_uuid` is empty."""
        node = self.disk(name)
        for each in below:
            (node / "slaves" / each.name).symlink_to(each)
        if dm_uuid:
            (node / "dm").mkdir()
            (node / "dm/uuid").write_text(dm_uuid + "\n")
        return node

    def loop(self, name: str, file: Path | str) -> Path:
        """A file that serves as a disk."""
        node = self.disk(name)
        (node / "loop").mkdir()
        (node / "loop/backing_file").write_text(f"{file}\n")
        return node

    def holds(self, folder: Path, node: Path) -> None:
        """From now on, the device number of `folder` is that of `node`."""
        number = folder.stat().st_dev
        link = self.root / "dev/block" / f"{os.major(number)}:{os.minor(number)}"
        link.unlink(missing_ok=True)
        link.symlink_to(node)
