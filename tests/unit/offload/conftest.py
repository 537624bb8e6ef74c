"""A camera, a spool, and a copier between them, in the test's own process."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dockd import durable
from dockd.camera.tree import open_root, walk
from dockd.core.clearance import Identity
from dockd.core.recording import verify_copy
from dockd.offload import messages
from dockd.offload.copying import Copier
from dockd.offload.spool import Spool


@dataclass(slots=True)
class Bench:
    """One camera and one spool.

    Attributes:
        reports: everything that the copier reported, in order.
    """

    camera: Path
    spool: Spool
    reports: list[messages.Report] = field(default_factory=list)

    def identities(self) -> dict[bytes, Identity]:
        """What a scan sees, by path; only what can be read."""
        root = open_root(self.camera)
        try:
            return {each.path: each.identity for each in walk(root, _quiet) if each.identity is not None and not each.problem}
        finally:
            os.close(root)

    def jobs(self, paths: list[bytes] | None = None) -> list[messages.CopyJob]:
        """A job for each path, or for all; a recording's id follows from its path."""
        seen = self.identities()
        return [job_of(path, seen[path]) for path in (sorted(seen) if paths is None else paths)]

    def copy(
        self,
        jobs: list[messages.CopyJob],
        emit: Callable[[messages.Report], None] | None = None,
        *,
        overtaken: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run a copier to its end; raises what it raises."""
        self.reports.clear()

        def note(report: messages.Report) -> None:
            self.reports.append(report)
            if emit is not None:
                emit(report)

        root, folder = open_root(self.camera), durable.open_folder(self.spool.recordings)
        try:
            Copier(root, folder, note, overtaken=overtaken).run(jobs)
        finally:
            os.close(folder)
            os.close(root)

    def copied(self) -> dict[str, messages.CopyEvidence]:
        """Evidence by recording id, each accepted as the daemon accepts it."""
        evidence = [each for report in self.reports if isinstance(report, messages.Copied) for each in report.evidence]
        for each in evidence:
            verify_copy(each.recording_id, from_camera=each.from_camera, from_medium=each.from_medium)
        return {each.recording_id: each for each in evidence}

    def skipped(self) -> dict[bytes, messages.Skipped]:
        """What was not taken, by path."""
        return {report.path: report for report in self.reports if isinstance(report, messages.Skipped)}

    def read_bytes(self, path: bytes) -> int:
        """How many bytes of one file the copier said that it read from the camera."""
        return sum(
            report.count
            for report in self.reports
            if isinstance(report, messages.Moved) and report.reading and report.path == path
        )

    def sha256(self, path: bytes) -> str:
        """Of the copy in the spool, hashed here."""
        with self.spool.path_of(id_of(path)).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def listing(self) -> set[str]:
        """Names of all files in the spool's folder, finished or not."""
        return {path.name for path in self.spool.recordings.rglob("*") if path.is_file()}


def _quiet(_: int) -> None:
    """Nobody listens."""


def id_of(path: bytes) -> str:
    """The recording id that the tests give a path."""
    return hashlib.sha256(path).hexdigest()[:32]


def job_of(path: bytes, identity: Identity) -> messages.CopyJob:
    """An order to copy it."""
    return messages.CopyJob(id_of(path), "dock-1", "CAM-1", "d1", path, identity, None, 100, "2026-11-24T19:10:00.000Z")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An empty camera and an empty spool."""
    (tmp_path / "camera").mkdir()
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    before = {path for path in tmp_path.rglob("*") if "camera" not in path.parts and "spool" not in path.parts}
    yield Bench(tmp_path / "camera", spool)
    after = {
        path for path in tmp_path.rglob("*") if not {"camera", "camera.mounted", "spool"} & set(path.relative_to(tmp_path).parts)
    }
    assert after == before, "something was written outside the spool"
