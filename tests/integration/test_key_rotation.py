"""The vault changes its key while a dock delivers to it: nothing stops, and nobody has to compare keys."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from dockd.core.recording import State
from tests.sim.cameras import make_camera
from tests.sim.cli_documents import installed
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess


def rotate(vault: VaultProcess, *arguments: str) -> CompletedProcess[str]:
    """`dockd vault rotate` on that vault's store."""
    return installed("vault", "rotate", "--root", vault.root, *arguments)


def empty(dock: DockProcess, bay: int, tmp_path: Path) -> None:
    """Put a camera with one recording into that bay, and wait until it is empty, as those in the bays before are."""
    make_camera(tmp_path / f"camera-{bay}", f"CAM-{bay}", recordings=1, size_bytes=200_000, sidecars=False, seed=bay)
    (tmp_path / f"camera-{bay}").rename(dock.bay(bay))
    dock.wait_until(lambda _: len(dock.recordings(State.ERASED)) == bay, why=f"CAM-{bay} is emptied")


def test_a_vault_changes_its_key_under_a_dock(tmp_path: Path) -> None:
    """Cameras are emptied before the dock knows the new key, while it knows both, and once the vault signs with the new one."""
    site = Site(bays=3)
    with VaultProcess(tmp_path / "vault") as vault:
        first = vault.public_key
        with DockProcess(tmp_path / "dock", vault, site) as dock:
            empty(dock, 1, tmp_path)
            printed = rotate(vault)
            assert printed.returncode == 0
            site.archive = yaml.safe_load(printed.stdout)["archive"]
            assert rotate(vault).stdout.splitlines()[1] == printed.stdout.splitlines()[1]  # asked again: the same key
            assert site.archive["key"] != first
            assert dock.stop()[0] == 0
            site.accepted = False  # no admin comes by
            dock.start()
            empty(dock, 2, tmp_path)
            assert vault.public_key == first

            running = rotate(vault, "--switch")
            assert "another vault serves" in running.stderr
            vault.stop()
            assert rotate(vault, "--switch").returncode == 0
            vault.start()
            assert vault.public_key == site.archive["key"]
            empty(dock, 3, tmp_path)
            assert dock.stop()[0] == 0
            entries = [each for each in dock.custody() if each["event"] == "archive.handed-over"]
    assert [(each["old"], each["new"], each["handovers"]) for each in entries] == [
        (first, site.archive["key"], site.archive["handovers"])
    ]


def test_a_new_key_without_a_statement_is_sent_nothing(tmp_path: Path) -> None:
    """The site file alone names it: the accepted key stays in force, and the camera keeps its recording."""
    site = Site(needs="archived")
    with VaultProcess(tmp_path / "vault") as vault, DockProcess(tmp_path / "dock", vault, site) as dock:
        key = yaml.safe_load(rotate(vault).stdout)["archive"]["key"]
        vault.stop()
        assert rotate(vault, "--switch").returncode == 0
        vault.start()
        assert dock.stop()[0] == 0
        site.archive, site.accepted = {"key": key}, False
        dock.start()
        make_camera(tmp_path / "CAM-A", "CAM-A", recordings=1, size_bytes=200_000, sidecars=False)
        (tmp_path / "CAM-A").rename(dock.bay(1))
        dock.wait_for("not in force before it is accepted")
        dock.wait_until(lambda _: len(dock.recordings(State.VERIFIED)) == 1, why="the copy is verified")
        mark = len(dock.lines)
        dock.wait_until(lambda lines: "does not pin" in str(lines), after=mark, why="the archive's key is not known here")
        assert not dock.recordings(State.ARCHIVED, State.ERASED)


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_switch_without_a_next_key_changes_nothing(tmp_path: Path, content: str | None) -> None:
    """None was made, or the file holds something else: the vault keeps its key, and says so."""
    with VaultProcess(tmp_path / "vault") as vault:
        before = vault.public_key
        vault.stop()
        if content is not None:
            (vault.root / "next-key.pem").write_text(content)
            assert "the vault's next key cannot be used" in rotate(vault).stderr
        words = "no next key waits here" if content is None else "the vault's next key cannot be used"
        assert words in rotate(vault, "--switch").stderr
        assert vault.public_key == before
