"""A new journal from the spool's manifests."""

import asyncio
import json
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dockd.clock import SystemClock
from dockd.core import life
from dockd.core.custody import Noted, Stepped
from dockd.core.manifest import Manifest
from dockd.core.recording import MediumReading, State
from dockd.errors import JournalBusyError, JournalError
from dockd.journal import Journal, file
from dockd.journal.rebuild import rebuild
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import measure, read_back

DOCK = "dock-1"


def manifest(name: str, content: bytes, *, docking: str = "d1", sidecar_of: str | None = None) -> Manifest:
    """What lies beside a recording in the spool."""
    return Manifest(
        recording_id=name,
        dock=DOCK,
        camera="C1",
        docking=docking,
        path=b"DCIM/\xff" + name.encode(),
        modified_ns=5,
        sidecar_of=sidecar_of,
        priority=10,
        seen="2026-01-01T00:00:00.000Z",
        measured=measure(content),
    )


SPOOLED: list[tuple[Manifest, MediumReading | None]] = [
    (manifest("whole", b"a"), read_back(b"a")),
    (manifest("thumb", b"b", sidecar_of="whole"), read_back(b"b")),
    (manifest("rotten", b"c", docking="d2"), read_back(b"C")),
    (manifest("short", b"d", docking="d2"), MediumReading(0, measure(b"").digests.blake3)),
    (manifest("unreadable", b"e", docking="d3"), None),
]


async def custody(journal: Journal) -> list[dict[str, Any]]:
    """Every custody entry, read as JSON."""
    return [json.loads(entry.entry) for entry in await journal.custody(limit=100_000)]


def names_in(folder: Path) -> list[str]:
    """Names of the files in a folder."""
    return sorted(each.name for each in folder.iterdir())


def bytes_of(path: Path) -> bytes:
    """What the file holds."""
    return path.read_bytes()


def put(path: Path, data: bytes) -> None:
    """Let the file hold `data`."""
    path.write_bytes(data)


async def test_whole_copies_are_verified_and_others_are_kept_and_shown(path: Path) -> None:
    """What the medium gives back as it was read goes on; anything else is refused with the reason, and none is left out."""
    journal = await rebuild(path, SPOOLED, SystemClock(), DOCK)
    found = {each.recording_id: each for each in await journal.recordings()}
    assert {name: each.state for name, each in found.items()} == {
        "whole": State.VERIFIED,
        "thumb": State.VERIFIED,
        "rotten": State.REFUSED,
        "short": State.REFUSED,
        "unreadable": State.REFUSED,
    }
    whole = found["whole"]
    assert (whole.measured, whole.path, whole.seen, whole.priority) == (
        measure(b"a"),
        b"DCIM/\xffwhole",
        "2026-01-01T00:00:00.000Z",
        10,
    )
    assert found["thumb"].sidecar_of == "whole"
    reasons = {name: found[name].refusal for name in ("rotten", "short", "unreadable")}
    assert {name: reason.code for name, reason in reasons.items() if reason} == {
        "rotten": "spool-mismatch",
        "short": "spool-mismatch",
        "unreadable": "spool-broken",
    }
    await journal.examine()
    await journal.close()


async def test_nothing_is_proved_in_a_rebuilt_journal(path: Path) -> None:
    """No recording is archived, none has an object or a statement, and every docking is over."""
    journal = await rebuild(path, SPOOLED, SystemClock(), DOCK)
    for each in await journal.recordings():
        assert each.stored is None
        assert await journal.proof(each.recording_id) is None
    assert await journal.open_dockings() == []
    assert [each.recording_id for each in await journal.recordings(docking="d2")] == ["rotten", "short"]
    await journal.close()


async def test_the_log_begins_by_saying_that_it_was_rebuilt(path: Path) -> None:
    """The first entry names the counts; no entry pretends that a camera was docked."""
    journal = await rebuild(path, [*SPOOLED, SPOOLED[0]], SystemClock(), DOCK)
    first, *others = await custody(journal)
    assert first["event"] == "journal.rebuilt"
    assert {name: first[name] for name in ("dock", "previous", "recordings", "verified", "refused", "dockings", "repeated")} == {
        "dock": DOCK,
        "previous": None,
        "recordings": 5,
        "verified": 2,
        "refused": 3,
        "dockings": 3,
        "repeated": 1,
    }
    assert "camera.docked" not in {each["event"] for each in others}
    await journal.close()


