"""The notary: what the dock signs, what a real vault makes of it, and how a refusal is shown."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dockd.archive.protocol import Answered, Cosigned, Deposited, Elsewhere, NoWitness
from dockd.archive.retrying import Retrying, RetryingWitness
from dockd.archive.settings import TusSettings
from dockd.archive.witness import TusWitness
from dockd.core.custody import Noted
from dockd.core.note import Note, parse_checkpoint, parse_note
from dockd.custody import notary
from dockd.custody.keyring import dock_key
from dockd.custody.notary import Notary
from dockd.dock.parts import Dock
from dockd.dsse import PinnedKeys, SigningKey
from dockd.errors import ArchiveUnreachableError, JournalError, LogRefusedError
from dockd.vault import witness
from tests.sim.archive import SimArchive
from tests.sim.consignments import HurriedClock
from tests.sim.dock_here import build
from tests.sim.vault_here import Served, vault_here


class ScriptedWitness:
    """Implements `archive.protocol.Witness`: answers in the order that the test wants, the last one for ever."""

    def __init__(self, *answers: Answered | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []
        self.again = asyncio.Event()

    async def add_checkpoint(self, note: Note, *, old_size: int, proof: Sequence[bytes], key: str) -> Answered:
        """As the protocol says."""
        self.asked.append(old_size)
        self.again.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """As the protocol says."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A vault that knows dock-1."""
    async with vault_here(tmp_path / "store") as vault:
        yield vault


@asynccontextmanager
async def a_dock(folder: Path) -> AsyncIterator[Dock]:
    """The parts of a dock with three entries in its log."""
    dock = await build(folder, SimArchive(), pinned_keys=())
    try:
        if not await dock.journal.head():
            await dock.journal.record(*(Noted("test", {"number": number}) for number in range(3)))
        yield dock
    finally:
        await dock.journal.close()


@pytest.fixture
async def dock(tmp_path: Path) -> AsyncIterator[Dock]:
    """One dock."""
    async with a_dock(tmp_path / "spool") as made:
        yield made


def client(served: Served, **changes: object) -> TusWitness:
    """The dock's way to the vault."""
    settings: dict[str, object] = {
        "url": served.url + "/files/",
        "dock": "dock-1",
        "pinned_keys": (served.vault.signer.key.public_text,),
        "token": served.token,
    }
    return TusWitness(TusSettings(**(settings | changes)), HurriedClock())  # type: ignore[arg-type]


async def kinds(served: Served) -> list[str]:
    """The vault's alarms."""
    desk = served.vault._desk
    return [each.kind for each in await desk.ask(desk.ledger.change, witness.alarms)]


async def test_the_log_is_signed_and_cosigned_and_kept(dock: Dock, served: Served) -> None:
    """After each checkpoint the journal has the note with both signatures, over the log as it was."""
    key, way = SigningKey.generate(), client(served)
    notary = Notary(dock, key, way)
    await notary.checkpoint()
    await dock.journal.record(Noted("test", {}))
    await notary.checkpoint()
    await way.close()
    kept = await dock.journal.checkpoint()
    assert kept is not None
    note = parse_note(kept[1])
    checkpoint, head = parse_checkpoint(note.text), await dock.journal.tree_head()
    assert head is not None
    assert (kept[0], checkpoint.size, checkpoint.root) == (4, 4, head.root)
    assert checkpoint.origin == f"dockd/dock-1/{head.first_leaf.hex()[:16]}"
    assert PinnedKeys(key.public_text).signed_note(note, checkpoint.origin)
    assert PinnedKeys(served.vault.signer.key.public_text).cosigned_at(note, "vault-here")
    assert (dock.board.log.size, dock.board.log.time, dock.board.log.alarm) == (4, "2026-11-24T19:10:00.000Z", "")


async def test_an_answer_that_was_lost_is_made_up_for(dock: Dock, served: Served) -> None:
    """The vault cosigned, but the dock never heard: the next checkpoint goes on from where the vault is."""
    key, way = SigningKey.generate(), client(served)
    await Notary(dock, key, way).checkpoint()
    await dock.journal._read(lambda connection: connection.execute("DELETE FROM checkpoint").connection.commit())
    await dock.journal.record(Noted("test", {}))
    await Notary(dock, key, way).checkpoint()
    await way.close()
    assert dock.board.log.size == 4
    assert await kinds(served) == []


