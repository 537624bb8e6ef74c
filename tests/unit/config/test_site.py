"""From a site file to a Site, or to every problem with its place."""

import zoneinfo
from pathlib import Path
from typing import Protocol

import pytest

from dockd.config import ArchiveSettings, Bay, Erase, Ready, Site, Spool, load_site
from dockd.config.fill import place_of
from dockd.config.readying import Charging, Hub
from dockd.config.source import Place, parse
from dockd.core.readiness import Needs
from dockd.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "config" / "site.example.yaml"
BAD = Path(__file__).parent / "bad"
KEY = "ed25519:4ER87XYQ41M8xOKoyDKsL5ft3QDVdboZgquKMXe0ea8="
GOOD = f"""\
agency: ICE
division: ERO
site: Buffalo
dock: buf-ero-02
time_zone: America/New_York
bays:
  - {{id: "1", directory: /srv/bays/1}}
spool:
  directory: /var/lib/dockd/spool
archive:
  kind: tus
  url: http://127.0.0.1:8080/files/
  key: "{KEY}"
"""


class SiteOf(Protocol):
    """Loads a site file of the given text."""

    def __call__(self, text: str) -> Site:
        """The site."""
        ...


@pytest.fixture
def site_of(tmp_path: Path) -> SiteOf:
    """Writes a site file and loads it."""

    def load(text: str) -> Site:
        path = tmp_path / "site.yaml"
        path.write_text(text, encoding="utf-8")
        return load_site(path)

    return load


def test_the_smallest_site_file_gets_every_default(site_of: SiteOf) -> None:
    """What is left out is the careful choice: nothing is erased."""
    assert site_of(GOOD) == Site(
        agency="ICE",
        division="ERO",
        site="Buffalo",
        dock="buf-ero-02",
        time_zone="America/New_York",
        bays=(Bay(id="1", directory=Path("/srv/bays/1")),),
        spool=Spool(directory=Path("/var/lib/dockd/spool"), keep_free_bytes=1 << 30),
        archive=ArchiveSettings(kind="tus", url="http://127.0.0.1:8080/files/", key=KEY),
        erase=Erase(policy="never", directory_erase=False),
        ready=Ready(needs=Needs.ARCHIVED),
    )


def test_the_example_is_a_good_site_file() -> None:
    """An admin who copies it starts from something that loads."""
    site = load_site(EXAMPLE)
    assert (site.dock, [bay.id for bay in site.bays], site.archive.client_key) == (
        "balt-ero-01",
        ["1", "2"],
        Path("/etc/dockd/dock.key"),
    )


def test_every_key_can_be_set(site_of: SiteOf) -> None:
    """Each optional section reaches its field."""
    site = site_of(
        GOOD.replace("/spool\n", "/spool\n  keep_free: 1.5 GB\n")
        + "  id: vault-01\n  token_file: /etc/dockd/token\n"
        + "erase: {policy: delete, directory_erase: true}\nready: {needs: erased}\noffload: {stall_after_s: 5}\n"
        + "uploads: {parallel: 4, retain_days: 365}\ncontrol: {socket: /run/d.sock}\nprofiles: {directory: /etc/dockd/profiles}\n"
    )
    assert site.spool.keep_free_bytes == 1_500_000_000
    assert (site.archive.id, site.archive.token_file) == ("vault-01", Path("/etc/dockd/token"))
    assert (site.erase.policy, site.erase.directory_erase, site.ready.needs) == ("delete", True, Needs.ERASED)
    assert (site.offload.stall_after_s, site.uploads.parallel, site.uploads.retain_days) == (5, 4, 365)
    assert (site.control.socket, site.profiles.directory) == (Path("/run/d.sock"), Path("/etc/dockd/profiles"))


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_defect_is_named_at_its_place(path: Path) -> None:
    """The words and places beside each bad file are what an admin sees."""
    expected = path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    with pytest.raises(ConfigError) as caught:
        load_site(path)
    assert caught.value.message.splitlines() == [f"{path}:{line}" for line in expected]
    assert [caught.value.line, caught.value.column] == [int(number) for number in expected[0].split(":")[:2]]


