"""What a person has to be told the same day: which alerts stand, which begin, and which are over.

    undocked        a camera was not docked N hours after its shift's end
    past-deadline   recordings that the archive should have by now
    numbering       a camera's file numbers have a gap; stands until it is docked again without another
    uncopied        a camera left with recordings that the dock listed and did not copy
    set-aside       recordings were refused for good and wait for a person
    unproved        the archive does not prove any more that it holds a recording
    kept-short      the archive keeps a recording shorter than the policy asks for since somebody named it or changed the policy
    filling         the archive is so far behind that the spool will be full within three days
    spool           somebody else than the dock touched a verified recording in the spool

An alert begins once and ends once, whoever asks how often.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

from dockd.core.names import basename
from dockd.core.policy import Policy

_EARLY = timedelta(hours=4)
"""A camera that is docked so long before its shift's end was docked for that shift."""

_DAY = timedelta(days=1)


class Kind(StrEnum):
    """What is wrong."""

    UNDOCKED = "undocked"
    PAST_DEADLINE = "past-deadline"
    NUMBERING = "numbering"
    UNCOPIED = "uncopied"
    SET_ASIDE = "set-aside"
    UNPROVED = "unproved"
    KEPT_SHORT = "kept-short"
    FILLING = "filling"
    SPOOL = "spool"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that needs a person; of one kind and subject at most one stands.

    Attributes:
        subject: a camera's serial.
        message: one sentence.
    """

    kind: Kind
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Shift:
    """When a camera's shift ends, and whose it is; None if nobody's."""

    ends: time
    officer: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the site file says.

    Attributes:
        undocked_hours: after a shift's end; None for never.
        zone: of the office.
        shifts: by the camera's serial.
    """

    undocked_hours: int | None = None
    zone: tzinfo = UTC
    shifts: Mapping[str, Shift] | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """When a camera was in a bay last; `until` is None while it is."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Recordings of one camera and urgency that the archive does not have, and when the dock first saw the oldest."""

    camera: str
    priority: int
    count: int
    oldest: datetime


def undocked(rules: Rules, present: Mapping[str, Presence], now: datetime) -> list[Alert]:
    """Cameras that are missed."""
    if rules.undocked_hours is None:
        return []
    found = []
    for camera, shift in sorted((rules.shifts or {}).items()):
        ended = _last_end(shift.ends, rules.zone, now - timedelta(hours=rules.undocked_hours))
        seen = present.get(camera)
        if seen is not None and (seen.until is None or seen.until >= ended - _EARLY):
            continue
        whose = f" of {shift.officer}" if shift.officer else ""
        when = f"{ended.astimezone(rules.zone):%Y-%m-%d %H:%M}"
        found.append(Alert(Kind.UNDOCKED, camera, f"camera {camera}{whose} was not docked after its shift ended at {when}"))
    return found


def past_deadline(policy: Policy, waiting: Iterable[Waiting], now: datetime) -> list[Alert]:
    """Cameras whose recordings are late; one alert for each camera."""
    late: dict[str, tuple[int, datetime]] = {}
    for each in waiting:
        deadline = policy.deadline(each.oldest, each.priority)
        if deadline is not None and deadline < now:
            count, earliest = late.get(each.camera, (0, deadline))
            late[each.camera] = count + each.count, min(earliest, deadline)
    return [
        Alert(
            Kind.PAST_DEADLINE,
            camera,
            f"the archive should have a recording of camera {camera} since {deadline.astimezone(UTC):%Y-%m-%d %H:%M} UTC; "
            f"{count} of its files wait",
        )
        for camera, (count, deadline) in sorted(late.items())
    ]


def next_due(rules: Rules, policy: Policy, waiting: Iterable[Waiting], now: datetime) -> datetime | None:
    """When something can become due that is not yet; None if nothing can."""
    times = []
    if rules.undocked_hours is not None:
        after = timedelta(hours=rules.undocked_hours)
        times += [_last_end(shift.ends, rules.zone, now - after) + _DAY + after for shift in (rules.shifts or {}).values()]
    times += [deadline for each in waiting if (deadline := policy.deadline(each.oldest, each.priority)) is not None]
    return min((each for each in times if each > now), default=None)


def changes(standing: Iterable[Alert], now: Sequence[Alert]) -> tuple[list[Alert], list[Alert]]:
    """Those that begin, and those that are over."""
    before = {(each.kind, each.subject): each for each in standing}
    after = {(each.kind, each.subject): each for each in now}
    return [each for key, each in after.items() if key not in before], [each for key, each in before.items() if key not in after]


def gaps(before: Iterable[bytes], new: Iterable[bytes], numbering: re.Pattern[str]) -> list[tuple[int, int]]:
    """First and last number of each gap before or between a camera's new recordings.

    Args:
        before: what the docking brought that last brought anything of this camera.
        new: what was found now.
        numbering: its only group, in a file's name, is the number.

    A number that is not above those before begins a new count, as after a card was formatted or the digits ran out.
    """
    last = max((found for path in before if (found := _number(path, numbering)) is not None), default=None)
    numbers = sorted({found for path in new if (found := _number(path, numbering)) is not None})
    if last is None:
        runs = [numbers]
    else:
        runs = [[last, *(each for each in numbers if each > last)], [each for each in numbers if each <= last]]
    return [(one + 1, other - 1) for run in runs for one, other in pairwise(run) if other > one + 1]


def numbering_alert(camera: str, missing: Sequence[tuple[int, int]]) -> Alert:
    """The alert for gaps, of which there is at least one."""
    first, last = missing[0]
    count = sum(end - begin + 1 for begin, end in missing)
    which = str(first) if first == last else f"{first} to {last}"
    more = "" if len(missing) == 1 else f" and others, {count} in all"
    return Alert(Kind.NUMBERING, camera, f"recordings are missing on camera {camera}: by its own numbering, {which}{more}")


def _number(path: bytes, numbering: re.Pattern[str]) -> int | None:
    found = numbering.search(basename(path).decode("latin-1"))
    digits = found.group(1) if found else None
    return int(digits) if digits and digits.isascii() and digits.isdigit() else None


def _last_end(ends: time, zone: tzinfo, now: datetime) -> datetime:
    """The last end of a shift that is not after `now`."""
    local = now.astimezone(zone)
    end = datetime.combine(local.date(), ends, tzinfo=zone)
    return end if end <= local else datetime.combine(local.date() - _DAY, ends, tzinfo=zone)