async def test_a_disk_that_was_put_back_is_an_alarm_on_both_sides(tmp_path: Path, served: Served) -> None:
    """Yesterday's image of the spool runs again: the vault keeps the evidence, the dock shows and records the refusal, once."""
    key = SigningKey.generate()
    async with a_dock(tmp_path / "spool") as dock:
        way = client(served)
        await Notary(dock, key, way).checkpoint()
        await way.close()
    shutil.copytree(tmp_path / "spool", tmp_path / "image")
    async with a_dock(tmp_path / "spool") as dock:
        await dock.journal.record(*(Noted("test", {"of": "the first life"}) for _ in range(9)))
        way = client(served)
        await Notary(dock, key, way).checkpoint()
        await way.close()
    async with a_dock(tmp_path / "image") as dock:
        await dock.journal.record(Noted("test", {"of": "the second life"}))
        way = client(served)
        task = asyncio.create_task(Notary(dock, key, way, every_s=0.001).run())
        while not dock.board.log.alarm:
            await dock.board.news()
        assert "12 were cosigned: it was rolled back" in dock.board.log.alarm
        await dock.board.news()
        await dock.board.news()
        task.cancel()
        await asyncio.wait([task])
        await way.close()
        told = [json.loads(each.entry)["event"] for each in await dock.journal.custody()]
        assert told.count("log.refused") == 1
    assert await kinds(served) == ["rollback", "rollback"], "one for each state of the log that was shown"


async def test_an_alarm_ends_when_the_archive_cosigns_again(dock: Dock, served: Served) -> None:
    """What an admin settled at the archive needs nothing at the dock."""
    way, key = client(served), SigningKey.generate()
    await Notary(dock, key, way).checkpoint()
    kept = await dock.journal.checkpoint()
    await way.close()
    assert kept is not None
    scripted = ScriptedWitness(LogRefusedError("not this log"), Cosigned(parse_note(kept[1]), 1_790_000_000))
    task = asyncio.create_task(Notary(dock, key, scripted, every_s=0.001).run())
    while not dock.board.log.alarm:
        await dock.board.news()
    while dock.board.log.alarm:
        await dock.board.news()
    task.cancel()
    await asyncio.wait([task])
    assert dock.board.log.time == "2026-09-21T14:13:20.000Z"


async def test_a_log_that_is_behind_the_archive_was_rolled_back(dock: Dock) -> None:
    """The archive asks for a proof from a size that this log never had: that is no question, but the answer."""
    with pytest.raises(LogRefusedError, match="has 3 entries, but the archive has cosigned 70: it was rolled back"):
        await Notary(dock, SigningKey.generate(), ScriptedWitness(Elsewhere(70))).checkpoint()


async def test_an_archive_that_never_agrees_is_not_asked_for_ever(dock: Dock) -> None:
    """Sizes that change with every question end after a few; the next checkpoint tries anew."""
    scripted = ScriptedWitness(Elsewhere(1), Elsewhere(2), Elsewhere(1))
    await Notary(dock, SigningKey.generate(), scripted).checkpoint()
    assert scripted.asked == [0, 1, 2]


async def test_a_checkpoint_is_made_at_least_hourly(dock: Dock) -> None:
    """Though nothing is docked: whoever notices that none comes any more need not wait for longer."""
    assert notary.EVERY_S <= 3600
    scripted = ScriptedWitness(ArchiveUnreachableError("away"), NoWitness())
    task = asyncio.create_task(Notary(dock, SigningKey.generate(), scripted, every_s=0.01).run())
    async with asyncio.timeout(30):
        while len(scripted.asked) < 2:
            scripted.again.clear()
            await scripted.again.wait()
    assert not dock.checkpoint_due.is_set()
    task.cancel()
    await asyncio.wait([task])


async def test_a_docking_makes_a_checkpoint_due(dock: Dock) -> None:
    """The notary need not wait for its hour then; an archive that fails for good is asked again, too."""
    scripted = ScriptedWitness(ArchiveUnreachableError("away"), NoWitness())
    task = asyncio.create_task(Notary(dock, SigningKey.generate(), scripted).run())
    await scripted.again.wait()
    scripted.again.clear()
    dock.checkpoint_due.set()
    await scripted.again.wait()
    task.cancel()
    await asyncio.wait([task])
    assert len(scripted.asked) == 2
    assert dock.board.log.size == 0


