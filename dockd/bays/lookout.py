"""The half of a directory bay that may block: one thread that watches the folder and looks at it when told.

Every call here can hang on a dead device, so each bay has its own thread and its own inotify instance; the event loop's half
(`directory`) gives up waiting, never this one.
"""

import errno
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from queue import SimpleQueue

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from dockd.core.profile import Profile

MOST_WATCHED_FOLDERS = 512
_MOST_ENTRIES = 100_000
_NOT_A_CAMERA = frozenset({"lost+found"})

# Not opening and reading, which the dock itself does; not each write either, for the end of writing is told as well.
_TOLD: list[type[FileSystemEvent]] = [
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent, FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent,
]  # fmt: skip


class Touch(Enum):
    """What an event may mean.

    CONTENT: something in the tree changed.
    LOOK: whether there is a camera, or which, may have changed.
    GONE: the camera's root or what it is recognised by was deleted, so that even an equal inode number is another camera.
    """

    CONTENT = auto()
    LOOK = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look found: a camera if `profile` is set, something else if `message` is, otherwise nothing.

    Attributes:
        identity: device and inode numbers of the root and of what the camera was recognised by.
    """

    root: Path | None = None
    profile: Profile | None = None
    identity: tuple[int, ...] = ()
    message: str = ""


class Lookout:
    """Watches one folder from its own daemon thread.

    Args:
        touched: called on some thread whenever something happened.
        seen: called on the lookout's thread with the answer to each `look`.
        ended: called on the lookout's thread as its last deed.
    """

    def __init__(
        self,
        directory: Path,
        profiles: Sequence[Profile],
        *,
        touched: Callable[[Touch], None],
        seen: Callable[[Sight], None],
        ended: Callable[[], None],
    ) -> None:
        self._directory, self._profiles = directory, tuple(profiles)
        self._touched, self._seen, self._ended = touched, seen, ended
        self._orders: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"bay {directory.name}", daemon=True)
        self._armed: dict[str, _Armed] = {}

    def start(self) -> None:
        """Start the thread; it does nothing until told to look."""
        self._thread.start()

    def look(self) -> None:
        """Ask for one look."""
        self._orders.put(True)  # noqa: FBT003 - a queue has no keywords

    def stop(self) -> None:
        """Ask the thread to end; it does so as soon as what it is doing returns."""
        self._orders.put(False)  # noqa: FBT003 - a queue has no keywords

    def _run(self) -> None:
        try:
            observer = Observer()
            observer.start()
        except OSError as exc:
            while self._orders.get():
                self._seen(_failed(self._directory, exc))
            self._ended()
            return
        try:
            while self._orders.get():
                self._seen(self._look(observer))
        finally:
            observer.stop()
            observer.join()
            self._ended()

    def _look(self, observer: BaseObserver) -> Sight:
        """Arm the watches first and look then, so that whatever changes after the look is told."""
        try:
            self._watch_surroundings(observer)
            root = Path(os.path.realpath(self._directory, strict=True))
            status = root.stat()
            if not stat.S_ISDIR(status.st_mode):
                self._disarm(observer, "root")
                return Sight(message=f"{self._directory} is not a folder.")
            self._watch_root(observer, root, (status.st_dev, status.st_ino))
            for profile in self._profiles:
                marker = find_marker(root, profile.present)
                if marker is not None:
                    return Sight(root, profile, (status.st_dev, status.st_ino, marker))
            if _has_something(root):
                return Sight(root, message="What is in the bay is not a camera that the dock knows.")
        except OSError as exc:
            return _failed(self._directory, exc)
        return Sight()

    def _watch_surroundings(self, observer: BaseObserver) -> None:
        """Watch the folder in which the bay's folder appears, or the nearest one above it that is there."""
        place = self._directory
        while not place.parent.is_dir():
            place = place.parent
        above = Path(os.path.realpath(place.parent))
        self._arm(observer, "above", above, _Name(above / place.name, self._touched))
        if place.is_symlink():
            target = Path(os.path.realpath(place))
            if target.parent != above and target.parent.is_dir():
                self._arm(observer, "target", target.parent, _Name(target, self._touched))
                return
        self._disarm(observer, "target")

    def _watch_root(self, observer: BaseObserver, root: Path, identity: tuple[int, int]) -> None:
        armed = self._armed.get("root")
        if armed is not None and not armed.handler.dead and (armed.path, armed.identity) == (root, identity):
            return
        markers = {Path(*Path(profile.present).parts[:count]) for profile in self._profiles for count in (1, 2, 3)}
        handler = _Tree(root, frozenset(os.fspath(root / marker).lower() for marker in markers), self._touched)
        self._schedule(observer, "root", _Armed(root, identity, handler), recursive=_is_small(root))

    def _arm(self, observer: BaseObserver, what: str, path: Path, handler: "_Name") -> None:
        status = path.stat()
        wanted, armed = _Armed(path, (status.st_dev, status.st_ino), handler), self._armed.get(what)
        if armed is None or armed.handler.dead or armed.meaning != wanted.meaning:
            self._schedule(observer, what, wanted, recursive=False)

    def _schedule(self, observer: BaseObserver, what: str, wanted: "_Armed", *, recursive: bool) -> None:
        self._disarm(observer, what)
        wanted.watch = observer.schedule(wanted.handler, os.fspath(wanted.path), recursive=recursive, event_filter=_TOLD)
        self._armed[what] = wanted

    def _disarm(self, observer: BaseObserver, what: str) -> None:
        armed = self._armed.pop(what, None)
        if armed is not None and armed.watch is not None:
            observer.unschedule(armed.watch)


