"""The officer's card is one page, and says what the screen says."""

import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from dockd.web.assets import LAMPS, words
from tests.kiosk.card import CARDS, COLOURS, DOCS, drawing, print_card


@pytest.mark.parametrize("language", CARDS)
def test_the_card_is_one_printed_page(tmp_path: Path, language: str) -> None:
    """With pictures of all lamps, ready to be hung beside the dock."""
    pdf = print_card(language, tmp_path).read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert (tmp_path / "screens" / f"officer-card-{language}.png").stat().st_size > 10_000


@pytest.mark.parametrize("language", CARDS)
def test_the_card_that_ships_says_what_its_text_says(tmp_path: Path, language: str) -> None:
    """Printed anew after a change of the text: make card."""
    pages = [PdfReader(file).pages[0] for file in (CARDS[language].with_suffix(".pdf"), print_card(language, tmp_path))]
    shipped, printed = ("".join(page.extract_text().split()) for page in pages)  # where lines break is the font's
    assert shipped == printed
    assert len(printed) > 500


@pytest.mark.parametrize("language", CARDS)
def test_the_card_has_the_screens_words(language: str) -> None:
    """Whoever reads the one understands the other."""
    card, said = CARDS[language].read_text("utf-8"), words(language)
    for name in LAMPS:
        assert f"**{said[f'lamp.{name}']}**" in card
        assert f"(lamps/{name}.svg)" in card


@pytest.mark.parametrize("name", LAMPS)
def test_the_cards_lamps_are_the_pages_own(name: str) -> None:
    """Drawn anew by: make card."""
    assert (DOCS / "lamps" / f"{name}.svg").read_text("utf-8") == drawing(name)
    assert "var(" not in drawing(name)
    assert COLOURS[name] in drawing(name)
