"""Which files the journal accepts, and how it refuses the others."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockd.clock import SystemClock
from dockd.core import life
from dockd.core.custody import CameraDocked, HoldLifted, HoldPlaced, Noted, RecordingSeen, Stepped
from dockd.errors import JournalBusyError, JournalCorruptError, JournalError, JournalForeignError
from dockd.journal import CustodyEntry, Journal, ledger, schema
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import seen, verified


async def fill(journal: Journal) -> None:
    """A camera with twenty recordings, some copied."""
    await journal.record(CameraDocked("d1", "C1", "dcf", "1", None), HoldPlaced("camera", "C9", "admin", "court order"))
    await journal.record(HoldPlaced("recording", "r1", "admin", ""), HoldLifted("recording", "r1", "admin", ""))
    for number in range(20):
        name = f"r{number}"
        await journal.record(RecordingSeen(seen(name, path=b"DCIM/%d.MP4" % number)), Stepped(name, life.CopyStarted()))
        if number % 2:
            await journal.record(Stepped(name, life.CopyVerified(verified(name, name.encode()))))


async def make(path: Path) -> list[CustodyEntry]:
    """A closed journal in `path`; its custody log."""
    journal = await Journal.create(path, SystemClock())
    await fill(journal)
    custody = await journal.custody(limit=10_000)
    await journal.close()
    return custody


async def read_all(path: Path) -> list[CustodyEntry]:
    """Open, examine, and read everything."""
    journal = await Journal.open(path, SystemClock())
    try:
        await journal.examine()
        await journal.recordings()
        journal.counts()
        await journal.open_dockings()
        await journal.holds()
        await journal.by_digests((await journal.recordings())[0].measured or verified("x", b"x").measured)
        return await journal.custody(limit=10_000)
    finally:
        await journal.close()


def bytes_of(path: Path) -> bytes:
    """What the file holds."""
    return path.read_bytes()


def put(path: Path, data: bytes) -> None:
    """Let the file hold `data`."""
    path.write_bytes(data)


def mode_of(path: Path) -> int:
    """Who may do what with it."""
    return path.stat().st_mode & 0o777


@pytest.fixture
async def opened_again(path: Path) -> AsyncIterator[Journal]:
    """A journal that was closed and opened."""
    await make(path)
    journal = await Journal.open(path, SystemClock())
    yield journal
    await journal.close()


async def test_a_closed_journal_opens_with_all_it_held(path: Path) -> None:
    """Nothing is lost between close and open, and numbers go on where they stopped."""
    custody = await make(path)
    journal = await Journal.open(path, SystemClock())
    assert await journal.custody(limit=10_000) == custody
    await journal.record(Noted("dock.started", {}))
    assert (await journal.custody(first=len(custody) + 1))[0].seq == len(custody) + 1
    await journal.close()


async def test_a_missing_journal_is_never_begun_by_opening(path: Path) -> None:
    """Where none is, opening says so and leaves nothing behind."""
    with pytest.raises(JournalError, match="there is no journal"):
        await Journal.open(path, SystemClock())
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal", "-tip"])
async def test_a_new_journal_takes_no_place_that_is_taken(path: Path, suffix: str) -> None:
    """Neither over a file nor beside another journal's write-ahead log is a new one begun."""
    taken = path.with_name(path.name + suffix)
    taken.write_bytes(b"precious")
    with pytest.raises(JournalError, match="exists; a new journal never takes the place"):
        await Journal.create(path, SystemClock())
    assert taken.read_bytes() == b"precious"


async def test_a_new_journal_is_for_its_owner_only(path: Path) -> None:
    """Serials and names of officers are no one else's to read."""
    await make(path)
    assert mode_of(path) == 0o600


async def test_what_a_failed_creation_left_is_no_obstacle(path: Path) -> None:
    """A half-made journal that never got its name is replaced."""
    path.with_name(f".{path.name}.new").write_bytes(b"half")
    path.with_name(f".{path.name}.new-wal").write_bytes(b"half")
    await make(path)
    assert sorted(each.name for each in path.parent.iterdir()) == ["journal.db", "journal.db-tip", "journal.db.lock"]


async def test_every_guard_is_on(opened_again: Journal) -> None:
    """The connection that writes has the write-ahead log, full sync and foreign keys."""

    def pragmas() -> list[object]:
        connection = opened_again._ledger._connection
        return [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "application_id", "user_version", "cell_size_check")
        ]

    assert await opened_again._run(pragmas) == ["wal", 2, 1, schema.APPLICATION_ID, len(schema.MIGRATIONS), 1]


