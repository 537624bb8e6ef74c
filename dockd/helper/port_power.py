"""Switches the power of a bay's port, by the kernel's `disable` of each port that the bay is on.

A socket for fast devices is two ports, one of each kind of hub, and is without power only when both are. Before a port goes its
disks do: the kernel waits for whoever holds one open, and would wait for ever. What a hub's descriptors promise counts for
nothing; what a port answers after it was switched is told, and `dockd.bays.probing` finds out the rest with a camera.

No port stays without power for want of whoever switched it off: the session switches it on as it ends, and where the session
could not, systemd does as the helper ends (packaging/systemd/ports-have-power), or its next start, from the notes.
"""

from collections.abc import Callable
from pathlib import Path

from dockd.errors import CameraGoneError, CameraUnknownError
from dockd.helper.mounting import in_no_other_use
from dockd.helper.permitted import Permitted
from dockd.helper.sysfs import Sysfs, text
from dockd.logs import logger

_log = logger(__name__)

_OFF, _ON = "1", "0"  # what `disable` says


class Switch:
    """The power of one session's bay.

    Args:
        sysfs: the kernel's.
        permitted: reads what the site permits.
        notes: a folder that is this helper's own; made when it is needed.
    """

    def __init__(self, sysfs: Sysfs, permitted: Callable[[], Permitted], notes: Path) -> None:
        self._sysfs, self._permitted, self._notes = sysfs, permitted, notes
        self._off: list[Path] = []

    @property
    def is_off(self) -> bool:
        """Whether this session has switched anything off."""
        return bool(self._off)

    def turn(self, bay: str, *, on: bool) -> bool:
        """Switch the port's power; whether every port of the bay answers that it is as was asked.

        Raises:
            CameraUnknownError: the bay is none of the dock's, has no switch, or its camera is in use.
            CameraGoneError: the camera or its hub left meanwhile.
        """
        port = self._permitted().ports.get(bay)
        if port is None:
            msg = f"{bay!r} is no USB bay of this dock"
            raise CameraUnknownError(msg, hint="Compare the daemon's site file with the helper's, and restart both.")
        ports = [each for each in self._sysfs.ports(port) if (each / "disable").exists()]
        if not ports:
            msg = f"bay {bay} has no port whose power can be switched"
            raise CameraUnknownError(msg, hint="Admins: it takes a hub that is plugged in, and Linux 6.0 or newer.")
        try:
            if on:
                self._on(ports)
            else:
                self._release(bay, port)
                self._switch_off(ports)
        except OSError as exc:
            msg = f"the power of bay {bay} could not be switched: {exc.strerror}"
            raise CameraGoneError(msg) from exc
        answers = [text(each / "disable") for each in ports]
        _log.info("port power", bay=bay, on=on, ports=[each.name for each in ports], answers=answers)
        return answers == [_ON if on else _OFF] * len(ports)

    def restore(self) -> None:
        """Switch on whatever this session has switched off."""
        try:
            self._on(list(self._off))
        except OSError as exc:
            _log.error("a port may be without power", why=str(exc))

    def _release(self, bay: str, port: str) -> None:
        device = self._sysfs.at(port)
        if device is None:
            return
        disks = self._sysfs.disks(device)
        try:
            for disk in disks:
                in_no_other_use(disk)
        except CameraUnknownError as exc:
            msg = f"the camera in bay {bay} is in use, so its power stays on"
            raise CameraUnknownError(msg, hint="Wait until the dock is done with it, and try again.") from exc
        for disk in disks:
            (disk.path / "device" / "delete").write_text("1")

    def _switch_off(self, ports: list[Path]) -> None:
        self._notes.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in ports:
            (self._notes / each.name).touch(mode=0o600)
            if each not in self._off:
                self._off.append(each)
        for each in ports:
            (each / "disable").write_text(_OFF)

    def _on(self, ports: list[Path]) -> None:
        failed: OSError | None = None
        for each in ports:
            try:
                _turn_on(each, self._notes)
            except OSError as exc:
                failed = exc  # a socket's other port gives power too
                continue
            if each in self._off:
                self._off.remove(each)
        if failed is not None:
            raise failed


def restore(sysfs: Sysfs, notes: Path) -> None:
    """Switch on every port that somebody switched off and did not live to switch on again."""
    noted = {note.name for note in notes.iterdir()} if notes.exists() else set()
    for port in sysfs.every_port():
        if port.name in noted:
            try:
                _turn_on(port, notes)
            except OSError as exc:
                _log.error("a port is without power", port=port.name, why=str(exc))
            else:
                _log.warning("port power restored", port=port.name)


def _turn_on(port: Path, notes: Path) -> None:
    """A port that is not there any more, with its hub, comes back with power."""
    if (port / "disable").exists():
        (port / "disable").write_text(_ON)
    (notes / port.name).unlink(missing_ok=True)
