"""The ports of a site's bays, as the charger reaches them: their switches, the batteries behind them, and who is needed when."""

from functools import partial
from zoneinfo import ZoneInfo

from dockd.charging.charger import Charger, Hubs, Ways
from dockd.config.model import Site
from dockd.core.battery import Reading
from dockd.core.charging import Rules, until_s
from dockd.core.readiness import Least
from dockd.dock.parts import Dock
from dockd.helper import client
from dockd.helper.sysfs import Sysfs
from dockd.power.battery import reported

_MINUTE_S = 60.0


class Outlets:
    """What sysfs says of the bays' ports; it is read by anybody.

    Args:
        site: whose bays they are.
        sysfs: the kernel's.
    """

    def __init__(self, site: Site, sysfs: Sysfs) -> None:
        self._ports = {bay.id: bay.usb_port for bay in site.bays if bay.usb_port is not None}
        self._sysfs = sysfs

    def can_switch(self, bay: str) -> bool:
        """Whether a port of the bay has a switch. Blocks."""
        port = self._ports.get(bay)
        return port is not None and any((each / "disable").exists() for each in self._sysfs.ports(port))

    def report(self, bay: str, time: str) -> Reading | None:
        """What the kernel reports of the battery in the bay, if anything. Blocks."""
        port = self._ports.get(bay)
        device = None if port is None else self._sysfs.at(port)
        return None if device is None else reported(device, time)


def least_of(site: Site) -> Least:
    """What the site file asks of a camera besides its recordings."""
    return Least(site.ready.min_battery, site.ready.min_free_bytes, assigned=site.ready.assigned)


def hubs_of(site: Site) -> Hubs:
    """What the site file says of power."""
    said = site.charging
    if said is None:
        return Hubs()
    return Hubs(
        budgets_ma={hub.name: hub.budget_ma for hub in said.hubs},
        of={bay: hub.name for hub in said.hubs for bay in hub.bays},
        rules=Rules(
            slice_s=said.slice_minutes * _MINUTE_S,
            rest_s=said.rest_minutes * _MINUTE_S,
            patience_s=said.patience_minutes * _MINUTE_S,
            ready_percent=said.enough,
            hot_celsius=float(said.hottest),
        ),
    )


def charger_of(site: Site, dock: Dock, helper: str, sysfs: Sysfs | None = None) -> Charger:
    """The charger of a site's dock.

    Args:
        site: what it goes by.
        dock: whose cameras it charges.
        helper: path of the helper's socket.
        sysfs: the kernel's, where it is not that of this machine.
    """
    outlets, zone = Outlets(site, sysfs or Sysfs()), ZoneInfo(site.time_zone)

    def shift_begins_s(camera: str) -> float | None:
        begins = dock.live.now.shift_starts.get(camera)
        return None if begins is None else until_s(begins, dock.clock.now().astimezone(zone))

    ways = Ways(partial(client.port_power, helper), outlets.can_switch, outlets.report, shift_begins_s)
    return Charger(dock, hubs_of(site), ways)
