"""Names are bytes; what is shown of them can be turned back."""

from hypothesis import given
from hypothesis import strategies as st

from dockd.core.names import basename, from_shown, parent, shown


@given(st.binary())
def test_any_bytes_come_back_from_what_is_shown(path: bytes) -> None:
    """Nothing that a file system can call a file is lost or confused on the way through text."""
    assert from_shown(shown(path)) == path


@given(st.binary())
def test_what_is_shown_is_one_line_of_printable_ascii(path: bytes) -> None:
    """No name can break a log line, a terminal or a page."""
    assert all(" " <= character <= "~" for character in shown(path))


@given(st.binary(), st.binary())
def test_two_names_are_never_shown_alike(one: bytes, other: bytes) -> None:
    """Equal text means equal bytes."""
    assert (shown(one) == shown(other)) == (one == other)


def test_plain_names_are_shown_as_they_are() -> None:
    """A person reads the name that is on the camera."""
    assert shown(b"DCIM/100MEDIA/CLIP 0001 (2).MP4") == "DCIM/100MEDIA/CLIP 0001 (2).MP4"
    assert shown(b"50%\n\xff") == "50%25%0A%FF"


def test_folder_and_last_part() -> None:
    """A path falls into its folder and its last part; a file in the root has no folder."""
    assert (parent(b"a/b/c"), basename(b"a/b/c")) == (b"a/b", b"c")
    assert (parent(b"c"), basename(b"c")) == (b"", b"c")
