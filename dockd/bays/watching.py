"""Folders watched through one inotify instance, and never more of them than a hostile tree may cost.

Built on watchdog's inotify reader rather than on its observers: those hold back renames for half a second, start a thread for
each watch, follow a tree without bound, and hide that a watch has died with its folder or its mount.
"""

import os
import threading
from collections.abc import Callable
from enum import Flag
from itertools import count
from pathlib import Path

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

MOST_FOLDERS = 512
_MOST_ENTRIES = 100_000

# Not opening and reading, which the dock itself does; not each write either, for the end of writing is told as well.
_MASK = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
    | InotifyConstants.IN_EXCL_UNLINK
)
_SELF_GONE = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_UNMOUNT
_NAME_GONE = InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVED_FROM
_NAME_CAME = InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO

_NOT_YET = WatchDescriptor(-1)
_ids = count(1)


class Happened(Flag):
    """What was heard of a path; nothing set means that it came or was written.

    WENT: the name is no longer there.
    SELF: the watched folder itself was deleted, moved or unmounted.
    LOST: the kernel dropped events, and anything may have happened.
    """

    WENT = 1
    SELF = 2
    LOST = 4


class FolderWatch:
    """A watch on one folder, and if `deep` on those below it.

    Args:
        heard: called on the instance's thread with a path and what happened to it.

    Attributes:
        dead: nothing more can be relied on from this watch; make another.
    """

    def __init__(self, instance: InotifyFD, folder: Path, heard: Callable[[str, Happened], None], *, deep: bool) -> None:
        self.folder, self.dead = folder, False
        self._instance, self._heard, self._deep = instance, heard, deep
        self._lock = threading.Lock()
        self._paths: dict[WatchDescriptor, tuple[bytes, CallbackId]] = {}
        status = folder.stat()
        self.identity = (status.st_dev, status.st_ino)
        self._root = _NOT_YET
        self._root = self._add(os.fsencode(folder))
        if deep:
            self._add_below(os.fsencode(folder))

    def end(self) -> None:
        """Remove every watch."""
        self.dead = True
        with self._lock:
            paths, self._paths = self._paths, {}
        self._instance.remove_callbacks([(wd, callback) for wd, (_, callback) in paths.items()])

    def on_event(self, event: InotifyEvent) -> None:
        """From the instance's thread; the name is watchdog's."""
        if self.dead:
            return
        with self._lock:
            known = self._paths.get(event.wd)
        if event.mask & _SELF_GONE:
            if self._root in {event.wd, _NOT_YET}:
                self.dead = True
                self._heard(os.fspath(self.folder), Happened.WENT | Happened.SELF)
            return
        if known is None:
            # Heard before its watch was written down.
            self._heard(os.fspath(self.folder), Happened(0))
            return
        path = os.path.join(known[0], event.name)  # noqa: PTH118 - bytes
        if event.mask & _NAME_GONE and event.is_directory:
            self._drop_below(path)
        elif event.mask & _NAME_CAME and event.is_directory and self._deep:
            self._add_below(os.path.dirname(path), only=event.name)  # noqa: PTH120 - bytes
        self._heard(os.fsdecode(path), Happened.WENT if event.mask & _NAME_GONE else Happened(0))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """From the instance's thread; the name is watchdog's."""
        with self._lock:
            self._paths.pop(wd, None)
        if wd == self._root:
            self.dead = True

    def on_queue_overflow(self) -> None:
        """From the instance's thread; the name is watchdog's."""
        self.dead = True
        self._heard(os.fspath(self.folder), Happened.LOST)

    def _add(self, path: bytes) -> WatchDescriptor:
        callback = CallbackId(next(_ids))
        wd = self._instance.add_callback(path, _MASK, self, callback)
        with self._lock:
            known = self._paths.setdefault(wd, (path, callback))
        if known[1] != callback:
            self._instance.remove_callbacks([(wd, callback)])
        return wd

    def _add_below(self, folder: bytes, only: bytes | None = None) -> None:
        """Watch the folders below, breadth first, until there are too many: the rest is found by the next scan."""
        pending = [folder] if only is None else [os.path.join(folder, only)]  # noqa: PTH118 - bytes
        entries, first = 0, only is None
        for path in pending:
            try:
                if not first:
                    self._add(path)
                first = False
                with os.scandir(path) as listing:
                    for entry in listing:
                        entries += 1
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
            except OSError:
                # Gone again, unreadable, or the machine's watches are used up: less is heard, and nothing is lost.
                continue
            if self.dead or entries > _MOST_ENTRIES or len(self._paths) > MOST_FOLDERS:
                return

    def _drop_below(self, path: bytes) -> None:
        with self._lock:
            gone = {wd: known for wd, known in self._paths.items() if known[0] == path or known[0].startswith(path + b"/")}
            for wd in gone:
                del self._paths[wd]
        self._instance.remove_callbacks([(wd, callback) for wd, (_, callback) in gone.items()])