async def test_two_owners_are_one_too_many(path: Path) -> None:
    """While one owns the journal, opening and making another are refused; once closed, it opens."""
    first = await Journal.create(path, SystemClock())
    with pytest.raises(JournalBusyError):
        await Journal.open(path, SystemClock())
    with pytest.raises(JournalBusyError):
        await Journal.create(path, SystemClock())
    await first.record(Noted("dock.started", {}))
    await first.close()
    second = await Journal.open(path, SystemClock())
    await second.close()


async def test_another_process_is_told_too(path: Path) -> None:
    """The lock holds between processes."""
    journal = await Journal.create(path, SystemClock())
    program = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom dockd.clock import SystemClock\nfrom dockd.journal import Journal\n"
        "asyncio.run(Journal.open(Path(sys.argv[1]), SystemClock()))"
    )
    other = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    await journal.close()
    assert "JournalBusyError" in other.stderr


async def test_a_writer_from_elsewhere_is_noticed(path: Path, opened_again: Journal) -> None:
    """A tool that holds SQLite's own lock is named as such, and nothing is written."""
    await opened_again._run(lambda: opened_again._ledger._connection.execute("PRAGMA busy_timeout = 1").fetchone())
    before = len(await opened_again.custody())
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusyError):
            await opened_again.record(Noted("dock.noted", {}))
    await opened_again.record(Noted("dock.noted", {}))
    assert len(await opened_again.custody()) == before + 1


async def test_a_text_file_is_no_journal(path: Path) -> None:
    """What SQLite would call no database is refused before SQLite sees it, and kept as it is."""
    put(path, b"Dear diary, " * 100)
    with pytest.raises(JournalCorruptError, match="no SQLite database"):
        await Journal.open(path, SystemClock())
    assert bytes_of(path) == b"Dear diary, " * 100


async def test_an_empty_file_is_not_a_new_journal(path: Path) -> None:
    """SQLite would begin afresh on an empty file; the journal does not."""
    put(path, b"")
    with pytest.raises(JournalCorruptError):
        await Journal.open(path, SystemClock())
    assert bytes_of(path) == b""


async def test_another_programs_database_is_left_alone(path: Path) -> None:
    """A foreign SQLite file is refused without one of its bytes changed."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmark (url TEXT)")
        other.commit()
    before = bytes_of(path)
    with pytest.raises(JournalForeignError):
        await Journal.open(path, SystemClock())
    assert bytes_of(path) == before


async def test_a_newer_journal_is_foreign(path: Path) -> None:
    """A version that this dockd does not know is not guessed at."""
    await make(path)
    with closing(sqlite3.connect(path)) as tool:
        tool.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalForeignError, match="version 99"):
        await Journal.open(path, SystemClock())


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER custody_never_changes",
        "DROP INDEX recording_state",
        "ALTER TABLE recording ADD COLUMN extra TEXT",
        "CREATE TABLE extra (x)",
        "CREATE TRIGGER eraser AFTER INSERT ON recording BEGIN UPDATE recording SET priority = 0; END",
    ],
)
async def test_changed_tables_are_refused(path: Path, statement: str) -> None:
    """A journal whose guards somebody took away, or added to, is not trusted."""
    await make(path)
    with closing(sqlite3.connect(path)) as tool:
        tool.execute(statement)
    with pytest.raises(JournalCorruptError, match="tables are not those"):
        await Journal.open(path, SystemClock())


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.6, 0.9, 0.99])
async def test_a_truncated_journal_is_refused(path: Path, share: float) -> None:
    """However much of the end is missing, the start refuses, and the rest is kept as it is."""
    await make(path)
    data = bytes_of(path)
    kept = data[: int(len(data) * share)]
    put(path, kept)
    with pytest.raises(JournalCorruptError):
        await Journal.open(path, SystemClock())
    assert bytes_of(path) == kept


async def test_a_damaged_newest_entry_is_found_at_once(path: Path) -> None:
    """The entries written last are the likeliest to be damaged by a power cut: they are checked at every start."""
    custody = await make(path)
    data = bytes_of(path)
    assert data.count(custody[-1].entry) == 1
    put(path, data.replace(custody[-1].entry, custody[-1].entry.replace(b'"v":1', b'"v":3')))
    with pytest.raises(JournalCorruptError, match=f"custody entry {len(custody)} is not what was written"):
        await Journal.open(path, SystemClock())


async def test_a_missing_entry_is_found(path: Path) -> None:
    """An entry taken out of the middle leaves a gap that cannot be hidden."""
    await make(path)
    edit(path, "DELETE FROM custody WHERE seq = 5")
    with pytest.raises(JournalCorruptError, match="custody entry 5 is missing"):
        await Journal.open(path, SystemClock())


_COPY_OF_R4 = """
INSERT INTO recording
SELECT NULL, 'r98', camera, docking, path, size_bytes, modified_ns, sidecar_of, priority, seen, state, measured_bytes, blake3,
    sha256, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, 0