async def test_the_old_journal_is_moved_aside_with_all_that_belongs_to_it(path: Path) -> None:
    """Damaged or not, the old files keep their bytes under a new name, which the log repeats."""
    put(path, b"damaged")
    put(path.with_name("journal.db-wal"), b"log")
    put(path.with_name("journal.db-shm"), b"memory")
    journal = await rebuild(path, SPOOLED, HurriedClock(), DOCK)
    previous = (await custody(journal))[0]["previous"]
    await journal.close()
    assert previous.startswith("journal.db.aside-20261124T191000Z-")
    assert names_in(path.parent) == sorted(
        ["journal.db", "journal.db-tip", "journal.db.lock", previous, f"{previous}-wal", f"{previous}-shm"],
    )
    assert bytes_of(path.with_name(previous)) == b"damaged"
    assert bytes_of(path.with_name(f"{previous}-wal")) == b"log"


async def test_rebuilding_again_keeps_every_earlier_journal(path: Path) -> None:
    """Each rebuild moves the one before it aside; none takes the name of another."""
    for _ in range(3):
        await (await rebuild(path, SPOOLED, HurriedClock(), DOCK)).close()
    assert len([name for name in names_in(path.parent) if ".aside-" in name and not name.endswith("-tip")]) == 2


async def test_work_goes_on_in_a_rebuilt_journal(path: Path) -> None:
    """A verified recording is uploaded as if nothing had happened, and a refused one may be retried."""
    journal = await rebuild(path, SPOOLED, SystemClock(), DOCK)
    await journal.record(Stepped("whole", life.UploadStarted()), Stepped("rotten", life.Retried("admin", spooled=False)))
    assert (await journal.recording("rotten")).state is State.SEEN
    await journal.close()


async def test_a_journal_in_use_is_not_rebuilt(path: Path) -> None:
    """While a daemon owns the journal, rebuilding is refused before the spool is read."""
    owner = await Journal.create(path, SystemClock())
    read = []

    def spool() -> Iterator[tuple[Manifest, MediumReading | None]]:
        read.append(True)
        yield from SPOOLED

    with pytest.raises(JournalBusyError):
        await rebuild(path, spool(), SystemClock(), DOCK)
    assert not read
    await owner.close()


async def test_the_spool_is_read_off_the_event_loop(path: Path) -> None:
    """Manifests may be read from the disk as they are asked for: it happens in another thread."""
    threads = set()

    def spool() -> Iterator[tuple[Manifest, MediumReading | None]]:
        for each in SPOOLED:
            threads.add(threading.current_thread())
            yield each

    await (await rebuild(path, spool(), SystemClock(), DOCK)).close()
    assert threading.main_thread() not in threads


async def test_an_empty_spool_makes_an_empty_journal(path: Path) -> None:
    """Nothing spooled is a journal that says so; and that nobody knows which orders stood, if there was another."""
    journal = await rebuild(path, [], SystemClock(), DOCK)
    assert [each["event"] for each in await custody(journal)] == ["journal.rebuilt", "hold.placed"]
    await journal.close()


async def test_a_large_spool_fits(path: Path) -> None:
    """More recordings than one transaction carries."""
    many = [(manifest(f"r{number}", b"%d" % number), read_back(b"%d" % number)) for number in range(1201)]
    journal = await rebuild(path, many, SystemClock(), DOCK)
    assert journal.counts()[State.VERIFIED] == 1201
    await journal.close()


@pytest.mark.parametrize("step", ["discard", "sync_path", "move_aside", "put_in_place"])
async def test_a_failure_on_the_way_leaves_the_old_journal_or_can_be_repeated(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A disk that refuses any step is a JournalError; every byte of the old journal stays, and a second run ends the work."""
    old = await Journal.create(path, SystemClock())
    await old.record(Noted("dock.started", {}))
    await old.close()
    before = bytes_of(path)

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(file, step, refuse)
        with pytest.raises(JournalError, match="Input/output error"):
            await rebuild(path, SPOOLED, SystemClock(), DOCK)
    journal = await rebuild(path, SPOOLED, SystemClock(), DOCK)
    assert len(await journal.recordings()) == len(SPOOLED)
    await journal.close()
    kept = [bytes_of(path.with_name(name)) for name in names_in(path.parent) if ".aside-" in name and not name.endswith("-shm")]
    assert before in kept


async def test_a_cancelled_rebuild_gives_the_lock_back(path: Path) -> None:
    """Interrupted while the spool is read, a rebuild has changed nothing and can be repeated."""
    may_go_on = threading.Event()
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def spool() -> Generator[tuple[Manifest, MediumReading | None]]:
        loop.call_soon_threadsafe(asked.set)
        may_go_on.wait(30)
        yield from SPOOLED

    with closing(spool()) as manifests:
        rebuilding = asyncio.create_task(rebuild(path, manifests, SystemClock(), DOCK))
        await asked.wait()
        rebuilding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rebuilding
        may_go_on.set()
        await (await rebuild(path, SPOOLED, SystemClock(), DOCK)).close()
        assert [name for name in names_in(path.parent) if ".aside-" in name] == []
