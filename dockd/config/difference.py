"""What is different between two site files, key by key, and which of it a running dock takes over.

A key is taken over live if the model marks it, or a section around it, with `rules.LIVE`; everything else is in force at the next
start. A list of entries is compared by what each entry calls itself, its first key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar, get_args, get_origin

import msgspec

from dockd.config.fill import unwrapped
from dockd.config.model import Site
from dockd.config.rules import LIVE

S = TypeVar("S", bound=msgspec.Struct)

_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that is not the same.

    Attributes:
        key: as in the site file, from its section on.
        before, after: values as they are written; `nothing` for one that is not there.
        live: a running dock takes it over.
    """

    key: str
    before: str
    after: str
    live: bool

    def __str__(self) -> str:
        return f"{self.key}: {self.before} -> {self.after}"


def differences(before: Site, after: Site) -> tuple[Difference, ...]:
    """In the order of the model."""
    return tuple(_within(before, after, "", live=False))


def taken_over(running: S, wanted: S) -> S:
    """`running` with every key of `wanted` that a running dock takes over."""
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(running):
        _, extras = unwrapped(field.type)
        here, there = getattr(running, field.name), getattr(wanted, field.name)
        if LIVE in extras:
            values[field.name] = there
        elif isinstance(here, msgspec.Struct) and isinstance(there, msgspec.Struct):
            values[field.name] = taken_over(here, there)
    return msgspec.structs.replace(running, **values)


def live_keys(model: type[msgspec.Struct] = Site, path: str = "") -> Iterator[tuple[str, bool]]:
    """Every key of a model that holds a value, and whether a running dock takes it over."""
    for field in msgspec.structs.fields(model):
        kind, extras = unwrapped(field.type)
        key = f"{path}.{field.encode_name}" if path else field.encode_name
        inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
        if LIVE not in extras and isinstance(inner, type) and issubclass(inner, msgspec.Struct) and inner is kind:
            yield from live_keys(inner, key)
        else:
            yield key, LIVE in extras


def _within(before: msgspec.Struct, after: msgspec.Struct, path: str, *, live: bool) -> Iterator[Difference]:
    for field in msgspec.structs.fields(before):
        here, there = getattr(before, field.name), getattr(after, field.name)
        if here == there:
            continue
        _, extras = unwrapped(field.type)
        taken = live or LIVE in extras
        key = f"{path}.{field.encode_name}" if path else field.encode_name
        if isinstance(here, msgspec.Struct) and isinstance(there, msgspec.Struct):
            yield from _within(here, there, key, live=taken)
        elif _entries(here) or _entries(there):
            yield from _listed(here, there, key, live=taken)
        else:
            yield Difference(key, _written(here), _written(there), taken)


def _entries(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], msgspec.Struct)


def _listed(
    before: tuple[msgspec.Struct, ...], after: tuple[msgspec.Struct, ...], key: str, *, live: bool
) -> Iterator[Difference]:
    here, there = {_name(each): each for each in before}, {_name(each): each for each in after}
    for name in dict.fromkeys([*here, *there]):
        place = f"{key}[{name}]"
        if name not in there:
            yield Difference(place, "there", _NOTHING, live)
        elif name not in here:
            yield Difference(place, _NOTHING, "there", live)
        else:
            yield from _within(here[name], there[name], place, live=live)
    if here == there:
        yield Difference(key, ", ".join(here), ", ".join(there), live)


def _name(entry: msgspec.Struct) -> str:
    return str(getattr(entry, entry.__struct_fields__[0]))


def _written(value: object) -> str:
    match value:
        case None | ():
            return _NOTHING
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