def test_no_error_shows_a_secret() -> None:
    """What may be a token or a password is never repeated, whatever else is wrong with it."""
    words = "".join(path.read_text(encoding="utf-8") for path in BAD.glob("*.expected"))
    sources = "".join(path.read_text(encoding="utf-8", errors="replace") for path in BAD.glob("*.yaml"))
    for secret in ("hunter2", "s3cret", "3141592653"):
        assert secret in sources
        assert secret not in words


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [
        ("0 B", 0),
        ("512B", 512),
        ("1 KB", 1000),
        ("1 KiB", 1024),
        ("500 MB", 500_000_000),
        ("1.5 GiB", 3 << 29),
        ("2TiB", 2 << 40),
        ("1024 PiB", 1 << 60),
    ],
)
def test_sizes_are_written_as_people_write_them(site_of: SiteOf, written: str, size_bytes: int) -> None:
    """A size always has its unit; the i makes it a power of two."""
    assert site_of(GOOD.replace("/spool\n", f"/spool\n  keep_free: {written}\n")).spool.keep_free_bytes == size_bytes


@pytest.mark.parametrize("written", ["-1 GiB", "1 Gib", "1e9 B", "1025 PiB", "1,5 GiB", "1.5555 GiB", "\u0661 GiB", "B"])
def test_what_is_no_size_is_refused(site_of: SiteOf, written: str) -> None:
    """No guess is made about the unit, nor about digits of other scripts."""
    with pytest.raises(ConfigError, match=r"site\.yaml:10:14: spool\.keep_free: "):
        site_of(GOOD.replace("/spool\n", f"/spool\n  keep_free: {written}\n"))


@pytest.mark.parametrize(
    "url",
    ["https://vault.example.org/files/", "http://localhost:1/f/", "http://[::1]:8080/files/", "http://127.8.9.1/files/"],
)
def test_https_or_loopback_is_an_archive(site_of: SiteOf, url: str) -> None:
    """Plain http never leaves the machine."""
    assert site_of(GOOD.replace("http://127.0.0.1:8080/files/", f"'{url}'")).archive.url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/files/",
        "http://localhost.example.org/files/",
        "http://127.0.0.1.example.org/files/",
        "http://0x7f000001/files/",
        "ftp://vault/files/",
        "https:///files/",
        "https://vault:port/files/",
        "https://vault:99999/files/",
        "https://[::1/files/",
        "https://vault/files/?a=b",
        "https://vault/files/#a/",
        "https://va ult/files/",
        "//vault/files/",
        "https://dock@vault/files/",
    ],
)
def test_other_addresses_are_refused(site_of: SiteOf, url: str) -> None:
    """Neither plain http to another machine nor what is no address reaches the client."""
    with pytest.raises(ConfigError, match=r"site\.yaml:12:8: archive\.url: .*expected "):
        site_of(GOOD.replace("http://127.0.0.1:8080/files/", f"'{url}'"))


@pytest.mark.parametrize("zone", ["Atlantis/Capital", "America", "../../etc/passwd", "/etc/localtime", " ", "x" * 4000])
def test_what_is_no_time_zone_is_refused(site_of: SiteOf, zone: str) -> None:
    """Only a name of the IANA database, never a path."""
    with pytest.raises(ConfigError, match=r"site\.yaml:5:12: time_zone: .* is not a time zone, expected an IANA name"):
        site_of(GOOD.replace("America/New_York", f"'{zone}'"))


