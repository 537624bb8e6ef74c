"""What an admin accepted stays in force, and nobody else's word counts."""

import json
import os
from pathlib import Path

import pytest

from dockd.config import Erase, Site, load_site
from dockd.config.acceptance import accept, at_start, in_force, path_of, person, standing, standing_or_none
from dockd.config.guarded import guarded
from dockd.errors import ConfigError
from tests.unit.config.test_site import GOOD

AT = "2026-11-28T04:00:00.000Z"
ERASING = GOOD + "erase: {policy: delete}\n"

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    """A site file that nobody has accepted."""
    path = tmp_path / "site.yaml"
    path.write_text(GOOD)
    return path


def accepted(path: Path, *, unencrypted_spool: bool = False) -> Site:
    """The site file of `path`, accepted as it is."""
    site = load_site(path)
    accept(path, site, by="ann", at=AT, unencrypted_spool=unencrypted_spool)
    return site


def used(_: Site) -> bool:
    """A dock that has run before."""
    return True


def never_used(_: Site) -> bool:
    """A dock that has not."""
    return False


def test_nothing_runs_by_a_site_file_that_nobody_accepted(site_file: Path) -> None:
    """The words say what to do."""
    with pytest.raises(ConfigError, match=r"site\.yaml: nobody has accepted this site file yet") as raised:
        in_force(site_file)
    assert raised.value.hint == f"Read it over, then accept it, as root: sudo dockd config accept --config {site_file}"


def test_an_accepted_site_file_is_in_force_as_it_is(site_file: Path) -> None:
    """With who accepted it, when, what, and on which bytes."""
    site = accepted(site_file)
    running = in_force(site_file)
    assert (running.site, running.pending) == (site, ())
    content = running.acceptance.content
    assert (content.by, content.at, content.before, content.guarded) == ("ann", AT, None, guarded(site))
    assert "erase.policy: never" in content.changes
    assert len(running.acceptance.digest) == len(content.site_file_sha256) == 64
    assert path_of(site_file).stat().st_mode & 0o777 == 0o644


def test_a_weaker_site_file_waits_until_it_is_accepted(site_file: Path) -> None:
    """At every start; the acceptance after it says what changed and which one it replaced."""
    accepted(site_file)
    first = in_force(site_file).acceptance
    site_file.write_text(ERASING)
    waiting = in_force(site_file)
    assert waiting.site.erase == Erase()
    assert list(map(str, waiting.pending)) == ["erase.policy: delete instead of never"]
    accepted(site_file)
    now = in_force(site_file)
    assert (now.site.erase.policy, now.pending) == ("delete", ())
    assert (now.acceptance.content.changes, now.acceptance.content.before) == (("erase.policy: delete",), first.digest)


def test_the_first_start_by_the_site_files_owner_accepts_it(site_file: Path) -> None:
    """A dock that somebody tries in a folder of their own needs no ceremony, an unencrypted disk included."""
    running = at_start(site_file, never_used, AT)
    assert running.acceptance.content.by == f"{person()}, by starting the dock for the first time"
    assert running.acceptance.content.guarded.unencrypted_spool == running.site.spool.directory
    site_file.write_text(ERASING)
    assert at_start(site_file, never_used, AT).site.erase.policy == "never", "the second start accepts nothing"


def test_a_dock_that_ran_before_and_lost_its_acceptance_starts_by_nothing(site_file: Path) -> None:
    """Removing the file is no way to have anything accepted."""
    with pytest.raises(ConfigError, match="nobody has accepted"):
        at_start(site_file, used, AT)
    assert not path_of(site_file).exists()


@root_only
def test_the_daemons_account_accepts_nothing_for_an_installed_dock(site_file: Path) -> None:
    """The site file is another account's: its first start waits for an admin."""
    os.chown(site_file, 12345, -1)
    with pytest.raises(ConfigError, match="nobody has accepted"):
        at_start(site_file, never_used, AT)


