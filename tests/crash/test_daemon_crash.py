"""The daemon and its workers are killed at every durable step and at random instants; every journey ends complete."""

import ast
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

import dockd
from dockd.core.recording import State
from tests.crash import tally
from tests.sim.audit import Verdict, check_custody, check_receipts, count, files_below
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockDiedError, DockProcess
from tests.sim.vault_process import VaultProcess

pytestmark = pytest.mark.crash

PASSES: dict[str, tuple[int, ...]] = {
    "journal.placing": (1, 1),
    "journal.placed": (1,),
    "journal.committing": (1, 2, 3, 4, 5, 6, 8, 10, 13, 17),
    "journal.committed": (1, 2, 3, 4, 5, 6, 8, 10, 13, 17),
    "offload.preallocated": (1, 2, 3),
    "offload.copied": (1, 3, 1),
    "offload.synced": (1, 2, 3),
    "offload.manifest": (1, 3, 1),
    "offload.renaming": (1, 1),
    "offload.renamed": (1, 2, 3),
    "offload.published": (1, 1),
    "delivery.placed": (1, 2, 3, 4),
    "delivery.archived": (1, 2, 3, 1),
    "clearance.erasing": (1, 2, 3),
    "clearance.erased": (1, 2, 1, 1),
}
"""At which pass each point kills, one start of the daemon after the other."""

REBUILDING = ("journal.setting-aside", "journal.set-aside", "journal.placing", "journal.placed")
"""Passed by `dockd journal rebuild`, in this order."""

RANDOM_JOURNEYS = 6
RANDOM_KILLS = 10


def _points_in_the_source() -> set[str]:
    """The argument of every call of crashpoint.passing in dockd, except the vault's."""
    root = Path(dockd.__path__[0])
    found = set()
    for path in root.rglob("*.py"):
        if "vault" in path.relative_to(root).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="passing") | ast.Name(id="passing"), args=[ast.Constant(value=str(name))]):
                    found.add(name)
                case _:
                    pass
    return found


def test_every_crash_point_of_the_daemon_is_walked() -> None:
    """A durable step that gains a crash point gains a crash test with it."""
    assert set(PASSES) | set(REBUILDING) == _points_in_the_source()


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultProcess]:
    """One vault for every journey of this module; each journey has cameras of its own."""
    with VaultProcess(tmp_path_factory.mktemp("crash") / "vault") as running:
        yield running


class Journey:
    """Two cameras on their way through one dock, and whoever kills it meanwhile."""

    def __init__(self, folder: Path, vault: VaultProcess, name: str, *, long_bytes: int = 1_200_000) -> None:
        self.vault = vault
        self.dock = DockProcess(folder / "dock", vault)
        self.originals: dict[str, dict[bytes, str]] = {}
        self.places: dict[str, Path] = {}
        self.kills = self.vault_kills = 0
        sizes = ((3, 70_000), (1, long_bytes))
        for bay, (recordings, size_bytes) in enumerate(sizes, 1):
            serial = f"{name}-{bay}"
            self.originals[serial] = make_camera(folder / serial, serial, recordings=recordings, size_bytes=size_bytes)
            (folder / serial).rename(self.dock.bay(bay))
            self.places[serial] = self.dock.bay(bay)

    @property
    def files(self) -> int:
        """Recordings and sidecars on both cameras."""
        return sum(len(each) for each in self.originals.values())

    def complete(self, _: object = None) -> bool:
        """Whether both cameras are empty and the journal says so."""
        if any(any((place / "DCIM").rglob("*.*")) for place in self.places.values()):
            return False
        return len(self.dock.recordings(State.ERASED)) == self.files

    def run_until_killed(self, crash_at: str) -> bool:
        """Start the daemon with a crash point; whether it died there, and not only after everything was done."""
        try:
            self.dock.start(crash_at=crash_at)
            self.dock.wait_until(self.complete, why="the end of the journey")
        except DockDiedError:
            if self.dock.alive():
                raise
            assert self.dock.wait() == -9
            self.kills += 1
            self.check_nothing_was_erased_unproved()
            return True
        self.dock.kill()
        return False

    def swap_bays(self) -> None:
        """Each camera goes into the other bay while the power is off."""
        (one, place), (other, other_place) = self.places.items()
        aside = self.dock.root / "aside"
        place.rename(aside)
        other_place.rename(place)
        aside.rename(other_place)
        self.places = {one: other_place, other: place}

    def check_nothing_was_erased_unproved(self) -> None:
        """At this very instant everything that is not on its camera is in the vault."""
        assert self._verdict().erased_unproved == 0

    def end(self) -> None:
        """Start it without any crash, let it end, and judge."""
        self.dock.start()
        self.dock.wait_until(lambda now: self.complete(now) and not self.dock.spooled(), why="the end of the journey")
        assert self.dock.stop()[0] == 0
        verdict = self._verdict()
        tally.add(
            kills=self.kills + self.vault_kills,
            vault_kills=self.vault_kills,
            journeys=1,
            recordings=verdict.recordings,
            lost=verdict.lost,
            duplicated=verdict.duplicated,
            erased_unproved=verdict.erased_unproved,
        )
        assert verdict == Verdict(recordings=self.files)
        check_custody(self.dock)
        check_receipts(self.dock, self.vault)
        assert self.dock.spooled() == set()
        assert all(docking.ended for docking in self.dock.dockings())

    def _verdict(self) -> Verdict:
        return count(self.vault, self.originals, {serial: files_below(place) for serial, place in self.places.items()})


