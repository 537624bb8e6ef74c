"""The API's own description, OpenAPI 3.1, made of the table of routes and the messages that it names."""

import inspect
import re
from dataclasses import is_dataclass
from typing import Any, get_type_hints

import msgspec

from dockd import __version__
from dockd.web.lists import Nothing, ProblemView
from dockd.web.peers import Right
from dockd.web.routes import PREFIX, RECORDING_ID, ROUTES, Route

Json = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_PROBLEMS = {
    "400": "The request makes no sense.",
    "403": "Whoever asks may not.",
    "409": "It cannot be done as things are.",
    "413": "The request is too large.",
    "415": "The body is not JSON.",
    "500": "The daemon failed on this request.",
    "503": "It cannot be done now; later perhaps.",
}
_SAID = {"const": True}
_SPAN: dict[str, Any] = {"anyOf": [{"required": ["from"]}, {"required": ["to"]}]}
_NAMED: list[dict[str, Any]] = [{"required": ["camera"]}, {"required": ["recording"]}, {"required": ["officer"]}, _SPAN]
_TOGETHER: dict[str, Json] = {
    "HoldOrder": {"oneOf": _NAMED},
    "ReleaseOrder": {"anyOf": [{"oneOf": _NAMED}, {"required": ["case"], "not": {"anyOf": _NAMED}}]},
    "MarkOrder": {
        "anyOf": [
            {"required": ["category"]},
            {"required": ["critical"], "properties": {"critical": _SAID}},
            {"required": ["first_amendment"], "properties": {"first_amendment": _SAID}},
        ]
    },
}
"""What several fields say together, where no type can."""
_RIGHTS = {
    Right.LOOK: "For the group that may look, the admins' group and root.",
    Right.ACT: "For the admins' group and root; it is written to the custody log with who asked.",
}


def document() -> Json:
    """The whole document."""
    structs = {each for route in ROUTES for each in (route.query, route.body, route.answer) if each not in {None, Nothing}}
    paths: dict[str, Json] = {"/openapi.json": {"get": _own()}, "/journal": {"get": _journal()}}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dockd",
            "version": __version__,
            "description": "How a dock is asked and ordered, as HTTP and JSON over the Unix socket that control.socket of the "
            "site file names. Who asks is what the kernel says of the connection; there is nothing to log in with.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PREFIX}],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {"schemas": schemas(*structs, ProblemView)},
    }


def printed() -> str:
    """The document as it stands in `openapi.json` beside this module, for whoever writes a client."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def schemas(*structs: type[msgspec.Struct] | None) -> dict[str, Json]:
    """The JSON Schema of each struct and of those inside it, by name, every field described by the struct's own docstring."""
    wanted = [each for each in structs if each is not None]
    _, definitions = msgspec.json.schema_components(wanted, ref_template=_REFERENCE)
    known = {each.__name__: each for each in _inside(*wanted)}
    for name, one in definitions.items():
        one.pop("title", None)
        if "description" in one:
            one["description"] = inspect.cleandoc(one["description"]).partition("\n")[0]
        one.update(_TOGETHER.get(name, {}))
        described = field_descriptions(known[name]) if name in known else {}
        for field, given in one.get("properties", {}).items():
            if text := described.get(field):
                given["description"] = text
    return dict(sorted(definitions.items()))


def field_descriptions(struct: type) -> dict[str, str]:
    """What the docstring of a struct or dataclass says under `Attributes:` of each field."""
    _, _, listed = inspect.cleandoc(struct.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    for names, text in re.findall(r"^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", listed, re.MULTILINE):
        for name in names.split(", "):
            found[name] = " ".join(text.split())
    return found


def _inside(*kinds: type) -> list[type]:
    """These structs and every struct or dataclass that is reached from them."""
    found: list[type] = []

    def visit(kind: object) -> None:
        if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or is_dataclass(kind)) and kind not in found:
            found.append(kind)
            for inner in get_type_hints(kind).values():
                visit(inner)
        for inner in getattr(kind, "__args__", ()):
            visit(inner)

    for each in kinds:
        visit(each)
    return found


def _operation(route: Route[Any, Any]) -> Json:
    operation: Json = {"operationId": route.name, "summary": route.summary, "description": _RIGHTS[route.needs]}
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    problems = {"400", "403", "409", "413", "500", "503"}
    if route.body is not Nothing:
        problems.add("415")
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _reference(route.body)}}}
    if route.answer is None:
        answers: Json = {"204": {"description": "Done."}}
    else:
        answers = {"200": {"description": "Done.", "content": {"application/json": {"schema": _reference(route.answer)}}}}
    operation["responses"] = answers | {status: _problem(status) for status in sorted(problems)}
    if "{recording}" in route.path:
        operation["responses"]["404"] = _problem("404", "That is not the id of a recording.")
    return operation


def _own() -> Json:
    return {
        "operationId": "openapi",
        "summary": "This document.",
        "description": _RIGHTS[Right.LOOK],
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
            **{status: _problem(status) for status in ("400", "403", "413", "500")},
        },
    }


def _journal() -> Json:
    content = {"application/vnd.sqlite3": {"schema": {"type": "string", "format": "binary"}}}
    headers = {"X-Dockd-SHA256": {"description": "Of the copy, hexadecimal.", "schema": {"type": "string"}}}
    return {
        "operationId": "journal",
        "summary": "A copy of the whole journal as it is at one instant.",
        "description": _RIGHTS[Right.ACT].replace("it is", "that it reached its place is"),
        "responses": {
            "200": {"description": "Done.", "headers": headers, "content": content},
            **{status: _problem(status) for status in ("400", "403", "409", "413", "500", "503")},
        },
    }


def _parameters(route: Route[Any, Any]) -> list[Json]:
    found: list[Json] = []
    if "{recording}" in route.path:
        found.append(
            {
                "name": "recording",
                "in": "path",
                "required": True,
                "description": "The recording's id.",
                "schema": {"type": "string", "pattern": f"^{RECORDING_ID}$"},
            }
        )
    if route.query is Nothing:
        return found
    described = schemas(route.query)[route.query.__name__]
    for name, given in described["properties"].items():
        schema = {key: value for key, value in given.items() if key not in {"description", "default"}}
        if "anyOf" in schema:  # a query leaves out what it does not ask for; it cannot say null
            schema = next(arm for arm in schema["anyOf"] if arm.get("type") != "null")
        found.append({"name": name, "in": "query", "description": given["description"], "schema": schema})
    return found


def _reference(struct: type[msgspec.Struct]) -> Json:
    return {"$ref": _REFERENCE.format(name=struct.__name__)}


def _problem(status: str, description: str | None = None) -> Json:
    return {
        "description": description or _PROBLEMS[status],
        "content": {"application/problem+json": {"schema": _reference(ProblemView)}},
    }
