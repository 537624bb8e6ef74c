"""The half of a directory bay that may block: one thread that watches the folder and looks at it when told.

Every call here can hang on a dead device, so each bay has its own thread and its own inotify instance; the event loop's half
(`directory`) gives up waiting, never this one.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from queue import SimpleQueue

from watchdog.observers.inotify_c import InotifyFD

from dockd.bays.watching import FolderWatch, Happened
from dockd.core.profile import Profile

_MOST_NAMES = 100_000
_NOT_A_CAMERA = frozenset({"lost+found"})


class Touch(Enum):
    """What an event may mean.

    CONTENT: something in the tree changed.
    LOOK: whether there is a camera, or which, may have changed.
    GONE: the camera's root or what it is recognised by went, so that even an equal inode number is another camera.
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
        self._armed: dict[str, tuple[tuple[Path, int, int], FolderWatch]] = {}

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
            instance = InotifyFD()
            instance.start()
        except OSError as exc:
            while self._orders.get():
                self._seen(_failed(self._directory, exc))
            self._ended()
            return
        try:
            while self._orders.get():
                self._seen(self._look(instance))
        finally:
            instance.stop()
            instance.join()
            self._ended()

    def _look(self, instance: InotifyFD) -> Sight:
        """Arm the watches first and look then, so that whatever changes after the look is told."""
        try:
            self._watch_surroundings(instance)
            root = Path(os.path.realpath(self._directory, strict=True))
            status = root.stat()
            if not stat.S_ISDIR(status.st_mode):
                self._disarm("root")
                return Sight(message=f"{self._directory} is not a folder.")
            self._watch_root(instance, root, (status.st_dev, status.st_ino))
            for profile in self._profiles:
                marker = find_marker(root, profile.present)
                if marker is not None:
                    return Sight(root, profile, (status.st_dev, status.st_ino, marker))
            if _has_something(root):
                return Sight(root, message="What is in the bay is not a camera that the dock knows.")
        except OSError as exc:
            return _failed(self._directory, exc)
        return Sight()

    def _watch_surroundings(self, instance: InotifyFD) -> None:
        """Watch the folder in which the bay's folder appears, or the nearest one above it that is there."""
        place = self._directory
        while not place.parent.is_dir():
            place = place.parent
        above = Path(os.path.realpath(place.parent))
        self._watch_name(instance, "above", above / place.name)
        if place.is_symlink():
            target = Path(os.path.realpath(place))
            if target.parent != above and target.parent.is_dir():
                self._watch_name(instance, "target", target)
                return
        self._disarm("target")

    def _watch_name(self, instance: InotifyFD, what: str, name: Path) -> None:
        status = name.parent.stat()
        meaning = (name, status.st_dev, status.st_ino)

        def heard(path: str, happened: Happened) -> None:
            if path == os.fspath(name) or happened & (Happened.SELF | Happened.LOST):
                self._touched(Touch.LOOK)

        if not self._is_armed(what, meaning):
            self._disarm(what)
            self._armed[what] = (meaning, FolderWatch(instance, name.parent, heard, deep=False))

    def _watch_root(self, instance: InotifyFD, root: Path, identity: tuple[int, int]) -> None:
        markers = {
            os.fspath(root.joinpath(*parts[:length])).lower()
            for parts in (Path(profile.present).parts for profile in self._profiles)
            for length in range(1, len(parts) + 1)
        }

        def heard(path: str, happened: Happened) -> None:
            if happened & Happened.SELF:
                self._touched(Touch.GONE)
                return
            self._touched(Touch.CONTENT)
            if happened & Happened.WENT and path.lower() in markers:
                self._touched(Touch.GONE)
            elif happened & Happened.LOST or path.lower() in markers or Path(path).parent == root or path == os.fspath(root):
                self._touched(Touch.LOOK)

        meaning = (root, *identity)
        if not self._is_armed("root", meaning):
            self._disarm("root")
            self._armed["root"] = (meaning, FolderWatch(instance, root, heard, deep=True))

    def _is_armed(self, what: str, meaning: tuple[Path, int, int]) -> bool:
        armed = self._armed.get(what)
        return armed is not None and armed[0] == meaning and not armed[1].dead

    def _disarm(self, what: str) -> None:
        armed = self._armed.pop(what, None)
        if armed is not None:
            armed[1].end()


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
                entry.name for entry, _ in zip(entries, range(_MOST_NAMES), strict=False) if _same(entry.name, name)
            )
    except NotADirectoryError:
        return None
    return folder / matching[0] if matching else None


def _same(one: str, other: str) -> bool:
    return one.isascii() and one.lower() == other.lower()


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
