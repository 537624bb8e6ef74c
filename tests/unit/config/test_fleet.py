"""The five-city fleet of config/, and what a spreadsheet of a fleet may get wrong."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from dockd.cli.config import command
from dockd.config import load_site
from dockd.config.fleet import write_fleet
from dockd.errors import ConfigError

FLEET = Path(__file__).parents[3] / "config" / "fleet"
HEAD = "dock,division,site,time_zone,serial,officer,shift_ends\n"
ROW = "balt-ero-01,ERO,Baltimore,America/New_York,X1,A. Smith,18:00\n"


def test_the_fleet_of_five_cities_is_made_of_one_spreadsheet(tmp_path: Path) -> None:
    """1,600 cameras, each at one dock; two divisions; every dock's files are good."""
    done = CliRunner().invoke(command, ["fleet", str(FLEET / "fleet.csv"), str(FLEET / "dock.yaml"), "--output", str(tmp_path)])
    assert (done.exit_code, done.output) == (0, f"{tmp_path}: 50 docks, each with site.yaml and roster.csv, all of them good\n")
    sites = [load_site(folder / "site.yaml") for folder in sorted(tmp_path.iterdir())]
    serials = [camera.serial for site in sites for camera in site.cameras]
    assert len(serials) == len(set(serials)) == 1600
    assert {(site.site, site.division) for site in sites} == {
        (city, division)
        for city in ("Baltimore", "Philadelphia", "Washington", "Buffalo", "Detroit")
        for division in ("ERO", "HSI")
    }
    assert all(len(site.bays) == len(site.cameras) == 32 for site in sites)
    assert {site.time_zone for site in sites if site.site == "Detroit"} == {"America/Detroit"}


def fleet(folder: Path, content: str, template: str = "dock: $dock\n") -> None:
    """Make a fleet of these texts."""
    (folder / "fleet.csv").write_text(content)
    (folder / "dock.yaml").write_text(template)
    write_fleet(folder / "fleet.csv", folder / "dock.yaml", folder / "out")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", r"fleet\.csv:1:1: the first row has no column dock, division, .*"),
        ("dock,division\n", r"fleet\.csv:1:1: the first row has no column site, time_zone, serial, .*"),
        (HEAD + "balt-ero-01,ERO\n", r"fleet\.csv:2:1: expected 7 cells: dock, .*"),
        (HEAD + ROW.replace("\n", ",more\n"), r"fleet\.csv:2:1: expected 7 cells"),
        (HEAD + ROW + ROW, r"fleet\.csv:3:1: serial X1 is also in line 2, expected it once in a fleet"),
        (
            HEAD + ROW + ROW.replace("X1", "X2").replace("ERO", "HSI"),
            r"fleet\.csv:3:1: dock balt-ero-01 stands elsewhere than",
        ),
        (HEAD + ROW.replace("18:00", "18h"), r"fleet\.csv:2:1: shift_ends: '18h' is not a time of day"),
        (HEAD + ROW.replace("X1", "X 1"), r"fleet\.csv:2:1: serial: 'X 1' is not a serial"),
        (HEAD + '"balt', r"fleet\.csv:\d:1: not CSV"),
        (HEAD + ROW, r"site\.yaml:1:1: key 'agency' is missing"),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path: Path, content: str, words: str) -> None:
    """And so is what comes of a template."""
    with pytest.raises(ConfigError, match=words):
        fleet(tmp_path, content)


@pytest.mark.parametrize(
    ("template", "words"), [("$city", r"\$city stands for nothing, expected \$dock"), ("50 $", "expected \\$\\$")]
)
def test_a_template_that_is_wrong_is_named(tmp_path: Path, template: str, words: str) -> None:
    """Nothing is left half filled in."""
    with pytest.raises(ConfigError, match=words):
        fleet(tmp_path, HEAD + ROW, template)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(ConfigError, match=r"out/balt-ero-01: cannot be written \(Not a directory\)"):
        fleet(tmp_path, HEAD + ROW)
