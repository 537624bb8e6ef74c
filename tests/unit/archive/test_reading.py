"""Reading for an upload stands behind the copying of cameras, at the processor and at the disk."""

import os
import threading
from pathlib import Path

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
