"""What many small files cost the process that copies them."""

import os
from threading import Event

import pytest

from dockd import durable
from dockd.offload.ends import Written
from dockd.offload.handful import HANDFUL
from dockd.offload.verifying import Verifier
from tests.unit.offload.conftest import Bench

DESCRIPTORS = 1024
"""How many a process may have unless somebody raised it (getrlimit(2), systemd's default)."""

SPARE = 256
"""For the threads' folders and sources, and for whatever else the worker has open."""


def test_slow_sync_leaves_descriptors_to_spare(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk takes its time every copy that waits holds one; the camera is not read further than there are enough."""
    folder = bench.camera / "DCIM"
    folder.mkdir(exist_ok=True)
    for number in range(8 * HANDFUL):
        (folder / f"CLIP{number:04}.MP4").write_bytes(b"%d" % number)
    before, most = len(os.listdir("/proc/self/fd")), 0  # noqa: PTH208 - numbers only
    full = Event()
    take, sync = Verifier.take_handful, durable.sync_file_system

    def takes(self: Verifier, several: list[Written]) -> None:
        if self._inbox.full():
            full.set()
        take(self, several)

    def syncs(spool: int) -> None:
        nonlocal most
        assert full.wait(60), "the copier never ran ahead of the disk"
        most = max(most, len(os.listdir("/proc/self/fd")) - before)  # noqa: PTH208 - numbers only
        sync(spool)

    monkeypatch.setattr(Verifier, "take_handful", takes)
    monkeypatch.setattr(durable, "sync_file_system", syncs)
    bench.copy(bench.jobs())
    assert len(bench.copied()) == 8 * HANDFUL
    assert 2 * HANDFUL < most < DESCRIPTORS - SPARE
