"""A spreadsheet of cameras, as admins keep it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockd.config import Site, load_site
from dockd.config.office import Camera
from dockd.config.roster import LIMIT_BYTES, parse_roster, read_roster, written
from dockd.errors import ConfigError
from tests.unit.config.test_site import GOOD

SMITH = Camera(serial="X1", officer="A. Smith", shift_ends="18:00")
JONES = Camera(serial="X2", officer="Jones, B.")
SPARE = Camera(serial="X3")
NO_TIME = 'is not a time of day, expected hours and minutes from 00:00 to 23:59, such as "18:00"'


@pytest.mark.parametrize(
    "text",
    [
        'serial,officer,shift_ends\nX1,A. Smith,18:00\nX2,"Jones, B.",\nX3,,\n',
        "\ufeffSerial number;Assigned officer;End of shift\r\nX1;A. Smith;18:00:00\r\n\r\nX2;Jones, B.;\r\nX3\r\n",
        "officer\tserial\tshift_ends\nA. Smith\t X1 \t18:00\nJones, B.\tX2\t\n\tX3\t\n",
    ],
)
def test_what_spreadsheets_write_is_read(text: str) -> None:
    """Commas, semicolons, tabs, quotes, a byte order mark, empty rows, other words for the columns."""
    assert parse_roster(text.encode(), file="roster.csv") == (SMITH, JONES, SPARE)


def test_early_hours_need_no_zero() -> None:
    """As spreadsheets write them."""
    assert parse_roster(b"serial,shift_ends\nX1,6:30\n", file="r") == (Camera(serial="X1", shift_ends="06:30"),)
    rows = b"camera,start of shift\nX1,6:30:00\nX2,\n"
    assert parse_roster(rows, file="r") == (Camera(serial="X1", shift_starts="06:30"), Camera(serial="X2"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["r.csv:1:1: the first row has no column serial, expected serial,officer,shift_ends,shift_starts"]),
        (b"serial,offcer\n", ["r.csv:1:2: column 'offcer' is unknown, expected officer"]),
        (b"serial,serial number\n", ["r.csv:1:2: column 'serial number' is here twice"]),
        (
            b"serial,colour\nX1,red\n",
            ["r.csv:1:2: column 'colour' is unknown, expected serial, officer, shift_ends, shift_starts"],
        ),
        (
            b"serial,officer,shift_ends\nX 1,A,18:00\n\nX2,B,25:00\n,C,\nX3,D,18:00,more\nX2,B,\n",
            [
                "r.csv:2:1: serial: 'X 1' is not a serial, expected 1 to 64 letters, digits and . _ : -, such as X60A01234",
                f"r.csv:4:3: shift_ends: '25:00' {NO_TIME}",
                "r.csv:5:1: serial: is empty, expected the camera's serial",
                "r.csv:6:4: 4 cells, expected 3: serial, officer, shift_ends",
                "r.csv:7:1: serial X2 is also in line 4, expected it once",
            ],
        ),
        (b"serial\nX1\n\xff\n", ["r.csv:3:1: byte 0xff is not UTF-8, expected the file saved as CSV UTF-8"]),
        (b"serial\nX1\n\x00\n", ["r.csv:3:1: a zero byte, expected text"]),
        (b'serial\n"X1\n', ["r.csv:2:1: not CSV: unexpected end of data"]),
        (b"x" * (LIMIT_BYTES + 1), [f"r.csv: larger than {LIMIT_BYTES} bytes, expected a list of cameras"]),
    ],
)
def test_each_wrong_row_is_named(content: bytes, words: list[str]) -> None:
    """File, row and column, all of them at once."""
    with pytest.raises(ConfigError) as raised:
        parse_roster(content, file="r.csv")
    assert raised.value.message.split("\n") == words


def test_a_missing_roster_is_named(tmp_path: Path) -> None:
    """With what was expected there."""
    with pytest.raises(ConfigError, match=r"roster\.csv: cannot be read \(.*\), expected a CSV file of cameras"):
        read_roster(tmp_path / "roster.csv")


cameras = st.builds(
    Camera,
    serial=st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True),
    officer=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20),
    shift_ends=st.none() | st.sampled_from(["00:00", "18:30"]),
    shift_starts=st.none() | st.sampled_from(["06:00", "22:45"]),
)


@settings(deadline=None)
@given(roster=st.lists(cameras, max_size=5, unique_by=lambda camera: camera.serial))
def test_what_is_written_is_read_back(roster: list[Camera]) -> None:
    """Sorted, so that two are compared line by line."""
    assert parse_roster(written(roster).encode(), file="r") == tuple(sorted(roster, key=lambda camera: camera.serial))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    content=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: ("serial,officer\n" + text).encode("utf-8", "replace"))
)
def test_any_bytes_give_cameras_or_a_config_error(content: bytes) -> None:
    """Never a traceback."""
    try:
        parse_roster(content, file="r.csv")
    except ConfigError as exc:
        assert all(line.startswith("r.csv:") for line in exc.message.split("\n"))  # noqa: PT017 - any error but this one fails


def site_with(folder: Path, text: str, roster: str) -> Site:
    """A site file with a roster beside it."""
    (folder / "roster.csv").write_text(roster)
    (folder / "site.yaml").write_text(GOOD + text)
    return load_site(folder / "site.yaml")


def test_the_roster_joins_the_cameras_of_the_site_file(tmp_path: Path) -> None:
    """In that order."""
    site = site_with(tmp_path, "cameras: [{serial: X3}]\nroster: roster.csv\n", "serial,officer,shift_ends\nX1,A. Smith,18:00\n")
    assert site.cameras == (SPARE, SMITH)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cameras: [{serial: X3}, {serial: X1}]\nroster: roster.csv\n", "camera X1 is listed twice, here and in roster.csv"),
        ("cameras: [{serial: X9}, {serial: X9}]\n", "camera X9 is listed twice, here and in this list"),
        ("cameras: [{serial: X9}]\nalerts: {undocked_hours: 4}\n", "alerts.undocked_hours: has no effect without a camera's"),
        ("roster: ../roster.csv\n", "roster: '../roster.csv' is not the name of a file beside this one"),
        ("roster: none.csv\n", "none.csv: cannot be read"),
        ("alerts: {webhook: {url: http://ops.example.org/x}}\n", "plain http to ops.example.org would show alerts and token"),
        ("alerts: {webhook: {url: https://u:p@ops.example.org/x}}\n", "a user or password stands in the address"),
        (
            "alerts: {email: {server: mail.example.org, security: none, sender: a@b.c, to: [a@b.c]}}\n",
            "none would show alerts to the network",
        ),
        (
            "alerts: {email: {server: mail.example.org, sender: a@b.c, to: [a@b.c], user: dock}}\n",
            "alerts.email.user: stands alone, expected password_file beside it",
        ),
        (
            "alerts: {email: {server: mail.example.org, sender: a@b.c, to: [a@b.c], password_file: /p}}\n",
            "alerts.email.password_file: stands alone, expected user beside it",
        ),
        ('alerts: {email: {server: "a b", sender: a@b.c, to: [a@b.c]}}\n', "not the name or address of a machine"),
        ("alerts: {email: {server: mail.example.org, sender: me, to: [a@b.c]}}\n", "'me' is not an e-mail address"),
        (
            "categories: [{name: a, retain_days: 1}, {name: b, retain_days: 2, words: [A]}]\n",
            "the same as categories[0].name",
        ),
        ("categories: [{name: a, retain_days: 1, words: ['--']}]\n", "'--' has neither letter nor digit"),
        ("categories: [{name: uncategorised, retain_days: 1}]\n", "means the same as what nobody named"),
    ],
)
def test_what_several_keys_say_together_is_checked(tmp_path: Path, text: str, words: str) -> None:
    """Each with its place, or the file that it is in."""
    with pytest.raises(ConfigError) as raised:
        site_with(tmp_path, text, "serial,officer,shift_ends\nX1,A. Smith,\n")
    assert words in raised.value.message
