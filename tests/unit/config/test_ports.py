"""Writing ports into a site file's text."""

import pytest

from dockd.config.ports import with_ports
from dockd.errors import ConfigError

A, B = "pci-0000:00:14.0-usb-0:1.2", "pci-0000:00:14.0-usb-0:1.3"


def written(text: str, **ports: str) -> str:
    """The text with ports by the bay's id after a `b`."""
    return with_ports(text.encode(), {bay[1:]: port for bay, port in ports.items()}, file="site.yaml").decode()


def test_a_port_is_exchanged_and_every_comment_stays() -> None:
    """Only the words that are another port now differ."""
    text = f'# ours\nbays:  # all of them\n  - id: "1"  # left\n    usb_port: {A}  # on the hub\n  # the second\n  - id: "2"\n'
    text += '    usb_port: "old"\nspool: x  # end\n'
    assert written(text, b1=B, b2=A) == text.replace(A, B).replace('"old"', A)


def test_a_folder_becomes_a_port() -> None:
    """The bay keeps its place and its id."""
    text = 'bays:\n  - id: "1"\n    # where it is\n    directory: /srv/bays/1\n  - directory: /srv/bays/2\n    id: "2"\n'
    want = f'bays:\n  - id: "1"\n    # where it is\n    usb_port: {A}\n  - usb_port: {B}\n    id: "2"\n'
    assert written(text, b1=A, b2=B) == want


def test_a_bay_without_either_gets_a_port() -> None:
    """On the line below its id."""
    assert written('bays:\n- id: "1" # first\n', b1=A) == f'bays:\n- id: "1" # first\n  usb_port: {A}\n'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_bay_that_is_missing_is_added_after_the_last(end: str) -> None:
    """In front of the comments that follow the list."""
    text = f'bays:{end}  - id: "1"{end}    usb_port: {A}  # here{end}# next comes the spool{end}spool: x'
    want = text.replace("# here", f'# here\n  - id: "2"\n    usb_port: {B}')
    assert written(text, b2=B) == want


def test_a_list_between_brackets_stays_between_brackets() -> None:
    """Ports are quoted there, since a comma would end them."""
    text = 'bays: [{id: "1", directory: /srv/1}, {id: "2"}]  # both\n'
    want = f'bays: [{{id: "1", usb_port: "{A}"}}, {{id: "2", usb_port: "{B}"}}, {{id: "3", usb_port: "x"}}]  # both\n'
    assert written(text, b1=A, b2=B, b3="x") == want


def test_a_file_that_ends_without_a_line_end_is_added_to() -> None:
    """As every other."""
    assert written('bays:\n- id: "1"', b1=A, b2=B) == f'bays:\n- id: "1"\n  usb_port: {A}\n- id: "2"\n  usb_port: {B}'


@pytest.mark.parametrize("text", ["a: 1\n", "bays: x\n", "bays: []\n", "- 1\n"])
def test_a_file_without_a_list_of_bays_is_refused(text: str) -> None:
    """There is no place to write to."""
    with pytest.raises(ConfigError, match="no list of bays"):
        written(text, b1=A)


def test_what_dockd_does_not_read_it_does_not_write() -> None:
    """An alias would make two places of one."""
    with pytest.raises(ConfigError, match="aliases"):
        written("bays: &a [{id: x}]\n", bx=A)


def test_entries_that_are_no_bays_are_left() -> None:
    """The check afterwards names them."""
    assert (
        written('bays:\n- word\n- {port: 1}\n- id: "1"\n', b1=A) == f'bays:\n- word\n- {{port: 1}}\n- id: "1"\n  usb_port: {A}\n'
    )
