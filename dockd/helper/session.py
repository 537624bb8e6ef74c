"""One session: one client, one connection, one bay; in a process of its own, which a device may hang without harm to others."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from dockd.clock import Clock, SystemClock, rfc3339
from dockd.core.erasure import Method, weaker
from dockd.errors import (
    CameraGoneError,
    CameraUnknownError,
    ClearanceRefusedError,
    ConfigError,
    ControlError,
    DockError,
    EraseFailedError,
    LampError,
    ProofRefusedError,
)
from dockd.helper import guard, kept, wire
from dockd.helper.begun import BegunBook
from dockd.helper.clearing import broken_off, finish
from dockd.helper.docked import Docked, Where, docked
from dockd.helper.erasing import CameraEraser
from dockd.helper.holds import HoldBook
from dockd.helper.lamps import Lamps
from dockd.helper.occupied import in_use_if_readable
from dockd.helper.overwriting import look_for_partitions
from dockd.helper.permitted import Permitted
from dockd.helper.port_power import Switch
from dockd.helper.several import Several, several
from dockd.helper.sysfs import Sysfs
from dockd.logs import logger

_log = logger(__name__)

IDLE_S = 30.0
"""A client that has nothing mounted and says nothing for so long is gone."""

POWER_NOTES = "power"
"""The folder, beside where sessions mount, that tells which ports are off."""
LAMP_NOTES = "lamps"
"""The one that tells how each lamp that is lit asks for help."""
_ALIVE_EVERY_S = 0.2


class ClientGoneError(Exception):
    """Nobody listens any more: no error of the camera's."""


