"""Prints the officer's card: `python -m tests.kiosk.card` makes docs/officer-card.pdf, that in Spanish beside it, and docs/lamps.

The lamps are the page's own drawings in the page's own colours, so that card, screen and dock cannot drift apart.
"""

import html
import shutil
from pathlib import Path

from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

from dockd.web.assets import LAMPS, lamp

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CARDS = {"en": DOCS / "officer-card.md", "es": DOCS / "officer-card.es.md"}
COLOURS = {"take": "#009e73", "leave": "#e69f00", "help": "#d55e00", "back": "#0072b2", "unknown": "#555555"}
_STYLE = """
@page { size: letter; margin: 14mm }
body { font: 12.5pt/1.35 "DejaVu Sans", sans-serif; margin: 0 }
h1 { font-size: 25pt; margin: 0 0 3mm }
table { border-collapse: collapse; width: 100%; margin: 3mm 0 }
th { text-align: left; font-weight: normal; color: #444 }
td, th { border-bottom: .4mm solid #999; padding: 2mm 3mm 2mm 0 }
td:nth-child(2) { font-size: 17pt; white-space: nowrap }
td:nth-child(1) { width: 24mm }
img { width: 19mm; height: 19mm; display: block }
table:nth-of-type(2) img { width: 12mm; height: 12mm; margin: 0 3.5mm }
table:nth-of-type(2) td:nth-child(2) { font-size: 13pt }
ul { padding-left: 5mm }
p:last-child { margin-top: 7mm }
"""


def drawing(name: str) -> str:
    """A lamp as a picture that stands alone, in its colour."""
    return lamp(name).replace("currentColor", COLOURS[name]).replace("var(--ground,#fff)", "#fff") + "\n"


def print_card(language: str, into: Path) -> Path:
    """Print one card; the PDF's path."""
    into.mkdir(parents=True, exist_ok=True)
    body = MarkdownIt().enable("table").render(CARDS[language].read_text("utf-8"))
    base = f'<base href="{html.escape(DOCS.as_uri())}/">'
    page = f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>dockd</title>{base}'
    source = into / f"officer-card-{language}.html"
    source.write_text(f"{page}<style>{_STYLE}</style></head><body>{body}</body></html>", "utf-8")
    made = into / f"officer-card-{language}.pdf"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(source.as_uri(), wait_until="networkidle")
        tab.pdf(path=made, prefer_css_page_size=True)
        tab.set_viewport_size({"width": 816, "height": 1056})
        tab.screenshot(path=into / "screens" / f"officer-card-{language}.png")
        browser.close()
    source.unlink()
    return made


def main() -> None:
    """Draw and print everything."""
    (DOCS / "lamps").mkdir(exist_ok=True)
    for name in LAMPS:
        (DOCS / "lamps" / f"{name}.svg").write_text(drawing(name), "utf-8")
    for language, card in CARDS.items():
        made = shutil.copy(print_card(language, ROOT / "build"), card.with_suffix(".pdf"))
        print(made)  # noqa: T201 - it is a program


if __name__ == "__main__":
    main()
