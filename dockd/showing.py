"""How what the board and the journal hold is shown to whoever asks."""

from dockd.board import Configuration
from dockd.core.battery import Reading
from dockd.core.recording import State
from dockd.journal.orders import Admission, CameraKnown
from dockd.web.lists import CameraView
from dockd.web.view import BatteryView, ConfigurationView

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
