"""What a worker is told of a camera by the helper, beside its root folder."""

from collections.abc import Mapping
from dataclasses import dataclass

from dockd.core.clearance import CameraScan, Rehash
from dockd.core.erasure import Method


@dataclass(frozen=True, slots=True)
class Examined:
    """What the helper itself saw of a camera: the ground of its permit, and of the daemon's.

    Attributes:
        nonce: every statement must repeat it.
        method: the most that the helper will do.
        obstacles: why it would not clear the camera.
    """

    scan: CameraScan
    rehashes: Mapping[bytes, Rehash]
    nonce: str
    method: Method
    obstacles: tuple[str, ...]


class UnfinishedClearError(Exception):
    """Nothing of this camera can be read: a clear of it was broken off, which `Session.resume` finishes.

    Attributes:
        camera: its serial.
        docking: id of the docking in which it was begun.
    """

    def __init__(self, camera: str, docking: str, bay: str, diskseq: int) -> None:
        super().__init__(camera)
        self.camera, self.docking, self.bay, self.diskseq = camera, docking, bay, diskseq
