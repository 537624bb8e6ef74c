import base64
import os
from pathlib import Path

import pytest

from dockd.config import load_site
from dockd.config.acceptance import accept, path_of
from dockd.core.erasure import Method
from dockd.core.handover import HANDOVER_TYPE, Handover
from dockd.dsse import SigningKey
from dockd.errors import ConfigError
from dockd.helper.permitted import Current, permitted
from tests.sim.bay_sysfs import PORT

KEY = "ed25519:4ER87XYQ41M8xOKoyDKsL5ft3QDVdboZgquKMXe0ea8="
OTHER_KEY = "ed25519:" + "A" * 43 + "="

SITE = f"""\
agency: ICE
division: ERO
site: Buffalo
dock: buf-ero-02
time_zone: America/New_York
bays:
  - {{id: "3", usb_port: "{PORT}"}}
  - {{id: "folder", directory: /srv/bays/1}}
spool:
  directory: /var/lib/dockd/spool
archive:
  kind: tus
  url: http://127.0.0.1:8080/files/
  key: "{KEY}"
"""
PROFILE = """\
name: acme
present: VIDEO
folders: [VIDEO]
recordings: ["*.MP4"]
usb: [{vendor: "2c9b"}]
filesystem: exfat
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes root's files")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site file with a folder of one profile."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/acme.yaml").write_text(PROFILE)
    path = tmp_path / "site.yaml"
    path.write_text(SITE + f"profiles: {{directory: {tmp_path}/profiles}}\n")
    return path


def test_usb_bays_and_usb_profiles_are_permitted(site: Path) -> None:
    """Directory bays, and profiles that name no device, are no business of the helper."""
    found = permitted(site)
    assert found.ports == {"3": PORT}
    assert [profile.name for profile in found.profiles] == ["acme"]
    assert found.profile_of(0x2C9B, 1) is found.profiles[0]
    assert found.profile_of(0x0951, 1) is None


@pytest.mark.parametrize("name", ["site.yaml", ".", "profiles", "profiles/acme.yaml"])
def test_files_that_others_can_write_permit_nothing(site: Path, name: str) -> None:
    """Otherwise whoever has become the daemon would say which ports are bays."""
    path = site.parent / name
    path.chmod(path.stat().st_mode | 0o020)
    with pytest.raises(ConfigError, match="others than root can write it"):
        permitted(site)
    path.chmod(path.stat().st_mode & ~0o020)
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="others than root can write it"):
        permitted(site)


def test_a_missing_site_file_permits_nothing(tmp_path: Path) -> None:
    """The words name the file."""
    with pytest.raises(ConfigError, match=r"site\.yaml: cannot be read"):
        permitted(tmp_path / "site.yaml")


def test_what_is_permitted_follows_the_files(site: Path) -> None:
    """Nothing is read twice while nothing changed; a changed profile counts at the next request, a broken one permits nothing."""
    current = Current(site)
    first = current()
    assert current() is first
    profile = site.parent / "profiles/acme.yaml"
    profile.write_text(PROFILE.replace("2c9b", "0951"))
    assert current().profile_of(0x0951, 1) is not None
    profile.write_text("name: [")
    for _ in range(2):
        with pytest.raises(ConfigError):
            current()


def test_nothing_is_erased_that_no_admin_accepted(site: Path) -> None:
    """The policy in the site file is a wish until it was accepted; so is another key; and only root's word counts."""
    site.write_text(site.read_text() + "erase: {policy: delete}\n")
    wished = permitted(site)
    assert (wished.erase, wished.keys, wished.dock) == (Method.NEVER, (), "buf-ero-02")
    accept(site, load_site(site), by="root", at="2026-11-28T03:00:00Z", unencrypted_spool=True)
    accepted = permitted(site)
    assert (accepted.erase, accepted.keys) == (Method.DELETE, (KEY,))
    site.write_text(site.read_text().replace("policy: delete", "policy: clear").replace(KEY, OTHER_KEY))
    weaker = permitted(site)
    assert (weaker.erase, weaker.keys) == (Method.DELETE, (KEY,))
    os.chown(path_of(site), 12345, -1)
    with pytest.raises(ConfigError, match="can write it"):
        permitted(site)


def test_a_key_that_was_handed_over_to_erases(site: Path) -> None:
    """By a statement that the accepted key signed, in a file that only root writes; one by another key changes nothing."""
    old, new = SigningKey.generate(), SigningKey.generate()
    site.write_text(site.read_text().replace(KEY, old.public_text))
    accept(site, load_site(site), by="root", at="2026-11-28T03:00:00Z", unencrypted_spool=True)
    statement = Handover("vault-01", old.public_text, new.public_text, "2026-11-28T03:00:00Z").payload()
    signed = base64.b64encode(old.sealed(statement, HANDOVER_TYPE)).decode()
    both = f"key: {new.public_text}\n  handovers: [{signed}]"
    site.write_text(site.read_text().replace(f'key: "{old.public_text}"', both))
    assert permitted(site).keys == (old.public_text, new.public_text)
    site.write_text(site.read_text().replace(f"\n  handovers: [{signed}]", ""))
    assert permitted(site).keys == (old.public_text,)


def test_an_acceptance_counts_at_the_next_request(site: Path) -> None:
    """Nobody has to restart the helper."""
    site.write_text(site.read_text() + "erase: {policy: delete}\n")
    current = Current(site)
    assert current().erase is Method.NEVER
    accept(site, load_site(site), by="root", at="2026-11-28T03:00:00Z", unencrypted_spool=True)
    assert current().erase is Method.DELETE