@pytest.mark.parametrize("point", PASSES)
def test_a_kill_at_a_durable_step_loses_nothing(point: str, tmp_path: Path, vault: VaultProcess) -> None:
    """Killed at one step, pass after pass, the dock starts again and every recording is archived once and erased."""
    journey = Journey(tmp_path, vault, point)
    with closing(journey.dock):
        died = [journey.run_until_killed(f"{point}:{passes}") for passes in PASSES[point]]
        assert died[0], f"nothing ever passed {point}"
        journey.end()


@pytest.mark.parametrize("point", REBUILDING)
def test_a_kill_while_the_journal_is_made_anew_loses_nothing(point: str, tmp_path: Path, vault: VaultProcess) -> None:
    """A rebuild that is cut off is begun again; what the spool holds is delivered, and the cameras are known by their bytes."""
    journey = Journey(tmp_path, vault, f"rebuild-{point}")
    dock = journey.dock
    with dock:
        vault.kill()
        try:
            dock.wait_until(
                lambda _: len(dock.recordings(State.VERIFIED, State.UPLOADING)) == journey.files, why="all is verified"
            )
        finally:
            vault.start()
        dock.kill()
        journey.kills += 1
        assert dock.rebuild_journal(crash_at=point) == -9
        journey.kills += 1
        journey.check_nothing_was_erased_unproved()
        assert dock.rebuild_journal() == 0
        journey.end()


@pytest.mark.parametrize("seed", range(RANDOM_JOURNEYS))
def test_kills_at_random_instants_lose_nothing(seed: int, tmp_path: Path, vault: VaultProcess) -> None:
    """Daemon, vault or both are killed whenever it happens, cameras change bays in between, and everything ends complete."""
    random = Random(seed)
    journey = Journey(tmp_path, vault, f"random{seed}", long_bytes=random.choice((3_000_000, 70_000_000)))
    dock = journey.dock
    with closing(dock):
        while journey.kills + journey.vault_kills < RANDOM_KILLS:
            if not dock.alive():
                if random.random() < 0.3:
                    journey.swap_bays()
                dock.start(wait=False)
            assert not dock.ended_within(random.uniform(0.3, 2.0))
            victim = random.choice(("dock", "dock", "vault", "both"))
            if victim != "dock":
                vault.kill()
                journey.vault_kills += 1
            if victim != "vault":
                dock.kill()
                journey.kills += 1
            journey.check_nothing_was_erased_unproved()
            if victim != "dock":
                vault.start()
        dock.kill()
        journey.end()
