import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from dockd.config import load_site
from dockd.journal.schema import MIGRATIONS
from tests.gates.source import ROOT, text

NEWEST = len(MIGRATIONS)

_CUT_OFF = """
import os, signal, sqlite3, sys
journal = sqlite3.connect(sys.argv[1], isolation_level=None)
journal.execute("PRAGMA wal_autocheckpoint = 0")
journal.execute(f"PRAGMA user_version = {sys.argv[2]}")
os.kill(os.getpid(), signal.SIGKILL)
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(tmp_path: Path) -> Run:
    """Runs a maintainer script as the package has it, but over a machine that is a temporary folder."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        source = text(f"packaging/debian/dockd.{name}")
        source = source.replace("#SPOOL#", text("packaging/debian/spool.sh")).replace("#SCHEMA#", str(NEWEST))
        for folder in ("/etc/dockd", "/var/lib/misc", "/var/lib/dockd", "/run/udev", "/sys/bus", "/sys/module"):
            (tmp_path / folder[1:]).mkdir(parents=True, exist_ok=True)
            source = source.replace(folder, str(tmp_path) + folder)
        return subprocess.run(["sh", "-c", source, name, *arguments], capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """The spool where the site file would have it if it said nothing else."""
    folder = tmp_path / "var/lib/dockd/spool"
    (folder / "recordings/verified").mkdir(parents=True)
    return folder


def _usb(tmp_path: Path, default: str) -> dict[str, Path]:
    """Two root hubs of a machine, one of which serves bays and so lets nothing in."""
    (tmp_path / "run/udev/rules.d").mkdir(parents=True)
    (tmp_path / "run/udev/rules.d/59-dockd-bays.rules").touch()
    (tmp_path / "sys/module/usbcore/parameters").mkdir(parents=True)
    (tmp_path / "sys/module/usbcore/parameters/authorized_default").write_text(f"{default}\n")
    hubs = {name: tmp_path / f"sys/bus/usb/devices/{name}" for name in ("usb1", "usb2")}
    for path, (hub, interface) in zip(hubs.values(), [("0", "0"), (default.removeprefix("-"), "1")], strict=True):
        path.mkdir(parents=True)
        (path / "authorized_default").write_text(f"{hub}\n")
        (path / "interface_authorized_default").write_text(f"{interface}\n")
    return hubs


@pytest.mark.parametrize(("default", "handed_back"), [("-1", "1"), ("1", "1"), ("2", "2"), ("0", "0")])
def test_removing_gives_the_ports_back_to_the_system(script: Run, tmp_path: Path, default: str, handed_back: str) -> None:
    """To whatever the system lets in by default, which an admin may have chosen; other hubs are left alone."""
    hubs = _usb(tmp_path, default)
    script("postrm", "remove")
    assert not (tmp_path / "run/udev/rules.d/59-dockd-bays.rules").exists()
    for name, value in (("authorized_default", handed_back), ("interface_authorized_default", "1")):
        assert (hubs["usb1"] / name).read_text().strip() == value
    assert (hubs["usb2"] / "authorized_default").read_text().strip() == default.removeprefix("-")


def test_a_machine_without_usb_bays_keeps_its_hubs(script: Run, tmp_path: Path) -> None:
    """What dockd has not changed it does not change back."""
    hubs = _usb(tmp_path, "-1")
    (tmp_path / "run/udev/rules.d/59-dockd-bays.rules").unlink()
    script("postrm", "remove")
    assert (hubs["usb1"] / "authorized_default").read_text().strip() == "0"


def _site(tmp_path: Path, spool: str) -> Path:
    """The example's site file with another way to say where the spool is."""
    before, _, rest = text("config/site.example.yaml").partition("\nspool:\n")
    path = tmp_path / "etc/dockd/site.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}\n{spool}\n" + rest[rest.index("\narchive:") :])
    return path


def _journal(path: Path, version: int) -> None:
    """A journal whose tables say that they are of `version`."""
    with sqlite3.connect(path, isolation_level=None) as journal:
        journal.execute("PRAGMA journal_mode = WAL")
        journal.execute("CREATE TABLE something (it)")
        journal.execute(f"PRAGMA user_version = {version}")
    journal.close()


