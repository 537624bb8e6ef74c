"""What an officer sees on the dock's screen while real offloads run."""

import os
import re
import signal
from pathlib import Path

import pytest

from dockd.cli.asking import ask
from dockd.core.recording import State
from tests.kiosk.conftest import Kiosk, MakeDock, OpenKiosk
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess

MIB = 1 << 20
# Everything that a tile went through, in the page itself: nothing is too short to be seen.
WATCH = """() => {
  window.went = [];
  const look = () => document.querySelectorAll(".tile").forEach((tile) => {
    const value = tile.querySelector(".bar").hidden ? -1 : tile.querySelector("progress").value;
    window.went.push([tile.dataset.bay, tile.dataset.lamp, value]);
  });
  const everything = { subtree: true, attributes: true, childList: true, characterData: true };
  new MutationObserver(look).observe(document.querySelector("#bays"), everything);
}"""


def went(kiosk: Kiosk, bay: int) -> tuple[list[str], list[int]]:
    """The lamps that a bay showed one after the other, and every stand of its bars."""
    lamps: list[str] = []
    stands: list[int] = []
    for name, lamp, value in kiosk.page.evaluate("() => window.went"):
        if name == str(bay):
            lamps += [lamp] if lamps[-1:] != [lamp] else []
            stands += [value] if value >= 0 and stands[-1:] != [value] else []
    return lamps, stands


