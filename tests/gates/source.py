"""The committed tree as the gates see it."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[str, ...]:
    """Every file of the project by its path from the root: what git tracks, or would after `git add`."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = (name.decode() for name in listing.stdout.split(b"\0") if name)
    return tuple(sorted({name for name in names if (ROOT / name).is_file()}))


@cache
def text(name: str) -> str:
    """What a tracked text file says."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product, parsed, by its path from the root."""
    return {
        name: ast.parse(text(name), filename=name) for name in tracked() if name.startswith("dockd/") and name.endswith(".py")
    }


def imported(tree: ast.Module) -> Iterator[str]:
    """The dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case _:
                pass


def dotted(node: ast.expr) -> str:
    """`a.b.c` for an attribute chain; what is not a plain name in it becomes `?`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
        case _:
            return "?"


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a tree with the dotted name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node
