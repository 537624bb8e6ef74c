"""The documentation of the site file says what the model does."""

from pathlib import Path

from dockd.config.difference import live_keys
from dockd.config.reference import BEGIN, END, printed, put_into

DOCUMENT = Path(__file__).parents[3] / "docs" / "site-file.md"


def test_the_table_of_keys_is_the_models() -> None:
    """Whoever changes the model prints it anew: python -m dockd.config.reference docs/site-file.md."""
    text = DOCUMENT.read_text("utf-8")
    assert put_into(text) == text
    assert text.count(BEGIN) == text.count(END) == 1


def test_what_is_live_is_said_to_be() -> None:
    """The same as the daemon does."""
    rows = [line for line in printed().splitlines() if line.startswith("| `")]
    told = {row.split("`")[1]: row.endswith("| live |") for row in rows}
    for key, live in live_keys():
        inside = [value for name, value in told.items() if name in {key, f"{key}[]"} or name.startswith((f"{key}.", f"{key}[]."))]
        assert inside, key
        assert set(inside) == {live}, key
