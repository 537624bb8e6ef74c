"""A dock whose archive is a tus server that somebody else wrote: from the camera to a proof, and what that empties."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner

from dockd.app import ask_archive
from dockd.cli.verify import command as verify
from dockd.clock import SystemClock
from dockd.config import load_site
from dockd.control.fitness import archive_checks
from dockd.core.fitness import Grade
from dockd.core.recording import State
from dockd.errors import ArchiveUnreachableError
from tests.contract.stands.stand import SIZE
from tests.contract.stands.tus import foreign_stand
from tests.sim.audit import files_below
from tests.sim.cameras import make_camera
from tests.sim.cli_documents import alone
from tests.sim.consignments import Watched, consign, noise
from tests.sim.dock_process import DockProcess, Site
from tests.sim.foreign_tus import ForeignTus, NodeTus, PySyncTus, PyTus


@pytest.mark.parametrize("make", [NodeTus, PyTus, PySyncTus])
def test_a_dock_delivers_to_a_tus_server_of_others(make: Callable[[Path], ForeignTus], tmp_path: Path) -> None:
    """Every recording is proved by read-back and leaves the spool; the record says on what it rests; the camera keeps all."""
    with make(tmp_path / "server") as server:
        archive = {"url": server.url, "key": "", "token_file": "", "id": "tus-1", "proof": "read-back"}
        site = Site(erase="never", needs="archived", archive=archive)
        with DockProcess(tmp_path / "dock", None, site) as dock:
            make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=700_000, sidecars=False)
            before = files_below(tmp_path / "camera")
            (tmp_path / "camera").rename(dock.bay(1))
            dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 2, why="two recordings archived")
            dock.wait_until(lambda _: not dock.spooled(), why="an empty spool")
            archived = [each for each in dock.custody() if each["event"] == "recording.archived"]
            assert [each["basis"] for each in archived] == ["read-back", "read-back"]
            assert files_below(dock.bay(1)) == before
            dock.wait_for("checkpoint deposited", count=2)
            _shown_to_a_stranger(dock, server, tmp_path)


def _shown_to_a_stranger(dock: DockProcess, server: ForeignTus, folder: Path) -> None:
    """The bundle proves what it can without an archive's key; the checkpoint that lies at the archive is of the same log."""
    config = ("--config", dock.write_site())
    code, exported = alone("report", "export", "--whole-log", "--output", folder / "case.zip", *config)
    assert code == 0, exported
    last = [each for each in dock.custody() if each["event"] == "log.deposited"][-1]
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as archive:
        archive.request("GET", f"/files/{last['object']}")
        (folder / "checkpoint").write_bytes(archive.getresponse().read())
    key = alone("report", "key", *config)[1].strip()
    checked = CliRunner().invoke(verify, [str(folder / "case.zip"), "--dock-key", key, "--against", str(folder / "checkpoint")])
    assert checked.exit_code == 3, checked.output
    assert "no archive witnessed it, the dock alone signed it" in checked.output
    assert f"was given the checkpoint of {last['size']} entries as {last['object']}" in checked.output
    assert (
        f"PROVED     The {last['size']} entries of {folder / 'checkpoint'} are those with which this log begins" in checked.output
    )


def test_a_camera_is_emptied_where_the_docks_word_is_enough(tmp_path: Path) -> None:
    """Once an admin has accepted that; each recording is fetched back again for it, and the record names what it rests on."""
    with PySyncTus(tmp_path / "server") as server:
        archive = {"url": server.url, "key": "", "token_file": "", "id": "tus-1", "proof": "read-back"}
        with DockProcess(tmp_path / "dock", None, Site(unsigned=True, archive=archive)) as dock:
            make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=700_000, sidecars=False)
            (tmp_path / "camera").rename(dock.bay(1))
            dock.wait_until(lambda _: len(dock.recordings(State.ERASED)) == 2, why="two recordings erased")
            erased = [each for each in dock.custody() if each["event"] == "recording.erased"]
            assert [each["basis"] for each in erased] == ["read-back", "read-back"]
            assert not list(dock.bay(1).rglob("*.MP4"))


@pytest.mark.parametrize(
    ("make", "grades"),
    [
        (NodeTus, [Grade.GOOD, Grade.GOOD, Grade.LOOK]),
        (PyTus, [Grade.GOOD, Grade.GOOD, Grade.LOOK]),
        (PySyncTus, [Grade.GOOD, Grade.GOOD, Grade.GOOD]),
    ],
)
def test_the_self_test_says_which_servers_check_what_they_are_sent(
    make: Callable[[Path], ForeignTus], grades: list[Grade], tmp_path: Path
) -> None:
    """None of them signs; only one refuses a wrong checksum."""
    with make(tmp_path / "server") as server:
        archive = {"url": server.url, "key": "", "token_file": "", "id": "tus-1", "proof": "read-back"}
        dock = DockProcess(tmp_path / "dock", None, Site(erase="never", needs="archived", archive=archive))
        found = asyncio.run(ask_archive(load_site(dock.write_site()), SystemClock()))
        dock.close()
    assert [each.grade for each in archive_checks(found)] == grades


class Overtaken(Watched):
    """Somebody else sends a piece of the upload between the dock's question where it stands and the dock's own piece."""

    def __init__(self, overtake: Callable[[int], None]) -> None:
        super().__init__()
        self._overtake = overtake

    def sent(self, offset_bytes: int) -> None:
        """As the protocol says; the server is another process, so it can be spoken to meanwhile."""
        if not self.offsets:
            self._overtake(offset_bytes)
        super().sent(offset_bytes)


@pytest.mark.parametrize("make", [NodeTus, PyTus, PySyncTus])
async def test_a_conflict_at_a_server_of_others_is_mended_by_asking(make: Callable[[Path], ForeignTus], tmp_path: Path) -> None:
    """Their own 409, at once or at the next try: a 409 that does not say that it is tus's, or is lost, is a break like others."""
    content, known, theirs = noise(SIZE), 1000, 5000
    answers: list[int] = []
    with make(tmp_path / "server") as server:
        async with foreign_stand(server) as stand:
            consignment = consign(tmp_path, content)
            point = await stand.begin(consignment, content[:known])
            path = f"/files/{point.url.rpartition('/')[2]}"

            def overtake(offset: int) -> None:
                with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as other:
                    headers = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
                    headers["Upload-Offset"] = str(offset)
                    for _ in range(2):  # the second time as the dock will: from where the upload no longer stands
                        other.request("PATCH", path, content[offset : offset + theirs], headers)
                        answer = other.getresponse()
                        answer.read()
                        answers.append(answer.status)

            watched = Overtaken(overtake)
            try:
                stored = await stand.archive.store(consignment, point, watched)
            except ArchiveUnreachableError:
                stored = await stand.archive.store(consignment, point, watched)
            assert answers == [204, 409]
            assert watched.offsets[:1] == [known]
            assert "dropped" not in watched.story
            assert stored.nonce == point.nonce
            assert await stand.read_back(stored) == content
