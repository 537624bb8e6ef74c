"""Reading for an upload stands behind the copying of cameras, at the processor and at the disk."""

import os
import threading
from pathlib import Path

import pytest

from dockd.archive.reading import SpoolFile
from dockd.offload import workers
from tests.sim.consignments import consign


def niceness() -> int:
    """Of the calling thread, by which the kernel also orders its reads."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


async def test_what_reads_for_an_upload_is_nicer_than_what_copies(tmp_path: Path) -> None:
    """Its own thread alone: the daemon's others keep their turn, and the bays' workers go before it."""
    consignment, before = consign(tmp_path, b"evidence"), niceness()
    async with SpoolFile(consignment.path, consignment.verified) as file:
        reader = await file.run(niceness)
    assert niceness() == before
    assert reader > before + workers._NICER_BY


async def test_a_sandbox_that_forbids_that_costs_no_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a system call filter would: the recording is read all the same."""

    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    consignment = consign(tmp_path, b"evidence")
    async with SpoolFile(consignment.path, consignment.verified) as file:
        assert await file.run(lambda: 1) == 1
