"""A whole dock that may send only so fast: the rate is kept, from the first second on, and a change counts without a restart."""

import asyncio
from pathlib import Path
from statistics import median

from dockd.clock import SystemClock
from dockd.core.recording import State
from tests.sim.cameras import make_camera
from tests.sim.cut_link import CutLink
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess

ALL_WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
RATE_BYTES_S, SPAN_S, MEASURED_S = 1_000_000, 10, 20
INTRODUCTION_BYTES = 1_500_000
"""More than the trial and its headers."""


def always(limit: str) -> tuple[dict[str, object], ...]:
    """One window that always holds."""
    return ({"days": ALL_WEEK, "from": "00:00", "to": "00:00", "limit": limit},)


async def test_a_dock_sends_as_fast_as_its_window_allows_and_no_faster(tmp_path: Path) -> None:
    """Ten seconds of a real upload, counted where they arrive: the limit within three per cent. Then the limit goes."""
    clock = SystemClock()
    with VaultProcess(tmp_path / "vault") as vault:
        async with CutLink(vault.port) as link:
            arrived: list[tuple[float, int]] = []
            measured = asyncio.Event()

            def passed(count_bytes: int) -> None:
                if count_bytes >= INTRODUCTION_BYTES:
                    arrived.append((clock.monotonic(), count_bytes))
                    if count_bytes >= INTRODUCTION_BYTES + MEASURED_S * RATE_BYTES_S:
                        measured.set()

            link.on_passed = passed
            archive = {"url": f"http://127.0.0.1:{link.port}/files/"}
            site = Site(erase="never", needs="archived", archive=archive, bandwidth=always("1 MB/s"))
            with DockProcess(tmp_path / "dock", vault, site) as dock:
                make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=45_000_000, sidecars=False)
                (tmp_path / "camera").rename(dock.bay(1))
                async with asyncio.timeout(60):
                    await measured.wait()
                # Whoever is late to look at its beginning takes a span for too short, and at its end for too long; and a machine
                # that stood still sent nothing meanwhile. So of many spans the middle one tells that no more was sent, and the
                # fastest that no less could be.
                rates = [
                    (end_bytes - begin_bytes) / (end_s - begin_s)
                    for begin_s, begin_bytes in arrived
                    for end_s, end_bytes in arrived
                    if 0 <= end_bytes - begin_bytes - SPAN_S * RATE_BYTES_S < RATE_BYTES_S / 2
                ]
                assert median(rates) <= 1.03 * RATE_BYTES_S
                assert max(rates) >= 0.97 * RATE_BYTES_S
                dock.site.bandwidth = ()
                dock.write_site()
                # Sixty-eight seconds' worth is left: only a limit that is gone lets it arrive in time.
                lifted_s = clock.monotonic()
                await asyncio.to_thread(
                    dock.wait_until, lambda _: len(dock.recordings(State.ARCHIVED)) == 2, why="both archived", deadline_s=60
                )
                assert clock.monotonic() - lifted_s < 60
