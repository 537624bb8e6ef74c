"""Shares the hubs' power out among the cameras, and keeps what is known of their batteries.

Woken by news of the board, at most once a second, or when the plan itself says that time alone changes something. A port is cut
only while everything on its camera is done and nobody has it open.

A port that is off is held off by a session with the helper, and has power again when that ends, however it ends. So nothing here
has to be put right after a crash: the camera comes back, and is a new docking.

What a port without power holds nobody can see. The bay says *resting*, and when the power is back and no camera comes, it left
meanwhile: the custody log says so.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from dockd.clock import rfc3339
from dockd.core import custody
from dockd.core.battery import Quality, Reading
from dockd.core.charging import Charging, Plan, Port, Resting, Rules, Why, plan
from dockd.core.fitness import Check, hub_power
from dockd.core.readiness import Lamp
from dockd.dock.board import BayBoard, Phase
from dockd.dock.parts import Dock
from dockd.errors import CameraError, DockError
from dockd.power.gauge import Gauge
from dockd.tasks import to_its_end

_log = structlog.get_logger(__name__)

_NO_SWITCH = "its hub has no switch that the kernel knows"
_GATHER_S = 1.0
_LEAVES_WITHIN_S = 10.0
_RETURNS_WITHIN_S = 30.0
_AGAIN_S = 30.0
_ASK_S = 30.0


class Power(Protocol):
    """The power of one port; see `dockd.helper.client.PortPower`."""

    async def switch(self, *, on: bool) -> bool:
        """Switch it; whether the hub says that it did."""
        ...


@dataclass(frozen=True, slots=True)
class Hubs:
    """What the site file says of power.

    Attributes:
        budgets_ma: by hub.
        of: each bay's hub; bays that are not named always have power.
        rules: of the site.
    """

    budgets_ma: Mapping[str, int] = field(default_factory=dict)
    of: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Ways:
    """How the charger reaches the world.

    Attributes:
        power: of a bay's port; it is on again when the block ends.
        can_switch: whether a bay's port has a switch at all. Blocks.
        report: what the kernel reports of the battery in a bay, at a time to be written down. Blocks.
        shift_begins_s: seconds until the shift of a camera's officer begins, None if nobody knows.
    """

    power: Callable[[str], AbstractAsyncContextManager[Power]]
    can_switch: Callable[[str], bool]
    report: Callable[[str, str], Reading | None]
    shift_begins_s: Callable[[str], float | None]


@dataclass(slots=True)
class _Bay:
    """One bay, as its charger knows it.

    Attributes:
        board: what the screens show.
        since_s: since when its port has the power that it has, or none.
        held: keeps it without power while it is open.
        leaves_by_s, returns_by_s: until when the camera should have left, or be back.
        refused: why its power cannot be cut; empty if it can, or nobody has tried.
        refused_of: the camera with which that was found out. Docked again it is not tried again: it would be cut off for ever.
        proved: it was cut, and the camera left and came back.
        again_s: no attempt before.
        ask_s: the kernel is not asked about its battery before.
        docking, camera: whose battery is being reckoned with.
        why: of the last plan.
    """

    board: BayBoard
    since_s: float
    held: AsyncExitStack | None = None
    leaves_by_s: float | None = None
    returns_by_s: float | None = None
    refused: str = ""
    refused_of: str | None = None
    proved: bool = False
    again_s: float = float("-inf")
    ask_s: float = 0.0
    docking: str | None = None
    camera: str | None = None
    why: Why | None = None


class Charger:
    """Owner of the ports' power.

    Args:
        dock: whose board it goes by.
        hubs: of the site file.
        ways: to the ports and to what is known of them.
    """

    def __init__(self, dock: Dock, hubs: Hubs, ways: Ways) -> None:
        self._dock, self._hubs, self._ways = dock, hubs, ways
        self._gauge = Gauge()
        now_s = dock.clock.monotonic()
        self._bays = {bay.bay: _Bay(bay, now_s) for bay in dock.board.bays.values()}
        self._over: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Until cancelled; then every port has power."""
        try:
            while True:
                seen = self._dock.board.change
                again_s = await self._round()
                await self._dock.board.news_by(seen, again_s)
                await self._dock.clock.sleep(_GATHER_S)
        finally:
            for bay in self._bays.values():
                if bay.held is not None:
                    await bay.held.aclose()

    async def check(self) -> Check:
        """For the self-test: which ports switch, and which don't."""
        switch, cannot = [], {}
        for bay in self._at_hubs():
            name = bay.board.bay
            if bay.refused or not await asyncio.to_thread(self._ways.can_switch, name):
                cannot[name] = bay.refused or _NO_SWITCH
            elif bay.proved or bay.held is not None:
                switch.append(name)
        return hub_power([bay.board.bay for bay in self._at_hubs()], switch, cannot, sorted(self._over))

    async def _round(self) -> float | None:
        """Look, plan, switch; when to do so again if nothing happens."""
        now_s = self._dock.clock.monotonic()
        for bay in self._bays.values():
            await self._look(bay, now_s)
            await self._weigh(bay, now_s)
        decided = plan([self._port(bay) for bay in self._at_hubs()], self._hubs.budgets_ma, self._hubs.rules, now_s)
        self._warn(decided)
        switched = False
        for bay in self._at_hubs():
            decision = decided.ports[bay.board.bay]
            bay.why = decision.why
            if decision.power and bay.held is not None:
                await self._give(bay)
                switched = True
            elif not decision.power and bay.held is None and now_s >= bay.again_s:
                await self._cut(bay, decision.why)
                switched = True
        if switched:
            return self._dock.clock.monotonic()
        return self._next_s(decided, now_s)

    def _at_hubs(self) -> list[_Bay]:
        return [bay for name, bay in self._bays.items() if name in self._hubs.of]

    def _next_s(self, decided: Plan, now_s: float) -> float | None:
        """The plan's own next time, and that of everything else that is waited for."""
        times = [decided.again_at_s]
        for bay in self._bays.values():
            times += [bay.leaves_by_s, bay.returns_by_s, bay.again_s if bay.again_s > now_s else None]
            if bay.camera is not None and bay.held is None:
                times.append(self._gauge.news_at_s(bay.camera, bay.board.appetite.curve, now_s))
        return min((each for each in times if each is not None), default=None)

    def _warn(self, decided: Plan) -> None:
        for hub in sorted(decided.over_budget - self._over):
            _log.warning("hub over its budget", hub=hub, budget_ma=self._hubs.budgets_ma[hub])
        self._over = decided.over_budget

    async def _look(self, bay: _Bay, now_s: float) -> None:
        """What became of a port that was switched."""
        board = bay.board
        if bay.held is not None:
            if board.phase is Phase.UNPOWERED:
                bay.leaves_by_s = None
                if self._is_elsewhere(board.resting):
                    await self._give(bay)
            elif board.resting is None:
                await self._give(bay)  # it has power, whoever gave it: the helper went, and all ports are on
                bay.returns_by_s, bay.again_s = None, now_s + _AGAIN_S
            elif bay.leaves_by_s is not None and now_s >= bay.leaves_by_s:
                await self._refuse(bay, "the camera stayed although its port was switched off")
        elif bay.returns_by_s is not None:
            if board.phase is not Phase.UNPOWERED:
                bay.returns_by_s, bay.proved = None, bay.proved or board.phase is not Phase.EMPTY
            elif now_s >= bay.returns_by_s or self._is_elsewhere(board.resting):
                bay.returns_by_s = None
                await self._left_unseen(bay)

    def _is_elsewhere(self, resting: Resting | None) -> bool:
        return resting is not None and any(each.camera == resting.camera for each in self._dock.board.bays.values())

    async def _left_unseen(self, bay: _Bay) -> None:
        """No camera came when the power did. One that comes from here on is its attendant's to show."""
        resting = bay.board.resting
        bay.board.clear()
        self._dock.board.tell()
        if resting is not None:
            left = custody.Noted("camera.left-unpowered", {"camera": resting.camera, "bay": bay.board.bay})
            await to_its_end(self._dock.journal.record(left))
            _log.warning("camera left while its port had no power", bay=bay.board.bay, camera=resting.camera)

    async def _weigh(self, bay: _Bay, now_s: float) -> None:
        """What is known of its battery now."""
        board, time = bay.board, rfc3339(self._dock.clock.now())
        if board.camera is None or board.phase is Phase.FAILED:
            if board.phase is Phase.EMPTY:  # one that has not said who it is may be the same, back with the power
                self._forget(bay)
            return
        if bay.docking != board.docking:
            if bay.camera != board.camera:
                self._forget(bay)
            bay.docking, bay.camera = board.docking, board.camera
            if bay.refused_of != board.camera:
                bay.refused, bay.refused_of = "", None
            if board.battery.quality is Quality.REPORTED:
                self._gauge.reported(board.camera, board.battery, now_s)
            else:
                self._gauge.powered(board.camera, now_s)
            if board.bay in self._hubs.of and not await asyncio.to_thread(self._ways.can_switch, board.bay):
                bay.refused, bay.refused_of = _NO_SWITCH, board.camera
            bay.ask_s = now_s
        if now_s >= bay.ask_s:
            bay.ask_s = now_s + _ASK_S
            said = await asyncio.to_thread(self._ways.report, board.bay, time)
            if board.docking != bay.docking:
                return  # it left meanwhile
            if said is not None:
                self._gauge.reported(board.camera, said, now_s)
        known = self._gauge.reading(board.camera, board.appetite.curve, now_s, time)
        told = (known.percent, known.quality, known.celsius)
        hot = known.celsius is not None and known.celsius > self._hubs.rules.hot_celsius
        hot = hot and (board.bay not in self._hubs.of or bool(bay.refused))
        if told != (board.battery.percent, board.battery.quality, board.battery.celsius) or hot is not board.hot:
            board.battery, board.hot = known, hot
            self._dock.board.tell()

    def _forget(self, bay: _Bay) -> None:
        """The camera that was in it left; one that stands in another bay by now is reckoned with there."""
        if bay.camera is not None and not any(each.camera == bay.camera for each in self._dock.board.bays.values()):
            self._gauge.forget(bay.camera)
        bay.camera = bay.docking = None

    def _port(self, bay: _Bay) -> Port:
        board = bay.board
        return Port(
            bay=board.bay,
            hub=self._hubs.of[board.bay],
            switchable=not bay.refused,
            powered=bay.held is None,
            since_s=bay.since_s,
            camera=self._camera(bay),
        )

    def _camera(self, bay: _Bay) -> Charging | None:
        board, now_s = bay.board, self._dock.clock.monotonic()
        if board.phase is Phase.EMPTY:
            return None
        resting = board.resting
        serial, battery, appetite = (
            board.shown_camera,
            board.shown_battery,
            board.appetite if resting is None else resting.appetite,
        )
        begins_s = self._ways.shift_begins_s(serial) if serial is not None else None
        return Charging(
            draw_ma=appetite.draw_ma,
            full_ma=appetite.full_ma,
            percent=battery.percent,
            busy=resting is None and not self._may_be_cut(board),
            needed_at_s=None if begins_s is None else now_s + begins_s,
            celsius=battery.celsius if resting is None else None,
        )

    def _may_be_cut(self, board: BayBoard) -> bool:
        """Everything is done, nobody has it open, and nobody is called to it."""
        lamp = board.lamp(self._dock.board.needs)
        return board.phase is Phase.RESTING and board.idle and lamp is not None and lamp.lamp is not Lamp.HELP

    async def _cut(self, bay: _Bay, why: Why) -> None:
        """Switch its port off, if it still may be."""
        board = bay.board
        if not self._may_be_cut(board) or board.camera is None:
            return
        board.resting = Resting(board.camera, board.officer, board.battery, why, board.appetite)
        self._dock.board.tell()
        held = AsyncExitStack()
        try:
            power = await held.enter_async_context(self._ways.power(board.bay))
            obeyed = await power.switch(on=False)
        except CameraError as exc:
            await held.aclose()
            await self._refuse(bay, exc.message if board.idle else "")
            return
        except DockError as exc:  # nobody can be asked now; whatever was switched has power again
            await held.aclose()
            _log.warning("port power cannot be switched", bay=board.bay, why=exc.message)
            await self._refuse(bay, "")
            return
        except BaseException:
            await held.aclose()
            raise
        bay.held, bay.since_s = held, self._dock.clock.monotonic()
        bay.leaves_by_s = bay.since_s + _LEAVES_WITHIN_S
        if board.resting is not None:
            self._gauge.cut(board.resting.camera, board.resting.battery, bay.since_s)
        if not obeyed:
            await self._refuse(bay, "the hub says that the power stayed on")
            return
        _log.info("port switched off", bay=board.bay, why=why.value)

    async def _give(self, bay: _Bay) -> None:
        """Switch its port on."""
        held, bay.held, bay.leaves_by_s = bay.held, None, None
        if held is not None:
            await held.aclose()
        bay.since_s = self._dock.clock.monotonic()
        bay.returns_by_s = bay.since_s + _RETURNS_WITHIN_S
        _log.info("port switched on", bay=bay.board.bay)

    async def _refuse(self, bay: _Bay, why: str) -> None:
        """Its power cannot be cut; it has it, and the camera is as it was, or comes back by itself."""
        if bay.held is not None:
            await self._give(bay)
        now_s, gone = self._dock.clock.monotonic(), bay.board.phase is Phase.UNPOWERED
        bay.returns_by_s = now_s + _RETURNS_WITHIN_S if gone else None
        if not gone:
            bay.board.resting = None
        bay.again_s = now_s + _AGAIN_S
        if why:
            bay.refused, bay.refused_of = why, bay.camera
            _log.warning("port does not switch", bay=bay.board.bay, why=why)
        self._dock.board.tell()
