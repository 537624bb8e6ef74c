"""Probing a port's power, with a hub that obeys, lies or loses what was plugged in."""

import pytest

from dockd.bays.probing import WORDS, Patience, Verdict, probed
from dockd.bays.udev import Port
from dockd.clock import SystemClock
from dockd.core.usb import Plugged
from dockd.errors import CameraGoneError

QUICK = Patience(leave_s=0.05, off_s=0.01, return_s=0.05)


class Hub:
    """A port with a camera in it; each knob is a way to disappoint."""

    def __init__(self, *, obeys: bool = True, drops: bool = True, returns: bool = True) -> None:
        self.port = Port("p")
        self.port.saw(Plugged((1, 5), "S1", "Cam", ()), first=True)
        self.told: list[bool] = []
        self._obeys, self._drops, self._returns = obeys, drops, returns

    async def switch(self, *, on: bool) -> bool:
        """As it is told, or not."""
        self.told.append(on)
        if not on and self._drops:
            self.port.saw(None, first=False)
        if on and self._returns and self._drops:
            self.port.saw(Plugged((1, 6), "S1", "Cam", ()), first=False)
        return self._obeys


@pytest.mark.parametrize(
    ("hub", "verdict"),
    [
        (Hub(), Verdict.SWITCHES),
        (Hub(obeys=False), Verdict.IGNORES),
        (Hub(drops=False), Verdict.STAYS),
        (Hub(returns=False), Verdict.LOST),
    ],
)
async def test_a_port_is_judged_by_what_happens(hub: Hub, verdict: Verdict) -> None:
    """Whatever is found, the power is on afterwards, and there are words for it."""
    assert await probed(hub, hub.port, SystemClock(), QUICK) is verdict
    assert hub.told == [False, True]
    assert WORDS[verdict]


async def test_an_empty_bay_tells_nothing() -> None:
    """So it is not switched either."""
    hub = Hub()
    hub.port.saw(None, first=True)
    with pytest.raises(CameraGoneError, match="the bay is empty"):
        await probed(hub, hub.port, SystemClock(), QUICK)
    assert hub.told == []
