"""The processes that touch cameras: one for each docking's I/O, one that watches the bays, and their small origin.

A read from a broken camera can hang for minutes where nothing can interrupt it, so each docking has a process of its own,
which the daemon can kill or abandon while the other bays go on. Workers are forked from a zygote that has loaded everything
and touched nothing: they start in milliseconds and share its memory. Run as `python -m dockd.docking.worker FD`, with a Unix
socket over which each message carries one descriptor, the worker's end of its conversation (`offload.messages`). When the
daemon dies the kernel kills them all.
"""

import ctypes
import gc
import os
import select
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from threading import Lock

from dockd import durable, errors
from dockd.bays import outpost
from dockd.camera.identify import identify
from dockd.camera.marking import Marker
from dockd.camera.tree import open_root, opened_file, room_bytes, unreadable, walk, walk_volumes
from dockd.clearance import eraser
from dockd.clock import SystemClock
from dockd.core.clearance import CameraScan, Identity
from dockd.core.erasure import Erasure, Method
from dockd.core.names import shown
from dockd.core.profile import Profile, classify
from dockd.core.usb import UsbSource, Volume
from dockd.dsse import PinnedKeys
from dockd.helper import client, told, wire
from dockd.helper.attaching import attached
from dockd.medium import Lanes, measure
from dockd.offload import messages
from dockd.offload.copying import Copier
from dockd.offload.workers import OUTPOST

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_REPORT_EVERY_S = 0.1
_READS_AHEAD = 3


