"""Accepts the daemon's connections, and gives each a process of its own that ends with it."""

import os
import socket
import struct
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

from dockd.helper import kept
from dockd.helper.mounting import own_namespace
from dockd.helper.permitted import Permitted
from dockd.helper.session import Session
from dockd.helper.sysfs import Sysfs
from dockd.logs import logger
from dockd.ready import ALIVE, beats_every_s, notify

_log = logger(__name__)

MOST_SESSIONS = 64
"""More than any dock has bays; a client that wants more is not the daemon."""

_CREDENTIALS = struct.Struct("=iII")


class Server:
    """The helper's only process that outlives a session; it touches no device.

    Args:
        listener: a listening Unix socket.
        users: who may connect, by uid.
        permitted: reads what the site permits.
        sysfs: the kernel's.
        where: an existing folder on which each session mounts, unseen by the others.
        state: the helper's own folder.
    """

    def __init__(
        self,
        listener: socket.socket,
        users: Collection[int],
        permitted: Callable[[], Permitted],
        sysfs: Sysfs,
        where: Path,
        *,
        state: Path = kept.FOLDER,
    ) -> None:
        self._state = state
        self._listener, self._users, self._permitted, self._sysfs, self._where = listener, users, permitted, sysfs, where
        self._sessions: set[int] = set()

    def serve(self) -> NoReturn:
        """For ever; the manager's watchdog hears from here, where no device can hold anything up."""
        self._listener.settimeout(beats_every_s())
        while True:
            notify(ALIVE)
            try:
                conversation, _ = self._listener.accept()
            except TimeoutError:
                continue
            with conversation:
                self._begin(conversation)

    def _begin(self, conversation: socket.socket) -> None:
        uid = peer(conversation)
        if uid not in self._users:
            _log.warning("connection refused", uid=uid, why="this user is not the daemon's")
            return
        self._reap()
        if len(self._sessions) >= MOST_SESSIONS:
            _log.error("connection refused", uid=uid, why=f"{MOST_SESSIONS} sessions are open")
            return
        pid = os.fork()
        if pid == 0:
            self._session(conversation, uid)
        self._sessions.add(pid)

    def _session(self, conversation: socket.socket, uid: int) -> NoReturn:
        """The child; it never returns into the loop that it was forked from."""
        status = 1
        try:
            self._listener.close()
            own_namespace()
            Session(conversation, uid, self._permitted, self._sysfs, self._where, state=self._state).serve()
            status = 0
        except BaseException:  # noqa: BLE001 - there is nobody above to tell
            traceback.print_exc()
        finally:
            os._exit(status)

    def _reap(self) -> None:
        while self._sessions:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._sessions.discard(pid)


def peer(conversation: socket.socket) -> int:
    """The uid of who connected, as the kernel noted it then."""
    raw = conversation.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])
