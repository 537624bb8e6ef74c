# ruff: noqa: INP001 - a program, not a package
"""Writes dockd's manual pages from the program itself: what --help says, and what the JSON Schemas say of each key.

usage: python packaging/man/pages.py FOLDER [DATE]

FOLDER gets dockd.1, dockd-site.yaml.5 and dockd-profile.yaml.5. DATE is theirs, as 2026-11-25; without it, SOURCE_DATE_EPOCH's.
"""

import inspect
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from dockd import __version__, cli
from dockd.config.schema import Kind, schema

ROOT = Path(__file__).resolve().parents[2]

FILES = {
    "/etc/dockd/site.yaml": "the site file: what this dock is; see dockd-site.yaml(5)",
    "/var/lib/dockd/spool": "recordings that the archive has not yet proved, and the journal; the site file can move it",
    "/run/dockd/control.sock": "where commands find the daemon; whoever is in the group dockd may talk to it",
    "/usr/share/dockd": "the example of a site file, the profiles that ship, and the JSON Schemas of both",
    "/var/lib/dockd-vault": "the store of dockd-vault.service",
    "/etc/default/dockd-vault": "options of dockd-vault.service",
}


ABOUT = """An officer puts a body-worn camera into a bay and walks away. dockd copies its recordings, proves the copy, uploads it
to the central archive, and has the archive prove that it holds the same bytes. Only then is the camera cleared, and the bay says
"take it", "leave it" or "get help", with the reason.

The dock itself is the service dockd.service, which is described by /etc/dockd/site.yaml; see dockd-site.yaml(5).
dockd-vault.service is the archive that ships with it; it is not enabled by itself."""
SITE = """/etc/dockd/site.yaml makes one dock: who it belongs to, its bays, its spool, its archive, and whether it empties
cameras.

It is strict, and holds no secret. Whatever is wrong in it stops everything before it starts; say

    dockd config check

to see file, line and column of each problem. It is YAML 1.2 without anchors, tags and merge keys. Paths are absolute.

A running daemon takes a changed file over by itself, between two units of work, and keeps the last good one if it is
wrong; "dockd config diff" says which keys wait for the next start. What weakens evidence waits for "dockd config accept"."""
PROFILE = """A profile says what one kind of camera keeps where: which files are evidence, which belong to one, which may be let
be.

Further profiles are *.yaml files in the folder that profiles.directory of the site file names. They are tried in the order of
their file names, before those that ship in /usr/share/dockd/profiles; one of the same name replaces the one that ships."""


def escaped(text: str) -> str:
    """`text` as roff shows it unchanged."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def paragraphs(text: str) -> Iterator[str]:
    """Roff for a docstring or an epilog: paragraphs, and indented lines as they stand."""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text).replace("\b\n", "")):
        lines = block.splitlines()
        prose = [line for line in lines if not line.startswith(" ")]
        literal = [line.strip() for line in lines if line.startswith(" ")]
        if prose:
            yield from (".PP", escaped(" ".join(prose)))
        if literal:
            yield from (".PP", ".RS 4", ".EX", *(escaped(line) for line in literal), ".EE", ".RE")


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every verb, and every verb below it, with its full name."""
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from commands(inner, click.Context(inner, info_name=name, parent=context))


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Roff for a verb's options."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and "--help" not in parameter.opts:
            yield from (".TP", rf"\fB{escaped(record[0])}\fR", escaped(record[1]))


def header(name: str, section: int, date: str, what: str) -> Iterator[str]:
    """The title and the NAME section."""
    yield f'.TH {name.upper()} {section} "{date}" "dockd {__version__}"'
    yield from (".nh", ".ad l", ".SH NAME", rf"{escaped(name)} \- {escaped(what)}")


