"""The demo's work folder: everything lies below it, and it is deleted only if a demo made it."""

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dockd.errors import ConfigError

_MARK = ".dockd-demo"
_WORDS = "dockd demo made this folder and everything in it, and deletes it when it runs again.\n"


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Where things are below one work folder."""

    root: Path

    @property
    def cameras(self) -> Path:
        """The shelf: cameras that are in no bay."""
        return self.root / "cameras"

    @property
    def bays(self) -> Path:
        """A camera is docked while its folder has a bay's name here."""
        return self.root / "bays"

    @property
    def spool(self) -> Path:
        """The dock's spool and journal."""
        return self.root / "spool"

    @property
    def vault(self) -> Path:
        """The vault's store."""
        return self.root / "vault"

    @property
    def profiles(self) -> Path:
        """Profiles that are the demo's own."""
        return self.root / "profiles"

    @property
    def site_file(self) -> Path:
        """The dock's site file."""
        return self.root / "site.yaml"

    @property
    def token(self) -> Path:
        """The dock's bearer token."""
        return self.root / "token"

    @property
    def socket(self) -> Path:
        """The daemon's control socket."""
        return self.root / "control.sock"

    @property
    def originals(self) -> Path:
        """Which files the cameras held before they were docked."""
        return self.root / "originals.json"

    @property
    def blake3(self) -> Path:
        """What b3sum said of the originals."""
        return self.root / "originals.b3"

    @property
    def sha256(self) -> Path:
        """What sha256sum said of the originals."""
        return self.root / "originals.sha256"

    @property
    def kept_sha256(self) -> Path:
        """What sha256sum said of files that are no evidence and stay on their cameras."""
        return self.root / "kept.sha256"

    @property
    def report(self) -> Path:
        """The numbers of the last run."""
        return self.root / "report.json"

    @contextmanager
    def fresh(self, sources: Sequence[Path]) -> Iterator[None]:
        """Own the folder, empty but for its mark, until the block ends.

        Args:
            sources: a user's own folders, none of which may have anything to do with the work folder.

        Raises:
            ConfigError: it is not a demo's, another demo is using it, or a source lies in it.
        """
        for source in sources:
            self._keep_apart(source)
        self._refuse_others()
        with ExitStack() as stack:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                stack.enter_context(self._locked())
                self._empty()
                self.cameras.mkdir()
                self.bays.mkdir()
            except OSError as exc:
                msg = f"cannot be used: {exc}"
                raise ConfigError(msg, file=str(self.root)) from exc
            yield

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """Own the folder as an earlier demo left it, until the block ends.

        Raises:
            ConfigError: no finished demo is there, or one is running.
        """
        if not (self.root / _MARK).is_file() or not self.originals.is_file():
            msg = "no demo has run here, so there is nothing to compare"
            raise ConfigError(msg, file=str(self.root), hint="Run dockd demo first.")
        with self._locked():
            yield

    def _keep_apart(self, source: Path) -> None:
        root, source = self.root.resolve(), source.resolve()
        if root == source or root in source.parents or source in root.parents:
            msg = f"the work folder and {source} lie in each other; the demo deletes the one and never touches the other"
            raise ConfigError(msg, file=str(self.root), hint="Choose another work folder with --directory.")

    def _refuse_others(self) -> None:
        if self.root.is_symlink() or (self.root.exists() and not self.root.is_dir()):
            msg = "is not a folder, so it is left alone"
            raise ConfigError(msg, file=str(self.root), hint="Choose another with --directory.")
        if self.root.exists() and not (self.root / _MARK).is_file() and any(self.root.iterdir()):
            msg = "holds things that no demo made, so it is left alone"
            raise ConfigError(msg, file=str(self.root), hint="Choose another with --directory, or empty it yourself.")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.root / _MARK).open("a+") as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                msg = "another demo is running here"
                raise ConfigError(msg, file=str(self.root), hint="Wait for its end, or choose another with --directory.") from exc
            if mark.tell() == 0:
                mark.write(_WORDS)
                mark.flush()
            yield

    def _empty(self) -> None:
        for entry in self.root.iterdir():
            if entry.name == _MARK:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