FROM recording WHERE recording = 'r4'
"""


def edit(path: Path, statement: str) -> None:
    """What somebody with a database tool can do, triggers or not."""
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        triggers = tool.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        tool.execute("PRAGMA ignore_check_constraints = ON")
        for name, _ in triggers:
            tool.execute(f"DROP TRIGGER {name}")
        tool.execute(statement)
        for _, sql in triggers:
            tool.execute(sql)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (
            "UPDATE recording SET state = 'seen' WHERE recording = 'r1'",
            "r1 is seen, but the custody log last says recording.verified",
        ),
        ("UPDATE recording SET recording = 'r99' WHERE recording = 'r4'", "r4 is missing, but"),
        (_COPY_OF_R4, "never tells of recording r98"),
        ("DELETE FROM docking", "refers to one of docking that is not there"),
        ("DELETE FROM hold", "the hold on camera C9 was lost from its table"),
        ("UPDATE hold SET subject = 'C8' WHERE subject = 'C9'", "the hold on camera C8 stands, but the custody log does not"),
        ("UPDATE custody SET entry = x'7b7d' WHERE seq = 2", "custody entry 2 is not what was written"),
    ],
)
async def test_an_examination_finds_rows_that_were_edited(
    path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, finding: str
) -> None:
    """What the quick look at the start does not see, the examination names."""
    monkeypatch.setattr(ledger, "_CHECKED_ON_OPEN", 3)
    await make(path)
    edit(path, statement)
    journal = await Journal.open(path, SystemClock())
    with pytest.raises(JournalCorruptError, match=finding):
        await journal.examine()
    await journal.close()


async def test_a_row_that_no_journal_wrote_is_damage(path: Path) -> None:
    """A digest of the wrong length, or an object without digests, is refused when the row is read."""
    await make(path)
    edit(path, "UPDATE recording SET blake3 = x'00' WHERE recording = 'r1'")
    edit(path, "UPDATE recording SET stored_object = 'o1' WHERE recording = 'r2'")
    journal = await Journal.open(path, SystemClock())
    for name in ("r1", "r2"):
        with pytest.raises(JournalCorruptError, match="the row of recording"):
            await journal.recording(name)
    await journal.close()


async def test_an_examination_finds_a_damaged_page(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that no query of the start reads is read by the examination."""
    monkeypatch.setattr(ledger, "_CHECKED_ON_OPEN", 3)
    await make(path)
    with closing(sqlite3.connect(path)) as tool:
        (root,) = tool.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'recording_camera_state'").fetchone()
        (page_bytes,) = tool.execute("PRAGMA page_size").fetchone()
    with path.open("rb+") as file:
        file.seek((root - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)
    journal = await Journal.open(path, SystemClock())
    with pytest.raises(JournalCorruptError):
        await journal.examine()
    with pytest.raises(JournalCorruptError):
        await journal.recordings(camera="C1")
    await journal.close()


async def test_a_whole_journal_passes_its_examination_while_it_is_written(opened_again: Journal) -> None:
    """Examining stands in nobody's way and finds nothing wrong with what is right."""
    examining = asyncio.create_task(opened_again.examine())
    for number in range(100):
        await opened_again.record(Noted("dock.noted", {"n": number}))
    await examining


async def test_a_cancelled_examination_is_left_behind(opened_again: Journal) -> None:
    """Stopping does not wait for an examination, and it ends by itself."""
    examining = asyncio.create_task(opened_again.examine())
    await asyncio.sleep(0)
    examining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await examining
    for thread in threading.enumerate():
        if thread.name == "journal-examination":
            await asyncio.to_thread(thread.join, 30)
            assert not thread.is_alive()


_PRISTINE: dict[str, object] = {}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), xor=st.integers(1, 255), in_header=st.booleans())
def test_a_flipped_byte_is_a_refusal_or_harms_no_evidence(
    tmp_path_factory: pytest.TempPathFactory, where: float, xor: int, in_header: bool
) -> None:
    """Any one byte wrong: a JournalError, at the start or in the examination, or the whole custody log as it was."""
    if not _PRISTINE:
        original = tmp_path_factory.mktemp("pristine") / "journal.db"
        _PRISTINE["custody"] = asyncio.run(make(original))
        _PRISTINE["bytes"] = original.read_bytes()
        _PRISTINE["path"] = tmp_path_factory.mktemp("flipped") / "journal.db"
    data, path = _PRISTINE["bytes"], _PRISTINE["path"]
    assert isinstance(data, bytes)
    assert isinstance(path, Path)
    flipped = bytearray(data)
    flipped[int(where * (100 if in_header else len(flipped)))] ^= xor
    for each in path.parent.iterdir():
        each.unlink()
    path.write_bytes(flipped)
    try:
        custody = asyncio.run(read_all(path))
    except JournalError:
        return
    assert custody == _PRISTINE["custody"]


