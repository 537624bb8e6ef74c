"""Canonical JSON (RFC 8785 for the values that dockd writes), so that a digest or signature covers one spelling only.

Only null, booleans, integers that a double holds exactly, strings, lists and string-keyed objects: no floats, whose spelling
is where implementations differ. Keys are ASCII, for which code-point order is RFC 8785's UTF-16 order.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"

_LARGEST_EXACT = 2**53 - 1


def canonical(value: Json) -> bytes:
    """The one UTF-8 spelling of `value`.

    Raises:
        RuntimeError: a value that has no exact spelling; a bug of the caller.
        UnicodeEncodeError: a string with half of a surrogate pair.
    """
    _check(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def _check(value: Json) -> None:
    match value:
        case None | bool():
            return
        case int() if abs(value) > _LARGEST_EXACT:
            msg = f"{value} does not fit a double; write it as a string"
            raise RuntimeError(msg)
        case int():
            return
        case str():
            value.encode()  # half of a surrogate pair has no UTF-8
        case Mapping():
            for key, member in value.items():
                if not isinstance(key, str) or not key.isascii():
                    msg = f"key {key!r} is not an ASCII string"
                    raise RuntimeError(msg)
                _check(member)
        case list() | tuple():
            for member in value:
                _check(member)
        case _:
            msg = f"{type(value).__name__} has no canonical spelling"
            raise RuntimeError(msg)


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962 section 2.1: SHA-256 over a zero byte and the entry."""
    return hashlib.sha256(b"\x00" + entry).digest()