def test_a_camera_is_docked_and_taken(tmp_path: Path, make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """From an empty bay over *leave it* with a bar that moves to *take it*, and back to an empty bay."""
    # On its way for four seconds, however quick the machine: there is a bar to be seen, and time to read what stands beside it.
    dock = make_dock(Site(bays=2, bandwidth=({"limit": "15 MB/s"},)))
    kiosk = open_kiosk(dock)
    assert "Put a camera in." in kiosk.tile(1)
    kiosk.page.evaluate(WATCH)
    make_camera(tmp_path / "camera", "X1-00042", recordings=6, size_bytes=10 * MIB, officer="badge 4711", battery_percent=61)
    (tmp_path / "camera").rename(dock.bay(1))
    kiosk.wait_lamp(1, "leave")
    kiosk.page.wait_for_function("() => document.querySelector('progress').value > 0")
    words = kiosk.tile(1)
    assert "Leave it" in words
    assert "badge 4711" in words
    assert "X1-00042 · battery 61 %" in words
    assert "Charging not known" in words
    assert "Leave it in. You can go." in words
    kiosk.wait_lamp(1, "take")
    words = kiosk.tile(1)
    assert "Everything is in the archive and the camera is empty." in words
    assert "Copied | Archived | Charging not known" in words
    lamps, stands = went(kiosk, 1)
    assert lamps == ["leave", "take"]
    assert len(stands) > 2
    assert max(stands) < 1000
    assert went(kiosk, 2)[0] in ([], ["empty"])
    dock.bay(1).rename(tmp_path / "camera")
    kiosk.wait_lamp(1, "empty")
    assert kiosk.page.locator("#notices").is_hidden()


def test_a_lamp_that_changes_is_said_to_those_who_listen(
    tmp_path: Path, vault: VaultProcess, make_dock: MakeDock, open_kiosk: OpenKiosk
) -> None:
    """Politely, the lamp with its reason and the next step; progress is not talked about."""
    dock = make_dock(Site(bays=1))
    kiosk = open_kiosk(dock)
    news = kiosk.page.locator("#news")
    assert (news.get_attribute("aria-live"), news.text_content()) == ("polite", "")
    make_camera(tmp_path / "camera", "X1", recordings=1, size_bytes=1000)
    os.kill(vault.pid, signal.SIGSTOP)  # until the first lamp was seen, for news that come close together are one picture
    (tmp_path / "camera").rename(dock.bay(1))
    kiosk.wait_lamp(1, "leave")
    os.kill(vault.pid, signal.SIGCONT)
    kiosk.wait_lamp(1, "take")
    said = news.text_content() or ""
    assert said.count("Bay 1: Leave it.") == 1
    assert "Bay 1: Take it. Everything is in the archive and the camera is empty. Take the camera." in said


def docked_without_room(tmp_path: Path, make_dock: MakeDock, bays: int = 2) -> DockProcess:
    """A dock that has no room, and in bay 1 a camera that waits for it."""
    dock = make_dock(Site(bays=bays, keep_free="900 TiB"))
    make_camera(tmp_path / "camera", "X1-00042", recordings=3, size_bytes=2 * MIB, sidecars=False)
    (tmp_path / "camera").rename(dock.bay(1))
    return dock


def test_a_camera_that_is_pulled_too_early_is_missed(tmp_path: Path, make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """Calmly: what is still on it and what to do, on its bay; below, once that is taken; until it is back, in any bay."""
    dock = docked_without_room(tmp_path, make_dock)
    kiosk = open_kiosk(dock)
    kiosk.page.wait_for_selector(".step:has-text('Copying starts by itself')")
    dock.bay(1).rename(tmp_path / "camera")
    kiosk.wait_lamp(1, "back")
    words = kiosk.tile(1)
    assert "Put it back" in words
    assert "badge 4711 · X1-00042 left too early: 3 files (6.29 MB) are still only on it." in words
    assert "Put it back in any bay. Nothing is lost." in words
    kiosk.shoot("pulled")
    assert kiosk.violations() == []
    make_camera(tmp_path / "other", "X1-00043", recordings=0)
    (tmp_path / "other").rename(dock.bay(1))
    kiosk.page.wait_for_selector("#notices:has-text('X1-00042 left too early')")
    assert "bay 1" in (kiosk.page.locator("#notices").text_content() or "")
    kiosk.shoot("pulled-below")
    assert kiosk.violations() == []
    (tmp_path / "camera").rename(dock.bay(2))
    kiosk.page.wait_for_selector("#notices", state="hidden")
    kiosk.wait_lamp(2, "leave")


def test_a_missed_camera_is_missed_after_a_restart(tmp_path: Path, make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """The journal knows that it holds the only copy, and the page says so again after the moment that cameras in bays have."""
    dock = docked_without_room(tmp_path, make_dock)
    kiosk = open_kiosk(dock)
    kiosk.page.wait_for_selector(".step:has-text('Copying starts by itself')")
    dock.bay(1).rename(tmp_path / "camera")
    kiosk.wait_lamp(1, "back")
    dock.stop()
    mark = dock.mark()
    dock.start()
    dock.wait_for("kiosk page", after=mark)
    kiosk.wait_lamp(1, "back")
    assert "3 files" in kiosk.tile(1)


def test_trouble_is_told_apart(tmp_path: Path, vault: VaultProcess, make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """What is no recording calls for help; an archive that is away holds up what waits for it, and is named."""
    vault.kill()
    dock = make_dock(Site(bays=2))
    kiosk = open_kiosk(dock)
    for bay, name in ((1, "odd"), (2, "plain")):
        make_camera(tmp_path / name, name.upper(), recordings=1, size_bytes=1000, sidecars=False)
        if name == "odd":
            (tmp_path / name / "DCIM/100MEDIA/LINK.MP4").symlink_to("/etc/passwd")
        (tmp_path / name).rename(dock.bay(bay))
    kiosk.wait_lamp(1, "help")
    kiosk.wait_lamp(2, "leave")
    kiosk.page.wait_for_selector("#archive[data-state=away]")
    assert "not reachable since" in (kiosk.page.locator("#archive").text_content() or "")
    kiosk.page.wait_for_selector('.tile[data-bay="2"] [data-cause=archived][data-state=stuck]')
    assert "Copied | Archive waits" in kiosk.tile(2)
    assert kiosk.page.locator('.tile[data-bay="2"] .left').text_content() == ""
    kiosk.page.locator('.tile[data-bay="1"] .open').click()
    more = kiosk.page.locator("#more")
    more.wait_for()
    assert "DCIM/100MEDIA/LINK.MP4" in (more.text_content() or "")
    kiosk.shoot("more")
    assert kiosk.violations() == []
    vault.start()
    kiosk.page.keyboard.press("Escape")
    kiosk.wait_lamp(2, "take")


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_a_page_that_hears_nothing_says_so(tmp_path: Path, make_dock: MakeDock, open_kiosk: OpenKiosk, how: str) -> None:
    """It says *take it* no more, and is right again as soon as the dock is back, whatever happened meanwhile."""
    dock = make_dock(Site(bays=2))
    make_camera(tmp_path / "camera", "X1", recordings=1, size_bytes=1000)
    (tmp_path / "camera").rename(dock.bay(1))
    kiosk = open_kiosk(dock, clock=True)
    kiosk.wait_lamp(1, "take")
    if how == "killed":
        dock.kill()
    else:
        os.kill(dock.pid, signal.SIGSTOP)
    kiosk.page.clock.run_for(14_000)
    kiosk.wait_lamp(1, "unknown")
    kiosk.wait_lamp(2, "unknown")
    assert kiosk.page.locator("#stale").is_visible()
    words = kiosk.page.locator("body").inner_text()
    assert "This screen is out of date." in words
    assert "Take it" not in words
    kiosk.shoot(f"stale-{how}")
    assert kiosk.violations() == []
    if how == "killed":
        dock.bay(1).rename(tmp_path / "camera")
        dock.start()
        kiosk.wait_lamp(1, "empty")
    else:
        os.kill(dock.pid, signal.SIGCONT)
        kiosk.wait_lamp(1, "take")
    assert kiosk.page.locator("#stale").is_hidden()
    assert "up to date again" in (kiosk.page.locator("#news").text_content() or "")


def test_a_page_of_before_an_upgrade_loads_again(make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """Nobody has to touch the screen when the dock speaks another language, or is another version."""
    dock = make_dock(Site(bays=1))
    kiosk = open_kiosk(dock)
    assert "Free" in kiosk.tile(1)
    dock.stop()
    dock.site.kiosk["language"] = "es"
    dock.start()
    kiosk.page.wait_for_selector(".word:has-text('Libre')")
    assert kiosk.page.evaluate("document.documentElement.lang") == "es"


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_critical_incident_has_its_deadline_on_the_page(
    tmp_path: Path, vault: VaultProcess, make_dock: MakeDock, open_kiosk: OpenKiosk, language: str
) -> None:
    """As soon as somebody marks a recording; beside all else that is wrong: no archive, a site file that cannot be used."""
    vault.kill()
    site = Site(bays=4, dock=f"dock-{language}", erase="never", needs="archived", uploads={"critical_within_hours": 4})
    dock = make_dock(site, language=language)
    kiosk = open_kiosk(dock)
    assert kiosk.page.locator("#critical").is_hidden()
    make_camera(tmp_path / "camera", "X1-00042", recordings=2, size_bytes=MIB, officer="badge 4711", sidecars=False)
    (tmp_path / "camera").rename(dock.bay(1))
    dock.wait_until(lambda _: len(dock.recordings(State.VERIFIED)) == 2, why="copied")
    body = {"recording": dock.recordings(State.VERIFIED)[0].recording_id, "reason": "shots fired", "critical": True}
    ask(dock.control, "/mark", body=body)
    title = {"en": "Critical incident", "es": "Incidente crítico"}[language]
    kiosk.page.wait_for_selector(f"#critical:not([hidden]) >> text={title}")
    assert re.search(r"\b\d\d:\d\d$", kiosk.page.locator("#critical dd").inner_text())
    kiosk.page.wait_for_selector("#archive[data-state=away]")
    with (dock.root / "site.yaml").open("a") as file:
        file.write("nonsense: 1\n")
    kiosk.page.wait_for_selector("#site:not([hidden])")
    assert kiosk.misfits() == []
    assert kiosk.violations() == []
    kiosk.shoot(f"critical-{language}")
