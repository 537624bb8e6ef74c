"""How the page looks: every state, size, language and light; keyboard; hostile names. The pictures lie in build/screens."""

import os
import shutil
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from tests.kiosk.conftest import SIZES, Kiosk, MakeDock, OpenKiosk
from tests.sim.cameras import make_camera
from tests.sim.dock_process import DockProcess, Site

NAMES = ("badge 4711", "Officer Ana Pérez", "M. Hernández-Ortiz", "J. Washington III", "Dpty. O'Shaughnessy")
HOSTILE = "<img src=x onerror=alert(1)>&lt;b>${document.title}{count}<script>"


def zone(hour: int) -> str:
    """A time zone in which it is about that hour now."""
    ahead = (hour - SystemClock().now().hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def camera(root: Path, bay: int, *, endless: bool = False, odd: bool = False, officer: str = "") -> Path:
    """A camera with a few short recordings; endless, with one that no dock has room for."""
    made = root / f"camera-{bay}"
    make_camera(made, f"X1-{bay:05d}", recordings=1 + bay % 4, size_bytes=1000, officer=officer or NAMES[bay % len(NAMES)])
    if endless:
        os.truncate(made / "DCIM/100MEDIA/CLIP0001.MP4", shutil.disk_usage(root).total * 95 // 100)
    if odd:
        (made / "DCIM/100MEDIA/LINK.MP4").symlink_to("/etc/passwd")
    return made


def lasting_states(dock: DockProcess, root: Path, kiosk: Kiosk) -> None:
    """Bays that take turns: take it, get help, leave it, put it back, take it, free."""
    lamps = {1: "take", 2: "help", 3: "leave", 4: "leave", 5: "take"}
    for bay in range(1, dock.site.bays + 1):
        if kind := bay % 6:
            camera(root, bay, endless=kind in {3, 4}, odd=kind == 2).rename(dock.bay(bay))
    for bay in range(1, dock.site.bays + 1):
        if kind := bay % 6:
            kiosk.wait_lamp(bay, lamps[kind])
        if kind in {3, 4}:
            kiosk.page.wait_for_selector(f'.tile[data-bay="{bay}"] .bar:not([hidden])', state="attached")
        if kind == 4:
            dock.bay(bay).rename(root / f"pulled-{bay}")
            kiosk.wait_lamp(bay, "back")


@pytest.mark.parametrize(("bays", "language"), [(1, "en"), (2, "es"), (8, "en"), (8, "es"), (16, "es"), (32, "en"), (32, "es")])
def test_every_size_has_room_for_the_lamps(
    tmp_path: Path, make_dock: MakeDock, open_kiosk: OpenKiosk, bays: int, language: str
) -> None:
    """One bay to 32, on four screens, day and night, in both languages: all fits, none is cut, help says why, axe is content."""
    keep_free = f"{shutil.disk_usage(tmp_path).total // 10} B"
    dock = make_dock(Site(bays=bays, time_zone=zone(12), keep_free=keep_free), language=language)
    kiosk = open_kiosk(dock)
    lasting_states(dock, tmp_path, kiosk)
    misfits: dict[str, list[str]] = {}
    for light in ("day", "night"):
        kiosk.light(light)
        for width, height in SIZES:
            kiosk.page.set_viewport_size({"width": width, "height": height})
            kiosk.page.evaluate("document.querySelectorAll('.short').forEach((each) => { each.textContent = '12 min'; })")
            name = f"{bays:02}-{language}-{width}x{height}-{light}"
            kiosk.shoot(name)
            misfits |= {name: found} if (found := [*kiosk.misfits(), *kiosk.cut_names(), *kiosk.unexplained()]) else {}
        assert kiosk.violations() == []
    assert misfits == {}


def test_the_dock_knows_when_it_is_night(make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """By the office's time zone: a kiosk's machine has no idea."""
    kiosk = open_kiosk(make_dock(Site(bays=1, dock="day", time_zone=zone(12))))
    assert kiosk.page.evaluate("document.documentElement.dataset.night") == "no"
    day = kiosk.page.evaluate("getComputedStyle(document.body).backgroundColor")
    kiosk = open_kiosk(make_dock(Site(bays=1, dock="night", time_zone=zone(23))))
    assert kiosk.page.evaluate("document.documentElement.dataset.night") == "yes"
    assert kiosk.page.evaluate("getComputedStyle(document.body).backgroundColor") != day


def test_bays_lie_as_on_the_dock(make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """Rows as the site file has them, with gaps where the dock has none, however the screen is turned."""
    dock = make_dock(Site(bays=4), layout=[["4", "-", "1"], ["3", "2"]])
    kiosk = open_kiosk(dock)
    for width, height in SIZES:
        kiosk.page.set_viewport_size({"width": width, "height": height})
        box = {bay: kiosk.page.locator(f'.tile[data-bay="{bay}"]').bounding_box() for bay in (1, 2, 3, 4)}
        left = {bay: each["x"] for bay, each in box.items() if each}
        top = {bay: each["y"] for bay, each in box.items() if each}
        assert left[4] == left[3] < left[2] < left[1]
        assert top[4] == top[1] < top[3] == top[2]
        assert kiosk.misfits() == []
    kiosk.shoot("layout")


def test_everything_can_be_reached_by_keyboard(tmp_path: Path, make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """Tab to the first bay, arrows from bay to bay, Enter for all that the dock knows of it, Escape back to where one was."""
    dock = make_dock(Site(bays=4), layout=[["1", "2"], ["3", "4"]])
    kiosk = open_kiosk(dock)
    camera(tmp_path, 4, officer="Officer Ana Pérez").rename(dock.bay(4))
    kiosk.wait_lamp(4, "take")
    page = kiosk.page

    def focused() -> str:
        bay: str = page.evaluate("document.activeElement.closest('.tile')?.dataset.bay ?? document.activeElement.id")
        return bay

    page.keyboard.press("Tab")
    assert focused() == "1"
    for key, bay in (("ArrowRight", "2"), ("ArrowDown", "4"), ("ArrowRight", "4"), ("ArrowLeft", "3"), ("ArrowUp", "1")):
        page.keyboard.press(key)
        assert focused() == bay
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    kiosk.shoot("focus")
    page.keyboard.press("Enter")
    assert page.locator("#more").is_visible()
    words = page.locator("#more").inner_text()
    for each in (
        "Bay 4",
        "Take it",
        "Officer Ana Pérez",
        "Camera X1-00004",
        "Battery, as the camera said: 87 %",
        "Charging not known",
    ):
        assert each in words
    assert focused() == "close"
    page.keyboard.press("Escape")
    page.locator("#more").wait_for(state="hidden")
    assert focused() == "4"


def test_an_opened_bay_closes_by_itself(make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """Whoever touched the screen and went leaves it for the next one as it was."""
    kiosk = open_kiosk(make_dock(Site(bays=2)), clock=True)
    kiosk.page.locator('.tile[data-bay="2"] .open').click()
    assert kiosk.page.locator("#more").is_visible()
    kiosk.page.clock.fast_forward(61_000)
    kiosk.page.locator("#more").wait_for(state="hidden")


def test_names_are_text_and_nothing_else(tmp_path: Path, make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """Whatever a camera calls its officer and its files is shown as it is, and runs nothing."""
    dock = make_dock(Site(bays=2))
    kiosk = open_kiosk(dock)
    made = tmp_path / "camera"
    make_camera(made, "X1", recordings=1, size_bytes=1000, officer=HOSTILE)
    (made / "DCIM/100MEDIA/<b onclick=alert(2)>.MP4").symlink_to("nowhere")
    made.rename(dock.bay(1))
    kiosk.wait_lamp(1, "help")
    words = kiosk.tile(1)
    assert "<img src=x onerror=alert(1)>" in words
    kiosk.page.locator('.tile[data-bay="1"] .open').click()
    assert "<b onclick=alert(2)>.MP4" in kiosk.page.locator("#more").inner_text()
    assert kiosk.page.locator("body img, body script, body b").count() == 0
    kiosk.shoot("hostile")
    assert kiosk.misfits() == []
    kiosk.page.keyboard.press("Escape")
    dock.bay(1).rename(made)
    kiosk.page.wait_for_function("() => !document.querySelector('.tile[data-lamp=help]')")
    assert kiosk.page.locator("body img, body script, body b").count() == 0


def test_the_policy_is_in_force(make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """Even a mistake in the page could not run a word of a camera's, nor ask another host."""
    kiosk = open_kiosk(make_dock(Site(bays=1)))
    tried = kiosk.page.evaluate("""async () => {
        const found = [];
        try { document.querySelector("main").innerHTML = "<b>x</b>"; found.push("html"); } catch {}
        const script = document.createElement("script");
        try { script.textContent = "window.ran = true"; document.body.append(script); } catch {}
        if (window.ran) found.push("script");
        try { await fetch("http://127.0.0.1:9/"); found.push("fetch"); } catch {}
        return found;
    }""")
    assert tried == []
    # Each of the three was forbidden, and did not merely fail.
    for what in ("TrustedHTML", "TrustedScript", "connect-src 'self'"):
        assert any(what in each for each in kiosk.complaints), what
    kiosk.complaints.clear()


def test_nothing_moves_for_who_does_not_want_it(make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """A bar jumps instead of gliding."""
    dock = make_dock(Site(bays=1))
    moving = "getComputedStyle(document.documentElement).getPropertyValue('--glide')"
    assert open_kiosk(dock).page.evaluate(moving) == ".4s"
    assert open_kiosk(dock, reduced_motion="reduce").page.evaluate(moving) == "0s"


def painted(kiosk: Kiosk) -> float:
    """Milliseconds until the page was drawn for the first time; the browser says so a moment after the page is there."""
    entry = "performance.getEntriesByName('first-contentful-paint')[0]"
    kiosk.page.wait_for_function(f"() => {entry}")
    drawn_ms: float = kiosk.page.evaluate(f"{entry}.startTime")
    return drawn_ms


def test_it_is_there_at_once(make_dock: MakeDock, open_kiosk: OpenKiosk) -> None:
    """Measured in the bench; here only that it is no matter of seconds, and that all of it is under 60 kB."""
    kiosk = open_kiosk(make_dock(Site(bays=8)))
    paint_ms = painted(kiosk)
    for _ in range(5):  # the least of a few: on a busy machine others' work falls into ours
        if paint_ms >= 3000:
            kiosk.page.reload()
            paint_ms = painted(kiosk)
    kiosk.live()
    loaded = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
    sizes = kiosk.page.evaluate(f"{loaded}.map(each => each.transferSize)")
    assert 0 < paint_ms < 3000
    assert 10_000 < sum(sizes) < 60_000
