"""One session: one client, one connection, one bay; in a process of its own, which a device may hang without harm to others."""

import fcntl
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from dockd.core.profile import Profile
from dockd.errors import CameraGoneError, CameraUnknownError, ConfigError, DockError
from dockd.helper import guard, mounting, wire
from dockd.helper.idmapping import hand_over
from dockd.helper.permitted import Permitted
from dockd.helper.port_power import Switch
from dockd.helper.sysfs import Sysfs
from dockd.logs import logger

_log = logger(__name__)

IDLE_S = 30.0
"""A client that has nothing mounted and says nothing for so long is gone."""

POWER_NOTES = "power"
"""The folder, beside where sessions mount, that tells which ports are off."""


class Session:
    """Answers a client until it closes the connection.

    Args:
        conversation: with the client.
        uid: the client's, as the kernel says.
        permitted: reads what the site permits; called for each request, for an admin may have changed it.
        sysfs: the kernel's.
        where: an existing folder to mount on, in this process's own namespace; locks lie beside it.
    """

    def __init__(
        self, conversation: socket.socket, uid: int, permitted: Callable[[], Permitted], sysfs: Sysfs, where: Path
    ) -> None:
        self._conversation, self._uid, self._permitted, self._sysfs, self._where = conversation, uid, permitted, sysfs, where
        self._bay = ""
        self._mount: mounting.Mount | None = None
        self._turn = -1
        self._power = Switch(sysfs, permitted, where.parent / POWER_NOTES)

    def serve(self) -> None:
        """Until the client closes the connection, says something that is no request, or is silent."""
        try:
            while True:
                self._conversation.settimeout(IDLE_S if self._mount is None and not self._power.is_off else None)
                request = wire.next_request(self._conversation)
                if request is None:
                    return
                self._answer(request)
        except (wire.ProtocolError, OSError) as exc:
            _log.warning("session ended", bay=self._bay, uid=self._uid, why=str(exc))
        finally:
            if self._mount is not None:
                self._mount.abandon()
            self._power.restore()

    def _answer(self, request: wire.AnyRequest) -> None:
        try:
            reply, root = self._obeyed(request)
        except DockError as exc:
            _log.warning("refused", request=type(request).__name__, bay=self._bay, uid=self._uid, why=exc.message)
            self._say(wire.Refused(_kind(exc), exc.message[:1000], exc.hint[:1000]))
            return
        try:
            self._say(reply, root)
        finally:
            if root >= 0:
                os.close(root)

    def _obeyed(self, request: wire.AnyRequest) -> tuple[wire.AnyReply, int]:
        match request:
            case wire.Hello():
                return wire.Welcome(tuple(sorted(self._permitted().ports))), -1
            case wire.Authorise(bay):
                self._belongs_to(bay)
                profile = guard.authorise(self._sysfs, self._permitted(), bay)
                _log.info("let in", bay=bay, profile=profile.name)
                return wire.Authorised(profile.name), -1
            case wire.Open(bay, diskseq, partition):
                self._belongs_to(bay)
                return self._open(bay, diskseq, partition)
            case wire.Release():
                if self._mount is not None:
                    self._mount.release()
                    self._mount = None
                    os.close(self._turn)
                return wire.Released(), -1
            case wire.SwitchPower(bay, on):
                self._belongs_to(bay)
                return wire.Switched(on, self._power.turn(bay, on=on)), -1

    def _belongs_to(self, bay: str) -> None:
        """The first request for a bay decides which one this session is for."""
        if self._bay and bay != self._bay:
            msg = f"this session is for bay {self._bay}, not for {bay!r}"
            raise CameraUnknownError(msg)
        self._bay = bay

    def _open(self, bay: str, diskseq: int, partition: int) -> tuple[wire.AnyReply, int]:
        if self._mount is not None:
            msg = "a volume is open in this session already"
            raise CameraUnknownError(msg)
        device, profile, _ = guard.judged(self._sysfs, self._permitted(), bay)
        turn = self._in_turn(diskseq)
        try:
            with mounting.write_blocked(self._sysfs, self._sysfs.disks(device), diskseq, partition) as volume:
                mount = mounting.mounted(volume, profile.filesystem, self._uid, self._where)
                self._hand_over(mount, profile)
        except BaseException:
            os.close(turn)
            raise
        self._mount, self._turn = mount, turn
        try:
            root = mount.root()
        except OSError as exc:
            msg = f"the camera's root folder cannot be opened: {exc.strerror}"
            raise CameraGoneError(msg) from exc
        _log.info("opened", bay=bay, diskseq=diskseq, partition=partition, filesystem=profile.filesystem)
        return wire.Opened(profile.filesystem), root

    def _hand_over(self, mount: mounting.Mount, profile: Profile) -> None:
        """Let the client read what only the camera's own user may; root may anyhow, and FAT belongs to the client as mounted."""
        if profile.filesystem != "ext4" or self._uid == 0:
            return
        try:
            hand_over(self._where, profile.owner, self._uid)
        except OSError as exc:
            mount.abandon()
            msg = f"the camera's files cannot be handed to the daemon: {exc.strerror}"
            raise CameraUnknownError(msg, hint="Admins: this takes Linux 6.1 or newer, as Debian 12 and 13 have it.") from exc

    def _in_turn(self, diskseq: int) -> int:
        """A lock that lasts as long as the disk is mounted here: a session that is just ending must not look like a stranger."""
        lock = os.open(self._where.parent / f"disk-{diskseq}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def _say(self, reply: wire.AnyReply, root: int = -1) -> None:
        frame = wire.frame(reply)
        if root < 0:
            self._conversation.sendall(frame)
        elif socket.send_fds(self._conversation, [frame], [root]) != len(frame):
            msg = "a reply was cut off"
            raise OSError(msg)


def _kind(error: DockError) -> Literal["unknown", "gone", "failed"]:
    match error:
        case CameraGoneError():
            return "gone"
        case ConfigError():
            return "failed"
        case _:
            return "unknown"
