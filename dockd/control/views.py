"""What the API answers of a camera, a battery, the configuration and the time left, made of what board and journal hold."""

from dockd.core.battery import Reading
from dockd.core.estimate import ready_s, time_left_s
from dockd.core.readiness import Lamp, Needs, Readiness
from dockd.core.recording import State
from dockd.dock.board import BayBoard, Configuration
from dockd.dock.parts import Dock
from dockd.journal.orders import Admission, CameraKnown
from dockd.web.lists import CameraView
from dockd.web.view import BatteryView, ConfigurationView

_UNCOPIED = frozenset({State.SEEN, State.COPYING})
_WAITING = frozenset({State.SEEN, State.COPYING, State.VERIFIED, State.UPLOADING})


def camera_view(serial: str, known: CameraKnown | None, said: Admission | None, *, held: bool) -> CameraView:
    """What is known of a camera."""
    counts = known.counts if known else {}
    return CameraView(
        camera=serial,
        verdict=said.verdict.value if said else None,
        verdict_by=said.by if said else None,
        verdict_reason=said.reason if said else None,
        held=held,
        docked=known is not None and known.ended is None,
        bay=known.bay if known else None,
        officer=known.officer if known else None,
        last_docked=known.docked if known else None,
        files_waiting=sum(counts.get(state, 0) for state in _WAITING),
        files_archived=counts.get(State.ARCHIVED, 0),
        files_erased=counts.get(State.ERASED, 0),
        files_refused=counts.get(State.REFUSED, 0),
    )


def battery_view(reading: Reading) -> BatteryView:
    """How full a battery is."""
    return BatteryView(reading.quality, reading.percent, reading.source, reading.time or None, reading.celsius)


def configuration_view(standing: Configuration) -> ConfigurationView:
    """By what the dock runs."""
    return ConfigurationView(
        accepted_by=standing.accepted_by,
        accepted_at=standing.accepted_at,
        pending=standing.pending,
        accept_with=standing.accept_with,
        error=standing.error,
        restart_for=standing.restart_for,
    )


def until_ready_s(dock: Dock, bay: BayBoard, light: Readiness) -> float | None:
    """Seconds until a camera that is to be left may be taken, or can be cleared where the site wants it cleared.

    None when that is not known: nothing moves yet, the archive is away, it rests, or nobody has said how its kind charges.
    """
    if light.lamp is not Lamp.LEAVE or not bay.scanned or bay.waiting is not None or light.code == "clearing":
        return None
    recordings = [each.recording for each in bay.present.values()]
    uncopied = sum(each.size_bytes for each in recordings if each.state in _UNCOPIED)
    copy_s = time_left_s(uncopied - min(uncopied, sum(bay.reading.values())), bay.meter.pace())
    archive_s: float | None = 0.0
    if dock.board.needs is not Needs.VERIFIED and any(each.state in _WAITING for each in recordings):
        away = dock.board.archive.reachable is False
        # Others' recordings may go first, so this camera's last one may have to wait for all of them.
        archive_s = None if away else time_left_s(dock.outbox.left_bytes + uncopied, dock.board.sent.pace())
    return ready_s(copy_s, archive_s, _charge_s(bay))


def _charge_s(bay: BayBoard) -> float | None:
    """A charge that nobody can tell keeps no camera."""
    if not bay.charges or bay.least.percent is None or bay.battery.percent is None or bay.battery.percent >= bay.least.percent:
        return 0.0
    minutes = bay.charges_min()
    return None if minutes is None else 60 * minutes
