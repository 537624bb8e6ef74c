"""Bays at a hub whose power somebody switches: the ports, the cameras in them, and what the bays' attendants would do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dockd.charging.charger import Charger, Hubs, Power, Ways
from dockd.core.battery import Appetite, Quality, Reading
from dockd.core.charging import Rules
from dockd.dock.board import Board, Phase
from dockd.dock.parts import Dock
from dockd.errors import DockError
from tests.sim.running import running


@dataclass
class Outlets:
    """What `charging.Ways` reaches.

    Attributes:
        cameras: by bay, the serial of what is in it.
        off: bays without power.
        in_helper: bays for which somebody holds the power off.
        refuses: what a switch answers with.
        obeys: whether the hub says that it did as it was told.
        stays: the camera stays although its port was switched off.
        without_switch: bays whose hub has none.
        batteries: by bay, what the kernel reports.
        begins_s: by serial, seconds to its officer's shift.
        appetite: of every camera.
        docked_percent: what each camera says of itself when it is docked, None for nothing.
        silent: a camera that comes back with the power has not said who it is, until the test docks it.
    """

    board: Board
    cameras: dict[str, str] = field(default_factory=dict)
    off: set[str] = field(default_factory=set)
    in_helper: set[str] = field(default_factory=set)
    refuses: DockError | None = None
    obeys: bool = True
    stays: bool = False
    without_switch: set[str] = field(default_factory=set)
    batteries: dict[str, Reading] = field(default_factory=dict)
    begins_s: dict[str, float] = field(default_factory=dict)
    appetite: Appetite = field(default_factory=Appetite)
    docked_percent: dict[str, int] = field(default_factory=dict)
    silent: bool = False
    dockings: int = 0
    asked: int = 0

    def dock(self, bay: str, camera: str | None = None) -> None:
        """A camera is put in, or comes back with the power; everything on it is done at once."""
        self.cameras[bay] = camera or self.cameras[bay]
        board = self.board.bays[bay]
        board.clear()
        self.dockings += 1
        board.docking, board.camera, board.appetite = f"d{self.dockings}", self.cameras[bay], self.appetite
        board.phase, board.scanned, board.idle, board.charges = Phase.RESTING, True, True, True
        if (percent := self.docked_percent.get(board.camera)) is not None:
            board.battery = Reading(Quality.REPORTED, percent, "the camera when it was docked", "t")
        self.board.tell()

    def pull(self, bay: str) -> None:
        """It is taken out; of a port without power nobody notices."""
        del self.cameras[bay]
        if bay not in self.off:
            self.board.bays[bay].clear()
            self.board.tell()

    def give(self, bay: str) -> None:
        """The port has power again, whoever gave it."""
        if bay in self.off:
            self.off.discard(bay)
            if bay in self.cameras and self.silent:
                self.board.bays[bay].clear()
                self.board.bays[bay].phase = Phase.IDENTIFYING
                self.board.tell()
            elif bay in self.cameras:
                self.dock(bay)

    @asynccontextmanager
    async def power(self, bay: str) -> AsyncIterator[Power]:
        """As `client.port_power`."""
        self.in_helper.add(bay)
        try:
            yield _Switch(self, bay)
        finally:
            self.in_helper.discard(bay)
            self.give(bay)

    def switched_off(self, bay: str) -> None:
        """As the kernel and the bay's attendant do."""
        if not self.stays:
            self.off.add(bay)
            board = self.board.bays[bay]
            if board.resting is not None:
                board.rest()
            else:
                board.clear()
            self.board.tell()

    def ways(self) -> Ways:
        """For a charger."""
        return Ways(
            power=self.power,
            can_switch=lambda bay: bay not in self.without_switch,
            report=lambda bay, _: self.batteries.get(bay),
            shift_begins_s=self.begins_s.get,
        )


class _Switch:
    def __init__(self, outlets: Outlets, bay: str) -> None:
        self._outlets, self._bay = outlets, bay

    async def switch(self, *, on: bool) -> bool:
        """As `client.PortPower.switch`."""
        self._outlets.asked += 1
        if self._outlets.refuses is not None:
            raise self._outlets.refuses
        self._outlets.give(self._bay) if on else self._outlets.switched_off(self._bay)
        return self._outlets.obeys


@asynccontextmanager
async def charged(dock: Dock, outlets: Outlets, budget_ma: int, rules: Rules | None = None) -> AsyncIterator[Charger]:
    """A charger at work for all bays at one hub."""
    hubs = Hubs({"left": budget_ma}, dict.fromkeys(dock.board.bays, "left"), rules or Rules())
    charger = Charger(dock, hubs, outlets.ways())
    async with running(charger.run()):
        yield charger
