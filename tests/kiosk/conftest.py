"""A real dock, and its page in the browser that docks have."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.sim.dock_process import DockProcess, Site
from tests.sim.ports import free_port
from tests.sim.vault_process import VaultProcess

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
SCREENS = Path(__file__).parents[2] / "build" / "screens"
SIZES = ((800, 480), (480, 800), (1920, 1080), (1080, 1920))
DEADLINE_MS = 120_000
"""What is waited for comes; on a slow machine 32 bays at once take their time, and an archive is tried again after a minute."""
_AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class Kiosk:
    """The page as somebody sees it who stands before the dock.

    Attributes:
        complaints: what the browser had to say: errors, and anything that the page's policy forbade.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(DEADLINE_MS)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "ERR_" not in message.text:
            self.complaints.append(message.text)

    def open(self, port: int) -> None:
        """Load it, and wait until the dock's first word is shown."""
        self.page.goto(f"http://127.0.0.1:{port}/")
        self.live()

    def live(self) -> None:
        """Wait until it is up to date."""
        self.page.wait_for_selector("body[data-link=live] .tile")

    def wait_lamp(self, bay: int, lamp: str) -> None:
        """Wait until a bay's lamp says this."""
        self.page.wait_for_selector(f'.tile[data-bay="{bay}"][data-lamp="{lamp}"]')

    def light(self, light: str) -> None:
        """Have it `day` or `night` on the page from here on, whatever the dock's next word says of it."""
        self.page.evaluate(_LIGHT, "yes" if light == "night" else "no")

    def tile(self, bay: int) -> str:
        """Every word on a bay's tile, as a screen reader finds them."""
        text: str = self.page.evaluate(_TILE, str(bay))
        return text

    def violations(self) -> list[str]:
        """What axe finds wrong for people who see, hear or move otherwise."""
        found: dict[str, Any] = Axe().run(self.page, options=_AXE).response
        return [
            f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found["violations"] for node in each["nodes"]
        ]

    def shoot(self, name: str) -> None:
        """Keep a picture of what is seen, for people to look at."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png")

    def misfits(self) -> list[str]:
        """Words that do not fit where they stand, tiles that overlap or lie off the screen, words larger than the lamp's."""
        found: list[str] = self.page.evaluate(_MISFITS)
        return found

    def unexplained(self) -> list[str]:
        """Bays that call for somebody and say neither on their tile nor below why, and what to do; and words that are cut."""
        found: list[str] = self.page.evaluate(_UNEXPLAINED)
        return found

    def cut_names(self) -> list[str]:
        """Whose name is not seen whole on their tile."""
        cut: list[str] = self.page.evaluate(_CUT)
        return cut


_CUT = """() => [...document.querySelectorAll(".who")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 2)
  .map((each) => each.textContent)"""
_UNEXPLAINED = """() => {
  const seen = (each) => each.getBoundingClientRect().width > 2;
  const below = [...document.querySelectorAll("#asides li")].filter(seen).map((each) => each.textContent);
  const bays = below.flatMap((each) => each.split(":")[0].match(/\\d+/g));
  const found = [];
  for (const tile of document.querySelectorAll(".tile[data-lamp=help], .tile[data-lamp=back]")) {
    const all = [...tile.querySelectorAll(".what, .step")].every(seen);
    const said = bays.filter((each) => each === tile.dataset.bay).length;
    if (all === (said === 1) || said > 1)
      found.push(`bay ${tile.dataset.bay} is explained ${all ? "on it" : ""} and ${said} times below`);
  }
  for (const each of document.querySelectorAll(".what, .step, #asides li"))
    if (seen(each) && (each.scrollHeight > each.clientHeight + 2 || each.scrollWidth > each.clientWidth + 1))
      found.push(`cut: ${each.textContent}`);
  return found;
}"""
_LIGHT = """night => {
  const root = document.documentElement;
  const set = () => { if (root.dataset.night !== night) root.dataset.night = night; };
  globalThis.keptLight?.disconnect();
  globalThis.keptLight = new MutationObserver(set);
  globalThis.keptLight.observe(root, {attributes: true});
  set();
}"""
_TILE = """bay => [...document.querySelectorAll(`.tile[data-bay="${bay}"] :is(p, span)`)]
  .filter((each) => !each.closest("[hidden]") && !each.firstElementChild)
  .map((each) => each.textContent).join(" | ")"""
