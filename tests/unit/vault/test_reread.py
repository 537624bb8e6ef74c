import hashlib
import os
import threading
from pathlib import Path
from random import Random

import pytest
from blake3 import blake3

from dockd.vault import reread

MIB = 1024 * 1024


def _bytes_from_the_medium() -> int:
    """What this process has had fetched from block devices, proc_pid_io(5)."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["read_bytes"])


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 12_345])
def test_any_size_is_measured_exactly(tmp_path: Path, size: int) -> None:
    """Size and both digests are right whatever the file's end does to alignment."""
    data = Random(size).randbytes(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    measured = reread.measure(path, threading.Event())
    assert measured.size_bytes == size
    assert measured.digests.blake3 == blake3(data).digest()
    assert measured.digests.sha256 == hashlib.sha256(data).digest()


def test_the_reading_comes_from_the_medium(tmp_path: Path) -> None:
    """A file that is wholly in the page cache is fetched from the block device all the same."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3 * MIB)
    path.read_bytes()
    before = _bytes_from_the_medium()
    reread.measure(path, threading.Event())
    assert _bytes_from_the_medium() - before >= 3 * MIB


def test_a_stop_ends_a_reading(tmp_path: Path) -> None:
    """A reading that is stopped says nothing about the file."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(reread.InterruptedReadingError):
        reread.measure(path, stopping)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Only the file itself is measured, never what a link points to."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="link"):
        reread.measure(tmp_path / "link", threading.Event())


def test_a_short_read_within_the_file_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that gives less than asked, and not whole blocks, is read on from an aligned place."""
    data = Random(1).randbytes(3 * 4096 + 5)
    path = tmp_path / "file"
    path.write_bytes(data)
    real = os.preadv

    def stingy(descriptor: int, buffers: list[memoryview], position: int) -> int:
        with buffers[0][:8192] as part:
            return min(real(descriptor, [part], position), 5000)

    monkeypatch.setattr(os, "preadv", stingy)
    assert reread.measure(path, threading.Event()).digests.blake3 == blake3(data).digest()


def test_less_than_a_block_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot even give one block is not believed to have reached the end."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 9000)
    monkeypatch.setattr(os, "preadv", lambda *_: 100)
    with pytest.raises(OSError, match="part of a block"):
        reread.measure(path, threading.Event())
