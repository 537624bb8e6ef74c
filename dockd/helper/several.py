"""A camera of several volumes, mounted as one folder with a folder for each of them, under the names of its profile.

The folder that holds them is a file system of its own, in memory and read-only, in the session's namespace like all else. Every
disk is held and write-blocked before the first volume is mounted. Such a camera is read and never erased: it gets no eraser.
"""

import ctypes
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from dockd.core.occupancy import Occupancy
from dockd.core.profile import Profile
from dockd.errors import CameraGoneError, CameraUnknownError
from dockd.helper import guard, mounting
from dockd.helper.docked import in_turn
from dockd.helper.idmapping import hand_over
from dockd.helper.occupied import in_use_if_readable
from dockd.helper.permitted import Permitted
from dockd.helper.sysfs import Sysfs
from dockd.helper.wire import Part

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_NOSYMFOLLOW = 1, 2, 4, 8, 32, 256  # linux/mount.h
_FLAGS = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOSYMFOLLOW
_DATA = b"mode=0555,size=64k,nr_inodes=64"

_libc = ctypes.CDLL(None, use_errno=True)


class Several:
    """The volumes of one camera, all mounted. Closing gives everything back."""

    def __init__(self, profile: Profile, folder: Path) -> None:
        self.profile, self._folder = profile, folder
        self._kept = ExitStack()
        self._mounts: list[mounting.Mount] = []
        self._in_use: dict[str, Occupancy] = {}

    @property
    def in_use(self) -> dict[str, Occupancy]:
        """What each volume's file system has given away, where that is known."""
        return self._in_use

    def mount(self, disks: Mapping[int, mounting.HeldDisk], parts: Sequence[Part], uid: int) -> None:
        """Mount each part read-only.

        Raises:
            CameraUnknownError, CameraGoneError: as `mounting.mounted`, with the volume's name.
        """
        names = {each.name: each for each in self.profile.volumes}
        self._make_folder([each.name for each in parts])
        for part in parts:
            where, named = self._folder / part.name, names[part.name]
            try:
                self._mounts.append(mounting.mounted(disks[part.diskseq].volume(part.partition), named.filesystem, uid, where))
                hand_over(where, named.filesystem, self.profile.owner, uid)
                taken = in_use_if_readable(disks[part.diskseq].volume(part.partition), named.filesystem, where)
                if taken is not None:
                    self._in_use[part.name] = taken
            except (CameraUnknownError, CameraGoneError) as exc:
                msg = f"volume {part.name}: {exc.message}"
                raise type(exc)(msg, hint=exc.hint) from exc

    def _make_folder(self, names: Sequence[str]) -> None:
        path = os.fsencode(self._folder)
        try:
            _called(_libc.mount(b"none", path, b"tmpfs", _FLAGS, _DATA))
            self._mounts.append(mounting.Mount(self._folder))
            for name in names:
                (self._folder / name).mkdir()
            _called(_libc.mount(None, path, None, _MS_REMOUNT | _MS_RDONLY | _FLAGS, _DATA))
        except OSError as exc:
            msg = f"no folder for the camera's volumes can be made: {exc.strerror}"
            raise CameraUnknownError(msg, hint="Admins: systemctl status dockd-helper.service") from exc

    def root(self) -> int:
        """A descriptor of the folder that holds the volumes; whoever has it keeps them mounted.

        Raises:
            CameraGoneError: it cannot be opened.
        """
        return self._mounts[0].root()

    def unmount(self) -> None:
        """Unmount all of them.

        Raises:
            CameraUnknownError: a descriptor is still open somewhere.
        """
        while self._mounts:
            self._mounts[-1].release()
            self._mounts.pop()

    def close(self) -> None:
        """Unmount as far as can be done, and let go of the disks, which stay shut."""
        while self._mounts:
            self._mounts.pop().abandon()
        self._kept.close()

    def keep(self, sysfs: Sysfs, device: Path, parts: Sequence[Part]) -> dict[int, mounting.HeldDisk]:
        """The disks of the parts, each held in its turn and shut, until the camera is closed.

        Raises:
            CameraUnknownError, CameraGoneError: as `mounting.held`.
        """
        disks: dict[int, mounting.HeldDisk] = {}
        for diskseq in sorted({each.diskseq for each in parts}):  # everybody in the same order, so that nobody waits for ever
            self._kept.callback(os.close, in_turn(self._folder, diskseq))
            disks[diskseq] = mounting.held(sysfs, sysfs.disks(device), diskseq)
            self._kept.callback(disks[diskseq].close)
        return disks


def several(sysfs: Sysfs, permitted: Permitted, bay: str, parts: Sequence[Part], *, folder: Path, uid: int) -> Several:
    """The camera in a bay, judged afresh, with these of its volumes mounted below `folder`.

    Raises:
        CameraUnknownError: its profile has no such volumes, or as `guard.judged` and `mounting.mounted`.
        CameraGoneError: it left.
    """
    device, profile, _ = guard.judged(sysfs, permitted, bay)
    names = [each.name for each in parts]
    if not names or len(set(names)) != len(names) or not set(names) <= {each.name for each in profile.volumes}:
        msg = f"profile {profile.name} does not name these volumes: {', '.join(names)}"
        raise CameraUnknownError(msg, hint="Compare the daemon's profiles with the helper's, and restart both.")
    camera = Several(profile, folder)
    try:
        camera.mount(camera.keep(sysfs, device, parts), parts, uid)
    except BaseException:
        camera.close()
        raise
    return camera


def _called(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