_MISFITS = """() => {
  const found = [], seen = [];
  if (document.documentElement.scrollHeight > innerHeight + 1) found.push("the page is higher than the screen");
  if (document.documentElement.scrollWidth > innerWidth + 1) found.push("the page is wider than the screen");
  for (const tile of document.querySelectorAll(".tile")) {
    const box = tile.getBoundingClientRect(), name = `bay ${tile.dataset.bay}`;
    if (box.right > innerWidth + 1 || box.bottom > innerHeight + 1 || box.width < 40) found.push(`${name} lies off the screen`);
    for (const other of seen) {
      if (box.left < other.right - 1 && other.left < box.right - 1 && box.top < other.bottom - 1 && other.top < box.bottom - 1)
        found.push(`${name} overlaps another`);
    }
    seen.push(box);
    const word = tile.querySelector(".word"), drawn = document.createRange();
    drawn.selectNodeContents(word);
    const ink = drawn.getBoundingClientRect();
    if (ink.left < box.left || ink.right > box.right || ink.top < box.top - 1)
      found.push(`${name}: ${word.textContent} does not fit`);
    const size = parseFloat(getComputedStyle(word).fontSize);
    for (const each of tile.querySelectorAll(".body *"))
      if (parseFloat(getComputedStyle(each).fontSize) >= size) found.push(`${name}: ${each.className} is as large as the lamp`);
    const short = tile.querySelector(".short").getBoundingClientRect();
    for (const each of tile.querySelectorAll(".shape, .causes li, .who, .what, .step")) {
      const other = each.getBoundingClientRect();
      if (other.width < 2) continue; // read out, and not seen
      const beside = short.left > other.right - 1 || other.left > short.right - 1;
      if (short.width && !beside && short.top < other.bottom - 3 && other.top < short.bottom - 3)
        found.push(`${name}: the time left lies over ${each.getAttribute("class") || each.dataset.cause}`);
    }
    const body = tile.querySelector(".body");
    if (body.scrollHeight > body.clientHeight + 2) found.push(`${name}: its words are higher than its tile`);
  }
  return found;
}"""


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Chromium as Debian ships it; root, as in a container, has no sandbox."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


OpenKiosk = Callable[..., Kiosk]


@pytest.fixture
def open_kiosk(browser: Browser) -> Iterator[OpenKiosk]:
    """Opens a dock's page; what the browser complained of fails the test."""
    opened: list[Kiosk] = []

    def make(dock: DockProcess, *, width: int = 800, height: int = 480, clock: bool = False, **options: Any) -> Kiosk:  # noqa: ANN401 - playwright's own
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        if clock:
            page.clock.install()
        kiosk = Kiosk(page)
        kiosk.open(int(str(dock.site.kiosk["port"])))
        opened.append(kiosk)
        return kiosk

    yield make
    assert [complaint for kiosk in opened for complaint in kiosk.complaints] == []


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultProcess]:
    """A running vault."""
    with VaultProcess(tmp_path / "vault") as running:
        yield running


MakeDock = Callable[..., DockProcess]


@pytest.fixture
def make_dock(tmp_path: Path, vault: VaultProcess) -> Iterator[MakeDock]:
    """Makes running docks that serve a page."""
    with ExitStack() as stack:

        def make(site: Site, **kiosk: object) -> DockProcess:
            site.kiosk = {"port": free_port(), **kiosk}
            dock = stack.enter_context(DockProcess(tmp_path / site.dock, vault, site))
            dock.wait_for("kiosk page")
            return dock

        yield make
