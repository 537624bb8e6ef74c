"""The vault as witness, from outside: what it cosigns, what it refuses, and which alarms it keeps."""

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from dockd.core.merkle import Tree
from dockd.core.note import Checkpoint, Note, origin_of, parse_note
from dockd.dsse import PinnedKeys, SigningKey
from dockd.vault import witness
from dockd.vault.ledger import Ledger
from dockd.vault.service import VaultSettings
from tests.sim.vault_here import Answer, Served, vault_here


class Log:
    """A dock's log, as the dock would have it and sign it."""

    def __init__(self, leaves: Sequence[bytes], key: SigningKey | None = None, *, dock: str = "dock-1") -> None:
        self.leaves, self.key = list(leaves), key or SigningKey.generate()
        self.tree = Tree(lambda start, end: self.leaves[start:end])
        self.tree.grow(len(self.leaves))
        self.origin = origin_of(dock, self.leaves[0])

    def note(self, size: int) -> Note:
        """The signed checkpoint of so many entries."""
        text = Checkpoint(self.origin, size, self.tree.root(size)).text()
        return Note(text, (self.key.sign_note(self.origin, text),))

    def body(self, old: int, size: int) -> bytes:
        """What is sent for it."""
        lines = [f"old {old}", *(b64encode(each).decode() for each in self.tree.consistency(old, size))]
        return "\n".join(lines).encode() + b"\n\n" + self.note(size).encode()

    async def send(self, served: Served, old: int, size: int) -> Answer:
        """Send it."""
        return await served.ask("POST", "/add-checkpoint", {"Dockd-Log-Key": self.key.public_text}, self.body(old, size))


def _leaves(count: int, salt: int = 0) -> list[bytes]:
    return [bytes([salt]) * 24 + number.to_bytes(8, "big") for number in range(count)]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A vault that serves dock-1."""
    async with vault_here(tmp_path / "store", settings=VaultSettings(tmp_path / "store", "Vault 1")) as vault:
        yield vault


async def alarms(served: Served) -> list[str]:
    """The kinds of alarm that the vault kept."""
    desk = served.vault._desk
    return [each.kind for each in await desk.ask(desk.ledger.change, witness.alarms)]


async def test_a_log_that_grows_is_cosigned(served: Served) -> None:
    """The first checkpoint introduces the log; each later one is cosigned with the vault's key and time, and kept."""
    log, keys = Log(_leaves(100)), PinnedKeys(served.vault.signer.key.public_text)
    for old, size in ((0, 1), (1, 57), (57, 57), (57, 100)):
        answer = await log.send(served, old, size)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8"), answer
        cosigned = keys.cosigned_at(parse_note(log.note(size).encode() + answer.body), "Vault%201")
        assert cosigned is not None
        assert cosigned[1] == int(served.clock.now().timestamp())
    desk = served.vault._desk
    (kept,) = await desk.ask(desk.ledger.change, witness.logs)
    assert (kept.origin, kept.dock, kept.state, kept.size, kept.root) == (log.origin, "dock-1", "current", 100, log.tree.root())
    assert keys.cosigned_at(parse_note(kept.note), "Vault%201")
    assert PinnedKeys(log.key.public_text).signed_note(parse_note(kept.note), log.origin)
    assert await alarms(served) == []


async def test_a_dock_that_knows_less_is_told_where_to_begin(served: Served) -> None:
    """An answer that was lost costs one more question: the vault names the size from which it wants the proof."""
    log = Log(_leaves(10))
    early = await log.send(served, 3, 5)
    assert (early.status, early.text, early.headers["Content-Type"]) == (409, "0\n", "text/x.tlog.size")
    assert (await log.send(served, 0, 5)).status == 200
    behind = await log.send(served, 0, 10)
    assert (behind.status, behind.text, behind.headers["Content-Type"]) == (409, "5\n", "text/x.tlog.size")
    assert (await log.send(served, 5, 10)).status == 200
    assert await alarms(served) == []


async def test_a_log_that_was_rolled_back_is_an_alarm(served: Served) -> None:
    """The disk image of yesterday: shorter than what was cosigned, or as long again with other entries."""
    leaves = _leaves(20)
    key = SigningKey.generate()
    assert (await Log(leaves, key).send(served, 0, 20)).status == 200
    restored = Log([*leaves[:10], *_leaves(20, salt=9)[:10], *_leaves(5, salt=8)], key)
    shorter = await restored.send(served, 0, 12)
    assert (shorter.status, shorter.headers["Dockd-Log-Size"]) == (409, "20")
    assert "rolled back" in shorter.text
    assert (await restored.send(served, 12, 20)).status == 409
    grown = await restored.send(served, 20, 25)
    assert grown.status == 422
    assert "does not begin with" in grown.text
    assert (await restored.send(served, 20, 25)).status == 422, "it is refused again, and nothing new is told"
    assert await alarms(served) == ["rollback", "fork", "fork"]


