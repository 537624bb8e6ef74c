"""`dockd bays learn`, with hands that plug as the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dockd.bays.learning import Connected
from dockd.bays.probing import Patience
from dockd.bays.udev import Port, Udev
from dockd.cli import bays
from dockd.config import load_site
from dockd.core.usb import Plugged
from tests.sim.cli_documents import as_described

EXAMPLE = Path(__file__).parents[3] / "config" / "site.example.yaml"
PORT = "pci-0000:00:14.0-usb-0:1.{}"


class Hands:
    """A camera goes from port to port, each time that it is waited for."""

    def __init__(self, person: object) -> None:
        self._plugged = 0

    def look(self) -> list[Connected]:
        """What is plugged in."""
        return [Connected(PORT.format(self._plugged), (1, self._plugged), "Cam", "S1")] if self._plugged else []

    def wait(self) -> bool:
        """It goes to the next port."""
        self._plugged += 1
        return True


@pytest.fixture(autouse=True)
def hands(monkeypatch: pytest.MonkeyPatch) -> None:
    """They plug."""
    monkeypatch.setattr(bays, "UdevWatch", Hands)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site file with two folders for bays."""
    path = tmp_path / "site.yaml"
    path.write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    path.chmod(0o640)
    return path


def learn(*arguments: str | Path) -> Result:
    """The command, as the console script calls it."""
    return CliRunner().invoke(bays.command, ["learn", *map(str, arguments)])


def test_what_was_learned_is_printed_as_a_site_file_has_it() -> None:
    """On standard output alone, so that it can go into a file; what to do is said on the other."""
    done = learn("1", "left")
    assert done.exit_code == 0
    assert done.stdout == (
        f'bays:\n  - id: "1"\n    usb_port: {PORT.format(1)}\n  - id: "left"\n    usb_port: {PORT.format(2)}\n'
    )
    assert "Plug one camera into bay left." in done.stderr


def test_programs_get_json() -> None:
    """With what the device says of itself."""
    done = learn("1", "--json")
    assert as_described("bays-learn", done.stdout) == {
        "bays": [{"id": "1", "usb_port": PORT.format(1), "name": "Cam", "serial": "S1"}],
        "written": None,
    }


def test_ports_are_written_into_the_site_file(site: Path) -> None:
    """A link to it stays one; its mode and its comments stay; a third bay is added; what comes next is said."""
    link = site.with_name("link.yaml")
    link.symlink_to(site)
    done = learn("1", "2", "3", "--write", "--config", link)
    assert done.exit_code == 0
    assert link.is_symlink()
    assert [(bay.id, bay.usb_port) for bay in load_site(site).bays] == [(str(n), PORT.format(n)) for n in (1, 2, 3)]
    text = site.read_text("utf-8")
    assert "# A camera is docked while this folder holds a camera's tree." in text
    assert site.stat().st_mode & 0o777 == 0o640
    assert "systemctl restart dockd" in done.stderr
    assert list(site.parent.glob(".dockd-bays-*")) == []


def test_a_site_file_that_would_not_be_good_is_left(site: Path) -> None:
    """What was learned is not lost in silence: the words say what is wrong, at the place in the admin's own file."""
    before = site.read_text("utf-8").replace("division: ERO\n", "")
    site.write_text(before, "utf-8")
    done = learn("1", "--write", "--config", site)
    assert f"{site}: nothing was written" in str(done.exception)
    assert f"{site}:" in str(done.exception).splitlines()[1]
    assert site.read_text("utf-8") == before
    assert list(site.parent.glob(".dockd-bays-*")) == []


def test_a_site_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the system's words."""
    done = learn("1", "--write", "--config", tmp_path / "none.yaml")
    assert "none.yaml: the ports could not be written into it: No such file" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "words"), [([], "name the bays: dockd bays learn 1 2 3"), (["1", "a", "A"], "a bay is named twice")]
)
def test_wrong_calls_are_explained(arguments: list[str], words: str) -> None:
    """Exit 2, and what to type instead."""
    done = learn(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr


class FakePower:
    """A port whose hub says what the test says."""

    def __init__(self, port: Port, *, obeys: bool) -> None:
        self._port, self._obeys = port, obeys

    async def switch(self, *, on: bool) -> bool:
        """The camera leaves and comes."""
        self._port.saw(Plugged((1, 9), "S1", "Cam", ()) if on else None, first=False)
        return self._obeys


@pytest.mark.parametrize(("obeys", "code", "words"), [(True, 0, "left and came back"), (False, 1, "stayed on although")])
def test_a_ports_power_is_probed(site: Path, monkeypatch: pytest.MonkeyPatch, *, obeys: bool, code: int, words: str) -> None:
    """In words with an exit code, and as JSON; the bay's port is that of the site file."""
    learn("1", "--write", "--config", site)
    monkeypatch.setattr(bays, "Patience", lambda: Patience(off_s=0.01))
    ports: list[Port] = []

    class FakeUdev(Udev):
        def port(self, name: str) -> Port:
            ports.append(super().port(name))
            ports[0].saw(Plugged((1, 8), "S1", "Cam", ()), first=True)
            return ports[0]

        async def run(self) -> None:
            await asyncio.Event().wait()

    @asynccontextmanager
    async def power(path: str, bay: str) -> AsyncIterator[FakePower]:
        yield FakePower(ports[0], obeys=obeys)

    monkeypatch.setattr(bays, "Udev", FakeUdev)
    monkeypatch.setattr(bays, "port_power", power)
    monkeypatch.setattr(bays, "speak", lambda _least: None)  # this process's log is the tests'
    for arguments, wanted in (([], words), (["--json"], f'"verdict": "{"switches" if obeys else "ignores"}"')):
        done = CliRunner().invoke(bays.command, ["probe", "1", "--config", str(site), *arguments])
        assert (done.exit_code, wanted in done.stdout) == (code, True)
        if arguments:
            assert as_described("bays-probe", done.stdout)["bay"] == "1"
        ports.clear()


def test_only_usb_bays_are_probed(site: Path) -> None:
    """A folder has no power to switch."""
    done = CliRunner().invoke(bays.command, ["probe", "1", "--config", str(site)])
    assert done.exit_code == 2
    assert "'1' is no USB bay of" in done.stderr
