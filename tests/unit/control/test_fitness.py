"""What the daemon finds when it looks at itself."""

import errno
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from dockd.archive.introduction import Identity
from dockd.archive.probe import Findings
from dockd.control.backup import BACKED_UP, KEY_BACKED_UP
from dockd.control.fitness import Fitness
from dockd.core import custody, life
from dockd.core.fitness import Check, Grade, hub_power
from dockd.core.recording import Refusal
from dockd.dock.board import Configuration, Phase
from dockd.dock.parts import Dock
from dockd.errors import WorkerError
from tests.sim.dock_of import dock_in, docked, spooled
from tests.sim.sealing_kernel import SealingKernel

HONEST = Findings(Identity("vault", signs=True), None, None, "blake3")
SILENT = Findings(None, None, None, None)


@pytest.fixture
async def dock(tmp_path: Path) -> AsyncIterator[Dock]:
    """A dock that knows camera C1."""
    async with dock_in(tmp_path) as built:
        await docked(built)
        yield built


def looking(dock: Dock, *, usb: Sequence[str] = (), guarded: Sequence[str] | None = (), found: Findings = HONEST) -> Fitness:
    """Looks at `dock`, its helper guarding those bays (None: it does not answer), its archive being as found."""

    async def ask_helper() -> Sequence[str]:
        if guarded is None:
            msg = "no such socket"
            raise WorkerError(msg)
        return guarded

    async def ask_archive() -> Findings:
        return found

    async def look_at_hubs() -> Check:
        return hub_power((), (), {}, ())

    return Fitness(dock, usb_bays=usb, guarded=ask_helper, archive=ask_archive, power=look_at_hubs, key="ed25519:this")


async def grades(looks: Fitness) -> dict[str, Grade]:
    """By part."""
    return {each.part: each.grade for each in (await looks.selftest()).checks}


async def test_a_good_dock_is_fit(dock: Dock) -> None:
    """Everything that the daemon can see is good, and named in the order of a camera's way."""
    dock.board.configuration = Configuration(spool_encrypted=True)
    await dock.journal.record(custody.Noted(BACKED_UP, {}), custody.Noted(KEY_BACKED_UP, {"key": "ed25519:this", "to": "a safe"}))
    whole = await looking(dock).selftest()
    assert whole.fit
    assert [each.part for each in whole.checks] == [
        *("bays", "ports", "hub power", "disk", "encryption", "seal", "signing key", "archive", "receipt key"),
        *("honesty", "recordings", "backup", "key backup", "configuration"),
    ]
    # How much room there is, is the machine's own business.
    assert {each.grade for each in whole.checks if each.part != "disk"} == {Grade.GOOD}, whole


async def test_what_is_not_good_is_found(dock: Dock) -> None:
    """Each in its own line, with a cure."""
    await spooled(dock, "a" * 32, b"x")
    await dock.journal.record(custody.Stepped("a" * 32, life.Refused(Refusal("archive-refused", "too large"))))
    for bay in dock.board.bays.values():
        bay.phase, bay.failure = Phase.FAILED, Refusal("camera-stalled", "It does not answer.", "Take it out.")
    dock.board.configuration = Configuration(pending=("archive.key: changed",), accept_with="dockd config accept")
    dock.ledger.keep_free_bytes = 1 << 60
    whole = await looking(dock, usb=("1",), guarded=None, found=SILENT).selftest()
    assert not whole.fit
    found = {each.part: each for each in whole.checks}
    assert {part for part, each in found.items() if each.grade is Grade.BAD} == {"bays", "ports", "disk", "receipt key"}
    assert {part for part, each in found.items() if each.grade is Grade.LOOK} == {
        *("encryption", "recordings", "backup", "key backup", "configuration"),
    }
    assert "bay 1: It does not answer." in found["bays"].reason
    assert all(each.cure for each in whole.checks if each.grade is not Grade.GOOD)
    noted = await dock.journal.last_note("selftest.run")
    assert noted is not None
    assert (noted["fit"], noted["bad"]) == (False, ["bays", "ports", "disk", "receipt key"])
    assert set(noted["look"]) == {"encryption", "recordings", "backup", "key backup", "configuration"}


@pytest.mark.parametrize(("guarded", "grade"), [(("1",), Grade.GOOD), (("2",), Grade.BAD)])
async def test_the_helper_is_asked_which_ports_it_guards(dock: Dock, guarded: Sequence[str], grade: Grade) -> None:
    """A USB bay that nobody guards lets nothing in."""
    assert (await grades(looking(dock, usb=("1",), guarded=guarded)))["ports"] is grade


async def test_a_sealed_key_whose_file_was_left_wants_a_look(dock: Dock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systemd gives the key: good, once nothing of it lies in the clear."""
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "dock-key").touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "given"))
    assert (await grades(looking(dock)))["signing key"] is Grade.GOOD
    (dock.spool.directory / "dock-key.pem").touch()
    assert (await grades(looking(dock)))["signing key"] is Grade.LOOK


async def test_copies_that_are_not_sealed_yet_are_counted(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system seals; where it does not, that is said."""

    async def said() -> str:
        return next(each.reason for each in (await looking(dock).selftest()).checks if each.part == "seal")

    kernel = SealingKernel(monkeypatch)
    await spooled(dock, "a" * 32, b"x")
    await spooled(dock, "b" * 32, b"x")
    dock.spool.prepare()
    assert "2 will be" in await said()
    dock.spool.seal("a" * 32)
    assert "1 will be" in await said()
    kernel.refuses = errno.EOPNOTSUPP
    dock.spool.prepare()
    assert "but not sealed: its file system has no fs-verity" in await said()


@pytest.mark.parametrize(("tpm", "grade"), [(True, Grade.LOOK), (False, Grade.GOOD)])
async def test_a_key_in_a_file_wants_a_look_where_a_tpm_could_seal_it(
    dock: Dock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tpm: bool, grade: Grade
) -> None:
    """On a machine without one it is as safe as it can be."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr("dockd.control.fitness._TPM", tmp_path if tpm else tmp_path / "none")
    assert (await grades(looking(dock)))["signing key"] is grade


async def test_a_backup_of_another_key_is_none(dock: Dock) -> None:
    """Of the key with which the dock signs now, none was made; and a copy of that one never grows old."""
    assert (await grades(looking(dock)))["key backup"] is Grade.LOOK
    await dock.journal.record(custody.Noted(KEY_BACKED_UP, {"key": "ed25519:other", "to": "a safe"}))
    assert (await grades(looking(dock)))["key backup"] is Grade.LOOK
    await dock.journal.record(custody.Noted(KEY_BACKED_UP, {"key": "ed25519:this", "to": "a safe"}))
    assert (await grades(looking(dock)))["key backup"] is Grade.GOOD


async def test_an_old_backup_wants_a_look(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A week is too long for the record of what was erased."""
    await dock.journal.record(custody.Noted(BACKED_UP, {}))
    assert (await grades(looking(dock)))["backup"] is Grade.GOOD
    later = dock.clock.now() + timedelta(days=8)
    monkeypatch.setattr(type(dock.clock), "now", lambda _: later)
    assert (await grades(looking(dock)))["backup"] is Grade.LOOK
