"""The tus client and a real vault over a way that loses, delays and narrows packets: each end's own kernel speaks TCP there."""

import pytest

from dockd.archive.sockets import lost_after_s
from tests.sim.packets import Knobs, over_packets, packets_missing

pytestmark = pytest.mark.skipif(bool(packets_missing()), reason=packets_missing())

WITHIN_S = 240
"""Of a way so bad that it takes a while, on a machine that is busy."""

STALL_S = 2.0


@pytest.mark.parametrize(
    "knobs",
    [
        Knobs(900_001, loss=0.02, delay_s=0.15),
        Knobs(40_001, rate_bytes_s=8_000, delay_s=0.15),
        Knobs(60_001, rate_bytes_s=32_000, delay_s=0.15, loss=0.02),
    ],
    ids=["2 % loss at 300 ms", "64 kbit/s at 300 ms", "256 kbit/s, 2 % loss, 300 ms"],
)
async def test_a_way_that_is_merely_bad_brings_everything_at_the_first_try(knobs: Knobs) -> None:
    """Nothing is given up, begun again, or taken for a failure; and little is sent twice."""
    found = await over_packets(knobs, WITHIN_S)
    assert found["proved"]
    assert found["failures"] == []
    assert not found["dropped"]
    introduction_bytes = 64 * 1024
    assert found["sent_bytes"] < 1.5 * (knobs.size_bytes + introduction_bytes) + 40_000


@pytest.mark.parametrize("size_bytes", [2_000_001, 8_000_001], ids=["the rest fits into the kernel's buffers", "it does not"])
async def test_a_way_that_falls_silent_is_found_out_in_time(size_bytes: int) -> None:
    """Nothing arrives any more and nothing is refused: the kernel knows that nobody acknowledges."""
    found = await over_packets(Knobs(size_bytes, dark_after_bytes=1_500_000, patient=False, stall_s=STALL_S), WITHIN_S)
    assert not found["proved"]
    assert len(found["failures"]) == 1
    assert found["seconds"] < lost_after_s(STALL_S) + 20  # the kernel's own timers, and a busy machine; without it it were 120


async def test_a_way_that_was_silent_goes_on_from_where_the_archive_stands() -> None:
    """Dark for longer than is waited for: what arrived before is not sent again, and the recording is proved."""
    knobs = Knobs(6_000_001, dark_after_bytes=1_500_000, light_after_s=10, stall_s=STALL_S)
    found = await over_packets(knobs, WITHIN_S)
    assert found["proved"]
    assert found["failures"]
    assert not found["dropped"]
