"""A journal of the size that a dock reaches in years."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dockd.clock import SystemClock
from dockd.core.canonical import canonical
from dockd.core.custody import CameraDocked, RecordingSeen
from dockd.core.reconcile import LIVING
from dockd.core.recording import Digests, Measured, State
from dockd.journal import Journal
from dockd.journal.ledger import Ledger
from tests.sim import journal_of
from tests.sim.evidence import seen

RECORDINGS = 100_000


@pytest.fixture(scope="module")
def large() -> Iterator[Path]:
    """A journal of 100,000 recordings; deleted at the end, since it is half a gigabyte."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        asyncio.run(journal_of.build(path, RECORDINGS))
        yield path


async def test_a_hundred_thousand_recordings_are_all_found(large: Path) -> None:
    """Every way of asking gives the right answer among very many."""
    journal = await Journal.open(large, SystemClock())
    try:
        assert journal.counts() == journal_of.expected_counts(RECORDINGS)
        assert len(await journal.recordings(states={State.VERIFIED, State.UPLOADING})) == 5_000
        assert len(await journal.recordings(docking=f"{50_001:032x}")) == 100
        for number in (1, 51_234, 99_989):
            name, sha256 = journal_of.recording_id(number), journal_of.sha256_of(number)
            found = await journal.by_digests(Measured(7, Digests(sha256[::-1], sha256)))
            assert [each.recording_id for each in found] == [name]
            assert found == [await journal.recording(name)]
            assert found[0].state is State.ERASED
            assert await journal.proof(name) is not None
        (last,) = await journal.custody(first=entries_of(RECORDINGS))
        assert json.loads(last.entry)["seq"] == entries_of(RECORDINGS)
        await journal.record(CameraDocked("new", "C1", "dcf", "1", None), RecordingSeen(seen("new", docking="new")))
        assert (await journal.recording("new")).sequence == RECORDINGS + 1
    finally:
        await journal.close()


def test_what_was_erased_costs_nothing_when_a_camera_comes(large: Path) -> None:
    """A camera's recordings that it may still hold are found without reading all that was ever erased from it."""
    looks = 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return 0

    ledger = Ledger.open(large, new=False)
    try:
        ledger._connection.set_progress_handler(look, 1000)
        living = ledger.recordings("C1", None, LIVING)
        cost, looks = looks, 0
        everything = ledger.recordings("C1", None, None)
    finally:
        ledger.close()
    assert len(living) * 10 >= RECORDINGS
    assert living == [each for each in everything if each.state is not State.ERASED]
    assert cost < looks / 4


def entries_of(recordings: int) -> int:
    """Entries that the builder writes: two for each docking, and as many for each recording as its state needs."""
    lengths = {State.SEEN: 1, State.VERIFIED: 3, State.UPLOADING: 5, State.ARCHIVED: 6, State.ERASED: 8}
    shares = journal_of.expected_counts(recordings)
    return sum(lengths[state] * shares[state] for state in lengths) + 2 * recordings // 100


async def test_a_built_journal_is_one_that_dockd_could_have_written(tmp_path: Path) -> None:
    """What the builder wrote passes the examination, and its entries are canonical: figures taken on it mean something."""
    await journal_of.build(tmp_path / "journal.db", 1_000)
    journal = await Journal.open(tmp_path / "journal.db", SystemClock())
    await journal.examine()
    for each in await journal.custody(limit=100_000):
        assert canonical(json.loads(each.entry)) == each.entry
    await journal.close()
