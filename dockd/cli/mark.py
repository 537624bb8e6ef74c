"""`dockd mark`: say what a recording is."""

from pathlib import Path

import click

from dockd.cli.acts import recording_id
from dockd.cli.asking import AS_JSON, REASON, ask, print_json, reaching, read
from dockd.cli.words import plain
from dockd.core.recording import State
from dockd.web.view import RecordingView


@click.command(
    epilog="""\b
Examples:
  dockd mark 0123456789abcdef0123456789abcdef --critical --reason "shots fired, incident 2026-118"
  dockd mark 0123456789abcdef0123456789abcdef --category at-large-arrest --reason "report 4711"
  dockd mark 0123456789abcdef0123456789abcdef --first-amendment --reason "a march, and nothing else"

A critical incident goes before everything else, and what is on its way gives way to it. What was recorded solely of First
Amendment activity is held for a supervisor; dockd release lifts that. It takes an admin, is in the custody log with who said it
and why, and no mark is ever taken back."""
)
@click.argument("recording")
@click.option("--critical", is_flag=True, help="It is of a critical incident.")
@click.option("--category", metavar="NAME", help="Its category, as the site file names it.")
@click.option("--first-amendment", is_flag=True, help="It was recorded solely of First Amendment activity.")
@REASON
@AS_JSON
@reaching
def command(
    *, recording: str, critical: bool, category: str | None, first_amendment: bool, reason: str, as_json: bool, place: Path
) -> None:
    """Mark a recording, and what belongs to it, as of a critical incident, of a category, or as First Amendment activity."""
    if not critical and not first_amendment and category is None:
        msg = "say what it is: --critical, --category or --first-amendment"
        raise click.UsageError(msg)
    order: dict[str, object] = {
        "recording": recording_id(recording),
        "reason": reason,
        "critical": critical,
        "first_amendment": first_amendment,
    }
    content = ask(place, "/mark", body=order | ({} if category is None else {"category": category}))
    if as_json:
        print_json(content)
    else:
        click.echo(plain(words(read(place, content, RecordingView))))


def words(marked: RecordingView) -> str:
    """What it is now, in a sentence."""
    said = [f"category {marked.category}" if marked.category else "no category"]
    if marked.critical:
        said.append("of a critical incident, first in every queue")
    if marked.first_amendment:
        said.append("held for a supervisor as First Amendment activity")
    if marked.state in {State.ARCHIVED, State.ERASED}:
        said.append("in the archive already, which is asked to keep it as long as that wants")
    due = f"; the archive should have it by {marked.deadline}" if marked.deadline else ""
    return f"{marked.recording} {marked.path}: {', '.join(said)}{due}"
