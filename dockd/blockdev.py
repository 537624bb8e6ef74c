"""On which block devices a folder lies, as the kernel's sysfs tells it."""

import os
from pathlib import Path

from dockd.core.encryption import Layer

SYS = Path("/sys")

_DEEPEST = 16


def device_of(folder: Path, sys: Path = SYS) -> Layer | None:
    """The device that holds `folder`, or the nearest folder above it that exists; None where no block device is known for it.

    A file system on several disks (btrfs), one in memory and one over the network have no device number that leads to a disk.
    """
    while True:
        try:
            number = folder.stat().st_dev
        except FileNotFoundError:
            folder = folder.parent
            continue
        except OSError:
            return None
        return _numbered(number, sys, _DEEPEST)


def _numbered(number: int, sys: Path, levels: int) -> Layer | None:
    node = sys / "dev/block" / f"{os.major(number)}:{os.minor(number)}"
    return _layer(node.resolve(), sys, levels) if node.exists() else None


def _layer(node: Path, sys: Path, levels: int) -> Layer:
    if levels == 0:
        return Layer(node.name)  # nobody stacks so many; what is not understood counts as bare
    slaves = sorted(each.resolve() for each in (node / "slaves").glob("*"))
    below = tuple(_layer(each, sys, levels - 1) for each in slaves)
    if not below and (node / "partition").exists():
        parent = _layer(node.parent, sys, levels - 1)
        below = (parent,) if parent.below or parent.dm_uuid else ()
    if backing := _text(node / "loop/backing_file"):
        under = _backing(Path(backing), sys, levels - 1)
        below = (under,) if under is not None else ()
    return Layer(node.name, _text(node / "dm/uuid"), below)


def _backing(file: Path, sys: Path, levels: int) -> Layer | None:
    """The device under a loop device's file."""
    try:
        return _numbered(file.stat().st_dev, sys, levels)
    except OSError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