class Worker:
    """One docking's conversation: commands come in, reports go out."""

    def __init__(self, conversation: socket.socket) -> None:
        self._conversation = conversation
        self._sending = Lock()
        self._clock = SystemClock()
        self._last_report_s = 0.0
        self._unreported: dict[tuple[bytes, bool], int] = {}
        self._root = -1
        self._profile: Profile | None = None
        self._marker = Marker()
        self._folder_name = ""
        self._session: client.Session | None = None
        self._volume: Volume | None = None
        self._unfinished: told.UnfinishedClearError | None = None
        self._bay = self._serial = ""
        self._examination: eraser.Examination | None = None

    def serve(self) -> None:
        """Obey until the daemon closes the conversation."""
        try:
            while (command := self._next()) is not None:
                if isinstance(command, messages.GiveWay):
                    continue  # the copy that it was for has ended
                try:
                    self._obey(command)
                    self._emit(messages.Done())
                except errors.DockError as exc:
                    self._emit(messages.Failed(type(exc).__name__, exc.message, exc.hint))
        finally:
            self._detach()

    def _next(self) -> messages.Command | messages.GiveWay | None:
        header = self._receive(messages.HEADER_BYTES)
        return messages.command(self._receive(messages.body_bytes(header))) if header else None

    def _receive(self, size: int) -> bytes:
        """Exactly `size` bytes, or none at the conversation's end."""
        return self._conversation.recv(size, socket.MSG_WAITALL)

    def _emit(self, report: messages.Report) -> None:
        """Send a report; the many small `Moved` are added up and sent ten times a second. Called from several threads."""
        with self._sending:
            if isinstance(report, messages.Moved):
                key = (report.path, report.reading)
                self._unreported[key] = self._unreported.get(key, 0) + report.count
                if self._clock.monotonic() - self._last_report_s < _REPORT_EVERY_S:
                    return
            due = [
                messages.frame(messages.Moved(path, count, reading=reading))
                for (path, reading), count in self._unreported.items()
            ]
            self._unreported.clear()
            self._last_report_s = self._clock.monotonic()
            if not isinstance(report, messages.Moved):
                due.append(messages.frame(report))
            self._conversation.sendall(b"".join(due))  # at once: of many small files each has a report of its own

    def _spoken_to(self) -> bool:
        """Whether the daemon has said something: while a command is obeyed, that can only be `GiveWay`, or the end."""
        return bool(select.select([self._conversation], [], [], 0)[0])

    def _alive(self, count: int) -> None:
        self._emit(messages.Moved(b"", count, reading=False))

    def _obey(self, command: messages.Command) -> None:
        match command:
            case messages.Open(root, profile):
                self._open(root, profile)
            case messages.Rest():
                self._detach()
            case messages.Resume():
                self._resume()
            case messages.Scan():
                self._emit(messages.Scanned(self._scan(), self._free_bytes()))
            case messages.Copy(spool, jobs):
                folder = durable.open_folder(Path(spool))
                try:
                    Copier(self._rooted(), folder, self._emit, overtaken=self._spoken_to).run(jobs)
                finally:
                    os.close(folder)
            case messages.Recognise(files):
                self._recognise(files)
            case messages.Examine(paths):
                self._examine(paths)
            case messages.Erase():
                self._erase(command)

    def _attached(self, source: UsbSource, profile: Profile) -> int:
        """The root folder of a camera in a USB bay; asked for again, the helper mounts afresh."""
        if self._session is None:
            self._session = client.Session.connect(source.helper)
        else:
            self._close_root()
            self._session.release()
        self._volume = None
        self._volume, root = attached(self._session, source, profile)
        self._bay = source.bay
        return root

    def _rooted(self) -> int:
        """The root folder, opened again where the helper had the camera to itself meanwhile."""
        if self._root < 0 and self._session is not None and self._volume is not None:
            self._session.release()
            self._root = self._session.open(self._bay, self._volume)
        return self._root

    def _close_root(self) -> None:
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def _detach(self) -> None:
        """Give back a camera in a USB bay, as the end of this process would."""
        if self._session is not None:
            self._close_root()
            self._session.close()
            self._session = None

    def _open(self, root: str | UsbSource, profile: Profile) -> None:
        self._unfinished = None
        if isinstance(root, UsbSource):
            try:
                self._root, self._folder_name = self._attached(root, profile), root.serial
            except told.UnfinishedClearError as exc:
                self._unfinished = exc
                self._emit(messages.Unfinished(exc.camera, exc.docking))
                return
        else:
            self._root, self._folder_name = open_root(Path(root)), Path(root).name
        self._profile = profile
        facts = identify(self._root, profile, self._folder_name)
        self._serial = facts.serial
        self._emit(messages.Identified(facts.serial, facts.named, facts.battery_percent, facts.officer))

    def _resume(self) -> None:
        if self._unfinished is None or self._session is None:
            msg = "no camera was left unfinished"
            raise RuntimeError(msg)
        done = self._session.resume(self._unfinished, self._alive)
        self._emit(messages.Resumed(done.erasure, done.repartitioned))

    def _free_bytes(self) -> int | None:
        """Room on the camera; of one with several volumes on those that it fills, if anybody has said which."""
        volumes = () if self._profile is None else self._profile.volumes
        filled = [each.name for each in volumes if each.fills]
        if self._profile is None or (volumes and not filled):
            return None
        try:
            return room_bytes(self._rooted(), filled if volumes else None)
        except OSError:
            return None  # the next read of it says what is wrong

    def _scan(self) -> CameraScan:
        """A walk made now, with the serial that the camera shows now."""
        if self._profile is None:
            msg = "no camera was opened"
            raise RuntimeError(msg)
        root = self._rooted()
        facts = identify(root, self._profile, self._folder_name)
        several = self._session is not None and self._profile.volumes
        in_use = {} if self._session is None or self._profile.reserves_room else self._session.opened.in_use
        if several:
            found = walk_volumes(root, [each.name for each in several], self._alive, in_use)
        else:
            found = walk(root, self._alive, in_use.get(""))
        files = classify(self._profile, found)
        named = () if facts.officer is None else (facts.officer,)
        return CameraScan(facts.serial, self._marker.marked(root, self._profile, files, self._alive), named)

    def _recognise(self, files: list[tuple[bytes, Identity]]) -> None:
        lanes = Lanes(_READS_AHEAD, _READS_AHEAD + 1)
        root = self._rooted()
        try:
            for path, identity in files:
                try:
                    with opened_file(root, path, identity, direct=True) as source:
                        self._emit(messages.Known(path, measure(source, lanes, partial(self._read, path))))
                except OSError as exc:
                    raise unreadable(root, path, exc) from exc
                except errors.CameraGoneError:
                    raise
                except errors.CameraError as exc:
                    self._emit(messages.Skipped(path, exc.code, exc.message, exc.hint, exc.transient))
        finally:
            lanes.close()

    def _read(self, path: bytes, count: int) -> None:
        self._emit(messages.Moved(path, count, reading=True))

    def _examine(self, paths: list[bytes]) -> None:
        if self._session is not None:
            self._close_root()
            its = self._session.examine(paths, self._alive)
            rehashes = list(its.rehashes.items())
            self._emit(messages.Examined(its.scan, rehashes, its.nonce, its.method, list(its.obstacles)))
            return
        self._examination = eraser.examine(self._root, self._scan(), paths, self._read)
        seen = self._examination
        self._emit(messages.Examined(seen.scan, list(seen.rehashes.items()), seen.nonce))

    def _erase(self, command: messages.Erase) -> None:
        paths = [each.path for each in command.claims]
        if self._session is not None:
            done = self._erased_by_helper(self._session, command)
            self._emit(messages.Erased(paths, done.erasure))
            return
        examination, self._examination = self._examination, None
        if examination is None:
            msg = "the camera was not examined"
            raise errors.ClearanceRefusedError(msg)
        demands = [eraser.Demand(each.recording_id, each.path, each.stored, each.envelope) for each in command.claims]
        leave = eraser.permit(
            examination,
            demands,
            None if command.unsigned else PinnedKeys(*command.pinned_keys),
            dock=command.dock,
            docking=command.docking,
            holds=command.holds,
        )
        gone = list(eraser.erase(self._root, leave, self._alive))
        self._emit(messages.Erased(gone, Erasure(Method.DELETE, len(gone))))

    def _erased_by_helper(self, session: client.Session, command: messages.Erase) -> wire.Erased:
        """The helper knows its own holds, keys and names; the daemon's holds are the daemon's to keep."""
        holds = command.holds
        held = [each for each in command.claims if each.recording_id in holds.recordings]
        if held or self._serial in holds.cameras:
            msg = f"camera {self._serial} is on hold" if not held else f"{shown(held[0].path)} is on hold"
            raise errors.ClearanceRefusedError(msg)
        demands = [wire.Demand(each.recording_id, each.path, each.stored, each.envelope) for each in command.claims]
        return session.erase(command.docking, command.method, demands, self._alive)


def serve(conversation: socket.socket) -> None:
    """One docking's worker."""
    Worker(conversation).serve()


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)


def zygote(control: socket.socket) -> None:
    """Fork a worker for each descriptor that comes, until the daemon closes the control socket."""
    _die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; the daemon watches workers through their sockets
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _die_with_parent()
            with socket.socket(fileno=descriptors[0]) as conversation:
                socket.send_fds(conversation, [b"!"], [os.pidfd_open(os.getpid())])
                (outpost.serve if message == OUTPOST else serve)(conversation)
            sys.exit(0)
        os.close(descriptors[0])


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as control_socket:
        zygote(control_socket)
