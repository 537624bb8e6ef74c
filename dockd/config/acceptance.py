"""What an admin accepted of a site file: kept beside it, read by the daemon and by the privileged helper.

    /etc/dockd/site.yaml             what the admin wrote
    /etc/dockd/site.accepted.json    what of it an admin has accepted; written by `dockd config accept`, by nobody else

Whoever may write the folder of the site file may accept. For an installed dock that is root, and the daemon's own account is not
among them; for a dock that somebody runs in a folder of their own it is that person, and their first start accepts what they
wrote. docs/adr/0009 says why. A weakening change takes effect once it was accepted, at start as well as live.
"""

import hashlib
import os
import pwd
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dockd.config.guarded import Guarded, Weakening, changes, guarded, permits, restrained, weakenings
from dockd.config.model import Site
from dockd.config.site import load_site
from dockd.durable import sync_path
from dockd.errors import ConfigError

_LIMIT_BYTES = 1 << 20
_OTHERS_MAY_WRITE = 0o022
_NOBODY_LOGGED_IN = 0xFFFF_FFFF


class Accepted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's content.

    Attributes:
        version: 1.
        by: who accepted, as the system knows them.
        at: when, RFC 3339 in UTC.
        changes: what this acceptance changed, one line for each key.
        site_file_sha256: of the site file as it was then.
        before: digest of the acceptance that this one replaced, None for the first.
        guarded: what was accepted.
    """

    version: int
    by: str
    at: str
    changes: tuple[str, ...]
    site_file_sha256: str
    before: str | None
    guarded: Guarded


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An acceptance, and the SHA-256 of the very bytes that say it."""

    content: Accepted
    digest: str


@dataclass(frozen=True, slots=True)
class Running:
    """What a dock runs by.

    Attributes:
        site: the site file, with what weakens evidence as it was last accepted.
        pending: what in the site file waits for an admin.
        acceptance: on which all of this stands.
    """

    site: Site
    pending: tuple[Weakening, ...]
    acceptance: Acceptance


def path_of(site_file: Path) -> Path:
    """Where the acceptance of `site_file` lies."""
    return site_file.with_suffix(".accepted.json")


def command_for(site_file: Path) -> str:
    """What an admin runs to accept what waits."""
    return f"sudo dockd config accept --config {site_file}"


def standing(site_file: Path) -> Acceptance | None:
    """The acceptance that stands, None if nobody has accepted anything yet.

    Raises:
        ConfigError: it cannot be read, or somebody who may not accept could have written it.
    """
    path = path_of(site_file)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as exc:
        msg = f"cannot be read ({exc.strerror})"
        raise ConfigError(msg, file=str(path)) from exc
    try:
        _written_by_an_admin(path, os.fstat(descriptor), site_file)
        content = os.read(descriptor, _LIMIT_BYTES)
    finally:
        os.close(descriptor)
    try:
        return Acceptance(_decoder.decode(content), hashlib.sha256(content).hexdigest())
    except msgspec.MsgspecError as exc:
        msg = f"is not what `dockd config accept` wrote: {exc}"
        raise ConfigError(msg, file=str(path), hint=f"Accept the site file anew, as root: {command_for(site_file)}") from exc


def in_force(site_file: Path) -> Running:
    """What a dock with this site file runs by now.

    Raises:
        ConfigError: the site file is wrong, or nobody has accepted it yet.
    """
    site = load_site(site_file)
    acceptance = standing(site_file)
    if acceptance is None:
        msg = "nobody has accepted this site file yet, so nothing runs by it"
        hint = f"Read it over, then accept it, as root: {command_for(site_file)}"
        raise ConfigError(msg, file=str(site_file), hint=hint)
    accepted = acceptance.content.guarded
    return Running(restrained(site, accepted), weakenings(site, accepted), acceptance)


def at_start(site_file: Path, used: Callable[[Site], bool], at: str) -> Running:
    """As `in_force`; but the first start of a dock by the very account that wrote its site file accepts that file.

    Args:
        site_file: as the admin named it.
        used: whether the site's spool has served a dock before. One that did and has no acceptance has lost it.
        at: now.

    Raises:
        ConfigError: as `in_force`, or the acceptance cannot be written.
    """
    if standing(site_file) is None:
        site = load_site(site_file)
        if os.geteuid() == _owner(site_file) and not used(site):
            accept(site_file, site, by=f"{person()}, by starting the dock for the first time", at=at, unencrypted_spool=True)
    return in_force(site_file)


