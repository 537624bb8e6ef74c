"""The process in which the bays' lookouts run, so that one that hangs in the kernel can be abandoned when the daemon stops.

A lookout looks at devices, and a look at a dead one may never return: a process with such a thread cannot end. So the daemon has
none; it talks to this process in lines of JSON, each with the lookout's number.

    daemon -> outpost   {"watch": n, "directory": text, "present": [text, ...]}   {"look": n}   {"leave": n}
    outpost -> daemon   {"touched": n, "what": name}   {"seen": n, "root", "profile", "identity", "message"}   {"ended": n}
"""

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from dockd.bays.lookout import Lookout, Sight, Touch
from dockd.core.profile import Profile
from dockd.errors import WorkerError


def serve(conversation: socket.socket) -> None:
    """The outpost's side: obey until the daemon closes the conversation. Lookouts that hang then are left behind."""
    lookouts: dict[int, Lookout] = {}
    sending = Lock()

    def say(line: dict[str, Any]) -> None:
        with sending:
            conversation.sendall(json.dumps(line).encode() + b"\n")

    with conversation.makefile("rb") as orders:
        for order in map(json.loads, orders):
            match order:
                case {"watch": int(number), "directory": str(directory), "present": list(present)}:
                    lookouts[number] = Lookout(
                        Path(directory),
                        [Profile(str(index), marker, (), ()) for index, marker in enumerate(present)],
                        touched=partial(_say_touched, say, number),
                        seen=partial(_say_seen, say, number),
                        ended=partial(say, {"ended": number}),
                    )
                    lookouts[number].start()
                case {"look": int(number)}:
                    lookouts[number].look()
                case {"leave": int(number)}:
                    lookouts.pop(number).stop()
                case _:
                    msg = f"{order!r} is no order"
                    raise RuntimeError(msg)


def _say_touched(say: Callable[[dict[str, Any]], None], number: int, touch: Touch) -> None:
    say({"touched": number, "what": touch.name})


def _say_seen(say: Callable[[dict[str, Any]], None], number: int, sight: Sight) -> None:
    say(
        {
            "seen": number,
            "root": None if sight.root is None else str(sight.root),
            "profile": None if sight.profile is None else int(sight.profile.name),
            "identity": sight.identity,
            "message": sight.message,
        }
    )


class Outpost:
    """The daemon's side. `watch` makes lookouts that can be used where a `Lookout` can; `run` brings what they see."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._lookouts: list[DistantLookout] = []

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            WorkerError: the process ended; without it no camera would be noticed any more.
        """
        while line := await self._reader.readline():
            match json.loads(line):
                case {"touched": int(number), "what": str(what)}:
                    self._lookouts[number].touched(Touch[what])
                case {"seen": int(number), "root": root, "profile": profile, "identity": identity, "message": message}:
                    self._lookouts[number].saw(root, profile, tuple(identity), message)
                case {"ended": int(number)}:
                    self._lookouts[number].ended()
                case report:
                    msg = f"{report!r} is no report"
                    raise RuntimeError(msg)
        msg = "the process that watches the bays ended"
        raise WorkerError(msg)

    def watch(
        self,
        directory: Path,
        profiles: Sequence[Profile],
        *,
        touched: Callable[[Touch], None],
        seen: Callable[[Sight], None],
        ended: Callable[[], None],
    ) -> "DistantLookout":
        """A lookout over `directory`; as `Lookout`, with everything called on the event loop."""
        number = len(self._lookouts)
        lookout = DistantLookout(partial(self.say, number), directory, profiles, touched=touched, seen=seen, ended=ended)
        self._lookouts.append(lookout)
        return lookout

    def say(self, number: int, order: str, **members: object) -> None:
        """Send one order."""
        self._writer.write(json.dumps({order: number, **members}).encode() + b"\n")


class DistantLookout:
    """One lookout of an outpost; as `Lookout`."""

    def __init__(
        self,
        say: Callable[..., None],
        directory: Path,
        profiles: Sequence[Profile],
        *,
        touched: Callable[[Touch], None],
        seen: Callable[[Sight], None],
        ended: Callable[[], None],
    ) -> None:
        self._say, self._directory, self._profiles = say, directory, tuple(profiles)
        self.touched, self._seen, self.ended = touched, seen, ended

    def start(self) -> None:
        """Begin to watch."""
        self._say("watch", directory=str(self._directory), present=[profile.present for profile in self._profiles])

    def look(self) -> None:
        """Ask for one look."""
        self._say("look")

    def stop(self) -> None:
        """Ask it to end."""
        self._say("leave")

    def saw(self, root: str | None, profile: int | None, identity: tuple[int, ...], message: str) -> None:
        """Hand on what one look found."""
        self._seen(
            Sight(
                root=None if root is None else Path(root),
                profile=None if profile is None else self._profiles[profile],
                identity=identity,
                message=message,
            )
        )