@root_only
def test_what_somebody_else_could_have_written_was_not_accepted(site_file: Path) -> None:
    """By owner, by mode; and what cannot be a file of ours. Root may accept anew over all of them."""
    accepted(site_file)
    path = path_of(site_file)
    path.chmod(0o664)
    with pytest.raises(ConfigError, match="somebody else than the site file's owner can write it"):
        in_force(site_file)
    path.chmod(0o644)
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="somebody else"):
        in_force(site_file)
    assert standing_or_none(site_file) is None
    accepted(site_file)
    assert in_force(site_file).pending == ()


def test_a_link_a_folder_or_nonsense_is_no_acceptance(site_file: Path, tmp_path: Path) -> None:
    """Each is named, with what to do."""
    path = path_of(site_file)
    path.mkdir()
    with pytest.raises(ConfigError, match=r"site\.accepted\.json: is not a plain file"):
        standing(site_file)
    path.rmdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"site\.accepted\.json: cannot be read \(Too many levels of symbolic links\)"):
        standing(site_file)
    path.unlink()
    for nonsense in (b"", b"\xff", b"[]", b"{}"):
        path.write_bytes(nonsense)
        path.chmod(0o644)
        with pytest.raises(ConfigError, match="is not what `dockd config accept` wrote") as raised:
            standing(site_file)
        assert "dockd config accept" in raised.value.hint


@pytest.mark.parametrize(("key", "value"), [("ca_file", "ca.pem"), ("ca_file", 1), ("url", 1), ("surprise", 1)])
def test_an_acceptance_is_read_strictly(site_file: Path, key: str, value: object) -> None:
    """A hand that edits it makes it worth nothing rather than something else."""
    accepted(site_file)
    path = path_of(site_file)
    content = json.loads(path.read_bytes())
    content["guarded"]["archive"][key] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="is not what `dockd config accept` wrote"):
        standing(site_file)


def test_whoever_cannot_write_there_accepts_nothing(tmp_path: Path) -> None:
    """The words say as whom to do it; nothing is left behind."""
    folder = tmp_path / "etc"
    folder.mkdir()
    site_file = folder / "site.yaml"
    site_file.write_text(GOOD)
    path_of(site_file).mkdir()
    (path_of(site_file) / "in-the-way").touch()
    with pytest.raises(ConfigError, match="cannot be written") as raised:
        accepted(site_file)
    assert raised.value.hint.startswith("As root: sudo dockd config accept")
    assert {each.name for each in folder.iterdir()} == {"site.yaml", "site.accepted.json"}


def test_a_site_file_that_is_gone_is_named(tmp_path: Path, site_file: Path) -> None:
    """Whatever is asked of it."""
    site = accepted(site_file)
    site_file.unlink()
    with pytest.raises(ConfigError, match=r"site\.yaml: cannot be read"):
        in_force(site_file)
    with pytest.raises(ConfigError, match=r"site\.yaml: cannot be read"):
        standing(site_file)
    with pytest.raises(ConfigError, match=r"site\.yaml: cannot be read"):
        accept(site_file, site, by="ann", at=AT, unencrypted_spool=False)
    with pytest.raises(ConfigError, match=r"site\.yaml: cannot be read"):
        at_start(tmp_path / "site.yaml", never_used, AT)


def test_a_person_is_named_with_who_is_behind_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root is nobody in particular; what sudo says cannot smuggle a line end into the log."""
    monkeypatch.setattr("dockd.config.acceptance._logged_in", lambda: "")
    monkeypatch.delenv("SUDO_USER", raising=False)
    account = person()
    monkeypatch.setenv("SUDO_USER", "ann\nroot accepted")
    assert person() == f"{account} (annroot accepted)"
    monkeypatch.setattr("dockd.config.acceptance._logged_in", lambda: "bob")
    assert person() == f"{account} (bob)"
    monkeypatch.setattr("dockd.config.acceptance._logged_in", lambda: account)
    assert person() == account


def test_an_account_without_a_name_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories of accounts can be away."""
    monkeypatch.setattr("dockd.config.acceptance.os.getuid", lambda: 987654)
    assert person().startswith("uid 987654")