class _Handler(FileSystemEventHandler):
    """Hears one watch; `dead` once the watched folder was deleted, for then nothing more comes from it."""

    def __init__(self, folder: Path, touched: Callable[[Touch], None]) -> None:
        self._folder, self._touched, self.dead = os.fspath(folder), touched, False
        self.name = self._folder

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Tell what the event may mean."""
        source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
        deleted = isinstance(event, DirDeletedEvent | FileDeletedEvent)
        if deleted and source == self._folder:
            self.dead = True
            self._touched(Touch.GONE)
        else:
            self._heard(source, target, deleted=deleted)

    def _heard(self, source: str, target: str, *, deleted: bool) -> None:
        raise NotImplementedError


class _Name(_Handler):
    """Hears only of one name in a folder."""

    def __init__(self, path: Path, touched: Callable[[Touch], None]) -> None:
        super().__init__(path.parent, touched)
        self.name = os.fspath(path)

    def _heard(self, source: str, target: str, *, deleted: bool) -> None:
        del deleted
        if self.name in {source, target}:
            self._touched(Touch.LOOK)


class _Tree(_Handler):
    """Hears of everything in the camera's tree; `markers` are what a camera is recognised by, in lower case."""

    def __init__(self, root: Path, markers: frozenset[str], touched: Callable[[Touch], None]) -> None:
        super().__init__(root, touched)
        self._markers = markers

    def _heard(self, source: str, target: str, *, deleted: bool) -> None:
        self._touched(Touch.CONTENT)
        if deleted and source.lower() in self._markers:
            self._touched(Touch.GONE)
        elif any(Path(path).parent == Path(self._folder) or path.lower() in self._markers for path in (source, target) if path):
            self._touched(Touch.LOOK)


@dataclass(slots=True)
class _Armed:
    """One watch, and on which folder it truly is."""

    path: Path
    identity: tuple[int, int]
    handler: _Handler
    watch: ObservedWatch | None = None

    @property
    def meaning(self) -> tuple[Path, tuple[int, int], str]:
        """Two watches with the same are one."""
        return self.path, self.identity, self.handler.name


def _has_something(root: Path) -> bool:
    with os.scandir(root) as entries:
        return any(entry.name not in _NOT_A_CAMERA for entry in entries)


def find_marker(root: Path, present: str) -> int | None:
    """The inode number of `present` below `root`, without regard to ASCII case and never through a link; None if absent."""
    place, status = root, None
    for part in Path(present).parts:
        found = _child(place, part)
        if found is None:
            return None
        place = found
        status = place.lstat()
        if stat.S_ISLNK(status.st_mode):
            return None
    return None if status is None else status.st_ino


def _child(folder: Path, name: str) -> Path | None:
    """The entry called `name`, else one that differs in case only: FAT has none."""
    try:
        (folder / name).lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    else:
        return folder / name
    try:
        with os.scandir(folder) as entries:
            matching = sorted(
                entry.name for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False) if _same(entry.name, name)
            )
    except NotADirectoryError:
        return None
    return folder / matching[0] if matching else None


def _same(one: str, other: str) -> bool:
    return one.isascii() and one.lower() == other.lower()


def _is_small(root: Path) -> bool:
    """Whether the tree has few enough folders to watch each; a hostile one could use up the machine's watches."""
    pending, folders, entries = deque([root]), 0, 0
    while pending:
        folders += 1
        try:
            with os.scandir(pending.popleft()) as listing:
                for entry in listing:
                    entries += 1
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    if folders + len(pending) > MOST_WATCHED_FOLDERS or entries > _MOST_ENTRIES:
                        return False
        except OSError:
            continue
    return True


def _failed(directory: Path, exc: OSError) -> Sight:
    """A folder that is not there, or whose device is gone, is an empty bay; other failures are a person's to mend."""
    match exc.errno:
        case errno.EACCES | errno.EPERM:
            return Sight(message=f"{directory} cannot be opened: {exc.strerror}.")
        case errno.ENOSPC | errno.EMFILE:
            # inotify's own meaning of these two.
            return Sight(
                message=f"{directory} cannot be watched: {exc.strerror}; raise fs.inotify.max_user_watches and _instances."
            )
        case errno.ELOOP | errno.ENAMETOOLONG:
            return Sight(message=f"{directory} is not a folder: {exc.strerror}.")
        case _:
            return Sight()
