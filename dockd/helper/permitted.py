"""What the helper is permitted to do, from files that only root can write: bays' ports, cameras' profiles, erasing and proofs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockd.config import load_profiles, load_site
from dockd.config.acceptance import path_of, standing
from dockd.config.guarded import restrained
from dockd.config.handing_over import archive_keys
from dockd.core.erasure import Method
from dockd.core.lamp import Wiring
from dockd.core.profile import Profile
from dockd.errors import ConfigError

SITE_FILE = Path("/etc/dockd/site.yaml")

_OTHERS_MAY_WRITE = 0o022


@dataclass(frozen=True, slots=True)
class Permitted:
    """What the site file permits.

    Attributes:
        ports: of each USB bay, by its id.
        profiles: of the cameras that may come in by USB, in the order in which they are tried.
        dock: its id, which the archive's statements must name.
        keys: the archive's pinned public keys; without one no statement proves anything.
        erase: the most that may be done to a camera.
        lamps: of each bay that has one, by its id.
        officers: to whom the roster assigns a camera, by its serial.
        unsigned: where there are no keys, the daemon's word is enough.
    """

    ports: Mapping[str, str]
    profiles: tuple[Profile, ...]
    dock: str = ""
    keys: tuple[str, ...] = ()
    erase: Method = Method.NEVER
    lamps: Mapping[str, Wiring] = field(default_factory=dict)
    officers: Mapping[str, str] = field(default_factory=dict)
    unsigned: bool = False

    def profile_of(self, vendor: int, product: int) -> Profile | None:
        """What recognises a device with these numbers."""
        return next((each for each in self.profiles if each.is_device(vendor, product)), None)


def permitted(site_file: Path) -> Permitted:
    """What `site_file` and its profiles permit now.

    Raises:
        ConfigError: one of them is wrong, or somebody other than root can write it.
    """
    _only_root_writes([site_file, site_file.parent])
    site = load_site(site_file)
    folder = site.profiles.directory
    if folder is not None:
        _only_root_writes([folder, *(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})])
    ports = {bay.id: bay.usb_port for bay in site.bays if bay.usb_port is not None}
    profiles = tuple(profile for profile in load_profiles(site) if profile.usb)
    lamps = {bay.id: bay.lamp.wiring() for bay in site.bays if bay.lamp is not None}
    officers = {each.serial: each.officer for each in site.cameras if each.officer is not None}
    accepted = standing(site_file)
    if accepted is None:
        # Bays are guarded all the same; nothing is erased by a file that no admin has accepted.
        return Permitted(ports, profiles, site.dock, lamps=lamps, officers=officers)
    _only_root_writes([path_of(site_file)])
    force = restrained(site, accepted.content.guarded)
    keys = archive_keys(force.archive)  # an archive that signs nothing has none
    return Permitted(ports, profiles, site.dock, keys, Method(force.erase.policy), lamps, officers, unsigned=force.erase.unsigned)


class Current:
    """What is permitted now; read again only when a file has changed, for each session asks."""

    def __init__(self, site_file: Path) -> None:
        self._site_file = site_file
        self._read: tuple[object, Permitted] | None = None
        self._folder: Path | None = None
        self._roster: tuple[Path, ...] = ()

    def __call__(self) -> Permitted:
        """As `permitted`."""
        state = self._state()
        if self._read is None or self._read[0] != state:
            now = permitted(self._site_file)
            site = load_site(self._site_file)
            self._folder = site.profiles.directory
            self._roster = () if site.roster is None else (self._site_file.parent / site.roster,)
            self._read = self._state(), now
        return self._read[1]

    def _state(self) -> object:
        in_folder = sorted(self._folder.iterdir()) if self._folder is not None else ()
        files = [self._site_file, path_of(self._site_file), *self._roster, *in_folder]
        states = [path.stat() for path in files if path.exists()]
        return [(each.st_ino, each.st_mtime_ns, each.st_size, each.st_uid, each.st_mode) for each in states]


def _only_root_writes(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            status = path.stat()
        except OSError as exc:
            msg = f"cannot be read ({exc.strerror})"
            raise ConfigError(msg, file=str(path)) from exc
        if status.st_uid != 0 or status.st_mode & _OTHERS_MAY_WRITE:
            msg = "others than root can write it, and what it says decides over devices"
            raise ConfigError(msg, file=str(path), hint=f"chown root: {path}; chmod go-w {path}")
