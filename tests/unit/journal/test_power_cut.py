"""The journal's process is killed at named points and at random instants; what it had acknowledged is there afterwards, whole."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from dockd.core.custody import Noted
from dockd.journal import Journal

pytestmark = pytest.mark.crash


def start(*arguments: str | Path, crash_at: str = "") -> subprocess.Popen[str]:
    """A writer in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sim.journal_writer", *map(str, arguments)],
        env=os.environ | {"DOCKD_CRASH_AT": crash_at},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def acknowledged(writer: subprocess.Popen[str], at_most: int) -> int:
    """How many custody entries the writer called durable, after `at_most` of its batches or when it died."""
    assert writer.stdout is not None
    last = 0
    for _ in range(at_most):
        if not (line := writer.stdout.readline()):
            break
        last = int(line)
    return last


def finish(writer: subprocess.Popen[str]) -> int:
    """Reap a writer that is dead or dying, and give the last number that it still said."""
    assert writer.stdout is not None
    rest = writer.stdout.read().split()
    writer.stdout.close()
    assert writer.wait(30) == -signal.SIGKILL
    return int(rest[-1]) if rest else 0


async def whole_batches(path: Path) -> int:
    """Open and examine what the dead writer left; every batch must be there whole. Gives the number of entries."""
    journal = await Journal.open(path, SystemClock())
    try:
        await journal.examine()
        entries = [json.loads(each.entry) for each in await journal.custody(limit=1_000_000)]
        assert await journal.open_dockings() == []
    finally:
        await journal.close()
    at = 0
    while at < len(entries):
        assert entries[at]["event"] == "batch"
        at += 1 + entries[at]["size"]
    assert at == len(entries)
    return len(entries)


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_random_instants_the_journal_is_whole_each_time(tmp_path: Path, seed: int) -> None:
    """Five times in a row on one journal: every acknowledged batch is there, and no batch in part."""
    path, instants = tmp_path / "journal.db", random.Random(seed)
    for life in range(5):
        writer = start("write", path, str(life))
        said = acknowledged(writer, instants.randrange(1, 30))
        for _ in range(instants.randrange(20_000)):
            pass
        os.killpg(writer.pid, signal.SIGKILL)
        said = max(said, finish(writer))
        assert said > 0
        assert asyncio.run(whole_batches(path)) >= said


@pytest.mark.parametrize("passes", [1, 2, 9])
def test_killed_before_the_commit_nothing_of_the_batch_is_kept(tmp_path: Path, passes: int) -> None:
    """All that was acknowledged is there, and not one entry more."""
    path = tmp_path / "journal.db"
    said = finish(start("write", path, "1", crash_at=f"journal.committing:{passes}"))
    assert asyncio.run(whole_batches(path)) == said


@pytest.mark.parametrize("passes", [1, 2, 9])
def test_killed_after_the_commit_the_whole_batch_is_kept(tmp_path: Path, passes: int) -> None:
    """The batch that nobody heard of any more is durable."""
    path = tmp_path / "journal.db"
    said = finish(start("write", path, "1", crash_at=f"journal.committed:{passes}"))
    assert asyncio.run(whole_batches(path)) > said


@pytest.mark.parametrize("point", ["journal.placing", "journal.placed"])
def test_killed_while_a_journal_is_made_there_is_none_or_a_whole_one(tmp_path: Path, point: str) -> None:
    """A creation that was cut short is no obstacle to the next start."""
    path = tmp_path / "journal.db"
    finish(start("write", path, "1", crash_at=point))
    assert path.exists() == (point == "journal.placed")
    writer = start("write", path, "2")
    said = acknowledged(writer, 3)
    os.killpg(writer.pid, signal.SIGKILL)
    finish(writer)
    assert asyncio.run(whole_batches(path)) >= said


@pytest.mark.parametrize(
    "point",
    [
        "journal.placing:1",
        "journal.placed:1",
        "journal.committed:1",
        "journal.setting-aside:1",
        "journal.setting-aside:2",
        "journal.setting-aside:3",
        "journal.set-aside:1",
        "journal.placing:2",
        "journal.placed:2",
    ],
)
def test_killed_while_a_journal_is_rebuilt_no_byte_of_the_old_one_is_lost(tmp_path: Path, point: str) -> None:
    """Wherever a rebuild is cut, the old journal opens where it is or lies aside with its log; a second run ends the work."""
    path = tmp_path / "journal.db"
    writer = start("write", path, "1")
    said = acknowledged(writer, 3)
    os.killpg(writer.pid, signal.SIGKILL)
    said = max(said, finish(writer))
    assert path.with_name("journal.db-wal").stat().st_size > 0

    finish(start("rebuild", path, crash_at=point))
    again = start("rebuild", path)
    assert again.stdout is not None
    again.stdout.close()
    assert again.wait(30) == 0

    async def note() -> None:
        journal = await Journal.open(path, SystemClock())
        await journal.record(Noted("dock.started", {}))
        assert json.loads((await journal.custody())[0].entry)["event"] == "journal.rebuilt"
        await journal.close()

    asyncio.run(note())
    assert asyncio.run(whole_batches(reunited(tmp_path))) >= said


def reunited(folder: Path) -> Path:
    """The old journal and its write-ahead log, which two runs may have set aside under two names, brought together again."""
    aside = [each for each in folder.iterdir() if ".aside-" in each.name]
    (main,) = (
        each for each in aside if not each.name.endswith(("-wal", "-shm", "-tip")) and b"journal.rebuilt" not in each.read_bytes()
    )
    (log,) = (each for each in aside if each.name.endswith("-wal"))
    together = folder / "reunited"
    together.mkdir()
    log.rename(together / "journal.db-wal")
    return main.rename(together / "journal.db")
