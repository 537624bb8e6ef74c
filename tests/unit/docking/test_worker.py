"""A worker's conversation: what is answered to what, and what a bay makes of a worker that misbehaves."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dockd import errors
from dockd.core.erasure import Method
from dockd.core.holds import Holds
from dockd.core.proof import StatementKind
from dockd.offload import messages
from dockd.offload.spool import Spool
from dockd.offload.workers import BayWorker, Workers
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera
from tests.sim.dock_here import ThreadWorkers, dcf
from tests.sim.evidence import DOCK, Notary, stored
from tests.sim.evidence import seen as seen_recording

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

CLIP = b"DCIM/100MEDIA/CLIP0001.MP4"
OTHER = b"DCIM/100MEDIA/CLIP0002.MP4"


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Two short recordings."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=100_000, sidecars=False)
    return tmp_path / "camera"


@pytest.fixture
async def worker() -> AsyncIterator[BayWorker]:
    """A worker in a thread."""
    async with ThreadWorkers().worker("1", stall_after_s=30) as running:
        yield running


async def asked(worker: BayWorker, command: messages.Command) -> list[messages.Report]:
    """Every report but progress."""
    return [report async for report in worker.ask(command) if not isinstance(report, messages.Moved)]


async def test_camera_is_opened_scanned_and_recognised(camera: Path, worker: BayWorker) -> None:
    """The worker tells who the camera is, what is on it, and what its files measure."""
    facts = await worker.open(camera, dcf())
    assert isinstance(facts, messages.Identified)
    assert (facts.serial, facts.named, facts.battery_percent) == ("CAM-1", True, 87)
    scan = await worker.scan()
    assert [file.path for file in scan.files] == [CLIP, OTHER, b"MISC/CAMERA.TXT"]
    identities = {file.path: file.identity for file in scan.files}
    wanted = [(path, identity) for path in (CLIP, OTHER) if (identity := identities[path]) is not None]
    (camera / OTHER.decode()).write_bytes(b"changed")
    known, skipped = await asked(worker, messages.Recognise(wanted))
    assert isinstance(known, messages.Known)
    assert known.measured.size_bytes == 100_000
    assert isinstance(skipped, messages.Skipped)
    assert (skipped.path, skipped.code) == (OTHER, "source-changed")


@needs_fuse
@pytest.mark.parametrize("trouble", ["bad sector", "pulled", "pulled before"])
async def test_recognising_tells_a_bad_file_from_a_camera_that_left(trouble: str, camera: Path, worker: BayWorker) -> None:
    """One unreadable file is named, or the camera is gone; never is one taken for the other."""
    with CameraFs(camera) as mounted:
        await worker.open(mounted.mount, dcf())
        wanted = [(file.path, file.identity) for file in (await worker.scan()).files if file.identity is not None]
        if trouble == "bad sector":
            mounted.unreadable(CLIP)
        elif trouble == "pulled":
            mounted.pull_at(CLIP, 4096)
        else:
            mounted.pull()
        with pytest.raises(errors.SourceUnreadableError if trouble == "bad sector" else errors.CameraGoneError):
            await asked(worker, messages.Recognise(wanted))


async def test_erasing_wants_an_examination_of_the_same_conversation(camera: Path, worker: BayWorker) -> None:
    """Nothing is erased that this worker did not examine just before; one examination serves one erasing."""
    notary = Notary()
    await worker.open(camera, dcf())
    order = messages.Erase("d1", Method.DELETE, DOCK, [notary.key.public_text], False, [], Holds())
    with pytest.raises(errors.ClearanceRefusedError, match="not examined"):
        await asked(worker, order)
    (seen,) = await asked(worker, messages.Examine([CLIP]))
    assert isinstance(seen, messages.Examined)
    (path, _) = seen.rehashes[0]
    content = (camera / CLIP.decode()).read_bytes()
    at = stored(seen_recording("ab" * 16, camera="CAM-1", path=path), content)
    statement = notary.statement(at, kind=StatementKind.HOLDING, nonce=seen.nonce, camera="CAM-1")
    claim = messages.ClaimedHolding(CLIP, at, at.recording_id, notary.key.envelope(statement))
    order = messages.Erase("d1", Method.DELETE, DOCK, [notary.key.public_text], False, [claim], Holds())
    (erased,) = await asked(worker, order)
    assert isinstance(erased, messages.Erased)
    assert erased.covered == [CLIP]
    assert not (camera / CLIP.decode()).exists()
    with pytest.raises(errors.ClearanceRefusedError, match="not examined"):
        await asked(worker, order)


async def test_error_of_a_worker_arrives_as_what_it_was(tmp_path: Path, worker: BayWorker) -> None:
    """Class, words and hint survive the way between the processes."""
    with pytest.raises(errors.CameraGoneError, match="cannot be opened") as caught:
        await worker.open(tmp_path / "nothing", dcf())
    assert caught.value.hint == errors.CameraGoneError.default_hint


@asynccontextmanager
async def misbehaving(stall_after_s: float = 30) -> AsyncIterator[tuple[BayWorker, socket.socket]]:
    """A bay's worker whose side of the conversation is the test's."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    try:
        yield BayWorker("1", reader, writer, stall_after_s), theirs
    finally:
        writer.close()
        await writer.wait_closed()
        theirs.close()