async def test_a_folder_that_is_not_there_is_a_refusal(path: Path) -> None:
    """Neither opening nor making a journal makes a folder for it."""
    nowhere = path.parent / "nowhere" / "journal.db"
    for attempt in (Journal.open, Journal.create):
        with pytest.raises(JournalError):
            await attempt(nowhere, SystemClock())
    assert list(path.parent.iterdir()) == []


async def test_a_folder_in_its_place_is_a_refusal(path: Path) -> None:
    """What is no file at all is named as that."""
    with pytest.raises(JournalError, match="Is a directory"):
        await Journal.open(path.parent, SystemClock())


async def test_an_unwritable_folder_is_a_refusal(path: Path) -> None:
    """Where the lock cannot be made, the sentence names the file."""
    await make(path)
    path.with_name("journal.db.lock").unlink()
    path.with_name("journal.db.lock").mkdir()
    with pytest.raises(JournalError, match=r"journal\.db\.lock: Is a directory"):
        await Journal.open(path, SystemClock())


_AS_NOBODY = """
import asyncio, os, sys
from pathlib import Path
from dockd.clock import SystemClock
from dockd.journal import Journal
if os.geteuid() == 0:
    os.setuid(65534)
asyncio.run(getattr(Journal, sys.argv[1])(Path(sys.argv[2]), SystemClock()))
"""


@pytest.mark.parametrize("verb", ["open", "create"])
def test_a_read_only_folder_is_a_refusal(verb: str) -> None:
    """Neither opening nor making works in a folder that may not be written; both say so."""
    with TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "journal.db"
        if verb == "open":
            asyncio.run(make(path))
            path.with_name("journal.db.lock").unlink()
            path.chmod(0o644)
        folder.chmod(0o555)
        other = subprocess.run([sys.executable, "-c", _AS_NOBODY, verb, path], capture_output=True, text=True, check=False)
        folder.chmod(0o700)
    assert "dockd.errors.JournalError" in other.stderr
    assert "Permission denied" in other.stderr


async def test_a_cancelled_opening_gives_the_lock_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops waiting for a journal to open does not own it for ever."""
    await make(path)
    may_go_on, reached = threading.Event(), threading.Event()
    check = ledger._check_custody

    def slowly(connection: sqlite3.Connection, checked: Path) -> None:
        reached.set()
        may_go_on.wait(30)
        check(connection, checked)

    monkeypatch.setattr(ledger, "_check_custody", slowly)
    opening = asyncio.create_task(Journal.open(path, SystemClock()))
    await asyncio.to_thread(reached.wait, 30)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    workers = [each for each in threading.enumerate() if each.name.startswith("journal_")]
    may_go_on.set()
    for worker in workers:
        await asyncio.to_thread(worker.join, 30)
    await (await Journal.open(path, SystemClock())).close()


async def test_an_older_journal_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version's migration runs once at opening, and the older dockd then calls the file foreign."""
    custody = await make(path)
    newer = (*schema.MIGRATIONS, ("ALTER TABLE docking ADD COLUMN note TEXT",))
    with monkeypatch.context() as upgraded:
        upgraded.setattr(schema, "MIGRATIONS", newer)
        for _ in range(2):
            journal = await Journal.open(path, HurriedClock())
            assert await journal.custody(limit=10_000) == custody
            await journal.close()
    with pytest.raises(JournalForeignError):
        await Journal.open(path, HurriedClock())


async def test_a_migration_that_fails_keeps_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a migration is none: the older dockd still opens the file."""
    custody = await make(path)
    broken = (*schema.MIGRATIONS, ("ALTER TABLE docking ADD COLUMN note TEXT", "ALTER TABLE docking ADD COLUMN note TEXT"))
    with monkeypatch.context() as upgraded:
        upgraded.setattr(schema, "MIGRATIONS", broken)
        with pytest.raises(JournalError):
            await Journal.open(path, HurriedClock())
    assert await read_all(path) == custody
