"""One archive under test and a hand behind it: what a backend gives the suite, to be held to the contract."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockd.archive.protocol import Archive, Consignment
from dockd.core.proof import Basis
from dockd.core.recording import ResumePoint, StoredObject

SIZE = 700_001
"""Of the recordings that the suite breaks in every place."""

PART_BYTES = 100_000
"""What a stand's archive sends at once, so that `SIZE` takes several."""


def set_event() -> asyncio.Event:
    """An event that is set."""
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Stand:
    """One archive under test, and a hand behind it.

    Attributes:
        archive: under test.
        begin: makes an upload that got exactly so many bytes before its connection broke.
        break_after: the next store breaks after about so many bytes.
        hold: let the next store come to about its middle and no further.
        kill_midway: wait for that, and let the server die without warning and come back.
        forget: the server no longer knows an unfinished upload.
        read_back: what the server holds.
        kept: how many of so many bytes that arrived the server keeps over a break.
        basis: what this archive's proofs rest on.
        survives: whether the server knows unfinished uploads after it died.
        miscounts: whether a kill may leave bytes there that the server does not count, so that it ends with too many and nothing
            is proved.
        size: of recordings that it takes several pieces for.
        retries: whether breaks are mended inside.
        holds: whether the archive itself sees to holds that come after the upload.
        up: cleared while the server is dead.
    """

    archive: Archive
    begin: Callable[[Consignment, bytes], Awaitable[ResumePoint]]
    break_after: Callable[[int], None]
    hold: Callable[[], None]
    kill_midway: Callable[[], Awaitable[None]]
    forget: Callable[[ResumePoint], Awaitable[None]]
    read_back: Callable[[StoredObject], Awaitable[bytes]]
    kept: Callable[[int], int] = int
    basis: Basis = Basis.SIGNED
    survives: bool = True
    miscounts: bool = False
    size: int = SIZE
    retries: bool = False
    holds: bool = False
    up: asyncio.Event = field(default_factory=set_event)


@dataclass(frozen=True, slots=True)
class Backend:
    """What a module of this folder gives the suite.

    Attributes:
        name: of the tests.
        serving: its server, running, with its data in the folder; one for all tests of a module.
        stand: a stand at that server, for one test.
    """

    name: str
    serving: Callable[[Path], AbstractContextManager[Any]]
    stand: Callable[[Any], AbstractAsyncContextManager[Stand]]
