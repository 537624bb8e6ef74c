"""`dockd config` and `dockd version`, as an admin and as a program call them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import dockd
from dockd.cli.config import command as config_command
from dockd.cli.version import command as version_command
from dockd.config.schema import Kind, printed
from tests.sim.cli_documents import as_described

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config" / "site.example.yaml"
DOCKD = Path(sys.executable).with_name("dockd")


def dockd_command(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The real console script, in its own process."""
    return subprocess.run([DOCKD, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def test_a_good_site_file_is_summed_up_in_plain_words(tmp_path: Path) -> None:
    """Exit 0, nothing on standard error, and what matters in the first line."""
    done = dockd_command("config", "check", "--config", EXAMPLE, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "site file is good: dock balt-ero-01, 2 bays, archive https://vault.example.org:8443/files/",
        "  belongs to   ICE ERO, Baltimore (America/New_York)",
        "  profiles     dcf",
        "  archived     once the archive signed a receipt for it",
        "  cameras are  never erased",
        "  take it      once everything is archived",
    ]


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        ("kind: tus\n  proof: read-back\n  id: tus-1", "it was fetched back and compared"),
        (
            "kind: s3\n  s3: {bucket: evidence, credentials_file: /etc/dockd/s3}",
            "the store showed checksum and lock, or gave it back",
        ),
    ],
)
def test_a_site_whose_proofs_nobody_signs_says_what_that_means(tmp_path: Path, archive: str, words: str) -> None:
    """What counts as archived, and that no camera is emptied by it."""
    text = EXAMPLE.read_text(encoding="utf-8").partition("bays:")[0] + 'bays:\n  - {id: "1", directory: /srv/bays/1}\n'
    text += f"spool: {{directory: /var/lib/dockd/spool}}\narchive:\n  url: https://archive.example.org/files/\n  {archive}\n"
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    done = dockd_command("config", "check", "--config", "site.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"  archived     once {words}; nobody signs that, so no camera is emptied" in done.stdout.splitlines()


ERASED = "erased once the archive has proved that it holds everything"
NEVER_IN_FOLDERS = "never erased in directory bays (erase.directory_erase is false)"


@pytest.mark.parametrize(
    ("bays", "words", "never"),
    [
        (("usb", "usb"), ERASED, []),
        (("usb", "folder"), f"{ERASED}; {NEVER_IN_FOLDERS}", ["2"]),
        (("folder",), NEVER_IN_FOLDERS, ["1"]),
    ],
)
def test_a_site_says_which_bays_are_erased(tmp_path: Path, bays: tuple[str, ...], words: str, never: list[str]) -> None:
    """Cameras in USB bays under the policy alone, folders only where that is written too; for people and for programs."""
    text = EXAMPLE.read_text(encoding="utf-8").partition("bays:")[0] + "bays:\n"
    for number, kind in enumerate(bays, 1):
        where = f'usb_port: "pci-0000:00:14.0-usb-0:{number}"' if kind == "usb" else "directory: /srv/bays/x"
        text += f'  - {{id: "{number}", {where}}}\n'
    text += "spool: {directory: /var/lib/dockd/spool}\narchive:\n  kind: tus\n  url: http://127.0.0.1:8080/files/\n"
    text += '  key: "ed25519:4ER87XYQ41M8xOKoyDKsL5ft3QDVdboZgquKMXe0ea8="\nerase: {policy: delete}\n'
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    done = dockd_command("config", "check", "--config", "site.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"  cameras are  {words}" in done.stdout.splitlines()
    facts = as_described("config-check", dockd_command("config", "check", "--config", "site.yaml", "--json", cwd=tmp_path).stdout)
    assert facts["never_erased"] == never


def test_a_bad_site_file_is_exit_2_with_a_line_for_each_problem(tmp_path: Path) -> None:
    """As file:line:col: what, and what was expected, with the file as the admin named it."""
    text = EXAMPLE.read_text(encoding="utf-8").replace("time_zone:", "timezone:").replace('id: "2"', "id: 2")
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    done = dockd_command("config", "check", "--config", "site.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert re.fullmatch(r"site\.yaml:\d+:1: unknown key 'timezone', expected 'time_zone'; .*", first)
    assert re.fullmatch(r'site\.yaml:\d+:9: bays\[1\]\.id: 2 is a number, expected text; put it in quotes: "2"', second)


def test_a_site_file_that_is_not_there_is_exit_2(tmp_path: Path) -> None:
    """It has no line to name, but the file is named."""
    done = dockd_command("config", "check", "--config", "nowhere.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nowhere.yaml: cannot be read (No such file or directory), expected a YAML file\n"


def test_version_names_this_dockd(tmp_path: Path) -> None:
    """One line, for people and bug reports."""
    done = dockd_command("version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"dockd {dockd.__version__}\n", "")


def test_a_bad_profile_is_exit_2_too(tmp_path: Path) -> None:
    """A site is only as good as the profiles that it names."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "acme.yaml").write_text('name: acme\npresent: /DCIM\nfolders: [DCIM]\nrecordings: ["*.MP4"]\n', encoding="utf-8")
    site = tmp_path / "site.yaml"
    site.write_text(f"{EXAMPLE.read_text(encoding='utf-8')}\nprofiles:\n  directory: {profiles}\n", encoding="utf-8")
    outcome = CliRunner().invoke(config_command, ["check", "--config", str(site)])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"{profiles}/acme.yaml:2:10: present: '/DCIM' does not stay on the camera")


def test_json_says_what_a_good_file_makes() -> None:
    """For programs that roll out hundreds of docks."""
    outcome = CliRunner().invoke(config_command, ["check", "--json", "--config", str(EXAMPLE)])
    assert outcome.exit_code == 0
    said = as_described("config-check", outcome.stdout)
    assert (said["good"], said["problems"], said["dock"], said["bays"]) == (True, [], "balt-ero-01", ["1", "2"])
    assert said["erase"] == {"policy": "never", "directory_erase": False}


def test_json_lists_the_problems(tmp_path: Path) -> None:
    """Standard output stays JSON; people find the same on standard error."""
    site = tmp_path / "site.yaml"
    site.write_text("dock: 1\n", encoding="utf-8")
    outcome = CliRunner().invoke(config_command, ["check", "--json", "--config", str(site)])
    assert outcome.exit_code == 2
    said = as_described("config-check", outcome.stdout)
    assert (said["good"], said["file"]) == (False, str(site))
    assert said["problems"] == outcome.stderr.splitlines()
    assert f'{site}:1:7: dock: 1 is a number, expected text; put it in quotes: "1"' in said["problems"]


@pytest.mark.parametrize(
    ("erase", "words"),
    [
        ("policy: delete", NEVER_IN_FOLDERS),
        ("policy: delete\n  directory_erase: true", ERASED),
        (
            "policy: clear\n  directory_erase: true",
            "cleared where their profile says so, and erased elsewhere, once the archive has proved that it holds everything",
        ),
    ],
)
def test_the_summary_says_when_cameras_are_erased(tmp_path: Path, erase: str, words: str) -> None:
    """The one thing that nobody may find out by surprise."""
    site = tmp_path / "site.yaml"
    old = "policy: never\n  # Directory bays are emptied too.\n  directory_erase: false"
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    site.write_text(text.replace(old, erase), encoding="utf-8")
    outcome = CliRunner().invoke(config_command, ["check", "--config", str(site)])
    assert f"cameras are  {words}\n" in outcome.stdout


@pytest.mark.parametrize("kind", list(Kind))
def test_schema_prints_what_editors_use(kind: Kind) -> None:
    """The same text as in the package."""
    assert CliRunner().invoke(config_command, ["schema", kind.value]).stdout == printed(kind)


def test_json_version_names_what_dockd_stands_on() -> None:
    """Cryptography, database and interpreter belong in a bug report."""
    said = json.loads(CliRunner().invoke(version_command, ["--json"]).stdout)
    assert said["dockd"] == dockd.__version__
    assert all(re.match(r"\d+\.\d+", said[name]) for name in ("python", "sqlite", "openssl"))


@pytest.mark.parametrize("arguments", [["check", "--help"], ["schema", "--help"]])
def test_help_shows_examples(arguments: list[str]) -> None:
    """Each verb's help can be copied from."""
    outcome = CliRunner().invoke(config_command, arguments)
    assert outcome.exit_code == 0
    assert "Examples:" in outcome.stdout
    assert "  dockd config " in outcome.stdout
