"""The helper's own small files, in a folder that only root can enter: written durably, whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

from dockd.durable import sync_path

FOLDER = Path("/var/lib/dockd-helper")
"""Made by the service's StateDirectory=."""

_NEW = ".new"


class Kept:
    """Files of one kind in one folder, which is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, content: bytes) -> None:
        """Keep `content` under `name`, in place of what was there.

        Raises:
            OSError: it could not be made durable; what was there is there still.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._folder / f"{name}.{os.getpid()}{_NEW}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.rename(self._folder / name)
        sync_path(self._folder)

    def remove(self, name: str) -> None:
        """Forget `name`; nothing happens if it is not there.

        Raises:
            OSError: it could not be made durable.
        """
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            return
        sync_path(self._folder)

    def all(self) -> Iterator[tuple[str, bytes]]:
        """Every file, by its name.

        Raises:
            OSError: one cannot be read.
        """
        try:
            paths = sorted(self._folder.iterdir())
        except FileNotFoundError:
            return
        for path in paths:
            if path.suffix == _NEW:
                continue
            try:
                yield path.name, path.read_bytes()
            except FileNotFoundError:  # another session was faster
                continue
