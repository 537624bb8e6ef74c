"""What a verb printed with --json, held against the schema that ships."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from dockd.cli import schemas


@cache
def validator(name: str) -> Draft202012Validator:
    """Of the schema as it ships."""
    return Draft202012Validator(json.loads((schemas.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")))


def as_described(name: str, printed: str) -> Any:  # noqa: ANN401 - JSON
    """The document, which is as its schema says, and holds nothing that the schema does not name."""
    told = json.loads(printed)
    validator(name).validate(told)
    if isinstance(told, dict):
        known = json.loads((schemas.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))["properties"]
        assert told.keys() <= known.keys()
    return told
