"""What of the site file may change while the dock runs, and the wish to have it read again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time

from dockd.alerts.channel import Channel
from dockd.core.alerts import Rules
from dockd.core.bandwidth import Timetable
from dockd.core.expiry import Keep
from dockd.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Orders:
    """Replaced as a whole, between two units of work; whoever begins one takes what is there then, and keeps it to its end.

    Attributes:
        may_erase: the site's policy lets cameras in directory bays be erased.
        may_erase_usb: the same of those in USB bays.
        unsigned: the dock's own word is enough for it, where the archive signs nothing.
        policy: what the agency's policy says of recordings.
        assigned: whose each camera is, by serial.
        welcome: serials of the cameras of the site; None where every camera is.
        alerts: when a person is told.
        channels: how, besides the log.
        shift_starts: when the shift of each camera's officer begins, in the time zone of `alerts`.
        bandwidth: how fast the dock may send, and when.
        keep: how long the spool keeps what the archive has proved.
    """

    may_erase: bool = False
    may_erase_usb: bool = False
    unsigned: bool = False
    policy: Policy = field(default_factory=Policy)
    assigned: Mapping[str, str] = field(default_factory=dict)
    welcome: frozenset[str] | None = None
    alerts: Rules = field(default_factory=Rules)
    channels: Sequence[Channel] = ()
    shift_starts: Mapping[str, time] = field(default_factory=dict)
    bandwidth: Timetable = field(default_factory=Timetable)
    keep: Keep = field(default_factory=Keep)


class Live:
    """The orders in force.

    Attributes:
        now: what whoever begins something goes by.
    """

    def __init__(self, now: Orders) -> None:
        self.now = now
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._served: list[asyncio.Future[None]] = []

    def touch(self) -> None:
        """The site file may have changed."""
        self._wanted.set()

    async def reread(self) -> None:
        """Have the site file read again, and wait until that is done, whatever came of it."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self.touch()
        await done

    async def wanted(self) -> None:
        """Wait until somebody wants the site file to be read again."""
        await self._wanted.wait()
        self._wanted.clear()
        self._served, self._waiting = self._served + self._waiting, []

    def has_reread(self) -> None:
        """It was read; whoever had asked before that began goes on, for others may mean what was written since."""
        served, self._served = self._served, []
        for each in served:
            if not each.done():
                each.set_result(None)