def command_page(date: str) -> Iterator[str]:
    """dockd(1)."""
    every = list(commands(cli._dockd, click.Context(cli._dockd, info_name="dockd")))  # noqa: SLF001 - the program that main() calls
    yield from header("dockd", 1, date, "docking station software for body-worn cameras")
    yield ".SH SYNOPSIS"
    for path, command, context in every:
        if not isinstance(command, click.Group) or command.invoke_without_command:
            usage = " ".join(command.collect_usage_pieces(context)[: 1 if isinstance(command, click.Group) else None])
            yield from (rf"\fB{escaped(path)}\fR {escaped(usage)}", ".br")
    yield from (
        ".SH DESCRIPTION",
        *list(paragraphs(ABOUT))[1:],
        ".SH COMMANDS",
    )
    for path, command, context in every[1:]:
        yield f".SS {escaped(path)}"
        yield from list(paragraphs(command.help or ""))[1:]
        yield from options(command, context)
        yield from paragraphs(command.epilog or "")
    yield ".SH EXIT STATUS"
    for code, what in re.findall(r"(\d) ([^;.]+)[;.]", " ".join((cli.__doc__ or "").split())):
        yield from (".TP", rf"\fB{code}\fR", escaped(what))
    yield ".SH FILES"
    for file, what in FILES.items():
        yield from (".TP", rf"\fI{escaped(file)}\fR", escaped(what))
    yield from (".SH SEE ALSO", r"\fBdockd\-site.yaml\fR(5), \fBdockd\-profile.yaml\fR(5), \fBsystemctl\fR(1)")


def keys(model: dict[str, Any], whole: dict[str, Any], path: str = "") -> Iterator[str]:
    """Roff for every key of a schema's object, and of those inside it."""
    for name, given in model["properties"].items():
        here = f"{path}{name}"
        inner = _referred(given, whole) or _referred(given.get("items", {}), whole)
        described = {**(inner or {}), **given}
        words = [described.get("description", "").rstrip(".") + "."]
        if "enum" in described:
            words.append(f"One of: {', '.join(map(str, described['enum']))}.")
        if name in model.get("required", []):
            words.append("Required.")
        elif not isinstance(default := given.get("default"), dict | None):
            words.append(f"Default: {_written(default)}.")
        if examples := given.get("examples"):
            words.append(f"Example: {_written(examples[0])}")
        yield from (".TP", rf"\fB{escaped(here)}\fR", escaped(" ".join(words)))
        if inner and "properties" in inner:
            yield from keys(inner, whole, f"{here}[]." if "items" in given else f"{here}.")


def _referred(given: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any] | None:
    reference = given.get("$ref") or next((arm["$ref"] for arm in given.get("anyOf", []) if "$ref" in arm), None)
    return whole["$defs"][reference.rpartition("/")[2]] if reference else None


def _written(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case _:
            return str(value)


def file_page(kind: Kind, what: str, about: str, example: Path, date: str) -> Iterator[str]:
    """dockd-site.yaml(5) or dockd-profile.yaml(5)."""
    whole: dict[str, Any] = schema(kind)
    model = _referred(whole, whole) or whole
    yield from header(f"dockd-{kind}.yaml", 5, date, what)
    yield ".SH DESCRIPTION"
    yield from list(paragraphs(about))[1:]
    yield ".SH KEYS"
    yield from keys(model, whole)
    yield from (".SH EXAMPLE", ".EX", *escaped(example.read_text("utf-8")).splitlines(), ".EE")
    yield from (".SH SEE ALSO", r"\fBdockd\fR(1); /usr/share/doc/dockd has a longer description.")


def main() -> None:
    """Write all pages."""
    folder = Path(sys.argv[1])
    epoch_s = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    date = sys.argv[2] if len(sys.argv) > 2 else f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d}"  # noqa: PLR2004 - arguments
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in {
        "dockd.1": command_page(date),
        "dockd-site.yaml.5": file_page(Kind.SITE, "what one dock is", SITE, ROOT / "config/site.example.yaml", date),
        "dockd-profile.yaml.5": file_page(
            Kind.PROFILE, "what a kind of camera keeps where", PROFILE, ROOT / "dockd/config/profiles/dcf.yaml", date
        ),
    }.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
