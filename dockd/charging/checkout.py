"""The check-out desk: whose each pool camera is, until when, and whether it was taken and came back.

What stands is in the custody log itself: each entry of the desk has all check-outs that stand after it, and a start reads the
last one. Nothing here blocks anybody: a camera that comes back from somebody else's hands is written down and taken as any.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from dockd.clock import parse_rfc3339, rfc3339
from dockd.core import custody
from dockd.core.canonical import Json
from dockd.core.checkout import Candidate, Checkout, Reserved, readiest
from dockd.core.policy import used_by_another
from dockd.dock.board import BayBoard, Phase
from dockd.dock.parts import Dock
from dockd.errors import ControlError

_log = structlog.get_logger(__name__)

_EVENTS = ("camera.checked-out", "camera.taken", "camera.returned", "camera.not-taken")
_GATHER_S = 0.5
_MISSED_S = 5.0
"""So long a camera that was in a bay may be in none before it counts as taken: a hub that stumbles brings it back sooner."""


class Desk:
    """Owner of the check-outs.

    Args:
        dock: whose cameras they are.
        hours: how long somebody has a camera who does not say.
        zone: of the office, for what the tiles say.
    """

    def __init__(self, dock: Dock, hours: int, zone: ZoneInfo) -> None:
        self._dock, self._hours, self._zone = dock, hours, zone
        self._standing: dict[str, Checkout] = {}
        self._seen: set[str] = set()
        self._missed_s: dict[str, float] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """What stood when the dock stopped."""
        last = await self._dock.journal.last_note(*_EVENTS)
        self._standing = {each["camera"]: Checkout(**each) for each in (last or {}).get("standing", ())}

    @property
    def standing(self) -> Sequence[Checkout]:
        """Every check-out, in the order in which they were made."""
        return tuple(self._standing.values())

    async def check_out(
        self, officer: str, by: str, *, camera: str | None = None, until: datetime | None = None
    ) -> tuple[str, Checkout]:
        """Assign a camera to an officer: the readiest of the pool, or the one that is named; its bay, and until when.

        Raises:
            ControlError: there is none that may be taken.
        """
        async with self._turn:
            candidates = [made for bay in self._dock.board.bays.values() if (made := self._candidate(bay)) is not None]
            chosen = _chosen(candidates, camera)
            ends = until or self._dock.clock.now() + timedelta(hours=self._hours)
            out = Checkout(chosen.camera, officer, rfc3339(ends))
            details: dict[str, Json] = {"camera": out.camera, "officer": officer, "until": out.until, "bay": chosen.bay, "by": by}
            if (before := self._standing.get(out.camera)) is not None:
                details["instead_of"] = before.officer
            after = self._without(out.camera) | {out.camera: out}
            await self._dock.journal.record(custody.Noted("camera.checked-out", details | _listed(after)))
            self._standing = after
            self._seen.add(out.camera)
        self._show()
        _log.info("camera checked out", camera=out.camera, officer=officer, until=out.until, bay=chosen.bay)
        return chosen.bay, out

    async def run(self) -> None:
        """Follow the cameras, until cancelled."""
        while True:
            seen = self._dock.board.change
            again_s = await self._follow()
            self._show()
            await self._dock.board.news_by(seen, again_s)
            await self._dock.clock.sleep(_GATHER_S)

    def _candidate(self, bay: BayBoard) -> Candidate | None:
        light = bay.lamp(self._dock.board.needs)
        if bay.camera is None or light is None:
            return None
        standing = self._standing.get(bay.camera)
        owner = standing.officer if standing is not None else self._dock.live.now.assigned.get(bay.camera)
        return Candidate(bay.bay, bay.camera, light, owner, bay.battery.percent, bay.free_bytes)

    async def _follow(self) -> float | None:
        """Who was taken, who came back, and who was not fetched in time; when to look again, if nothing happens until then."""
        async with self._turn:
            here = {bay.shown_camera: bay for bay in self._dock.board.bays.values() if bay.shown_camera is not None}
            now = self._dock.clock.now()
            missed_s, self._missed_s = self._missed_s, {}
            for each in self.standing:
                bay, late = here.get(each.camera), parse_rfc3339(each.until) < now
                details: dict[str, Json] = {"camera": each.camera, "officer": each.officer, "until": each.until}
                after = self._without(each.camera)
                if not each.taken and bay is not None:
                    self._seen.add(each.camera)
                    if late:
                        await self._dock.journal.record(custody.Noted("camera.not-taken", details | _listed(after)))
                        self._standing = after
                elif not each.taken and each.camera in self._seen:
                    if not self._is_taken(each.camera, missed_s):
                        continue
                    after = self._standing | {each.camera: replace(each, taken=True)}
                    await self._dock.journal.record(custody.Noted("camera.taken", details | _listed(after)))
                    self._standing = after
                elif each.taken and bay is not None and bay.camera is not None:
                    details |= {"bay": bay.bay, "late": late}
                    details |= _by_another(each, bay)
                    await self._dock.journal.record(custody.Noted("camera.returned", details | _listed(after)))
                    self._standing = after
            self._seen &= here.keys() | self._missed_s.keys()
            return min(self._missed_s.values(), default=None)

    def _is_taken(self, camera: str, missed_s: Mapping[str, float]) -> bool:
        """Whether a camera that is in no bay was taken, by all that is known; until that is so it is missed.

        One that has just come into a bay has not said who it is: it may be this one, back with its port's power or its hub.
        """
        bays, now_s = self._dock.board.bays.values(), self._dock.clock.monotonic()
        at_s = self._missed_s[camera] = missed_s.get(camera, now_s + _MISSED_S)
        if any(bay.phase is not Phase.EMPTY and bay.shown_camera is None and bay.failure is None for bay in bays):
            self._missed_s[camera] = max(at_s, now_s + _MISSED_S)
            return False
        if now_s < at_s:
            return False
        del self._missed_s[camera]
        return True

    def _without(self, camera: str) -> dict[str, Checkout]:
        return {name: each for name, each in self._standing.items() if name != camera}

    def _show(self) -> None:
        """What the tiles say."""
        changed = False
        for bay in self._dock.board.bays.values():
            out = self._standing.get(bay.shown_camera or "")
            local = None if out is None or out.taken else parse_rfc3339(out.until).astimezone(self._zone)
            wanted = None if out is None or local is None else Reserved(out.officer, f"{local:%H:%M}")
            changed |= bay.reserved != wanted
            bay.reserved = wanted
        if changed:
            self._dock.board.tell()


def _listed(standing: Mapping[str, Checkout]) -> dict[str, Json]:
    """As every entry of the desk has them."""
    return {"standing": [asdict(each) for each in standing.values()]}


def _by_another(checkout: Checkout, bay: BayBoard) -> dict[str, Json]:
    """With whose name it comes back is for people to judge; nothing is said of a name that is missing."""
    if not used_by_another(checkout.officer, bay.officer):
        return {}
    _log.warning("camera returned by another", camera=checkout.camera, officer=checkout.officer, another=bay.officer)
    return {"by_another": bay.officer}


def _chosen(candidates: Sequence[Candidate], camera: str | None) -> Candidate:
    """The readiest, or the one that is named.

    Raises:
        ControlError: it may not be taken.
    """
    if camera is None:
        best = readiest(candidates)
        if best is None:
            msg = "no camera of the pool is ready to be taken"
            raise ControlError(msg, hint="dockd status says what each of them still waits for.")
        return best
    named = next((each for each in candidates if each.camera == camera), None)
    if named is None or not named.ready:
        msg = f"camera {camera} is in no bay" if named is None else f"camera {camera} may not be taken: {named.light.reason}"
        raise ControlError(msg, hint="Take another, or leave out --camera: the dock chooses the readiest.")
    return named
