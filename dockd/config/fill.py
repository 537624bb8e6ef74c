"""Fills a model's structs from nodes, noting every problem with its place, and what was expected."""

import json
import re
import types
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec

from dockd.config.problems import Problems
from dockd.config.rules import SIZE, Rule, nearest, shown
from dockd.config.source import Mapping, Node, Place, Scalar, Sequence

S = TypeVar("S", bound=msgspec.Struct)

_SECRETS = frozenset(
    ["token", "password", "passphrase", "secret", "bearer", "api_key", "access_key", "secret_key", "private_key"]
)


class _BadValueError(ValueError):
    """A value that cannot be used; its problem is noted already."""


def fill(model: type[S], node: Node, problems: Problems) -> S | None:
    """The struct that `node` describes, None if it has problems, which are then noted."""
    try:
        return _struct(model, node, "", problems)
    except _BadValueError:
        return None


def place_of(node: Node, *path: str | int) -> Place:
    """Where the value at `path` stands; the nearest part around it that was written, if it was not."""
    for step in path:
        match node:
            case Mapping(values=values) if step in values:
                node = values[str(step)]
            case Sequence(items=items) if isinstance(step, int) and step < len(items):
                node = items[step]
            case _:
                break
    return node.place


def _struct(model: type[S], node: Node, path: str, problems: Problems) -> S:
    if not isinstance(node, Mapping):
        msg = f"{_label(path)}{_found(node)}, expected keys with values: {_listed(_required(model) or _names(model))}"
        raise _noted(problems, node.place, msg)
    fields = {field.encode_name: field for field in msgspec.structs.fields(model)}
    sound = True
    meant: set[str | None] = set()
    for name, place in node.keys.items():
        if name not in fields:
            problems.add(place, _label(path) + _unknown_key(name, fields))
            meant.add(nearest(name, list(fields)))
            sound = False
    values: dict[str, object] = {}
    for name, field in fields.items():
        below = f"{path}.{name}" if path else name
        try:
            if name in node.values:
                values[field.name] = _value(field.type, node.values[name], below, problems)
            elif field.required and name not in meant:
                msg = f"{_label(path)}key {name!r} is missing, expected {expectation(field.type)}"
                raise _noted(problems, node.place, msg)
        except _BadValueError:
            sound = False
    if not sound:
        raise _BadValueError
    return model(**values)


def _value(annotation: object, node: Node, path: str, problems: Problems) -> object:
    kind, extras = unwrapped(annotation)
    if _is_struct(kind):
        return _struct(kind, node, path, problems)
    if get_origin(kind) is tuple:
        return _items(annotation, node, path, problems)
    rule = next((extra for extra in extras if isinstance(extra, Rule)), None)
    if not isinstance(node, Scalar) or node.value is None:
        found = "is empty" if isinstance(node, Scalar) else _found(node)
        msg = f"{_label(path)}{found}, expected {expectation(annotation)}"
        raise _noted(problems, node.place, msg)
    if rule is not None:
        return _text(annotation, rule, node, path, problems)
    try:
        return msgspec.convert(node.value, annotation)
    except msgspec.ValidationError as exc:
        found = f"{node.text} is out of range" if kind is int and type(node.value) is int else _found(node)
        msg = f"{_label(path)}{found}, expected {expectation(annotation)}{_hint(kind, node)}"
        raise _noted(problems, node.place, msg) from exc


def _items(annotation: object, node: Node, path: str, problems: Problems) -> tuple[object, ...]:
    kind, extras = unwrapped(annotation)
    if not isinstance(node, Sequence):
        msg = f"{_label(path)}{_found(node)}, expected {expectation(annotation)}"
        raise _noted(problems, node.place, msg)
    least = max((extra.min_length or 0 for extra in extras if isinstance(extra, msgspec.Meta)), default=0)
    if len(node.items) < least:
        msg = f"{_label(path)}the list is empty, expected {expectation(annotation)}"
        raise _noted(problems, node.place, msg)
    values: list[object] = []
    sound = True
    for index, item in enumerate(node.items):
        try:
            values.append(_value(get_args(kind)[0], item, f"{path}[{index}]", problems))
        except _BadValueError:
            sound = False
    if not sound:
        raise _BadValueError
    return tuple(values)


