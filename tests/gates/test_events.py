"""docs/events.md has every event that dockd logs or writes into the custody log, and no other."""

import ast
import re
from collections import defaultdict

from tests.gates.source import calls, modules, text

_LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}
_DOCUMENT = "docs/events.md"


def _logged() -> dict[str, tuple[str, ...]]:
    """Level, process and members of each event that is logged, by its name."""
    found: defaultdict[str, tuple[set[str], set[str], set[str]]] = defaultdict(lambda: (set(), set(), set()))
    for module, tree in modules().items():
        if module.startswith("dockd/demo/"):
            continue
        for called, call in calls(tree):
            owner, _, level = called.rpartition(".")
            if owner.endswith("log") and level in _LEVELS:
                match call.args:
                    case [ast.Constant(value=str(event))]:
                        levels, processes, members = found[event]
                    case _:
                        levels, processes, members = found[f"not a literal: {ast.unparse(call)}"]
                levels.add(_LEVELS[level])
                processes.add(next((part for part in ("vault", "helper") if f"/{part}/" in module), "dock"))
                members |= {keyword.arg for keyword in call.keywords if keyword.arg}
    return {
        event: (", ".join(sorted(levels)), ", ".join(sorted(processes)), ", ".join(f"`{each}`" for each in sorted(members)))
        for event, (levels, processes, members) in found.items()
    }


def _recorded() -> set[str]:
    """Every event that the journal can write into the custody log."""
    found = set()
    for module, tree in modules().items():
        for called, call in calls(tree):
            match call.args:
                case [ast.Constant(value=str(event)), *_] if called in {"Noted", "custody.Noted"}:
                    found.add(event)
                case [ast.Name(id=name), *_] if called in {"Noted", "custody.Noted"}:
                    found.add(_constant(module, name))
                case _:
                    pass
    for node in ast.walk(modules()["dockd/core/custody.py"]):
        match node:
            case ast.Return(value=ast.Tuple(elts=[ast.Constant(value=str(event)), *_])):
                found.add(event)
            case _:
                pass
    return found


def _constant(module: str, name: str) -> str:
    """What a name in capitals stands for: in its own module, or in the one that it comes from."""
    for node in modules()[module].body:
        match node:
            case ast.Assign(targets=[target], value=value):
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = value.elts if isinstance(value, ast.Tuple) else [value]
                for known, given in zip(names, values, strict=False):
                    if isinstance(known, ast.Name) and known.id == name and isinstance(given, ast.Constant):
                        return str(given.value)
            case ast.ImportFrom(module=str(origin), names=imported) if name in {each.name for each in imported}:
                return _constant(f"{origin.replace('.', '/')}.py", name)
            case _:
                pass
    return f"{module}: {name}"


def test_events_of_the_log_are_documented() -> None:
    """Each with its levels, who says it, and its members, so that whoever watches hundreds of docks can rely on them."""
    part = text(_DOCUMENT).split("## The custody log")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z, ]+) \| ([a-z, ]+) \| (.*?) ?\| (.+) \|$", part, re.MULTILINE)
    assert {event: (level, process, members) for event, level, process, members, _ in rows} == _logged()
    assert [event for event, *_ in rows] == sorted({event for event, *_ in rows}), "in order, and each of them once"


def test_events_of_the_custody_log_are_documented() -> None:
    """Each by its name."""
    part = text(_DOCUMENT).split("## The custody log")[1]
    assert set(re.findall(r"^\| `([a-z.-]+)` \| .+ \|$", part, re.MULTILINE)) == _recorded()
