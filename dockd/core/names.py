"""Names on a camera are bytes that nobody promised anything about.

A path on a camera is the exact bytes, relative to the camera's root, with `/` between its parts. It becomes text only for
people and for JSON, percent-encoded so that the bytes can be had back: every byte outside printable ASCII, and `%` itself, is
written `%XX`.
"""

from urllib.parse import quote_from_bytes, unquote_to_bytes

_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def shown(path: bytes) -> str:
    """`path` as reversible printable ASCII."""
    return quote_from_bytes(path, safe=_PLAIN)


def from_shown(text: str) -> bytes:
    """The bytes that `shown` made `text` from."""
    return unquote_to_bytes(text)


def parent(path: bytes) -> bytes:
    """The folder of `path`, empty for a file in the root."""
    return path.rpartition(b"/")[0]


def basename(path: bytes) -> bytes:
    """The last part of `path`."""
    return path.rpartition(b"/")[2]


def plain(word: str) -> str:
    """A word without case, spaces, hyphens and the like."""
    return "".join(character for character in word.casefold() if character.isalnum())
