"""What the verbs that act on one thing share: which thing, and what is said when it is done."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click
import msgspec

from dockd.cli.asking import ask, print_json
from dockd.cli.words import plain


class ActDocument(msgspec.Struct, frozen=True):
    """What an act prints with --json.

    Attributes:
        act: hold, release, refuse or enroll.
        scope: camera or recording.
        subject: the camera's serial, or the recording's id.
        reason: as it stands in the custody log.
    """

    act: str
    scope: str
    subject: str
    reason: str


def either(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options --camera and --recording."""
    verb = click.option("--recording", metavar="ID", help="A recording, by the id that dockd recordings shows.")(verb)
    return click.option("--camera", metavar="SERIAL", help="A camera with everything on it.")(verb)


def subject(camera: str | None, recording: str | None) -> tuple[Literal["camera", "recording"], str]:
    """Scope and subject of an act."""
    if (camera is None) == (recording is None):
        msg = "name either --camera or --recording"
        raise click.UsageError(msg)
    return ("camera", camera) if camera is not None else ("recording", recording or "")


def recording_id(word: str) -> str:
    """`word`, if it can be the id of a recording."""
    if not re.fullmatch(r"[0-9a-f]{32}", word):
        msg = f"{word} is not the id of a recording, which dockd recordings shows: 32 of 0-9 and a-f"
        raise click.UsageError(msg)
    return word


def act(place: Path, done: ActDocument, *, as_json: bool, words: str) -> None:
    """Give the order, and say that it was done.

    Raises:
        ControlError: the daemon does not answer, or refuses.
    """
    ask(place, f"/{done.act}", body={done.scope: done.subject, "reason": done.reason})
    if as_json:
        print_json(done)
    else:
        click.echo(plain(words))
