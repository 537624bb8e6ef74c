"""Two hundred docks at one shift change: the vault saturates, is killed in the middle of it, and loses nothing."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.scale.fleet import cargo, place_for, planned, rush
from tests.sim.audit import objects_of
from tests.sim.vault_process import VaultProcess

DOCKS, CAMERAS, SIZE_BYTES = 200, 8, 16 * 1024


async def test_nothing_of_a_fleet_is_lost_while_its_vault_saturates(tmp_path: Path) -> None:
    """Each of 1,600 recordings is proved, and lies in the store once, byte for byte, as what was written for its camera."""
    with VaultProcess(tmp_path / "vault") as vault, cargo(place_for(tmp_path), DOCKS, CAMERAS, SIZE_BYTES) as loaded:
        outcome = planned(loaded)
        async with asyncio.TaskGroup() as group:
            group.create_task(rush(vault, loaded, outcome))
            await outcome.half.wait()
            assert len(outcome.waited_s) < DOCKS * CAMERAS
            await asyncio.to_thread(vault.restart)
        wanted = Counter((each.consignment.camera, each.sha256) for dock in loaded.values() for each in dock)
        held = Counter((each.camera, each.sha256) for each in objects_of(vault))
    assert outcome.tried_again > 0, "no dock noticed that the vault was killed"
    assert len(outcome.waited_s) == len(wanted) == DOCKS * CAMERAS
    assert held == wanted
