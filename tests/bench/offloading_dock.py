"""dockd's own offload as a contender: a real worker process, asked as a docking asks it.

The rest of the daemon is not there.
"""

import asyncio
import time
from pathlib import Path
from typing import Self

from dockd.config.profile import load_profiles
from dockd.core.clearance import CameraScan, FileKind
from dockd.core.recording import verify_copy
from dockd.offload import messages
from dockd.offload.spool import Spool
from dockd.offload.workers import BayWorker, Workers
from tests.bench.measuring import Took, cpu_s, descendants, memory_bytes

_STALL_S = 60.0


class OffloadError(Exception):
    """The offload did not do what it must; nothing that it measured counts."""


class OffloadingDock:
    """Owner of a zygote, as the daemon is; each run forks a worker for one docking."""

    def __init__(self) -> None:
        self._workers = Workers.start()
        self._profile = next(each for each in load_profiles(None) if each.name == "dcf")

    def close(self) -> None:
        """End the zygote."""
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, camera: Path, spool: Path) -> Took:
        """Everything on `camera` into `spool`, from the fork of the worker to the last report that files are durable.

        Raises:
            OffloadError: not every file came, or one did not verify.
        """
        return asyncio.run(self._run(camera, Spool(spool)))

    async def _run(self, camera: Path, spool: Spool) -> Took:
        spool.prepare()
        own_s, began_s = time.process_time(), time.monotonic()
        async with self._workers.worker("1", stall_after_s=_STALL_S) as worker:
            await worker.open(camera, self._profile)
            scan = await worker.scan()
            await self._copy(worker, scan, spool)
            seconds = time.monotonic() - began_s
            pid = descendants(self._workers._process.pid)[-1]
            return Took(seconds, cpu_s(pid) + time.process_time() - own_s, memory_bytes(pid, "VmHWM"))

    async def _copy(self, worker: BayWorker, scan: CameraScan, spool: Spool) -> None:
        jobs = [
            messages.CopyJob(
                recording_id=f"{number:032x}",
                dock="bench",
                camera=scan.serial,
                docking="d" * 32,
                path=file.path,
                identity=file.identity,
                sidecar_of=None,
                priority=file.priority,
                seen="2026-11-24T19:10:00.000Z",
            )
            for number, file in enumerate(scan.files)
            if file.identity is not None and file.kind in {FileKind.RECORDING, FileKind.SIDECAR}
        ]
        verified = 0
        async for report in worker.ask(messages.Copy(str(spool.recordings), jobs)):
            match report:
                case messages.Copied(evidence):
                    for each in evidence:
                        verify_copy(each.recording_id, from_camera=each.from_camera, from_medium=each.from_medium)
                    verified += len(evidence)
                case messages.Skipped(path, _, message):
                    msg = f"{path!r} was skipped: {message}"
                    raise OffloadError(msg)
                case _:
                    pass
        if verified != len(jobs) or not jobs:
            msg = f"{verified} of {len(jobs)} files were verified"
            raise OffloadError(msg)