def _text(annotation: object, rule: Rule, node: Scalar, path: str, problems: Problems) -> object:
    if not isinstance(node.value, str):
        kind, _ = unwrapped(annotation)
        if rule.secret:
            msg = f"{_label(path)}not text, expected {expectation(annotation)}"
        elif kind is str:
            msg = f'{_label(path)}{_found(node)}, expected text; put it in quotes: "{node.text}"'
        else:
            msg = f"{_label(path)}{_found(node)}, expected {expectation(annotation)}"
        raise _noted(problems, node.place, msg)
    try:
        return rule.read(node.value)
    except ValueError as exc:
        raise _noted(problems, node.place, f"{_label(path)}{exc}") from exc


def written_default(field: msgspec.structs.FieldInfo) -> object:
    """What a key that is not required has where nobody says anything, as a site file would say it; sizes are whole GiB."""
    default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
    return f"{default >> 30} GiB" if isinstance(default, int) and SIZE in unwrapped(field.type)[1] else default


def unwrapped(annotation: object) -> tuple[object, tuple[object, ...]]:
    """The bare type and what `Annotated` says of it, without the None of an optional key."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return unwrapped(next(arm for arm in get_args(annotation) if arm is not types.NoneType))
    if get_origin(annotation) is Annotated:
        kind, *extras = get_args(annotation)
        return kind, tuple(extras)
    return annotation, ()


def _noted(problems: Problems, place: Place, message: str) -> _BadValueError:
    problems.add(place, message)
    return _BadValueError()


def _label(path: str) -> str:
    return f"{path}: " if path else ""


def _unknown_key(name: str, known: Iterable[str]) -> str:
    words = list(known)
    if name.lower() in _SECRETS:
        return f"a secret never stands in this file, expected token_file with the path of a file of mode 0600 instead of {name!r}"
    near = nearest(name, words)
    meant = f"{near!r}; all keys here are " if near else ""
    return f"unknown key {shown(name)}, expected {meant}{_listed(words)}"


def _names(model: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(model)]


def _required(model: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(model) if field.required]


def _is_struct(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _found(node: Node) -> str:
    match node:
        case Scalar(value=None):
            return "nothing is written here"
        case Scalar(value=bool(), text=text):
            return f"{text} is true or false"
        case Scalar(value=int() | float(), text=text):
            return f"{shown(text)[1:-1]} is a number"
        case Scalar(text=text):
            return f"{shown(text)} is text"
        case Sequence():
            return "a list is written here"
        case Mapping():
            return "keys with values are written here"


def expectation(annotation: object) -> str:
    """What may stand at a key, in words, with an example where the model has one."""
    kind, extras = unwrapped(annotation)
    metas = [extra for extra in extras if isinstance(extra, msgspec.Meta)]
    example = next((f", for example {_written(meta.examples[0])}" for meta in metas if meta.examples), "")
    words = _words_of(kind)
    if words is not None:
        return " or ".join(words)
    if kind is bool:
        return "true or false"
    if kind is int and not any(isinstance(extra, Rule) for extra in extras):
        meta = metas[0]
        return f"a whole number from {meta.ge} to {meta.le}{example}"
    if get_origin(kind) is tuple:
        inner, _ = unwrapped(get_args(kind)[0])
        entries = f" of entries that begin with - {_required(inner)[0]}:" if _is_struct(inner) else ""
        return f"a list{entries}{example}"
    if _is_struct(kind):
        return f"keys with values: {_listed(_required(kind) or _names(kind))}"
    return ("an absolute path" if kind is Path else "text") + example


def _words_of(kind: object) -> list[str] | None:
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    return [str(member) for member in kind] if isinstance(kind, type) and issubclass(kind, StrEnum) else None


def _hint(kind: object, node: Scalar) -> str:
    if kind is int and isinstance(node.value, str) and re.fullmatch(r"[0-9]{1,9}", node.text):
        return "; write it without quotes or leading zeros"
    near = nearest(node.text, _words_of(kind) or [])
    return f"; was {near} meant?" if near else ""


def _written(example: object) -> str:
    return example if isinstance(example, str) else json.dumps(example)
