"""What an admin changes in the site file, and when the real daemon runs by it."""

from pathlib import Path

from click.testing import CliRunner

from dockd.cli.config import command
from dockd.config import load_site
from dockd.config.acceptance import path_of
from tests.integration.conftest import MakeDock
from tests.sim.audit import files_below
from tests.sim.cameras import make_camera
from tests.sim.cli_documents import alone, as_described
from tests.sim.dock_process import DockProcess, Site


def test_weaker_erase_policy_waits_for_an_admin_at_start(tmp_path: Path, make_dock: MakeDock) -> None:
    """Nothing is erased before it is accepted, the status says what to do, and the log says who accepted what."""
    dock = make_dock(Site(erase="never", needs="archived"))
    dock.stop()
    dock.site.erase, dock.site.accepted = "delete", False
    dock.start()
    camera = tmp_path / "camera"
    make_camera(camera, "CAM-1", recordings=1, size_bytes=100_000)
    camera.rename(dock.bay(1))
    dock.wait_for("recording archived", count=2)
    dock.wait_until(lambda _: dock.lamp(1).lamp == "take it", why="the bay is done")
    assert len(files_below(dock.bay(1))) > 1
    said = dock.status().configuration
    assert said.pending == ("erase.policy: delete instead of never", "erase.directory_erase: true instead of false")
    assert said.accept_with == f"sudo dockd config accept --config {dock.root / 'site.yaml'}"
    assert dock.said("not in force before it is accepted", change="erase.policy: delete instead of never")
    dock.stop()
    dock.site.accepted = True
    dock.start()
    dock.wait_for("camera cleared")
    assert dock.status().configuration.pending == ()
    accepted = [entry for entry in dock.custody() if entry["event"] == "configuration.accepted"]
    assert [entry["by"] for entry in accepted] == ["the test"] * 3
    assert accepted[-1]["changes"] == ["erase.policy: delete", "erase.directory_erase: true"]
    assert accepted[-1]["before"] == accepted[0]["digest"]


def test_dock_in_a_folder_of_ones_own_needs_no_ceremony(tmp_path: Path) -> None:
    """Its first start accepts what its owner wrote; the disk in the clear is told."""
    with DockProcess(tmp_path, None, Site(accepted=False)) as dock:
        assert path_of(dock.root / "site.yaml").exists()
        said = dock.status()
        assert said.configuration.pending == ()
        assert said.configuration.accepted_by.endswith("by starting the dock for the first time")
        assert said.spool.encrypted == (not dock.said("spool is not encrypted"))


def test_lost_acceptance_stops_a_dock_that_has_served(tmp_path: Path) -> None:
    """With the command that mends it, and exit code 2, which systemd does not retry."""
    with DockProcess(tmp_path, None) as dock:
        dock.stop()
        path_of(dock.root / "site.yaml").unlink()
        dock.site.accepted = False
        dock.start(wait=False)
        assert dock.wait() == 2
        assert any("nobody has accepted this site file yet" in str(line.get("text")) for line in dock.lines)
        assert any("sudo dockd config accept" in str(line.get("text")) for line in dock.lines)


def test_changes_while_the_daemon_runs(tmp_path: Path, make_dock: MakeDock) -> None:
    """Through the installed command: what needs an admin waits, and a docked camera is emptied once it is accepted."""
    dock = make_dock(Site(erase="never", needs="archived"))
    camera = tmp_path / "camera"
    make_camera(camera, "CAM-1", recordings=1, size_bytes=100_000)
    dock.site.erase, dock.site.accepted = "delete", False
    site_file = dock.write_site()
    dock.wait_for("not in force before it is accepted", count=2)
    said = CliRunner().invoke(command, ["reload", "--config", str(site_file)])
    assert said.exit_code == 0
    assert "Not accepted, so not in force: erase.policy: delete instead of never" in said.output
    assert CliRunner().invoke(command, ["accept", "--config", str(site_file), "--yes"]).exit_code == 0
    dock.wait_for("configuration changed")
    as_json = CliRunner().invoke(command, ["reload", "--config", str(site_file), "--json"])
    assert as_described("config-reload", as_json.output)["pending"] == []
    assert CliRunner().invoke(command, ["reload", "--config", str(site_file)]).output == "all of the site file is in force\n"
    camera.rename(dock.bay(1))
    dock.wait_for("camera cleared")
    path_of(site_file).write_text("{}")
    broken = CliRunner().invoke(command, ["reload", "--config", str(site_file)])
    assert (broken.exit_code, "is not what `dockd config accept` wrote" in broken.output) == (1, True)


def test_check_online_looks_at_the_world(tmp_path: Path, make_dock: MakeDock) -> None:
    """The archive answers and is the pinned one; a port that is not there, another key, or an archive that is away is exit 1."""
    dock = make_dock(Site(accepted=False))
    site_file = dock.root / "site.yaml"

    def online(*changes: tuple[str, str]) -> tuple[int, str]:
        text = site_file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "other.yaml").write_text(text)
        return alone("config", "check", "--online", "--config", tmp_path / "other.yaml")

    code, said = online()
    assert code == 0
    assert "good  bay 1: It is there." in said
    assert "good  receipt key: It signs its receipts with the key that the site file pins." in said
    key = load_site(site_file).archive.key
    assert online((key, "ed25519:4ER87XYQ41M8xOKoyDKsL5ft3QDVdboZgquKMXe0ea8="))[0] == 1
    code, said = online((f"directory: {dock.bay(1)}\n", "usb_port: pci-0000:00:99.0-usb-0:1\n"))
    assert (code, "This machine has no USB port pci-0000:00:99.0-usb-0:1." in said) == (1, True)
    code, said = online((str(dock.root / "token"), str(dock.root / "no-token")))
    assert (code, "archive.token_file cannot be read" in said) == (1, True)
    done = alone("config", "check", "--online", "--json", "--config", site_file)[1]
    assert {each["part"] for each in as_described("config-check", done)["world"]} >= {
        "bay 1",
        "spool",
        "archive",
        "receipt key",
    }
