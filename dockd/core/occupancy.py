"""Whether a walk has seen everything that a file system says is taken.

A folder whose content is damaged looks empty to the kernel, without an error, and a recording may have no name where a
battery died: footage would be left behind, or overwritten, unseen. But the file system's own book of what is taken lies elsewhere
on the medium, and does not forget it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dockd.core.clearance import Identity


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What a file system has given away: clusters of FAT or exFAT, inodes of ext4.

    Attributes:
        taken: how many; clusters that are marked as bad are not among them. Below 0, the medium gave errors instead of it.
        own: how many of them hold what is no file and no folder.
        cluster_bytes: the size of a cluster; 0 where inodes are counted.
        first: the lowest inode number whose file or folder takes any.
    """

    taken: int
    own: int
    cluster_bytes: int = 0
    first: int = 0

    def unaccounted(self, seen: Iterable[Identity]) -> str:
        """What does not add up, empty if everything does.

        Args:
            seen: every file and folder of a walk, the root among them; one with several names may come several times.
        """
        if self.taken < 0:
            return "what is in use on it cannot be counted, for its medium gives errors: something may lie there that nobody sees"
        sizes = {each.inode: each.size_bytes for each in seen if each.inode >= self.first}
        if self.cluster_bytes:
            found, unit = self.own + sum(-(-size // self.cluster_bytes) for size in sizes.values()), "clusters"
        else:
            found, unit = self.own + len(sizes), "inodes"
        if self.taken == found:
            return ""
        if self.taken > found:
            return f"{self.taken - found} {unit} are in use, and belong to no file that can be seen: a folder may be damaged"
        return f"its files take {found - self.taken} {unit} more than are in use: its file system is damaged"


UNREADABLE = Occupancy(-1, 0)
"""There is such a count, and the medium does not give it; whoever walks has not seen everything for certain."""
