import contextlib
import errno
import mmap
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sim.camera_fs import CameraFs, fuse_missing, is_mounted

pytestmark = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

SIZE = 3 << 20
DEADLINE_S = 20.0


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    """A camera with two files."""
    folder = tmp_path / "camera"
    (folder / "DCIM").mkdir(parents=True)
    (folder / "DCIM" / "one").write_bytes(os.urandom(SIZE))
    (folder / "DCIM" / "two").write_bytes(os.urandom(SIZE))
    return folder


@pytest.fixture
def camera(backing: Path) -> Iterator[CameraFs]:
    """The camera, mounted."""
    with CameraFs(backing) as mounted:
        yield mounted


def fails_with(code: int, access: Callable[[], object]) -> bool:
    """Whether `access` fails with that errno."""
    try:
        access()
    except OSError as error:
        return error.errno == code
    return False


def names(folder: Path) -> list[bytes]:
    """The names in `folder`, sorted."""
    return sorted(os.fsencode(path.name) for path in folder.iterdir())


def in_thread(access: Callable[[], object]) -> threading.Thread:
    """Start `access` in a thread that may be abandoned."""
    thread = threading.Thread(target=access, daemon=True)
    thread.start()
    return thread


def test_mirrors_bytes_names_and_identity(camera: CameraFs) -> None:
    """A mounted camera shows the same names, bytes, inode numbers and times as its backing."""
    name = b"DCIM/\xff new\nline " + b"x" * 230
    with open(os.fsencode(camera.backing) + b"/" + name, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(b"bytes")
    mounted = os.fsencode(camera.mount) + b"/"
    assert names(camera.mount / "DCIM") == [b"one", b"two", name[5:]]
    with open(mounted + name, "rb") as file:  # noqa: PTH123 - a name of bytes
        assert file.read() == b"bytes"
    assert (camera.mount / "DCIM/one").read_bytes() == (camera.backing / "DCIM/one").read_bytes()
    seen, behind = (camera.mount / "DCIM/one").stat(), (camera.backing / "DCIM/one").stat()
    assert (seen.st_ino, seen.st_mtime_ns, seen.st_size) == (behind.st_ino, behind.st_mtime_ns, SIZE)


def test_can_be_written(camera: CameraFs) -> None:
    """Folders and files can be made, renamed and removed through the mount."""
    (camera.mount / "new").mkdir()
    (camera.mount / "new/file").write_bytes(b"1")
    (camera.mount / "new/file").rename(camera.mount / "new/other")
    assert (camera.backing / "new/other").read_bytes() == b"1"
    (camera.mount / "new/other").unlink()
    (camera.mount / "new").rmdir()
    assert not (camera.backing / "new").exists()


def test_direct_reads_reach_the_device_each_time(camera: CameraFs) -> None:
    """O_DIRECT works, and no read is answered from the page cache."""
    with mmap.mmap(-1, 1 << 20) as buffer:
        fd = os.open(camera.mount / "DCIM/one", os.O_RDONLY | os.O_DIRECT)
        try:
            for _ in range(2):
                assert os.preadv(fd, [buffer], 0) == 1 << 20
        finally:
            os.close(fd)
    assert camera.bytes_read("DCIM/one") == 2 << 20


def test_pull_at_byte_of_file(camera: CameraFs) -> None:
    """Bytes before the pull arrive, and afterwards nothing on the camera answers until it is restored."""
    camera.pull_at("DCIM/one", 1_500_000)
    (camera.mount / "DCIM/two").read_bytes()
    with (camera.mount / "DCIM/one").open("rb", buffering=0) as file:
        got = [len(file.read(1 << 20)), len(file.read(1 << 20))]
        assert fails_with(errno.EIO, file.read)
    assert sum(got) == 1_500_000
    assert fails_with(errno.EIO, lambda: names(camera.mount))
    assert fails_with(errno.EIO, (camera.mount / "DCIM/two").stat)
    camera.restore()
    assert len((camera.mount / "DCIM/one").read_bytes()) == SIZE


def test_pull_after_bytes_of_any_file(camera: CameraFs) -> None:
    """With a star, the pull comes once that many bytes were read from now on."""
    (camera.mount / "DCIM/one").read_bytes()
    camera.pull_at("*", SIZE + 5, error="ENODEV")
    (camera.mount / "DCIM/one").read_bytes()
    assert fails_with(errno.ENODEV, (camera.mount / "DCIM/two").read_bytes)
    assert camera.bytes_read() == 2 * SIZE + 5


def test_pull_now(camera: CameraFs) -> None:
    """An immediate pull fails a read on a file that is already open."""
    with (camera.mount / "DCIM/one").open("rb", buffering=0) as file:
        assert len(file.read(10)) == 10
        camera.pull()
        assert fails_with(errno.EIO, lambda: file.read(10))


def test_stalled_read_stands_until_released(camera: CameraFs) -> None:
    """A read that covers the byte stands still, other files go on, and a release lets it end with the right bytes."""
    camera.stall_at("DCIM/one", 2 << 20)
    read: list[bytes] = []
    thread = in_thread(lambda: read.append((camera.mount / "DCIM/one").read_bytes()))
    camera.wait_stalled()
    assert len((camera.mount / "DCIM/two").read_bytes()) == SIZE
    assert not read
    camera.release()
    thread.join(DEADLINE_S)
    assert read == [(camera.backing / "DCIM/one").read_bytes()]


@pytest.mark.parametrize("kind", ["open", "readdir", "stat"])
def test_stalled_lookups(camera: CameraFs, kind: str) -> None:
    """Opening, listing and looking up can stand still too."""
    path, access = {
        "open": ("DCIM/one", (camera.mount / "DCIM/one").read_bytes),
        "readdir": ("DCIM", lambda: names(camera.mount / "DCIM")),
        "stat": ("DCIM/one", (camera.mount / "DCIM/one").stat),
    }[kind]
    getattr(camera, f"stall_on_{kind}")(path)
    thread = in_thread(access)
    camera.wait_stalled()
    assert thread.is_alive()
    camera.release()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_closing_ends_stalled_reads_with_an_error(backing: Path) -> None:
    """Unmounting with a read standing still ends that read with an error, and nothing stays mounted."""
    failed = threading.Event()
    with CameraFs(backing) as camera:
        camera.stall_at("*")

        def read() -> None:
            try:
                (camera.mount / "DCIM/one").read_bytes()
            except OSError:
                failed.set()

        thread = in_thread(read)
        camera.wait_stalled()
    thread.join(DEADLINE_S)
    assert failed.is_set()
    assert not is_mounted(camera.mount)


def test_flipped_bit_in_first_reads_only(camera: CameraFs) -> None:
    """The first read of the byte is wrong by one bit; the next one is right."""
    right = (camera.backing / "DCIM/one").read_bytes()
    camera.flip_bit("DCIM/one", 1_200_000, first_reads_only=1, bit=3)
    wrong = (camera.mount / "DCIM/one").read_bytes()
    differing = [index for index in range(1_199_990, 1_200_010) if wrong[index] != right[index]]
    assert differing == [1_200_000]
    assert wrong[1_200_000] ^ right[1_200_000] == 8
    assert (camera.mount / "DCIM/one").read_bytes() == right


def test_flipped_bit_for_ever(camera: CameraFs) -> None:
    """Without a count, every read of the byte is wrong."""
    right = (camera.backing / "DCIM/one").read_bytes()
    camera.flip_bit("DCIM/one", 0)
    assert all((camera.mount / "DCIM/one").read_bytes() != right for _ in range(2))


def test_unreadable_file(camera: CameraFs) -> None:
    """A bad sector fails its own file, from that byte on, and no other."""
    camera.unreadable("DCIM/one", from_byte=2 << 20)
    with (camera.mount / "DCIM/one").open("rb", buffering=0) as file:
        assert len(file.read(1 << 20)) == 1 << 20
        file.seek(2 << 20)
        assert fails_with(errno.EIO, lambda: file.read(1 << 20))
    assert len((camera.mount / "DCIM/two").read_bytes()) == SIZE


def test_growing_file(camera: CameraFs) -> None:
    """Each read makes the file longer."""
    camera.grow("DCIM/one", every_read=7)
    with (camera.mount / "DCIM/one").open("rb", buffering=0) as file:
        file.read(10)
        file.read(10)
    assert (camera.mount / "DCIM/one").stat().st_size == SIZE + 14


def test_line_rate_is_kept_within_two_percent(backing: Path) -> None:
    """The sources' line rate is what it says, which the benchmarks rest on."""
    rate_bytes_s, size_bytes = 40_000_000, 60_000_000
    with (backing / "DCIM/long").open("wb") as file:
        file.truncate(size_bytes)
    with CameraFs(backing, rate_bytes_s=rate_bytes_s, burst_bytes=128 << 10) as camera:
        fd = os.open(camera.mount / "DCIM/long", os.O_RDONLY)
        try:
            took_s: list[float] = []
            while not took_s or (min(took_s) > size_bytes / rate_bytes_s * 3 and len(took_s) < 5):
                os.lseek(fd, 0, os.SEEK_SET)
                started_s = time.monotonic()
                while os.read(fd, 1 << 20):
                    pass
                took_s.append(time.monotonic() - started_s)
        finally:
            os.close(fd)
    # Never faster. Slower only as far as a busy machine makes everything slower, which is no fault of the line.
    assert min(took_s) >= size_bytes / rate_bytes_s * 0.98
    assert min(took_s) <= size_bytes / rate_bytes_s * 3


def test_disk_full(camera: CameraFs) -> None:
    """Writing needs room that a full camera does not have; removing does not."""
    camera.disk_full()
    assert fails_with(errno.ENOSPC, lambda: (camera.mount / "more").write_bytes(b"1"))
    assert os.statvfs(camera.mount).f_bavail == 0
    (camera.mount / "DCIM/one").unlink()
    assert not (camera.backing / "DCIM/one").exists()


def test_refused_unlink(camera: CameraFs) -> None:
    """The camera may refuse to remove one file."""
    camera.refuse_unlink("DCIM/one", error="EROFS")
    assert fails_with(errno.EROFS, (camera.mount / "DCIM/one").unlink)
    (camera.mount / "DCIM/two").unlink()
    assert names(camera.mount / "DCIM") == [b"one"]


def test_lying_unlink(camera: CameraFs) -> None:
    """The camera may say that it removed a file which is still there."""
    camera.unlink_lies("DCIM/one")
    (camera.mount / "DCIM/one").unlink()
    assert (camera.mount / "DCIM/one").exists()


def test_orderly_unmount_and_second_mount(backing: Path) -> None:
    """A camera can be unmounted and mounted again at the same place."""
    with CameraFs(backing) as camera:
        assert is_mounted(camera.mount)
        camera.unmount()
        assert not is_mounted(camera.mount)
    with CameraFs(backing) as again:
        assert len((again.mount / "DCIM/one").read_bytes()) == SIZE


def test_says_why_it_cannot_mount(tmp_path: Path) -> None:
    """A backing that does not exist is an error in words, and leaves nothing behind."""
    camera = CameraFs(tmp_path / "missing", tmp_path / "mount")
    with pytest.raises(RuntimeError, match="not a folder"):
        camera.open()
    assert not is_mounted(camera.mount)


def test_unknown_knob_is_an_error(camera: CameraFs) -> None:
    """A knob that does not exist is not silently accepted."""
    with pytest.raises(RuntimeError, match="no knob is called nonsense"):
        camera._ask("nonsense")


def test_a_killed_test_run_leaves_no_mount(backing: Path) -> None:
    """When the process that mounted is killed, the camera unmounts itself."""
    script = (
        "import sys, os, signal; from pathlib import Path; from tests.sim.camera_fs import CameraFs; "
        "camera = CameraFs(Path(sys.argv[1])); camera.open(); print(camera._process.pid, flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, os.fspath(backing)],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        timeout=DEADLINE_S,
    )
    server = int(ran.stdout)
    with contextlib.suppress(ProcessLookupError):
        watch = os.pidfd_open(server)
        assert select.select([watch], [], [], DEADLINE_S)[0], "the server still runs"
        os.close(watch)
    assert not is_mounted(backing.with_name(backing.name + ".mounted"))


async def test_async_context(backing: Path) -> None:
    """It is an asynchronous context manager as well."""
    async with CameraFs(backing) as camera:
        assert names(camera.mount) == [b"DCIM"]
    assert not is_mounted(camera.mount)
