"""Where one vault on this machine saturates: more and more docks at one shift change, small recordings and large ones."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure, Part, told
from tests.bench.measuring import cool_down, memory_bytes, running_s
from tests.bench.occasion import Occasion
from tests.scale.fleet import Rush, cargo, planned, rush
from tests.sim.vault_process import VaultProcess

CAMERAS = 8
_SMALL_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Took:
    """One rush, and what it asked of the two sides, in cores; `vault_bytes` is the most that the vault occupied."""

    rush: Rush
    vault_cores: float
    docks_cores: float
    vault_bytes: int


def _rush(work: Path, docks: int, size_bytes: int) -> Took:
    """One, against a vault of its own."""
    with VaultProcess(work / "vault") as vault, cargo(work / "cargo", docks, CAMERAS, size_bytes) as loaded:
        cool_down()
        outcome, before_s, ours_s = planned(loaded), running_s(vault.pid), sum(os.times()[:2])
        asyncio.run(rush(vault, loaded, outcome))
        vault_s, docks_s = running_s(vault.pid) - before_s, sum(os.times()[:2]) - ours_s
        return Took(outcome, vault_s / outcome.seconds, docks_s / outcome.seconds, memory_bytes(vault.pid, "VmHWM"))


def measure(occasion: Occasion, *, docks: tuple[int, ...], large_bytes: int) -> Part:
    """Every number of docks with small recordings, and the last of them with large ones."""
    figures: list[Figure] = []
    rushes = [(count, _SMALL_BYTES, "64 KiB") for count in docks]
    rushes.append((docks[-1], large_bytes, f"{large_bytes / (1 << 20):g} MiB"))
    for number, (count, size_bytes, shown) in enumerate(rushes):
        occasion.say(f"fleet: {count} docks, {shown} for each of {count * CAMERAS} cameras")
        work = occasion.work / str(number)
        work.mkdir()
        took = _rush(work, count, size_bytes)
        case, outcome = f"{count} docks, {shown}", took.rush
        figures += [
            told(f"{case}: proved in a second", outcome.recordings / outcome.seconds, "recordings"),
            told(f"{case}: bytes in a second", outcome.recordings * size_bytes / outcome.seconds / 1e6, "MB"),
            told(f"{case}: wait for the proof, median", outcome.waited(0.5), "s"),
            told(f"{case}: wait for the proof, 99 of 100", outcome.waited(0.99), "s"),
            told(f"{case}: tried again", outcome.tried_again, "times"),
            told(f"{case}: processor of the vault", took.vault_cores, "cores"),
            told(f"{case}: processor of all docks together", took.docks_cores, "cores"),
            told(f"{case}: memory of the vault", took.vault_bytes / (1 << 20), "MiB"),
        ]
    what = (
        f"{CAMERAS} cameras in each dock, one recording of each camera, all docked in the same instant; every dock's client in "
        f"one process, the vault in another, on one machine and disk, {occasion.caches}; one round."
    )
    return Part("fleet", what, figures, occasion.quick, {})