def test_a_machine_without_time_zones_says_so(site_of: SiteOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The admin is told to install the database, not that a good name is bad."""
    monkeypatch.setattr(zoneinfo, "available_timezones", set[str])
    with pytest.raises(ConfigError, match=r"time_zone: cannot be checked: .*, expected the package tzdata to be installed"):
        site_of(GOOD.replace("America/New_York", "Europe/Nowhere"))


def test_what_was_not_written_is_placed_at_what_is_around_it() -> None:
    """A check of several keys can point somewhere even at a default."""
    node = parse(b"a:\n  - b: 1\n", file="f")
    assert place_of(node, "a", 0, "b") == Place(2, 8)
    assert place_of(node, "a", 0, "c") == Place(2, 5)
    assert place_of(node, "a", 7) == Place(2, 3)
    assert place_of(node, "z", "b") == Place(1, 1)


def test_bay_ids_differ_without_regard_to_case(site_of: SiteOf) -> None:
    """A and a would be one bay on a label."""
    bays = 'bays:\n  - {id: "A", directory: /a}\n  - {id: "a", directory: /b}\n'
    with pytest.raises(ConfigError, match=r":8:10: bays\[1\]\.id: 'a' is also the id of bays\[0\]"):
        site_of(GOOD.replace('bays:\n  - {id: "1", directory: /srv/bays/1}\n', bays))


@pytest.mark.parametrize("folder", ["/", "/var", "/var/lib/dockd/spool/", "//var/lib/./dockd/spool/x", "/srv/bays/1/in"])
def test_no_folder_of_the_dock_lies_in_another(site_of: SiteOf, folder: str) -> None:
    """However it is written; a spool inside a bay would be taken for a camera."""
    second = f'1}}\n  - {{id: "2", directory: {folder}}}\n'
    with pytest.raises(ConfigError, match=r"bays\[1\]\.directory: .* overlap"):
        site_of(GOOD.replace("1}\n", second))


def test_a_site_never_changes_once_it_is_loaded(site_of: SiteOf) -> None:
    """What was reviewed is what runs."""
    site = site_of(GOOD)
    with pytest.raises(AttributeError):
        site.erase.policy = "delete"  # type: ignore[misc]  # that is what is tried
    with pytest.raises(AttributeError):
        site.dock = "other"  # type: ignore[misc]  # that is what is tried


def test_a_bay_is_a_usb_port(site_of: SiteOf) -> None:
    """The port's name is kept as udev writes it."""
    port = "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.2"
    site = site_of(GOOD.replace("directory: /srv/bays/1", f'usb_port: "{port}"'))
    assert site.bays == (Bay(id="1", usb_port=port),)


def test_the_page_has_the_docks_shape(site_of: SiteOf) -> None:
    """Rows may differ in length, and a place may have no bay; without the key there is no page."""
    two = GOOD.replace(
        '  - {id: "1", directory: /srv/bays/1}', '  - {id: "1", directory: /srv/1}\n  - {id: "2", directory: /srv/2}'
    )
    kiosk = site_of(two + 'kiosk:\n  port: 8480\n  layout:\n    - ["-", "1"]\n    - ["2"]\n').kiosk
    assert kiosk is not None
    assert (kiosk.port, kiosk.language, kiosk.layout) == (8480, "en", (("-", "1"), ("2",)))
    assert site_of(GOOD).kiosk is None


def test_hubs_share_their_budget_among_their_bays(site_of: SiteOf) -> None:
    """And the light may ask for charge and room besides."""
    ports = 'bays:\n  - {id: "1", usb_port: pci-0000:00:14.0-usb-0:1}\n'
    text = GOOD.replace('bays:\n  - {id: "1", directory: /srv/bays/1}\n', ports)
    text += 'charging: {hubs: [{name: left, bays: ["1"], budget: 3.6 A}], enough: 80}\n'
    text += "ready: {min_battery: 70, min_free: 16 GB}\n"
    site = site_of(text)
    assert site.charging == Charging(hubs=(Hub(name="left", bays=("1",), budget_ma=3600),), enough=80)
    assert site.ready == Ready(min_battery=70, min_free_bytes=16 * 10**9)
