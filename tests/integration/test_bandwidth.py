"""A whole dock that may send only so fast: the rate is kept, from the first second on, and a change counts without a restart."""

import asyncio
from pathlib import Path

from dockd.clock import SystemClock
from dockd.core.recording import State
from tests.sim.cameras import make_camera
from tests.sim.cut_link import CutLink
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess

ALL_WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
RATE_BYTES_S, MEASURED_S = 1_000_000, 10
INTRODUCTION_BYTES = 1_500_000
"""More than the trial and its headers."""


def always(limit: str) -> tuple[dict[str, object], ...]:
    """One window that always holds."""
    return ({"days": ALL_WEEK, "from": "00:00", "to": "00:00", "limit": limit},)


async def test_a_dock_sends_as_fast_as_its_window_allows_and_no_faster(tmp_path: Path) -> None:
    """Ten seconds of a real upload, counted where they arrive: three per cent above the limit at most. Then the limit goes."""
    clock = SystemClock()
    with VaultProcess(tmp_path / "vault") as vault:
        async with CutLink(vault.port) as link:
            arrived: list[tuple[float, int]] = []
            measured = asyncio.Event()

            def passed(count_bytes: int) -> None:
                if count_bytes >= INTRODUCTION_BYTES:
                    arrived.append((clock.monotonic(), count_bytes))
                    if count_bytes >= INTRODUCTION_BYTES + (MEASURED_S + 2) * RATE_BYTES_S:
                        measured.set()

            link.on_passed = passed
            archive = {"url": f"http://127.0.0.1:{link.port}/files/"}
            site = Site(erase="never", needs="archived", archive=archive, bandwidth=always("1 MB/s"))
            with DockProcess(tmp_path / "dock", vault, site) as dock:
                make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=40_000_000, sidecars=False)
                (tmp_path / "camera").rename(dock.bay(1))
                async with asyncio.timeout(60):
                    await measured.wait()
                # Whoever was late to look at its beginning takes a span for too short, so that the slowest of many tells.
                end_s, end_bytes = arrived[-1]
                begins = [each for each in arrived if each[1] <= end_bytes - MEASURED_S * RATE_BYTES_S]
                rates = [(end_bytes - count_bytes) / (end_s - at_s) for at_s, count_bytes in begins]
                assert min(rates) <= 1.03 * RATE_BYTES_S
                assert max(rates) >= 0.9 * RATE_BYTES_S  # 0.97 on a machine that has time for it
                dock.site.bandwidth = ()
                dock.write_site()
                # Sixty-eight seconds' worth is left: only a limit that is gone lets it arrive in time.
                lifted_s = clock.monotonic()
                await asyncio.to_thread(
                    dock.wait_until, lambda _: len(dock.recordings(State.ARCHIVED)) == 2, why="both archived", deadline_s=60
                )
                assert clock.monotonic() - lifted_s < 60
