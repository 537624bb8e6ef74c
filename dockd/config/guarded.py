"""What in a site file weakens evidence when it changes, and what stays in force until an admin has accepted the change.

A guarded section moves as a whole: where one of its keys is weaker than what was accepted, all of the accepted section stays in
force, so that no mixture ever runs that nobody wrote. Making a key stricter needs nobody's leave.

    archive   any other kind, url, proof or id; another key, unless the accepted one handed over to it, or handovers from others;
              another ca_file, or none
    retention a category, or what nobody named, that would be kept for a shorter time than was accepted (`categories` and
              `uploads.retain_days` together)
    erase     a policy, directory_erase or unsigned under which more is erased (ready.needs goes with it: a light that waits for
              an erasing that is not allowed would never say: take it)
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from dockd.config.handing_over import archive_keys
from dockd.config.model import ArchiveSettings, Erase, Site
from dockd.config.office import Category
from dockd.config.policy import policy_of, retention
from dockd.config.readying import Ready
from dockd.core.handover import continues
from dockd.core.policy import UNCATEGORISED

_POLICIES = ("never", "delete", "clear")
"""From the one that keeps most to the one that erases most."""

_FIXED = ("kind", "url", "proof", "s3")
"""Another value is another archive."""

_TIGHTENED = ("id", "ca_file")
"""None allows more than any value."""


class Guarded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of a site file that an admin accepts.

    Attributes:
        retain_days, categories: as in the site file.
        unencrypted_spool: the spool's folder, if it was accepted that it lies on no encrypted disk.
    """

    archive: ArchiveSettings
    erase: Erase
    ready: Ready
    retain_days: int | None = None
    categories: tuple[Category, ...] = ()
    unencrypted_spool: Path | None = None


@dataclass(frozen=True, slots=True)
class Weakening:
    """One key that is weaker in the site file than what was accepted.

    Attributes:
        section: the guarded section, which stays as accepted.
        key: as in the site file, with its section.
        accepted, wanted: values as they are written, `nothing` for a key that is not there.
    """

    section: str
    key: str
    accepted: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.key}: {self.wanted} instead of {self.accepted}"


def guarded(site: Site, *, unencrypted_spool: bool = False) -> Guarded:
    """What an admin accepts who accepts `site`."""
    spool = site.spool.directory if unencrypted_spool else None
    return Guarded(
        archive=site.archive,
        erase=site.erase,
        ready=site.ready,
        retain_days=site.uploads.retain_days,
        categories=site.categories,
        unencrypted_spool=spool,
    )


def weakenings(site: Site, accepted: Guarded) -> tuple[Weakening, ...]:
    """What in `site` is weaker than what was accepted."""
    found = [_changed("archive", key, site.archive, accepted.archive) for key in _FIXED if _differs(key, site, accepted)]
    if not continues(archive_keys(site.archive) or ("",), archive_keys(accepted.archive) or ("",)):
        key = "key" if site.archive.key != accepted.archive.key else "handovers"
        found.append(_changed("archive", key, site.archive, accepted.archive))
    found += [
        _changed("archive", key, site.archive, accepted.archive)
        for key in _TIGHTENED
        if _differs(key, site, accepted) and getattr(accepted.archive, key) is not None
    ]
    if _POLICIES.index(site.erase.policy) > _POLICIES.index(accepted.erase.policy):
        found.append(_changed("erase", "policy", site.erase, accepted.erase))
    found += [
        _changed("erase", key, site.erase, accepted.erase)
        for key in ("directory_erase", "unsigned")
        if getattr(site.erase, key) and not getattr(accepted.erase, key)
    ]
    now, then = policy_of(site), retention(accepted.categories, accepted.retain_days)
    for word in _words(site.categories, accepted.categories):
        if now.retained_days(word) < then.retained_days(word):
            key = f"retention of {word}"
            found.append(Weakening("retention", key, _days(then.retained_days(word)), _days(now.retained_days(word))))
    return tuple(found)


def restrained(site: Site, accepted: Guarded) -> Site:
    """`site` with every weakened section as it was accepted: what may be in force."""
    sections = {each.section for each in weakenings(site, accepted)}
    if "archive" in sections:
        site = msgspec.structs.replace(site, archive=accepted.archive)
    if "erase" in sections:
        site = msgspec.structs.replace(site, erase=accepted.erase, ready=accepted.ready)
    if "retention" in sections:
        uploads = msgspec.structs.replace(site.uploads, retain_days=accepted.retain_days)
        site = msgspec.structs.replace(site, uploads=uploads, categories=accepted.categories)
    return site


def permits(accepted: Guarded) -> tuple[str, ...]:
    """What accepting this means, one line for each guarded key, for a person to read before and for the custody log after."""
    archive, erase = accepted.archive, accepted.erase
    lines = [
        f"archive.url: {_written(archive.url)}",
        f"archive.key: {_written(archive.key)}",
        *(f"archive.handovers: {each}, which handed over" for each in archive_keys(archive)[:-1]),
        *([] if archive.proof == "receipt" else [f"archive.proof: {_written(archive.proof)}"]),
        *([] if archive.s3 is None else [f"archive.s3: {_written(archive.s3)}"]),
        f"archive.id: {_written(archive.id)}",
        f"archive.ca_file: {_written(archive.ca_file)}",
        f"erase.policy: {_written(erase.policy)}",
        f"erase.directory_erase: {_written(erase.directory_erase)}",
        *([f"erase.unsigned: {_written(erase.unsigned)}"] if erase.unsigned else []),
    ]
    kept = retention(accepted.categories, accepted.retain_days)
    lines += [f"retention of {word}: {_days(kept.retained_days(word))}" for word in _words(accepted.categories)]
    if accepted.unencrypted_spool is not None:
        lines.append(f"spool.directory: {accepted.unencrypted_spool} on a disk that is not encrypted")
    return tuple(lines)


def changes(before: Guarded, after: Guarded) -> tuple[str, ...]:
    """Lines of `permits` that were not there before."""
    return tuple(line for line in permits(after) if line not in permits(before))


def _words(*lists: tuple[Category, ...]) -> list[str]:
    """Every word that means a category in any of these, and the one for none."""
    words = [word for each in lists for category in each for word in (category.name, *category.words)]
    return list(dict.fromkeys([*words, UNCATEGORISED]))


def _days(days: int) -> str:
    return f"{days} days" if days else "as the archive likes"


def _differs(key: str, site: Site, accepted: Guarded) -> bool:
    return bool(getattr(site.archive, key) != getattr(accepted.archive, key))


def _changed(section: str, key: str, wanted: object, accepted: object) -> Weakening:
    return Weakening(section, f"{section}.{key}", _written(getattr(accepted, key)), _written(getattr(wanted, key)))


def _written(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, tuple):
        return f"{len(value)} of them"
    if isinstance(value, msgspec.Struct):
        said = [(name, given) for name, given in msgspec.structs.asdict(value).items() if given not in {None, ""}]
        return ", ".join(f"{name} {_written(given)}" for name, given in said)
    return str(value).lower() if isinstance(value, bool) else str(value)