def accept(site_file: Path, site: Site, *, by: str, at: str, unencrypted_spool: bool) -> Acceptance:
    """Write down that `site` is accepted as it is.

    Args:
        site_file: beside which it is written.
        site: what the site file says.
        by: who accepts.
        at: now.
        unencrypted_spool: also that its spool lies on no encrypted disk.

    Raises:
        ConfigError: this user may not write there, or the disk refuses.
    """
    before = standing_or_none(site_file)
    now = guarded(site, unencrypted_spool=unencrypted_spool)
    content = Accepted(
        version=1,
        by=by,
        at=at,
        changes=permits(now) if before is None else changes(before.content.guarded, now),
        site_file_sha256=_digest_of(site_file),
        before=None if before is None else before.digest,
        guarded=now,
    )
    data = msgspec.json.format(msgspec.json.encode(content, enc_hook=_plain), indent=2) + b"\n"
    path = path_of(site_file)
    try:
        _write(path, data)
    except OSError as exc:
        msg = f"cannot be written ({exc.strerror}): only who may write the site file's folder may accept"
        raise ConfigError(msg, file=str(path), hint=f"As root: {command_for(site_file)}") from exc
    return Acceptance(content, hashlib.sha256(data).hexdigest())


def standing_or_none(site_file: Path) -> Acceptance | None:
    """The acceptance that a new one would replace; one that does not count is as good as none."""
    try:
        return standing(site_file)
    except ConfigError:
        return None


def person() -> str:
    """Who runs this process: its account, and who had logged in before they became it, as the kernel's audit or sudo knows."""
    account = _name(os.getuid())
    behind = _logged_in() or os.environ.get("SUDO_USER", "")
    behind = "".join(character for character in behind if character.isprintable())[:64]
    return f"{account} ({behind})" if behind and behind != account else account


def _logged_in() -> str:
    """The audit's login uid (pam_loginuid(8)); no process can change it afterwards."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text("ascii"))
    except (OSError, ValueError):
        return ""
    return "" if uid == _NOBODY_LOGGED_IN else _name(uid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _written_by_an_admin(path: Path, status: os.stat_result, site_file: Path) -> None:
    """Root's, or of the account that the site file belongs to; and of nobody else.

    Raises:
        ConfigError: somebody else may have written it.
    """
    if not stat.S_ISREG(status.st_mode):
        msg = "is not a plain file"
        raise ConfigError(msg, file=str(path))
    if status.st_uid not in {0, _owner(site_file)} or status.st_mode & _OTHERS_MAY_WRITE:
        msg = "somebody else than the site file's owner can write it, so nothing that it says was accepted"
        hint = f"Remove it, then accept the site file anew, as root: {command_for(site_file)}"
        raise ConfigError(msg, file=str(path), hint=hint)


def _owner(site_file: Path) -> int:
    try:
        return site_file.stat().st_uid
    except OSError as exc:
        msg = f"cannot be read ({exc.strerror}), expected a YAML file"
        raise ConfigError(msg, file=str(site_file)) from exc


def _digest_of(site_file: Path) -> str:
    try:
        return hashlib.sha256(site_file.read_bytes()).hexdigest()
    except OSError as exc:
        msg = f"cannot be read ({exc.strerror}), expected a YAML file"
        raise ConfigError(msg, file=str(site_file)) from exc


def _write(path: Path, data: bytes) -> None:
    """The whole file or nothing, also if the power goes."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # the helper and the daemon read it, whatever root's umask is
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_path(path.parent)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    msg = f"{type(value).__name__} is no part of an acceptance"
    raise NotImplementedError(msg)


def _rich(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value.startswith("/"):
        return Path(value)
    msg = f"expected an absolute path, not {value!r}"
    raise ValueError(msg)


_decoder = msgspec.json.Decoder(Accepted, dec_hook=_rich)
