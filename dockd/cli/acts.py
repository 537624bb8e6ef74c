"""What the verbs that act on one thing share: which thing, and what is said when it is done."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
import msgspec

from dockd.cli.asking import ask, print_json, read
from dockd.cli.options import moment
from dockd.cli.words import plain
from dockd.clock import rfc3339
from dockd.web.lists import CamerasView


class ActDocument(msgspec.Struct, frozen=True):
    """What an act prints with --json.

    Attributes:
        act: hold, release, refuse or enroll.
        scope: camera, recording, officer, time or case.
        subject: the camera's serial, the recording's id, the officer's name, the span of time, or the name of the case.
        reason: as it stands in the custody log.
        case: the name under which a hold is placed or lifted, empty for none.
    """

    act: str
    scope: str
    subject: str
    reason: str
    case: str = ""


@dataclass(frozen=True, slots=True)
class Which:
    """What a hold is placed on or lifted from: the options, as far as they were given, under the API's names."""

    named: dict[str, str]
    case: str

    @property
    def body(self) -> dict[str, str]:
        """As the API wants it."""
        return self.named | ({"case": self.case} if self.case else {})

    def order(self, *, alone: bool = False) -> tuple[str, str]:
        """Scope and subject, as `core.holds` writes them.

        Args:
            alone: whether a case needs nothing beside it.

        Raises:
            UsageError: none of them was named, or several.
        """
        if alone and self.case and not self.named:
            return "case", self.case
        ends = [self.named.get(end, "..") for end in ("from", "to")]
        found = [(scope, subject) for scope, subject in self.named.items() if scope not in {"from", "to"}]
        found += [("time", "/".join(ends))] if ends != ["..", ".."] else []
        if len(found) != 1:
            msg = "name one of --camera, --recording, --officer and --from/--to" + (", or --case alone" if alone else "")
            raise click.UsageError(msg)
        return found[0]


def which(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that say what to hold or to release, as one argument `which`."""

    @click.option("--camera", metavar="SERIAL", help="A camera with everything on it.")
    @click.option("--recording", metavar="ID", help="A recording, by the id that dockd recordings shows.")
    @click.option("--officer", metavar="NAME", help="All of one person's, as cameras or the roster name that person.")
    @click.option("--from", "since", metavar="TIME", callback=moment, help="All that may have been recorded from then on.")
    @click.option("--to", "until", metavar="TIME", callback=moment, help="All that may have been recorded until then.")
    @click.option("--case", metavar="NAME", help="The name of the case: what it holds is released with it alone.")
    @functools.wraps(verb)
    def with_which(
        *,
        camera: str | None,
        recording: str | None,
        officer: str | None,
        since: datetime | None,
        until: datetime | None,
        case: str | None,
        **others: object,
    ) -> None:
        times = {end: None if time is None else rfc3339(time) for end, time in (("from", since), ("to", until))}
        given = {"camera": camera, "recording": recording, "officer": officer, **times}
        verb(which=Which({name: value for name, value in given.items() if value is not None}, case or ""), **others)

    return with_which


def recording_id(word: str) -> str:
    """`word`, if it can be the id of a recording."""
    if not re.fullmatch(r"[0-9a-f]{32}", word):
        msg = f"{word} is not the id of a recording, which dockd recordings shows: 32 of 0-9 and a-f"
        raise click.UsageError(msg)
    return word


def act(place: Path, done: ActDocument, *, as_json: bool, words: str, body: dict[str, str] | None = None) -> None:
    """Give the order, and say that it was done; `body` is what is asked for, if that is not the scope and its subject.

    Raises:
        ControlError: the daemon does not answer, or refuses.
    """
    stranger = not as_json and done.act in {"hold", "refuse"} and done.scope == "camera" and not _known(place, done.subject)
    ask(place, f"/{done.act}", body={**({done.scope: done.subject} if body is None else body), "reason": done.reason})
    if as_json:
        print_json(done)
    else:
        click.echo(plain(words))
    if stranger:
        told = f"  No camera {done.subject} was docked here yet; it counts as soon as one is. Is the serial right?"
        click.echo(plain(told), err=True)


def _known(place: Path, serial: str) -> bool:
    """Whether that camera was ever docked, or an admin said something of it."""
    cameras = read(place, ask(place, "/cameras"), CamerasView).cameras
    return serial in {each.camera for each in cameras}
