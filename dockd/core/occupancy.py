"""Whether a walk has seen everything that a file system says is taken.

A folder whose content is damaged looks empty to the kernel, without an error: what was in it would be overwritten unseen. But
the file system's own book of what is taken lies elsewhere on the medium, and does not forget it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dockd.core.clearance import Identity


@dataclass(frozen=True, slots=True)
class Clusters:
    """The clusters that FAT or exFAT has given away.

    Attributes:
        taken: how many, those that are marked as bad not among them.
        own: how many of them hold what is no file and no folder.
        cluster_bytes: the size of one.
    """

    taken: int
    own: int
    cluster_bytes: int

    def unaccounted(self, seen: Iterable[Identity]) -> str:
        """What does not add up, empty if everything does.

        Args:
            seen: every file and folder of a walk whose content lies in clusters.
        """
        found = self.own + sum(-(-each.size_bytes // self.cluster_bytes) for each in seen)
        return _difference(self.taken, found, "clusters")


@dataclass(frozen=True, slots=True)
class Inodes:
    """The inodes that ext4 has given away: one for each file, folder, link.

    Attributes:
        taken: how many.
        own: how many of them are the file system's.
        first: the lowest number that is not.
    """

    taken: int
    own: int
    first: int

    def unaccounted(self, seen: Iterable[Identity]) -> str:
        """As `Clusters.unaccounted`; a file with several names counts once."""
        found = self.own + len({each.inode for each in seen if each.inode >= self.first})
        return _difference(self.taken, found, "inodes")


def _difference(taken: int, found: int, unit: str) -> str:
    if taken == found:
        return ""
    if taken > found:
        return f"{taken - found} {unit} of it are in use, and no file or folder that was seen has them: a folder may be damaged"
    return f"what was seen on it takes {found - taken} {unit} more than are in use: its file system is damaged"
