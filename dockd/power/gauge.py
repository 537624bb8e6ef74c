"""What is known of each camera's charge as time passes: its last report, and what it should have come to since, under power."""

from dataclasses import replace

from dockd.core.battery import FULL, UNKNOWN, Curve, Quality, Reading, estimate

_STEP_PERCENT = 5
_FRESH_S = 60.0
LONGEST_S = 4 * 3600.0
"""Nobody knows how full a camera is that was under power for longer, if nobody has said how its kind fills."""


class Gauge:
    """Remembers by serial, for as long as a camera is in the dock, with power or without. Times are the monotonic clock's."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Reading, float]] = {}

    def reported(self, camera: str, reading: Reading, now_s: float) -> None:
        """It was read just now; what was estimated before counts no more."""
        self._known[camera] = reading, now_s

    def powered(self, camera: str, now_s: float) -> None:
        """It has power from here on, and has reported nothing: it goes on from what is known. How hot it is now nobody knows."""
        self._known[camera] = replace(self._known.get(camera, (UNKNOWN, 0.0))[0], celsius=None), now_s

    def forget(self, camera: str) -> None:
        """It left."""
        self._known.pop(camera, None)

    def reading(self, camera: str, curve: Curve | None, now_s: float, time: str) -> Reading:
        """What is known now of a camera that has power.

        Args:
            camera: serial.
            curve: how its kind fills, None if nobody has said.
            now_s: as the other times.
            time: the same, to be written down.
        """
        last, since_s = self._known.get(camera, (UNKNOWN, now_s))
        under_power_s = now_s - since_s
        if last.percent is not None and (under_power_s < _FRESH_S or last.percent == FULL):
            return last
        if curve is None:
            return last if under_power_s <= LONGEST_S else UNKNOWN
        return estimate(curve, last, under_power_s / 60, time)

    def cut(self, camera: str, reading: Reading, now_s: float) -> None:
        """It has no power from here on: what is known stays as it is until it has."""
        self._known[camera] = reading, now_s

    def news_at_s(self, camera: str, curve: Curve | None, now_s: float) -> float | None:
        """When the reading will say something else worth showing, if nothing is reported until then; None for never."""
        last, since_s = self._known.get(camera, (UNKNOWN, now_s))
        if last.percent == FULL:
            return None
        if curve is None:
            return since_s + LONGEST_S + 1 if last.quality is not Quality.UNKNOWN and now_s <= since_s + LONGEST_S else None
        begun = last.percent or 0
        then = int(curve.percent_after(begun, max(now_s - since_s, _FRESH_S) / 60))
        if then >= FULL:
            return None
        wanted = min(FULL, then - then % _STEP_PERCENT + _STEP_PERCENT)
        return since_s + 60 * (curve.minutes_at(wanted) - curve.minutes_at(begun)) + 1