@pytest.mark.parametrize(
    "said",
    [
        "spool:\n  directory: /srv/spool",
        'spool:\n  directory: "/srv/a spool"   # on a disk of its own',
        "spool:\n  keep_free: 2 GiB\n  # directory: /old/spool\n  directory: '/srv/spool'",
        "spool: {directory: /srv/spool, keep_free: 1 GiB}",
        "spool:\n    {directory: /srv/spool}",
        "spool: # here\n  directory:   /srv/spool-2/x#y",
    ],
)
def test_the_scripts_find_the_spool_where_the_daemon_does(tmp_path: Path, said: str) -> None:
    """Shell and loader read the same place from the site file, however it is written."""
    path = _site(tmp_path, said)
    source = text("packaging/debian/spool.sh").replace("/etc/dockd/site.yaml", str(path))
    found = subprocess.run(["sh", "-c", f"{source}\nspool_directory"], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == str(load_site(path).spool.directory)


@pytest.mark.parametrize(("version", "accepted"), [(0, True), (NEWEST, True), (NEWEST + 1, False), (300, False)])
@pytest.mark.parametrize("action", ["install", "upgrade"])
def test_an_older_package_is_refused_over_a_newer_journal(
    script: Run, spool: Path, action: str, version: int, *, accepted: bool
) -> None:
    """What the package's own dockd could not read is refused before anything is unpacked."""
    _journal(spool / "journal.sqlite", version)
    run = script("preinst", action, "9.9")
    assert (run.returncode == 0, "older than the journal" in run.stderr) == (accepted, not accepted), run.stderr


def test_what_a_power_cut_left_beside_the_journal_counts(script: Run, spool: Path) -> None:
    """A version that stands only in the journal's -wal is seen, and nothing of the journal is touched."""
    journal = spool / "journal.sqlite"
    _journal(journal, NEWEST)
    cut = subprocess.run([sys.executable, "-c", _CUT_OFF, journal, str(NEWEST + 1)], timeout=60, check=False)
    assert cut.returncode == -signal.SIGKILL
    before = {each.name: each.read_bytes() for each in spool.iterdir() if each.is_file()}
    assert int.from_bytes(before["journal.sqlite"][60:64], "big") == NEWEST
    assert script("preinst", "upgrade", "9.9").returncode == 1
    assert {each.name: each.read_bytes() for each in spool.iterdir() if each.is_file()} == before


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"\xd4o\xd8" * 50])
def test_a_journal_that_is_none_stops_no_installation(script: Run, spool: Path, content: bytes) -> None:
    """A damaged journal is the daemon's to report; the package that may mend it can be installed."""
    (spool / "journal.sqlite").write_bytes(content)
    assert script("preinst", "install").returncode == 0


def test_purge_names_the_footage_and_deletes_none(script: Run, tmp_path: Path, spool: Path) -> None:
    """Whoever purges the package hears how many recordings are left and where, also when the site file is gone already."""
    elsewhere = tmp_path / "elsewhere"
    spool.rename(elsewhere)
    site = _site(tmp_path, f"spool:\n  directory: {elsewhere}")
    for number in range(3):
        (elsewhere / "recordings/verified" / f"{number:032x}").write_bytes(bytes(1000))
        (elsewhere / "recordings" / f"{number:032x}.json").write_bytes(b"{}")
    (elsewhere / "recordings" / f"{7:032x}.part").write_bytes(b"x")
    before = sorted(elsewhere.rglob("*"))
    removed = script("postrm", "remove")
    site.unlink()
    purged = script("postrm", "purge")
    for run in (removed, purged):
        assert run.returncode == 0
        assert f"{elsewhere} holds 3 recordings" in run.stdout
        assert "1 unfinished" in run.stdout
    assert sorted(elsewhere.rglob("*")) == before
    assert not list((tmp_path / "var/lib/misc").iterdir())


@pytest.mark.parametrize(("content", "words"), [(None, "is missing"), ("example", "still the example"), ("example\n# ours", "")])
def test_the_example_is_told_from_a_site_file(tmp_path: Path, content: str | None, words: str) -> None:
    """The service is skipped with a sentence about what to do, until somebody has described the dock."""
    site, example = tmp_path / "site.yaml", tmp_path / "example"
    example.write_text("example")
    if content is not None:
        site.write_text(content)
    source = text("packaging/systemd/site-file-is-ours").replace("/usr/share/dockd/site.example.yaml", str(example))
    run = subprocess.run(["sh", "-c", source, "x", str(site)], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, bool(run.stderr)) == ((1, True) if words else (0, False))
    assert words in run.stderr


def test_every_line_of_a_unit_has_its_reason() -> None:
    """Nothing is allowed or forbidden without a comment right above it, or above the lines that it shares the reason with."""
    for unit in (ROOT / "packaging/systemd").glob("*.service"):
        lines = unit.read_text("utf-8").partition("[Service]")[2].partition("User=")[2].partition("[Install]")[0].splitlines()
        for above, line in pairwise(lines):
            if line and not line.startswith("#"):
                assert above, f"{unit.name}: {line}"


def test_the_manual_has_every_verb_option_and_key(tmp_path: Path) -> None:
    """The pages come from the program, so whatever --help and the schemas know stands in them."""
    subprocess.run([sys.executable, ROOT / "packaging/man/pages.py", tmp_path], timeout=60, check=True)
    verbs = (tmp_path / "dockd.1").read_text("utf-8")
    for words in (".SS dockd journal rebuild", ".SS dockd vault token", r"\-\-listen", ".SH EXIT STATUS", r"\fB4\fR"):
        assert words in verbs
    keys = (tmp_path / "dockd-site.yaml.5").read_text("utf-8")
    for words in (r"\fBspool.keep_free\fR", r"\fBbays[].id\fR", "Default: 1 GiB.", "agency: ICE"):
        assert words in keys
    assert r"\fBserial.line\fR" in (tmp_path / "dockd-profile.yaml.5").read_text("utf-8")
