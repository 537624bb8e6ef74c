"""The kernel's seal on a file: asked for as linux/fsverity.h says, and honest where it cannot be had."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from dockd import verity
from tests.sim.sealing_kernel import SealingKernel

CONTENT = b"footage" * 3000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One with some blocks."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@contextmanager
def reading(path: Path) -> Iterator[int]:
    """A descriptor for reading only."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_this_kernel_seals_or_says_that_it_cannot(file: Path) -> None:
    """Whichever it is: the real one either lets nobody write any more, or names an error by which dockd knows; the bytes stay."""
    with reading(file) as descriptor:
        why = 0
        try:
            verity.seal(descriptor)
        except OSError as exc:
            why = exc.errno or -1
        assert not why or why in verity.LACKING, os.strerror(why)
        assert verity.is_sealed(descriptor) == (not why)
        with nullcontext() if why else pytest.raises(PermissionError):
            file.open("r+b").close()
        verity.forget_cached(descriptor)
        assert os.pread(descriptor, len(CONTENT) + 1, 0) == CONTENT
    file.unlink()


def test_a_file_is_sealed_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, it is as it was; one that was never sealed is told apart."""
    SealingKernel(monkeypatch)
    with reading(file) as descriptor:
        assert not verity.is_sealed(descriptor)
        verity.seal(descriptor)
        verity.seal(descriptor)
        assert verity.is_sealed(descriptor)


def test_a_disk_that_fails_is_no_answer(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that a file is sealed nor that it is not."""

    def failing(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("dockd.verity.ioctl", failing)
    with reading(file) as descriptor, pytest.raises(OSError, match="Input/output"):
        verity.is_sealed(descriptor)


@pytest.mark.parametrize("blocks", [0, 1, 128, 129, 128 * 128, 128**3 + 1])
def test_the_room_of_a_seal_is_never_told_too_small(blocks: int) -> None:
    """Counted level by level, as the kernel builds it: hashes of blocks, of those, up to one block; and what tells of it."""
    level, needed = blocks, 0
    while level > 1:
        level = -(-level // 128)
        needed += level
    assert verity.tree_bytes(blocks * 4096) >= needed * 4096 + 64 * 1024 + 4096
