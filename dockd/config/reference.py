"""The table of every key in docs/site-file.md, from the same model as the schema and the errors.

python -m dockd.config.reference docs/site-file.md     puts it there anew after a change
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin

import msgspec

from dockd.config.fill import expectation, unwrapped, written_default
from dockd.config.model import Site
from dockd.config.rules import LIVE

BEGIN, END = "<!-- keys: made by dockd.config.reference -->", "<!-- end of keys -->"

_HEAD = "| key | what | default | changes |\n| --- | --- | --- | --- |\n"


def printed() -> str:
    """The table."""
    return _HEAD + "".join(_rows(Site, "", live=False))


def put_into(text: str) -> str:
    """`text` with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{printed()}{END}{after}"


def _rows(model: type[msgspec.Struct], path: str, *, live: bool) -> Iterator[str]:
    for field in msgspec.structs.fields(model):
        kind, extras = unwrapped(field.type)
        taken = live or LIVE in extras
        key = f"{path}.{field.encode_name}" if path else field.encode_name
        inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from _rows(inner, f"{key}[]" if inner is not kind else key, live=taken)
            continue
        meta = next(extra for extra in extras if isinstance(extra, msgspec.Meta))
        what = f"{meta.description} {_written_as(expectation(field.type))}".rstrip()
        yield f"| `{key}` | {_cell(what)} | {_cell(_default(field))} | {'live' if taken else 'at the next start'} |\n"


def _written_as(words: str) -> str:
    """What may stand there, where the description leaves that open."""
    kind, _, example = words.partition(", for example ")
    if kind in {"text", "an absolute path", "a list"}:
        return f"For example `{example}`." if example else ""
    return f"{kind[:1].upper()}{kind[1:]}."


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    match value := written_default(field):
        case None | ():
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case _:
            return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(put_into(document.read_text("utf-8")), "utf-8")
