"""What is in use against what was seen: one that is missing is enough, on whichever side."""

from hypothesis import assume, given
from hypothesis import strategies as st

from dockd.core.clearance import Identity
from dockd.core.occupancy import UNREADABLE, Occupancy

SIZES = st.lists(st.integers(0, 1 << 40), min_size=1, max_size=20)
ROOT = Identity(1, 2, 4096, 0, 0)


def seen(sizes: list[int], *, first: int = 20) -> list[Identity]:
    """Files of these sizes, each its own."""
    return [Identity(1, first + number, size, 0, 0) for number, size in enumerate(sizes)]


@given(SIZES, st.sampled_from([512, 4096, 32768, 131072]), st.integers(0, 9), st.integers(-3, 3))
def test_clusters_add_up_to_the_last_one(sizes: list[int], cluster_bytes: int, own: int, off: int) -> None:
    """Each file takes whole clusters, an empty one none, and a root that lies elsewhere none."""
    takes = sum((size + cluster_bytes - 1) // cluster_bytes for size in sizes)
    assume(own + takes + off >= 0)  # below, it says that it could not be counted
    words = Occupancy(own + takes + off, own, cluster_bytes, first=3).unaccounted([ROOT, *seen(sizes)])
    assert bool(words) == bool(off)
    assert (f"{off} clusters are in use, and belong to no file" in words) == (off > 0)
    assert (f"take {-off} clusters more" in words) == (off < 0)


@given(SIZES, st.integers(-3, 3))
def test_inodes_add_up_to_the_last_one(sizes: list[int], off: int) -> None:
    """The root folder and others of the file system's own count among these; a second name for a file adds nothing."""
    files = seen(sizes)
    words = Occupancy(11 + len(sizes) + off, 11, first=12).unaccounted([ROOT, *files, files[0]])
    assert bool(words) == bool(off)
    assert (f"{off} inodes are in use, and belong to no file" in words) == (off > 0)
    assert (f"take {-off} inodes more" in words) == (off < 0)


@given(SIZES)
def test_what_cannot_be_counted_never_adds_up(sizes: list[int]) -> None:
    """Whatever was seen."""
    assert "cannot be counted" in UNREADABLE.unaccounted([ROOT, *seen(sizes)])
