"""How much one PATCH carries: seconds at risk where a break costs all of it, everything where it costs nothing."""

from hypothesis import given
from hypothesis import strategies as st

from dockd.archive.pace import AT_RISK_S, LEAST_BYTES, Pace

MIB = 1024 * 1024


@given(
    algorithm=st.sampled_from([None, "blake3", "sha256", "sha1"]),
    bytes_s=st.floats(0, 1e12),
    size=st.integers(1, 2**50),
    at=st.floats(0, 1, exclude_max=True),
)
def test_each_patch_carries_something_and_never_too_much(algorithm: str | None, bytes_s: float, size: int, at: float) -> None:
    """A body is never empty, never goes beyond the end, and risks no more than it may."""
    offset = int(size * at)
    pace = Pace(algorithm, bytes_s, 64 * MIB, 8 * 1024 * MIB)
    count = pace.next_patch_bytes(offset, size)
    assert 0 < count <= size - offset
    if algorithm is not None:
        assert count <= max(LEAST_BYTES, bytes_s * AT_RISK_S)
        assert count <= 64 * MIB or (offset, count) == (0, size)


def test_a_recording_goes_whole_only_where_its_digest_is_known_and_the_way_is_fast() -> None:
    """SHA-1 of a recording is not known before it is read."""
    size = 1024 * MIB
    assert Pace("blake3", 1e9, 64 * MIB, size).next_patch_bytes(0, size) == size
    assert Pace("sha256", 1e9, 64 * MIB, size).next_patch_bytes(0, size) == size
    assert Pace("sha1", 1e9, 64 * MIB, size).next_patch_bytes(0, size) == 64 * MIB
    assert Pace("blake3", 1e9, 64 * MIB, size - 1).next_patch_bytes(0, size) == 64 * MIB
    assert Pace("blake3", 1e9, 64 * MIB, size).next_patch_bytes(1, size) == 64 * MIB
    assert Pace("blake3", 1e5, 64 * MIB, size).next_patch_bytes(0, size) == int(1e5 * AT_RISK_S)


def test_a_clock_that_stood_still_breaks_nothing() -> None:
    """No time passed between two readings."""
    pace = Pace("blake3", 0, MIB, 0)
    pace.learn(MIB, 0)
    assert pace.bytes_s > MIB


def test_a_way_that_breaks_gets_smaller_bodies_and_regains_them() -> None:
    """Half of what was under way when it broke, down to a floor; more again after bodies that arrived."""
    pace, size = Pace("blake3", 1e6, 64 * MIB, 1024 * MIB), 1024 * MIB
    assert pace.next_patch_bytes(1, size) == int(1e6 * AT_RISK_S)
    pace.broke(10 * MIB, 1_000_000, 1.0)
    assert pace.next_patch_bytes(1, size) == 1_000_000
    pace.broke(1_000_000, 1_000_000, 1.0)
    assert pace.next_patch_bytes(1, size) == 500_000
    pace.broke(LEAST_BYTES, 0, 0.0)
    assert (pace.next_patch_bytes(1, size), pace.most_bytes) == (LEAST_BYTES, 500_000)
    for _ in range(20):
        pace.learn(1_000_000, 1.0)
    assert pace.next_patch_bytes(1, size) == int(1e6 * AT_RISK_S)