async def test_a_fork_is_an_alarm_with_its_evidence(served: Served) -> None:
    """Two logs with one key and one beginning: the second is refused, and its signed checkpoint kept."""
    leaves, key = _leaves(8), SigningKey.generate()
    assert (await Log(leaves, key).send(served, 0, 6)).status == 200
    other = Log([*leaves[:5], b"x" * 32, b"y" * 32], key)
    assert (await other.send(served, 6, 7)).status == 422
    desk = served.vault._desk
    (alarm,) = await desk.ask(desk.ledger.change, witness.alarms)
    assert (alarm.kind, alarm.dock, alarm.origin) == ("fork", "dock-1", other.origin)
    assert PinnedKeys(key.public_text).signed_note(parse_note(alarm.note), other.origin)


async def test_a_log_that_another_key_signs_is_an_alarm(served: Served) -> None:
    """The key is that of the first checkpoint; what introduces itself later with another one changes nothing."""
    leaves = _leaves(8)
    assert (await Log(leaves).send(served, 0, 6)).status == 200
    assert (await Log(leaves).send(served, 6, 8)).status == 403
    assert await alarms(served) == ["key"]


async def test_a_second_log_waits_for_an_admin_of_the_vault(served: Served) -> None:
    """A journal that was made anew, lawfully or not, is cosigned only after somebody at the archive looked at it."""
    first, second = Log(_leaves(8)), Log(_leaves(9, salt=1))
    assert (await first.send(served, 0, 8)).status == 200
    waiting = await second.send(served, 0, 3)
    assert waiting.status == 403
    assert f"dockd vault logs --accept {second.origin}" in waiting.text
    assert (await second.send(served, 0, 4)).status == 403
    assert await alarms(served) == ["new-log"]
    desk = served.vault._desk
    accepted = [await desk.ask(desk.ledger.change, lambda c: witness.accept(c, second.origin, "anna")) for _ in range(2)]
    assert accepted == [True, False], "once, and not again"
    assert (await second.send(served, 0, 9)).status == 200
    former = await first.send(served, 8, 8)
    assert (former.status, "former" in former.text) == (403, True)
    states = {each.origin: (each.state, each.accepted_by) for each in await desk.ask(desk.ledger.change, witness.logs)}
    assert states == {first.origin: ("former", ""), second.origin: ("current", "anna")}


async def test_nobody_speaks_for_another_dock(served: Served) -> None:
    """The token says whose log it may be, and without one there is no answer at all."""
    assert (await Log(_leaves(3), dock="dock-2").send(served, 0, 3)).status == 404
    log = Log(_leaves(3))
    assert (await served.ask("POST", "/add-checkpoint", {"Authorization": ""}, log.body(0, 3))).status == 401
    assert (await served.ask("POST", "/add-checkpoint", {}, log.body(0, 3))).status == 400, "no key to introduce it with"
    other = {"Dockd-Log-Key": SigningKey.generate().public_text}
    assert (await served.ask("POST", "/add-checkpoint", other, log.body(0, 3))).status == 403
    assert await alarms(served) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1",
        b"old 01\n\n",
        b"old 0\nAAAA\n\n",
        b"old 0\n!\n\n",
        b"old 0\n\nno note",
        b"old 0\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + b"\n",
        b"\xff\n\n",
        Log(_leaves(4)).body(2, 4).replace(b"old 2", b"old 5"),
        Log(_leaves(4)).body(0, 4).replace(b"\n4\n", b"\n04\n"),
    ],
)
async def test_what_is_no_checkpoint_is_refused(served: Served, body: bytes) -> None:
    """Nothing but an old size, hashes and a checkpoint is looked at."""
    answer = await served.ask("POST", "/add-checkpoint", {}, body)
    assert answer.status == 400, answer


async def test_what_is_longer_than_any_checkpoint_is_not_read(served: Served) -> None:
    """A body is bounded, whatever it says of its length."""
    assert (await served.ask("POST", "/add-checkpoint", {}, b"x" * (witness.BODY_LIMIT_BYTES + 1))).status == 413


def test_a_vault_of_the_version_before_becomes_a_witness(tmp_path: Path) -> None:
    """Its ledger gets the tables for logs and keeps everything else."""
    path = tmp_path / "vault.sqlite"
    ledger = Ledger.open(path, may_create=True)
    ledger.meta("archive", "a")
    for table in ("logs", "log_alarms"):
        ledger._connection.execute(f"DROP TABLE {table}")
    ledger._connection.execute("PRAGMA user_version = 1")
    ledger.close()
    again = Ledger.open(path, may_create=False)
    assert again.meta("archive", "") == "a"
    assert again.change(witness.logs) == []
    again.close()
