"""What the kiosk page is made of, in one language: its files, and every word on it out of one table.

`page/words.json` has every string once, in each language. Python fills `[[word]]` in the page and hands the rest to its script,
so that the browser asks nobody but the dock, and nothing has to be built.
"""

import hashlib
import html
import json
import re
from dataclasses import dataclass
from importlib import resources

LANGUAGES = ("en", "es")
LAMPS = ("take", "leave", "help", "back", "unknown")
_BLANK = re.compile(r"\[\[([a-z.-]+)\]\]")
_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its media type and its bytes."""

    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Assets:
    """Everything that the browser asks for, by path; when any of it changes so does `version`, and an old page loads again."""

    files: dict[str, Asset]
    version: str


def words(language: str) -> dict[str, str]:
    """Every string of the page in one language."""
    table: dict[str, dict[str, str]] = json.loads(_read("words.json"))
    return {key: each[language] for key, each in table.items()}


def load_assets(language: str, layout: tuple[tuple[str, ...], ...] | None) -> Assets:
    """Read the page's files, in one language and for one dock's shape. Blocks."""
    said = words(language)
    drawings = {f"svg.{name}": lamp(name) for name in LAMPS}

    def filled(match: re.Match[str]) -> str:
        key = match.group(1)
        return drawings[key] if key in drawings else html.escape(said[key])

    settings = {"language": language, "layout": layout, "words": said}
    settings_js = f"export default {json.dumps(settings, ensure_ascii=False)};\n"
    contents = {name: _read(name) for name in ("page.css", "page.js", "room.js")}
    contents |= {"settings.js": settings_js, "icon.svg": lamp("take")}
    index = _BLANK.sub(filled, _read("index.html"))
    version = hashlib.sha256("\0".join([index, *contents.values()]).encode()).hexdigest()[:12]
    contents["index.html"] = index.replace("{{version}}", version)
    files = {f"/{name}": Asset(_KINDS[name.rpartition(".")[2]], text.encode()) for name, text in contents.items()}
    files["/"] = files.pop("/index.html")
    return Assets(files, version)


def lamp(name: str) -> str:
    """The drawing of a lamp, as SVG."""
    return _read(f"lamp-{name}.svg").strip()


def _read(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text("utf-8")
