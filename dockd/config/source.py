"""Reads YAML so that every value keeps the place where it was written.

Strict on purpose, since a site file decides what may be erased: the subset is what JSON can say, resolved by YAML 1.2's core
schema (`no` and `on` are words, `1:30` is a word, `true` is a boolean). Duplicate keys, anchors, aliases, merge keys, tags, a
second document, more than 1 MiB and more than 32 levels are refused, so that no file means two things and none can exhaust the
reader.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from dockd.errors import ConfigError

_LIMIT_BYTES = 1 << 20
_LIMIT_LEVELS = 32
_LIMIT_DIGITS = 18

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOLEANS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file: both numbers begin at 1, columns count characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One word or number.

    Attributes:
        text: as written, without quotes.
        value: what it means; None where nothing, or `null`, was written.
    """

    place: Place
    text: str
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    place: Place
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their values, and where each key stands."""

    place: Place
    values: "dict[str, Node]"
    keys: dict[str, Place]


# What PyYAML was doing when a pattern such as *.MP4 stood without quotes, and the character that led it there.
_UNQUOTED = {"while scanning an alias": "*", "while scanning an anchor": "&"}

Node = Scalar | Sequence | Mapping


def read(path: Path) -> Node:
    """What the file says.

    Raises:
        ConfigError: it cannot be read, is no YAML, or uses what dockd refuses.
    """
    return parse(bytes_of(path), file=str(path))


def parse(content: bytes, *, file: str) -> Node:
    """What `content` says; `file` names it in errors.

    Raises:
        ConfigError: it is no YAML, or uses what dockd refuses.
    """
    if len(content) > _LIMIT_BYTES:
        msg = f"larger than {_LIMIT_BYTES} bytes, expected a file that a person can review"
        raise ConfigError(msg, file=file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = content[: exc.start].decode("utf-8", "replace")
        msg = f"byte 0x{content[exc.start]:02x} is not UTF-8, expected a file saved as UTF-8"
        raise _at(_place_after(before), msg, file) from exc
    return _Reader(text, file).document()


def bytes_of(path: Path, what: str = "a YAML file") -> bytes:
    """The file's content, read once and never more than the limit; a pipe or a device would make the reader wait for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                msg = f"not a plain file, expected {what}"
                raise ConfigError(msg, file=str(path))
            return file.read(_LIMIT_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        msg = f"cannot be read ({reason}), expected {what}"
        raise ConfigError(msg, file=str(path)) from exc


class _Reader:
    """Turns PyYAML's events into nodes; not its own nodes, whose composer follows aliases and recurses without limit."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._last = Place(1, 1)
        self._events = self._guarded()

    def document(self) -> Node:
        """The only document of the file."""
        self._next(yaml.StreamStartEvent)
        start = self._next(yaml.DocumentStartEvent, yaml.StreamEndEvent)
        if not isinstance(start, yaml.DocumentStartEvent):
            self._refuse("the file is empty, expected keys with values")
        if start.version or start.tags:
            self._refuse("a % directive is not supported, expected the file to begin with its first key")
        node = self._node(next(self._events), 0)
        self._next(yaml.DocumentEndEvent)
        if isinstance(self._next(yaml.StreamEndEvent, yaml.DocumentStartEvent), yaml.DocumentStartEvent):
            self._refuse("a second document begins here, expected one document in one file")
        return node

    def _guarded(self) -> Iterator[yaml.Event]:
        """PyYAML's events; whatever it raises becomes a ConfigError at the place where reading stopped."""
        try:
            loader = yaml.SafeLoader(self._text)
        except yaml.reader.ReaderError as exc:
            msg = f"character U+{ord(self._text[exc.position]):04X} is not allowed, expected printable text"
            raise _at(_place_after(self._text[: exc.position]), msg, self._file) from exc
        try:
            while loader.check_event():
                event = loader.get_event()  # type: ignore[no-untyped-call]  # the stubs leave it bare
                self._last = _place_of(event.start_mark)
                yield event
        except yaml.MarkedYAMLError as exc:
            context = f" {exc.context}" if exc.context else ""
            msg = f"not YAML{context}: {exc.problem}"
            if exc.context in _UNQUOTED:
                msg = f"{_UNQUOTED[exc.context]} begins a text without quotes, expected it in quotes"
            raise _at(_place_of(exc.problem_mark or exc.context_mark or loader.get_mark()), msg, self._file) from exc
        except (ValueError, OverflowError) as exc:  # PyYAML lets chr() and int() speak for themselves
            msg = f"not YAML: {exc}"
            raise _at(_place_of(loader.get_mark()), msg, self._file) from exc

    def _next(self, *wanted: type[yaml.Event]) -> yaml.Event:
        event = next(self._events)
        if not isinstance(event, wanted):
            msg = f"the YAML reader gave {event!r} out of order"
            raise RuntimeError(msg)  # noqa: TRY004 - the grammar of PyYAML's events, not a caller's type
        return event

    def _node(self, event: yaml.Event, level: int) -> Node:
        place = self._last
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._refuse("anchors (&) and aliases (*) are not supported, expected the value itself; quote a text that has them")
        if getattr(event, "tag", None):
            self._refuse("tags (!) are not supported, expected a plain value; quote a text that begins with !")
        if level >= _LIMIT_LEVELS:
            self._refuse(f"more than {_LIMIT_LEVELS} levels deep, expected the keys of the documentation")
        match event:
            case yaml.ScalarEvent():
                text = str(event.value)
                quoted = event.style is not None
                if unprintable := _unprintable(text):
                    self._refuse(f"contains the unprintable character U+{ord(unprintable):04X}, expected printable text")
                return Scalar(place, text, text if quoted else _resolve(text))
            case yaml.SequenceStartEvent():
                return Sequence(place, tuple(self._items(level)))
            case yaml.MappingStartEvent():
                return self._mapping(place, level)
            case _:
                msg = f"the YAML reader gave {event!r} where a value begins"
                raise RuntimeError(msg)

    def _items(self, level: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, level + 1)

    def _mapping(self, place: Place, level: int) -> Mapping:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, level + 1)
            if not isinstance(key, Scalar):
                raise _at(key.place, "a list or mapping as a key, expected a word", self._file)
            if key.text == "<<":
                raise _at(key.place, "merge keys (<<) are not supported, expected the keys written out", self._file)
            if key.text in keys:
                first = keys[key.text]
                msg = f"key {key.text!r} is here twice, first at line {first.line} column {first.column}; expected it once"
                raise _at(key.place, msg, self._file)
            keys[key.text] = key.place
            values[key.text] = self._node(next(self._events), level + 1)
        return Mapping(place, values, keys)

    def _refuse(self, message: str) -> NoReturn:
        raise _at(self._last, message, self._file)


def _resolve(text: str) -> str | int | float | bool | None:
    """The meaning of an unquoted scalar by YAML 1.2's core schema.

    Two readings differ between YAML 1.1 and 1.2, and both stay words here, so that a number is refused where one is expected:
    numbers with leading zeros, and those that no machine word holds.
    """
    if _NULL.fullmatch(text):
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) > _LIMIT_DIGITS:
        return text
    if _DECIMAL.fullmatch(text):
        digits = text.lstrip("+-")
        return text if len(digits) > 1 and digits.startswith("0") else int(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _unprintable(text: str) -> str | None:
    """The first character that no person would see: controls, lone surrogates, direction marks. Line ends of block text pass."""
    return next((character for character in text if not character.isprintable() and character != "\n"), None)


def _place_of(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _place_after(before: str) -> Place:
    """The place of the character that follows `before`."""
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Place(len(lines), len(lines[-1]) + 1)


def _at(place: Place, message: str, file: str) -> ConfigError:
    return ConfigError(message, file=file, line=place.line, column=place.column)
