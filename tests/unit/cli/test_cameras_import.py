"""`dockd cameras import`, as an admin runs it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dockd.cli.cameras import command
from dockd.config import load_site
from tests.sim.cli_documents import as_described
from tests.unit.config.test_site import GOOD

SHEET = "Serial number;Assigned officer;End of shift\nX2;B. Jones;18:00\nX1;A. Smith;\n"


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    """A site file that names a roster which is not there yet, and an alert that needs it."""
    path = tmp_path / "site.yaml"
    path.write_text(GOOD + "roster: roster.csv\nalerts: {undocked_hours: 4}\ncameras: [{serial: X9}]\n")
    return path


def take(site_file: Path, sheet: str, *arguments: str, answer: str = "y\n") -> Result:
    """Run it."""
    path = site_file.with_name("sheet.csv")
    path.write_text(sheet)
    return CliRunner().invoke(command, ["import", str(path), "--config", str(site_file), *arguments], input=answer)


def test_a_spreadsheet_becomes_the_roster(site_file: Path) -> None:
    """After a yes; sorted, in the roster's own form."""
    assert take(site_file, SHEET, answer="\n").exit_code == 1
    assert not site_file.with_name("roster.csv").exists()
    done = take(site_file, SHEET)
    assert done.exit_code == 0
    assert done.output.startswith("+ X2, B. Jones, 18:00\n+ X1, A. Smith\n")
    assert done.output.endswith(f"{site_file.with_name('roster.csv')}: 2 cameras\n")
    assert site_file.with_name("roster.csv").read_text() == "serial,officer,shift_ends\nX1,A. Smith,\nX2,B. Jones,18:00\n"
    assert [camera.serial for camera in load_site(site_file).cameras] == ["X9", "X1", "X2"]


def test_what_changes_is_shown(site_file: Path) -> None:
    """Who comes, who goes, who is somebody else's now; the same again is nothing."""
    take(site_file, SHEET, "--yes")
    done = take(site_file, "serial,officer,shift_ends\nX3,C. Lee,\nX2,B. Jones,22:00\n", "--yes")
    assert done.output.splitlines()[:-1] == ["+ X3, C. Lee", "- X1, A. Smith", "~ X2, B. Jones, 22:00 (was X2, B. Jones, 18:00)"]
    assert take(site_file, "serial,officer,shift_ends\nX3,C. Lee,\nX2,B. Jones,22:00\n").output == "nothing differs\n"


def test_a_program_hears_what_would_change_and_what_did(site_file: Path) -> None:
    """It is asked nothing: without --yes nothing is written."""
    roster = site_file.with_name("roster.csv")
    plan = {"roster": str(roster), "changes": ["+ X2, B. Jones, 18:00", "+ X1, A. Smith"], "cameras": 2}
    for arguments, code, written in (((), 1, False), (("--yes",), 0, True)):
        done = take(site_file, SHEET, "--json", *arguments, answer="")
        assert as_described("cameras-import", done.stdout) == plan | {"written": written}
        assert (done.exit_code, roster.exists()) == (code, written)
    same = take(site_file, SHEET, "--json", answer="")
    assert (same.exit_code, as_described("cameras-import", same.stdout)) == (0, plan | {"changes": [], "written": True})


@pytest.mark.parametrize(
    ("text", "sheet", "words"),
    [
        ("roster: roster.csv\n", "serial\nX 1\n", "sheet.csv:2:1: serial: 'X 1' is not a serial"),
        ("", SHEET, "site.yaml: names no roster"),
        ("roster: roster.csv\ncameras: [{serial: X1}]\n", SHEET, "sheet.csv: camera X1 stands in the site file itself"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(site_file: Path, text: str, sheet: str, words: str) -> None:
    """Row by row."""
    site_file.write_text(GOOD + text)
    outcome = take(site_file, sheet, "--yes")
    assert words in str(outcome.exception)
    assert not site_file.with_name("roster.csv").exists()


def test_a_folder_that_cannot_be_written_is_named(site_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left half written."""

    def refuses(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dockd.config.importing.os.fsync", refuses)
    outcome = take(site_file, SHEET, "--yes")
    assert r"roster.csv: cannot be written (No space left on device)" in str(outcome.exception)
    assert {path.name for path in site_file.parent.iterdir()} == {"site.yaml", "sheet.csv"}