async def test_an_archive_that_witnesses_nothing_is_given_the_checkpoint_to_keep(dock: Dock) -> None:
    """Where it lies is an entry; nobody is said to have witnessed it, and a log without news is not sent again."""
    scripted = ScriptedWitness(Deposited("bucket", "checkpoints/7"))
    notary = Notary(dock, SigningKey.generate(), scripted)
    await notary.checkpoint()
    await notary.checkpoint()
    assert len(scripted.asked) == 1
    told = await dock.journal.last_note("log.deposited")
    assert told is not None
    assert (told["size"], told["archive"], told["object"], told["seq"]) == (3, "bucket", "checkpoints/7", 4)
    assert await dock.journal.checkpoint() is None
    assert dock.board.log.size == 0
    await dock.journal.record(Noted("test", {}))
    await notary.checkpoint()
    assert len(scripted.asked) == 2


async def test_what_happened_while_a_checkpoint_was_on_its_way_is_in_the_next_one(dock: Dock) -> None:
    """The entry that one was deposited is the newest then, but not all before it were."""

    class Slow(ScriptedWitness):
        async def add_checkpoint(self, note: Note, *, old_size: int, proof: Sequence[bytes], key: str) -> Answered:
            if not self.asked:
                await dock.journal.record(Noted("test", {}))
            return await super().add_checkpoint(note, old_size=old_size, proof=proof, key=key)

    scripted = Slow(Deposited("bucket", "k"))
    notary = Notary(dock, SigningKey.generate(), scripted)
    for _ in range(3):
        await notary.checkpoint()
    assert len(scripted.asked) == 2
    told = await dock.journal.last_note("log.deposited")
    assert told is not None
    assert (told["size"], told["seq"]) == (5, 6)


async def test_what_a_bucket_refused_is_no_alarm_once_it_takes_it(dock: Dock) -> None:
    """The alarm of a log that does not fit what lies there stands until one fits."""
    scripted = ScriptedWitness(LogRefusedError("it was rolled back"), Deposited("bucket", "k"))
    notary = Notary(dock, SigningKey.generate(), scripted)
    running = asyncio.create_task(notary.run())
    while not dock.board.log.alarm:
        await dock.board.news()
    dock.checkpoint_due.set()
    while dock.board.log.alarm:
        await dock.board.news()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_empty_log_is_not_signed(tmp_path: Path) -> None:
    """There is nothing to say before the first entry."""
    dock = await build(tmp_path / "spool", SimArchive(), pinned_keys=())
    scripted = ScriptedWitness(NoWitness())
    await Notary(dock, SigningKey.generate(), scripted).checkpoint()
    await dock.journal.close()
    assert scripted.asked == []


async def test_a_witness_is_asked_again_while_it_is_away(dock: Dock) -> None:
    """The retry of uploads is that of checkpoints."""
    scripted = ScriptedWitness(ArchiveUnreachableError("away"), ArchiveUnreachableError("away"), NoWitness())
    patience = Retrying(dock.archive, HurriedClock(), lambda *_: None)
    wrapped = RetryingWitness(scripted, patience)
    await Notary(dock, SigningKey.generate(), wrapped).checkpoint()
    await wrapped.close()
    assert scripted.asked == [0, 0, 0]


def test_the_key_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of mode 0600 beside the journal; systemd's credential takes its place; what cannot be used is said."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    made = dock_key(tmp_path)
    assert dock_key(tmp_path).public_text == made.public_text
    assert (tmp_path / "dock-key.pem").stat().st_mode & 0o777 == 0o600
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert dock_key(tmp_path).public_text == made.public_text, "no credential of that name was given"
    shutil.copy(tmp_path / "dock-key.pem", credentials / "dock-key")
    (tmp_path / "dock-key.pem").unlink()
    (credentials / "dock-key").chmod(0o440)  # as systemd's access list for the daemon looks
    assert dock_key(tmp_path).public_text == made.public_text
    (credentials / "dock-key").chmod(0o600)
    (credentials / "dock-key").write_text("no key")
    with pytest.raises(JournalError, match="not a private key") as caught:
        dock_key(tmp_path)
    assert "until its admin accepts it" in caught.value.hint
