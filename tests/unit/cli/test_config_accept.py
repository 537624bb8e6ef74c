"""`dockd config accept`, as an admin runs it."""

import secrets
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dockd.cli.config import command
from dockd.config.acceptance import in_force, path_of, person
from dockd.config.spool_disk import spool_disk
from tests.sim.block_sysfs import BlockSysfs
from tests.sim.cli_documents import as_described
from tests.unit.config.test_site import GOOD


@pytest.fixture
def site_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site file whose spool lies on an encrypted disk, until the test says otherwise."""
    path = tmp_path / "site.yaml"
    path.write_text(GOOD.replace("/var/lib/dockd/spool", str(tmp_path / "spool")))
    encrypt(tmp_path, monkeypatch)
    return path


def encrypt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dm_uuid: str = "CRYPT-LUKS2-x") -> None:
    """The disk below the test's folder is this."""
    sysfs = BlockSysfs(tmp_path / f"sys-{secrets.token_hex(4)}")
    sysfs.holds(tmp_path, sysfs.mapped("dm-0", dm_uuid, sysfs.disk("sda")))
    monkeypatch.setattr("dockd.cli.config.spool_disk", partial(spool_disk, sys=sysfs.root))


def accept(site_file: Path, *arguments: str, answer: str = "y\n") -> Result:
    """Run it."""
    return CliRunner().invoke(command, ["accept", "--config", str(site_file), *arguments], input=answer)


def test_first_acceptance_shows_everything_that_it_permits(site_file: Path) -> None:
    """And is written only after a yes."""
    refused = accept(site_file, answer="\n")
    assert refused.exit_code == 1
    assert not path_of(site_file).exists()
    done = accept(site_file)
    assert done.exit_code == 0
    assert "  archive.url: http://127.0.0.1:8080/files/\n" in done.output
    assert "  erase.policy: never\n" in done.output
    assert done.output.endswith(f"accepted by {person()}; in {path_of(site_file)}\n")
    assert in_force(site_file).pending == ()


def test_later_acceptance_shows_what_changed(site_file: Path) -> None:
    """Nothing else is put before an admin; what is accepted already needs no second time."""
    accept(site_file, "--yes", answer="")
    site_file.write_text(site_file.read_text() + "erase: {policy: delete}\n")
    done = accept(site_file, "--yes", answer="")
    assert done.exit_code == 0
    assert done.output.splitlines()[1:-1] == ["  erase.policy: delete"]
    again = accept(site_file, "--yes", answer="")
    assert (again.exit_code, again.output.startswith("nothing to accept: ")) == (0, True)


def test_stricter_site_file_withdraws_what_was_accepted(site_file: Path) -> None:
    """So that going back to it asks an admin again."""
    weaker = site_file.read_text() + "erase: {policy: delete}\n"
    stricter = site_file.read_text()
    site_file.write_text(weaker)
    accept(site_file, "--yes")
    site_file.write_text(stricter)
    assert accept(site_file, "--yes").output.splitlines()[1] == "  erase.policy: never"
    site_file.write_text(weaker)
    assert [each.key for each in in_force(site_file).pending] == ["erase.policy"]


def test_spool_in_the_clear_has_to_be_accepted_by_name(site_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--yes is not enough; once accepted for this folder it is not asked for again; encrypted later, it is withdrawn."""
    encrypt(tmp_path, monkeypatch, "LVM-x")
    refused = accept(site_file, "--yes")
    assert (refused.exit_code, "--unencrypted-spool" in refused.output) == (1, True)
    assert "lies on sda, which is not encrypted" in refused.output
    done = accept(site_file, "--yes", "--unencrypted-spool")
    assert (done.exit_code, "on a disk that is not encrypted" in done.output) == (0, True)
    assert accept(site_file, "--yes").output.startswith("nothing to accept")
    encrypt(tmp_path, monkeypatch)
    assert "nothing weaker" in accept(site_file, "--yes").output
    assert in_force(site_file).acceptance.content.guarded.unencrypted_spool is None


def test_a_program_accepts_only_with_a_yes(site_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked nothing, and hears what waits, what was accepted by whom, and what stands against it."""
    waits = accept(site_file, "--json", answer="")
    told = as_described("config-accept", waits.stdout)
    assert (waits.exit_code, told["accepted"], told["by"], "--yes" in told["why"]) == (1, False, None, True)
    assert "erase.policy: never" in told["changes"]
    assert not path_of(site_file).exists()
    done = as_described("config-accept", accept(site_file, "--json", "--yes", answer="").stdout)
    assert done == told | {"accepted": True, "by": person(), "at": done["at"], "why": ""}
    again = accept(site_file, "--json", answer="")
    assert (again.exit_code, as_described("config-accept", again.stdout)) == (0, done | {"changes": []})
    encrypt(tmp_path, monkeypatch, "LVM-x")
    bare = accept(site_file, "--json", "--yes", answer="")
    refused = as_described("config-accept", bare.stdout)
    assert (bare.exit_code, refused["accepted"], "--unencrypted-spool" in refused["why"]) == (1, False, True)


def test_wrong_site_file_is_not_accepted(site_file: Path) -> None:
    """What cannot be in force cannot be accepted."""
    site_file.write_text("dock: 1\n")
    outcome = accept(site_file, "--yes")
    assert outcome.exit_code != 0
    assert not path_of(site_file).exists()


def test_diff_says_what_would_change_and_when(site_file: Path, tmp_path: Path) -> None:
    """Live, at the next start, or once an admin accepted it; exit 1 as diff(1)."""
    new = tmp_path / "new.yaml"
    new.write_text(site_file.read_text().replace("Buffalo", "Detroit") + "erase: {policy: delete}\n")

    def diff(*files: Path) -> Result:
        return CliRunner().invoke(command, ["diff", "--config", str(site_file), str(files[0])])

    for _ in range(2):
        done = diff(new)
        assert done.exit_code == 1
        assert done.output.splitlines() == [
            "site: Buffalo -> Detroit  (at the next start)",
            "erase.policy: never -> delete  (once accepted, live)",
            f"An admin accepts it, once it is there, with: sudo dockd config accept --config {site_file}",
        ]
        accept(site_file, "--yes")
    assert (diff(site_file).exit_code, diff(site_file).output) == (0, "nothing differs\n")


def test_diff_says_the_same_to_programs(site_file: Path, tmp_path: Path) -> None:
    """With what an admin has to accept told apart."""
    new = tmp_path / "new.yaml"
    new.write_text(site_file.read_text().replace("Buffalo", "Detroit") + "erase: {policy: delete}\n")
    done = CliRunner().invoke(command, ["diff", "--config", str(site_file), str(new), "--json"])
    assert done.exit_code == 1
    told = as_described("config-diff", done.stdout)
    assert told["differences"] == [
        {"key": "site", "before": "Buffalo", "after": "Detroit", "live": False, "needs_acceptance": False},
        {"key": "erase.policy", "before": "never", "after": "delete", "live": True, "needs_acceptance": True},
    ]
    assert told["accept_with"] == f"sudo dockd config accept --config {site_file}"
    same = CliRunner().invoke(command, ["diff", "--config", str(site_file), str(site_file), "--json"])
    assert (same.exit_code, as_described("config-diff", same.stdout)) == (0, {"differences": [], "accept_with": ""})
