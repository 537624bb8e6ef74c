"""JSON Schemas of the site file and of a profile, for editors and for review before a file reaches a dock.

They come from the same model as the errors, and say no less than the loader about each key; only what several keys say together
is the loader's alone. The files beside this module are their printed form.
"""

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import get_args, get_origin

import msgspec

from dockd.config.fill import unwrapped, written_default
from dockd.config.model import Site
from dockd.config.profile import ProfileFile
from dockd.config.rules import Rule

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, object]


class Kind(StrEnum):
    """The files that have a schema."""

    SITE = "site"
    PROFILE = "profile"


_MODELS: dict[Kind, type[msgspec.Struct]] = {Kind.SITE: Site, Kind.PROFILE: ProfileFile}


def schema(kind: Kind) -> Schema:
    """The JSON Schema of one kind of file."""
    (root,), definitions = msgspec.json.schema_components([_MODELS[kind]], schema_hook=_custom)
    for model in _structs(_MODELS[kind]):
        properties = definitions[model.__name__]["properties"]
        for field in msgspec.structs.fields(model):
            properties[field.encode_name] = _property(properties[field.encode_name], field)
    return {"$schema": _DIALECT, "title": f"dockd {kind} file", **root, "$defs": _without_repeats(definitions)}


def printed(kind: Kind) -> str:
    """The schema as it stands in `dockd/config/*.schema.json`."""
    return json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"


def _property(given: Schema, field: msgspec.structs.FieldInfo) -> Schema:
    """What msgspec says of a key, without the null that the loader refuses, and with what its rule says of the text."""
    arms = given.pop("anyOf", None)
    if isinstance(arms, list):
        given |= next(arm for arm in arms if arm.get("type") != "null")
    if given.get("default", "") is None:
        del given["default"]
    kind, extras = unwrapped(field.type)
    for extra in extras:
        if isinstance(extra, msgspec.Meta):
            given |= {"description": extra.description} if extra.description else {}
            given |= {"examples": extra.examples} if extra.examples else {}
        if isinstance(extra, Rule):
            given |= extra.schema
    given |= _items(kind)
    default = written_default(field)
    if isinstance(default, str | Path):
        given["default"] = str(default)
    return given


def _items(kind: object) -> Schema:
    """What the rules say of a list's entries, and of the entries of lists in it."""
    if get_origin(kind) is not tuple:
        return {}
    inner, extras = unwrapped(get_args(kind)[0])
    if get_origin(inner) is tuple:
        least = next((extra.min_length for extra in extras if isinstance(extra, msgspec.Meta)), None)
        return {"items": {"type": "array", "minItems": least or 0, **_items(inner)}}
    rules = [extra.schema for extra in extras if isinstance(extra, Rule)]
    return {"items": {"type": "string", **rules[0]}} if rules else {}


def _structs(model: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """`model` and every struct inside it."""
    yield model
    for field in msgspec.structs.fields(model):
        kind, _ = unwrapped(field.type)
        inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from _structs(inner)


def _without_repeats(definitions: dict[str, Schema]) -> dict[str, Schema]:
    """Titles that only repeat the name of a Python class say nothing to an admin."""
    return {name: {key: value for key, value in one.items() if key != "title"} for name, one in sorted(definitions.items())}


def _custom(kind: type) -> Schema:
    if kind is Path or kind is re.Pattern or get_origin(kind) is re.Pattern:
        return {"type": "string"}
    msg = f"no schema for {kind}"
    raise NotImplementedError(msg)