class Session:
    """Answers a client until it closes the connection.

    Args:
        conversation: with the client.
        uid: the client's, as the kernel says.
        permitted: reads what the site permits; called for each request, for an admin may have changed it.
        sysfs: the kernel's.
        where: an existing folder to mount on, in this process's own namespace; locks lie beside it.
        state: the helper's own folder.
        clock: the machine's.
    """

    def __init__(
        self,
        conversation: socket.socket,
        uid: int,
        permitted: Callable[[], Permitted],
        sysfs: Sysfs,
        where: Path,
        *,
        state: Path = kept.FOLDER,
        clock: Clock | None = None,
    ) -> None:
        self._conversation, self._uid, self._permitted, self._sysfs, self._where = conversation, uid, permitted, sysfs, where
        self._holds, self._begun, self._clock = HoldBook(state), BegunBook(state), clock or SystemClock()
        self._bay = ""
        self._camera: Docked | Several | None = None
        self._eraser: CameraEraser | None = None
        self._reread: Docked | None = None
        self._unsaid, self._said_s = 0, 0.0
        self._power = Switch(sysfs, permitted, where.parent / POWER_NOTES)
        self._lamps = Lamps(permitted, where.parent / LAMP_NOTES, sysfs.root / "class" / "leds")

    def serve(self) -> None:
        """Until the client closes the connection, says something that is no request, or is silent."""
        try:
            while True:
                kept_alive = self._camera is not None or self._power.is_off or self._lamps.lit
                self._conversation.settimeout(None if kept_alive else IDLE_S)
                request = wire.next_request(self._conversation)
                if request is None:
                    return
                self._answer(request)
        except (wire.ProtocolError, ClientGoneError, OSError) as exc:
            _log.warning("session ended", bay=self._bay, uid=self._uid, why=str(exc))
        finally:
            if self._camera is not None:
                self._camera.close()
            if self._reread is not None:
                self._look_for_partitions(self._reread)
            self._power.restore()
            self._lamps.abandon()

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
                return self._open(Where(bay, diskseq, partition, self._uid, self._where))
            case wire.OpenSeveral(bay, parts):
                self._belongs_to(bay)
                return self._open_several(bay, parts)
            case wire.Release():
                self._release()
                return wire.Released(), -1
            case wire.SwitchPower(bay, on):
                self._belongs_to(bay)
                return wire.Switched(on, self._power.turn(bay, on=on)), -1
            case wire.ShowLamps(lamps):
                self._lamps.show(lamps)
                return wire.Noted(), -1
            case wire.PlaceHold() | wire.LiftHold() | wire.ListHolds():
                return self._hold(request), -1
            case wire.Resume(bay, diskseq):
                self._belongs_to(bay)
                return self._resume(Where(bay, diskseq, 0, self._uid, self._where)), -1
            case _:
                return self._erasing(request), -1

    def _erasing(self, request: wire.Want | wire.Examine | wire.Demand | wire.Erase) -> wire.AnyReply:
        if self._eraser is None:
            msg = "no camera is open in this session"
            raise ClearanceRefusedError(msg)
        match request:
            case wire.Want(paths):
                self._eraser.want(paths)
                return wire.Noted()
            case wire.Examine():
                return self._examine(self._eraser)
            case wire.Demand():
                self._eraser.demand(request)
                return wire.Noted()
            case wire.Erase(docking, method):
                now = self._clock.now()
                erasure = self._eraser.erase(docking, method, self._permitted(), self._holds.standing(now), now)
                _log.info("erased", bay=self._bay, docking=docking, method=erasure.method.value, files=erasure.files)
                return wire.Erased(erasure)

    def _examine(self, camera: CameraEraser) -> wire.Examined:
        examination, method, obstacles = camera.examine(self._permitted())
        for file in examination.scan.files:
            self._say(wire.Entry(file, examination.rehashes.get(file.path)))
        words = tuple(each[:300] for each in obstacles[:16])
        return wire.Examined(examination.scan.serial, examination.nonce, method, words, examination.scan.officers)

    def _alive(self, count: int) -> None:
        """A sign of life, a few times a second at most."""
        self._unsaid += count
        now = self._clock.monotonic()
        if now - self._said_s >= _ALIVE_EVERY_S:
            try:
                self._say(wire.Alive(self._unsaid))
            except OSError as exc:
                msg = "nobody waits for the end of it"
                raise ClientGoneError(msg) from exc
            self._unsaid, self._said_s = 0, now

    def _hold(self, order: wire.PlaceHold | wire.LiftHold | wire.ListHolds) -> wire.AnyReply:
        match order:
            case wire.PlaceHold(scope, subject, by, reason, case):
                self._holds.place(wire.Held(scope, subject, by, reason, rfc3339(self._clock.now()), case))
                _log.info("hold placed", scope=scope, subject=subject, case=case, by=by, uid=self._uid, reason=reason)
            case wire.LiftHold(scope, subject, by, reason, case):
                if self._uid != 0:
                    msg = "only root may lift a hold"
                    raise ControlError(msg, hint="As an admin: sudo dockd release.")
                self._holds.lift(scope, subject, case)
                _log.info("hold lifted", scope=scope, subject=subject, case=case, by=by, uid=self._uid, reason=reason)
            case _:
                for each in self._holds.all():
                    self._say(each)
        return wire.Noted()

    def _belongs_to(self, bay: str) -> None:
        """The first request for a bay decides which one this session is for."""
        if self._bay and bay != self._bay:
            msg = f"this session is for bay {self._bay}, not for {bay!r}"
            raise CameraUnknownError(msg)
        self._bay = bay

    def _open(self, where: Where) -> tuple[wire.AnyReply, int]:
        if self._camera is not None:
            msg = "a volume is open in this session already"
            raise CameraUnknownError(msg)
        camera = docked(self._sysfs, self._permitted(), where)
        try:
            if (begun := broken_off(camera, self._begun)) is not None:
                camera.close()
                return wire.Unfinished(begun.camera, begun.docking), -1
            camera.mount()
            camera.hand_over()
            root = camera.root()
        except BaseException:
            camera.close()
            raise
        taken = in_use_if_readable(camera.volume, camera.profile.filesystem, root)
        self._camera, self._eraser = camera, CameraEraser(camera, self._begun, self._alive)
        _log.info("opened", bay=where.bay, diskseq=where.diskseq, partition=where.partition, filesystem=camera.profile.filesystem)
        return wire.Opened(camera.profile.filesystem, {} if taken is None else {"": taken}), root

    def _open_several(self, bay: str, parts: tuple[wire.Part, ...]) -> tuple[wire.AnyReply, int]:
        if self._camera is not None:
            msg = "a volume is open in this session already"
            raise CameraUnknownError(msg)
        camera = several(self._sysfs, self._permitted(), bay, parts, folder=self._where, uid=self._uid)
        try:
            root = camera.root()
        except BaseException:
            camera.close()
            raise
        self._camera = camera
        _log.info("opened", bay=bay, volumes=[each.name for each in parts])
        return wire.Opened(camera.profile.filesystem, camera.in_use), root

    def _resume(self, where: Where) -> wire.AnyReply:
        """Finish what an earlier session began, if its token is still there, and nothing was ordered since that forbids it."""
        if self._camera is not None:
            msg = "a volume is open in this session"
            raise CameraUnknownError(msg)
        permitted = self._permitted()
        camera = docked(self._sysfs, permitted, where)
        try:
            begun = broken_off(camera, self._begun)
            if begun is None:
                msg = "nothing was left unfinished"
                raise ClearanceRefusedError(msg)
            if weaker(permitted.erase, camera.profile.erase.method) is not Method.CLEAR:
                msg = "clearing this camera was broken off, and the site file or its profile no longer allows it"
                raise ClearanceRefusedError(msg, hint="Its recordings are in the archive. Call your admin.")
            standing = self._holds.standing(self._clock.now())
            if held := begun.held(standing, permitted.officers.get(begun.camera)):
                msg = f"clearing camera {begun.camera} was broken off, and by now {held}"
                raise ClearanceRefusedError(msg, hint="Ask your admin.")
            camera.partition = begun.partition
            erasure, repartitioned = finish(camera, begun, self._begun, self._alive)
        except BaseException:
            camera.close()
            raise
        if repartitioned:
            self._reread = camera
        else:
            camera.close()
        _log.info("cleared", bay=self._bay, camera=begun.camera, docking=begun.docking, files=erasure.files)
        return wire.Erased(erasure, repartitioned)

    def _look_for_partitions(self, camera: Docked) -> None:
        """Last of all: from here on the camera looks to everybody as if it had just been plugged in."""
        try:
            look_for_partitions(camera.disk)
        except DockError as exc:
            _log.error("the camera must be plugged in again", bay=self._bay, why=exc.message)
        finally:
            camera.close()

    def _release(self) -> None:
        if self._camera is not None:
            self._camera.unmount()
            self._camera.close()
            self._camera = self._eraser = None

    def _say(self, reply: wire.AnyReply, root: int = -1) -> None:
        frame = wire.frame(reply)
        if root < 0:
            self._conversation.sendall(frame)
        elif socket.send_fds(self._conversation, [frame], [root]) != len(frame):
            msg = "a reply was cut off"
            raise OSError(msg)


def _kind(error: DockError) -> Literal["unknown", "gone", "failed", "proof", "kept", "erase", "lamp"]:
    match error:
        case CameraGoneError():
            return "gone"
        case ConfigError() | ControlError():
            return "failed"
        case LampError():
            return "lamp"
        case ProofRefusedError():
            return "proof"
        case ClearanceRefusedError():
            return "kept"
        case EraseFailedError():
            return "erase"
        case _:
            return "unknown"
