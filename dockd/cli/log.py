"""`dockd log`: the custody log, as it is written."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
import msgspec

from dockd.cli.asking import ask, reaching, read
from dockd.cli.words import plain

_PAGE = 1000
_WAITS_S = 25
_FRAME = ("v", "seq", "time", "event")


class LogLine(msgspec.Struct, frozen=True):
    """One line of `dockd log --json`.

    Attributes:
        leaf: the entry's RFC 6962 leaf hash, hexadecimal.
        entry: what was recorded: its number, time, event, and the members of the event.
    """

    leaf: str
    entry: dict[str, Any]


class _Page(msgspec.Struct, frozen=True):
    entries: tuple[LogLine, ...]
    head: int


@dataclass(slots=True)
class _Wanted:
    """Which entries are shown; it learns from what it has seen which recordings and dockings are a camera's."""

    event: str | None
    camera: str | None
    recording: str | None
    since: str | None
    theirs: set[object] = field(default_factory=set)

    @property
    def everything(self) -> bool:
        return self.event is self.camera is self.recording is self.since is None

    def take(self, entry: dict[str, Any]) -> bool:
        """Whether this entry is shown."""
        if self.camera is not None and entry.get("camera") == self.camera:
            self.theirs |= {entry.get("recording"), entry.get("docking")} - {None}
        of_camera = (
            self.camera is None
            or self.camera in {entry.get("camera"), entry.get("subject")}
            or bool({entry.get("recording"), entry.get("docking")} & self.theirs)
        )
        of_recording = self.recording is None or self.recording in {entry.get("recording"), entry.get("subject")}
        covered = self.recording is not None and self.recording in entry.get("covered", ())
        return (
            of_camera
            and (of_recording or covered)
            and (self.event is None or fnmatchcase(entry["event"], self.event))
            and (self.since is None or entry["time"] >= self.since)
        )


@click.command(
    epilog="""\b
Examples:
  dockd log
  dockd log --follow
  dockd log --event 'hold.*' --all
  dockd log --camera X12345 --since 2026-11-27
  dockd log --recording 0123456789abcdef0123456789abcdef --all --json

With --json each line is one entry, with the hash that makes it tamper-evident. Times are UTC. docs/events.md has every event."""
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what is recorded from now on, until Ctrl-C.")
@click.option("--lines", "-n", type=click.IntRange(0), default=20, show_default=True, help="So many of the newest.")
@click.option("--all", "everything", is_flag=True, help="From the first entry on.")
@click.option("--event", metavar="PATTERN", help="Only these events, as in recording.archived or 'camera.*'.")
@click.option("--camera", metavar="SERIAL", help="Only what is about this camera and its recordings.")
@click.option("--recording", metavar="ID", help="Only what is about this recording.")
@click.option("--since", metavar="TIME", help="Only from then on: a date, or a time, as RFC 3339 in UTC has them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document in each line, as docs/cli.md describes it.")
@reaching
def command(
    *,
    follow: bool,
    lines: int,
    everything: bool,
    event: str | None,
    camera: str | None,
    recording: str | None,
    since: str | None,
    as_json: bool,
    place: Path,
) -> None:
    """Show the newest entries of the custody log, or all, or follow it."""
    wanted = _Wanted(event, camera, recording, since)
    head = _page(place, first=2**62, limit=1).head
    first = max(1, head - lines + 1) if wanted.everything and not everything else 1
    chosen = (line for line in _written(place, first, head) if wanted.take(line.entry))
    for line in chosen if everything else deque(chosen, maxlen=lines):
        _say(line, as_json=as_json)
    if follow:
        with suppress(KeyboardInterrupt):
            _follow(place, head + 1, wanted, as_json=as_json)


def entries(place: Path) -> Iterator[dict[str, Any]]:
    """Every custody entry that there is now, read as JSON.

    Raises:
        ControlError: the daemon does not answer.
    """
    yield from (line.entry for line in _written(place, 1, _page(place, first=2**62, limit=1).head))


def _written(place: Path, first: int, head: int) -> Iterator[LogLine]:
    """From one number to another."""
    while first <= head:
        page = _page(place, first=first, limit=min(_PAGE, head - first + 1))
        yield from page.entries
        first += len(page.entries)


def _follow(place: Path, first: int, wanted: _Wanted, *, as_json: bool) -> None:
    """What comes; the daemon answers as soon as something was recorded."""
    while True:
        page = _page(place, first=first, limit=_PAGE, wait_s=_WAITS_S)
        for line in page.entries:
            if wanted.take(line.entry):
                _say(line, as_json=as_json)
        first += len(page.entries)


def _page(place: Path, *, first: int, limit: int, wait_s: int = 0) -> _Page:
    query = {"first": first, "limit": limit, "wait_s": wait_s}
    return read(place, ask(place, "/custody", query=query, waits_s=wait_s), _Page)


def _say(line: LogLine, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(line))
        return
    entry = line.entry
    members = " ".join(f"{name}={_short(value)}" for name, value in entry.items() if name not in _FRAME and value is not None)
    click.echo(plain(f"{entry['seq']} {entry['time']} {entry['event']} {members}".rstrip()))


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"[{len(value)}]"
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text) if " " in text or not text else text
