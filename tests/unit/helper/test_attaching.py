"""Which volumes of a camera are read, with the helper in the test's hand and folders for volumes."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.core.profile import Profile
from dockd.core.usb import UsbSource, Volume
from dockd.core.volumes import NamedVolume
from dockd.errors import CameraGoneError, CameraUnknownError
from dockd.helper.attaching import attached
from dockd.helper.client import Session
from tests.sim.bay_sysfs import CAMERA

SEVERAL = replace(
    CAMERA,
    present="internal/DCIM",
    volumes=(
        NamedVolume("internal", 0, None, optional=False, filesystem="ext4"),
        NamedVolume("card", 1, None, optional=True, filesystem="exfat"),
    ),
)


class Folders(Session):
    """Folders by their volumes; as strict as the helper about what is open."""

    def __init__(self, folders: dict[Volume, Path]) -> None:
        self._folders = folders
        self._root: int | None = None

    def open(self, bay: str, volume: Volume) -> int:
        """As the helper."""
        assert self._root is None
        if not self._folders[volume].exists():
            msg = "the camera's disk holds no sound ext4 file system"
            raise CameraUnknownError(msg)
        self._root = os.open(self._folders[volume], os.O_RDONLY)
        return self._root

    def open_several(self, bay: str, volumes: Mapping[str, Volume]) -> int:
        """As the helper: one folder with a folder for each."""
        together = next(iter(self._folders.values())).parent / "together"
        together.mkdir()
        for name, volume in volumes.items():
            self._folders[volume].rename(together / name)
        return os.open(together, os.O_RDONLY)

    def release(self) -> None:
        """As the helper: refused while the descriptor is open."""
        assert self._root is not None
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(self._root)
        self._root = None


def read(tmp_path: Path, *folders: str | None, profile: Profile = CAMERA) -> list[str]:
    """What is listed in the root that is attached, of volumes with one folder each; None cannot be mounted."""
    volumes: dict[Volume, Path] = {}
    for index, folder in enumerate(folders):
        path = volumes[Volume(index + 1, 0, index)] = tmp_path / f"volume{index}"
        if folder is not None:
            (path / folder).mkdir(parents=True)
    volume, root = attached(Folders(volumes), UsbSource("3", "S", tuple(volumes), "/run/h"), profile)
    assert (volume is None) == bool(profile.volumes)
    with os.scandir(root) as listing:
        names = sorted(entry.name for entry in listing)
    os.close(root)
    return names


def test_the_only_volume_is_the_camera(tmp_path: Path) -> None:
    """If it has what the profile says."""
    assert read(tmp_path, "DCIM") == ["DCIM"]
    with pytest.raises(CameraUnknownError, match="has no DCIM as cam cameras have"):
        read(tmp_path / "other", "MUSIC")


def test_a_camera_that_leaves_is_not_called_a_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT says that there is no such folder when it cannot read; the custody log would have it as a refused device."""
    if not os.major(tmp_path.stat().st_dev):
        pytest.skip("this machine's temporary files lie on no disk")
    (tmp_path / "disks").mkdir()
    monkeypatch.setattr("dockd.camera.tree.DISKS", tmp_path / "disks")
    with pytest.raises(CameraGoneError):
        read(tmp_path, "MUSIC")


@pytest.mark.parametrize("folders", [("SOFTWARE", "DCIM"), ("DCIM", "DCIM"), ("DCIM", None)])
def test_a_volume_that_nobody_expects_is_for_a_person(tmp_path: Path, folders: tuple[str | None, ...]) -> None:
    """Whatever is on it, and whatever can be mounted: footage may be where nobody looks."""
    with pytest.raises(CameraUnknownError, match="the camera shows 2 volumes, and profile cam names none") as refused:
        read(tmp_path, *folders)
    assert "name them under volumes in the profile" in refused.value.hint


def test_named_volumes_are_folders_of_the_camera(tmp_path: Path) -> None:
    """Each under its name; a card that is not in is none, another one is for a person."""
    assert read(tmp_path / "both", "DCIM", "DCIM", profile=SEVERAL) == ["card", "internal"]
    assert read(tmp_path / "one", "DCIM", profile=SEVERAL) == ["internal"]
    with pytest.raises(CameraUnknownError, match="is not as profile cam says: it shows a volume that its profile does not name"):
        read(tmp_path / "three", "DCIM", "DCIM", "DCIM", profile=SEVERAL)
