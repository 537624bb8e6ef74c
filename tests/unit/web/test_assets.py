"""Every word on the kiosk page stands in one table, in both languages, and none is missing or left over."""

import json
import re
from collections.abc import Iterator
from importlib import resources

import pytest

from dockd.core.battery import Quality
from dockd.core.causes import Cause
from dockd.core.estimate import Unit
from dockd.core.readiness import CODES
from dockd.errors import CameraError, ClearanceError, DockError, SpoolError, WorkerError
from dockd.web.assets import LAMPS, LANGUAGES, lamp, load_assets, words

PAGE = resources.files("dockd.web").joinpath("page")
TABLE: dict[str, dict[str, str]] = json.loads(PAGE.joinpath("words.json").read_text("utf-8"))
SCRIPTS = ("page.js", "room.js")
# Parents of errors; none is raised itself.
PARENTS = {"camera", "spool", "clearance"}


def leaves(kind: type[DockError]) -> Iterator[type[DockError]]:
    """An error class and all below it."""
    yield kind
    for each in kind.__subclasses__():
        yield from leaves(each)


def meant() -> set[str]:
    """Every key that the page or its script can ask for."""
    script = "".join(PAGE.joinpath(name).read_text("utf-8") for name in SCRIPTS)
    html = PAGE.joinpath("index.html").read_text("utf-8")
    keys = set(re.findall(r"\[\[([a-z.-]+)\]\]", html)) - {f"svg.{name}" for name in LAMPS}
    keys |= set(re.findall(r'say\("([a-z.-]+)"', script))
    codes = {each.code for kind in (CameraError, SpoolError, ClearanceError, WorkerError) for each in leaves(kind)} - PARENTS
    for code in (*codes, *CODES, "other"):
        keys |= {f"why.{code}", f"step.{code}"}
    keys |= {f"lamp.{name}" for name in (*LAMPS, "empty")}
    keys |= {f"{form}.{unit}" for form in ("left", "short") for unit in Unit}
    keys |= {f"cause.{name}.{state}" for name in ("copied", "charged", "archived") for state in Cause}
    keys |= {f"bar.{stage}" for stage in ("copy", "archive", "charge")}
    keys |= {f"battery.{part}{quality}" for part in ("", "long.", "when.") for quality in Quality}
    keys |= {f"archive.{state}" for state in ("answers", "away", "unknown")} | {"site.error", "site.pending"}
    keys |= {f"notice.{kind}{part}" for kind in ("back", "unseen", "help", "safe") for part in ("", ".step")}
    keys |= {f"aside.{kind}" for kind in ("back", "unseen", "help")}
    keys |= {"space.free", "space.full", "ready.take", "ready.clear"}
    return keys


def test_nothing_is_missing_and_nothing_is_left_over() -> None:
    """What counts has a form for one and one for many."""
    found = {re.sub(r"\.(one|other)$", "", key) if f"{key.rpartition('.')[0]}.one" in TABLE else key for key in TABLE}
    assert found == meant()
    for key in TABLE:
        if key.endswith(".one"):
            assert key.removesuffix("one") + "other" in TABLE


@pytest.mark.parametrize("key", TABLE)
def test_both_languages_say_the_same(key: str) -> None:
    """Each has words for it, with the same blanks."""
    assert tuple(TABLE[key]) == LANGUAGES
    blanks = [sorted(re.findall(r"\{(\w+)\}", TABLE[key][language])) for language in LANGUAGES]
    assert blanks[0] == blanks[1]
    assert all(TABLE[key][language].strip() for language in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_stands_in_the_page_or_its_script(language: str) -> None:
    """A language that is added to the table is on the whole page."""
    assets = load_assets(language, None)
    html = PAGE.joinpath("index.html").read_text("utf-8")
    visible = re.sub(r"<[^>]*>|\[\[[^\]]*\]\]", " ", html)
    assert visible.split() == []
    scripts = "".join(PAGE.joinpath(name).read_text("utf-8") for name in SCRIPTS)
    script = re.sub(r"//[^\n]*|/\*.*?\*/", "", scripts, flags=re.DOTALL)
    sentences = [text for text in re.findall(r'"([^"]*)"', script) if re.search(r"[a-z] [a-z]", text)]
    assert set(sentences) == {"take it", "leave it", "get help"}  # the lamps' names in the status
    assert words(language)["page.title"] in assets.files["/"].body.decode()


def test_a_change_of_any_file_is_a_new_version() -> None:
    """A page that was loaded before notices, and loads again."""
    versions = {load_assets(language, layout).version for language in LANGUAGES for layout in (None, (("1",),))}
    assert len(versions) == 4
    assert f'data-version="{load_assets("en", None).version}"' in load_assets("en", None).files["/"].body.decode()


@pytest.mark.parametrize("name", LAMPS)
def test_a_lamp_is_a_drawing_and_nothing_else(name: str) -> None:
    """No script, no link, no text that would need a language."""
    drawing = lamp(name)
    assert set(re.findall(r"<(\w+)", drawing)) <= {"svg", "circle", "path", "rect"}
    assert "href" not in drawing