@pytest.mark.parametrize("said", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x02\x90\x90"])
async def test_nonsense_of_a_worker_is_its_bays_trouble(said: bytes) -> None:
    """A frame without measure or meaning ends the docking, not the daemon."""
    async with misbehaving() as (worker, theirs):
        theirs.sendall(said)
        with pytest.raises(errors.WorkerError, match="no message"):
            await worker.scan()


async def test_worker_that_ends_in_the_middle_is_named() -> None:
    """A process that dies says nothing more, and that is told."""
    async with misbehaving() as (worker, theirs):
        theirs.sendall(b"\x00\x00")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(errors.WorkerError, match="ended"):
            await worker.scan()


async def test_worker_that_says_nothing_has_a_camera_that_stalls() -> None:
    """Silence for the stall time is a stall, whoever is silent."""
    async with misbehaving(stall_after_s=0.05) as (worker, _):
        with pytest.raises(errors.CameraStalledError, match="has not answered"):
            await worker.scan()


async def test_worker_that_answers_beside_the_question_is_a_bug() -> None:
    """A scan without a scan is nothing that the world does."""
    async with misbehaving() as (worker, theirs):
        theirs.sendall(messages.frame(messages.Done()))
        with pytest.raises(RuntimeError, match="0 reports"):
            await worker.scan()


@pytest.mark.parametrize(("name", "kind"), [("SpoolFullError", errors.SpoolFullError), ("NobodyKnowsError", errors.WorkerError)])
async def test_errors_of_every_name_can_be_told(name: str, kind: type[errors.DockError]) -> None:
    """One with more members, and one that this dockd does not know, are made too."""
    async with misbehaving() as (worker, theirs):
        theirs.sendall(messages.frame(messages.Failed(name, "words", "hint")))
        with pytest.raises(kind, match="words") as caught:
            await worker.scan()
        assert caught.value.hint == "hint"


async def test_scan_before_opening_is_a_bug(tmp_path: Path) -> None:
    """The daemon never asks so; a worker that it did ends, and that is seen."""
    workers = await asyncio.to_thread(Workers.start)
    try:
        async with workers.worker("1", stall_after_s=30) as worker:
            with pytest.raises(errors.WorkerError, match="ended"):
                await worker.scan()
        make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=10)
        async with workers.worker("1", stall_after_s=30) as worker:
            facts = await worker.open(tmp_path / "camera", dcf())
            assert isinstance(facts, messages.Identified)
            assert facts.serial == "CAM-1"
    finally:
        await asyncio.to_thread(workers.close)


async def test_workers_that_cannot_be_started_are_named() -> None:
    """Without the process that forks them no bay can be read, and each says so."""
    workers = await asyncio.to_thread(Workers.start)
    await asyncio.to_thread(workers.close)
    with pytest.raises(errors.WorkerError, match="could be started"):
        async with workers.worker("1", stall_after_s=5):
            pass


def program_of_one_thread(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end; the tests' own process has threads, and must not be forked."""
    argv = [sys.executable, "-c", program, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3], timeout=60)


def test_forked_zygote_serves_and_ends(tmp_path: Path) -> None:
    """Forked as the daemon does, it gives workers, in a session that no Ctrl-C reaches, and ends when it is told."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=1, size_bytes=10)
    program = """
import asyncio, os, sys
from pathlib import Path
from dockd.docking import worker
from dockd.offload.workers import Workers
workers = Workers.fork(worker.zygote)
from tests.sim.dock_here import dcf
async def main():
    async with workers.worker("1", stall_after_s=30) as bay:
        print((await bay.open(Path(sys.argv[1]), dcf())).serial)
        print(os.getsid(workers._process.pid) == workers._process.pid != os.getsid(0))
asyncio.run(main())
workers.close()
print(workers._process.status)
"""
    ran = program_of_one_thread(program, str(tmp_path / "camera"))
    assert (ran.stdout, ran.stderr) == ("CAM-1\nTrue\n0\n", "")


@pytest.mark.parametrize(
    ("ending", "status", "words"), [("return", 0, ""), ("raise SystemExit(3)", 1, ""), ("1 / 0", 1, "ZeroDivision")]
)
def test_nothing_of_the_forking_program_goes_on_in_the_zygote(ending: str, status: int, words: str) -> None:
    """However it ends, the child runs no line of the daemon's, and says what went wrong."""
    program = f"""
import sys
from dockd.offload.workers import Workers
def zygote(control):
    control.recv(1)
    {ending}
try:
    workers = Workers.fork(zygote)
    workers.close()
finally:
    print("the daemon's end", workers._process.status)
"""
    ran = program_of_one_thread(program)
    assert ran.stdout == f"the daemon's end {status}\n"
    assert words in ran.stderr
    assert bool(words) == bool(ran.stderr)


def test_forked_zygote_that_hangs_is_killed() -> None:
    """A stop does not wait for it for ever."""
    program = """
import signal, threading
from dockd.offload.workers import Workers
workers = Workers.fork(lambda control: threading.Event().wait())
workers.close()
print(workers._process.status == -signal.SIGKILL)
"""
    ran = program_of_one_thread(program)
    assert ran.stdout == "True\n"


async def test_copy_goes_into_the_spool(camera: Path, tmp_path: Path, worker: BayWorker) -> None:
    """The copying itself is the copier's; the worker opens the spool for it and closes it again."""
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    await worker.open(camera, dcf())
    scan = await worker.scan()
    jobs = [
        messages.CopyJob("ab" * 16, DOCK, "CAM-1", "d1", file.path, file.identity, None, 100, "")
        for file in scan.files
        if file.identity is not None and file.path == CLIP
    ]
    (copied,) = await asked(worker, messages.Copy(str(spool.recordings), jobs))
    assert isinstance(copied, messages.Copied)
    assert spool.recording_ids() == {"ab" * 16}
