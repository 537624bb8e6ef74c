"""Which volume of a camera is read, with the helper in the test's hand and folders for volumes."""

import os
from pathlib import Path

import pytest

from dockd.core.usb import UsbSource, Volume
from dockd.errors import CameraUnknownError
from dockd.helper.attaching import attached
from dockd.helper.client import Session
from tests.sim.bay_sysfs import CAMERA


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

    def release(self) -> None:
        """As the helper: refused while the descriptor is open."""
        assert self._root is not None
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(self._root)
        self._root = None


def read(tmp_path: Path, *folders: str | None) -> str:
    """What is listed in the volume that is attached, of volumes with one folder each; None cannot be mounted."""
    volumes: dict[Volume, Path] = {}
    for index, folder in enumerate(folders, 1):
        path = volumes[Volume(index, 0)] = tmp_path / str(index)
        if folder is not None:
            (path / folder).mkdir(parents=True)
            (path / f"volume{index}").touch()
    _, root = attached(Folders(volumes), UsbSource("3", "S", tuple(volumes), "/run/h"), CAMERA)
    with os.scandir(root) as listing:
        found = next(entry.name for entry in listing if entry.name.startswith("volume"))
    os.close(root)
    return found


def test_the_only_volume_is_the_camera(tmp_path: Path) -> None:
    """If it has what the profile says."""
    assert read(tmp_path, "DCIM") == "volume1"
    with pytest.raises(CameraUnknownError, match="has no DCIM as cam cameras have"):
        read(tmp_path / "other", "MUSIC")


def test_the_volume_with_recordings_is_found(tmp_path: Path) -> None:
    """Beside one with the maker's software."""
    assert read(tmp_path, "SOFTWARE", "DCIM") == "volume2"


def test_two_volumes_with_recordings_are_for_a_person(tmp_path: Path) -> None:
    """None of them is silently left unread."""
    with pytest.raises(CameraUnknownError, match="2 volumes with recordings"):
        read(tmp_path, "DCIM", "DCIM")


def test_a_volume_that_cannot_be_mounted_is_for_a_person(tmp_path: Path) -> None:
    """It may be a broken card full of recordings."""
    with pytest.raises(CameraUnknownError, match="no sound ext4"):
        read(tmp_path, "DCIM", None)


def test_no_volume_with_recordings_is_no_camera(tmp_path: Path) -> None:
    """However many there are."""
    with pytest.raises(CameraUnknownError, match="has no DCIM"):
        read(tmp_path, "A", "B")
