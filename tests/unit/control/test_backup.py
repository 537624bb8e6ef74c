"""Copies of the journal, and what is recorded of them."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from dockd.cli.journal import command as journal_command
from dockd.control.backup import Backups
from dockd.core import custody
from dockd.dock.parts import Dock
from dockd.errors import ControlError, JournalError
from dockd.journal import Journal
from dockd.web.lists import BackupOrder
from tests.sim.dock_of import dock_in, docked


@pytest.fixture
async def dock(tmp_path: Path) -> AsyncIterator[Dock]:
    """A dock that knows camera C1."""
    async with dock_in(tmp_path) as built:
        await docked(built)
        yield built


async def test_a_copy_is_a_journal(dock: Dock, tmp_path: Path) -> None:
    """It opens, holds what there was at that instant, and is gone from the spool afterwards."""
    backups = Backups(dock)
    left = dock.spool.directory / ".journal-copy-of-a-crash"
    await asyncio.to_thread(left.touch)
    async with backups.copy() as copy:
        assert not await asyncio.to_thread(left.exists)
        await dock.journal.record(custody.Noted("later", {}))
        content = await asyncio.to_thread(copy.path.read_bytes)
    assert len(content) == copy.size_bytes
    assert not copy.path.exists()
    kept = tmp_path / "kept"
    await asyncio.to_thread(kept.write_bytes, content)
    journal = await Journal.open(kept, dock.clock)
    assert (await journal.cameras())[0].camera == "C1"
    assert await journal.head() == await dock.journal.head() - 1
    await journal.examine()
    await journal.close()


async def test_only_a_copy_that_was_handed_out_counts_as_a_backup(dock: Dock) -> None:
    """Nobody can say that there is one where there is none."""
    backups = Backups(dock)
    with pytest.raises(ControlError, match="no copy"):
        await backups.taken(BackupOrder("ab" * 32, "elsewhere:/x"), "anna")
    async with backups.copy() as copy:
        pass
    await backups.taken(BackupOrder(copy.sha256, "elsewhere:/x"), "anna")
    assert b'"to":"elsewhere:/x"' in (await dock.journal.custody())[-1].entry


async def test_a_copy_that_cannot_be_made_is_an_error_in_words(dock: Dock, tmp_path: Path) -> None:
    """Neither over something that is there, nor of something that is no journal."""
    (tmp_path / "taken").touch()
    with pytest.raises(JournalError, match="File exists"):
        await dock.journal.copy(tmp_path / "taken")
    with pytest.raises(JournalError):
        await dock.journal.copy(tmp_path / "no" / "folder")
    dock.journal._path = tmp_path / "nowhere"
    with pytest.raises(JournalError):
        await dock.journal.copy(tmp_path / "fresh")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Dockd-SHA256: 00\r\n\r\nsomething",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbroken off",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 53\r\n\r\n" + b'{"code": "not-allowed", "detail": "no", "hint": "ask"}',
        b"nonsense\r\n",
    ],
)
def test_what_is_not_the_whole_copy_leaves_no_file(tmp_path: Path, answer: bytes) -> None:
    """A broken transfer, a refusal, or somebody else at the socket."""
    place, file = tmp_path / "s", tmp_path / "journal.sqlite"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(65536)
                line.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        ran = CliRunner().invoke(journal_command, ["backup", str(file), "--socket", str(place)])
        thread.join(30)
    assert isinstance(ran.exception, ControlError)
    assert not file.exists()
