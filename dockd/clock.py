"""The only place that reads time or sleeps, so that tests can do both without waiting.

Order never depends on wall time: queues and logs are ordered by the journal's sequence numbers, intervals are measured with the
monotonic clock, and wall time is only ever written down.
"""

import asyncio
import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

_YEAR_1_S = -62_135_596_800
_YEAR_9999_S = 253_402_300_799


_TIME_ERROR = 5  # of adjtimex(2), as the next one
_STA_NANO = 0x2000


class _Timex(ctypes.Structure):
    """The beginning of struct timex of adjtimex(2), and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


_libc = ctypes.CDLL(None, use_errno=True)


class Clock(Protocol):
    """What a part may know about time."""

    def now(self) -> datetime:
        """Wall time in UTC, for records only."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, for intervals."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Discipline:
    """What the kernel says of the machine's clock.

    Attributes:
        synchronised: whether somebody keeps it right.
        offset_s: how far off it still is, as far as whoever keeps it knows.
        error_us: how wrong it may be at most, in microseconds.
    """

    synchronised: bool
    offset_s: float
    error_us: int


def discipline() -> Discipline | None:
    """Asks the kernel; None if it does not say."""
    said = _Timex()
    state = _libc.adjtimex(ctypes.byref(said))
    if state < 0:
        return None
    return Discipline(state != _TIME_ERROR, said.offset / (1e9 if said.status & _STA_NANO else 1e6), said.maxerror)


def rfc3339(moment: datetime) -> str:
    """`moment` in UTC with milliseconds, as 2026-11-24T19:10:00.000Z.

    Raises:
        RuntimeError: `moment` has no zone.
    """
    if moment.tzinfo is None:
        msg = "a time without a zone is not a time"
        raise RuntimeError(msg)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_from_ns(epoch_ns: int) -> str:
    """A camera's modification time, in UTC with nanoseconds: what the camera said, right or wrong.

    A hostile file system can name a year that no calendar holds; that is written as seconds since 1970.
    """
    seconds, nanoseconds = divmod(epoch_ns, 1_000_000_000)
    if not _YEAR_1_S <= seconds <= _YEAR_9999_S:
        return f"epoch{seconds:+d}s"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def parse_rfc3339(text: str) -> datetime:
    """The time that `text` names.

    Raises:
        ValueError: it is not an RFC 3339 time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"{text!r} has no zone"
        raise ValueError(msg)
    return moment
