"""What the agency's policy says of a recording: its category, how long it is kept, how urgent it is, when it has to be archived.

A category is named by the camera, in a recording's sidecar, or by a person. One that nobody named, or that the site file does not
know, is `uncategorised`: it is kept as long as the longest of them, never the shortest. A recording that is marked as recorded
solely of First Amendment activity is not judged by the dock: it is kept as long too, and held, and a supervisor decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dockd.core.clearance import ScannedFile
from dockd.core.names import plain
from dockd.core.profile import CRITICAL, ROUTINE

UNCATEGORISED = "uncategorised"
URGENT = 50
"""Between a critical incident and what is routine."""


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of encounter that the agency's policy names.

    Attributes:
        name: in records.
        retain_days: the archive is asked to keep such recordings at least so long.
        words: other names that cameras have for it.
        urgent: such recordings go before routine ones.
    """

    name: str
    retain_days: int
    words: frozenset[str] = frozenset()
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The site's policy.

    Attributes:
        categories: those that the site file names.
        retain_days: for every recording; 0 leaves it to the archive.
        within_hours, critical_within_hours: until when the archive should have a recording, from when the dock first saw it.
    """

    categories: tuple[Category, ...] = ()
    retain_days: int = 0
    within_hours: int | None = None
    critical_within_hours: int | None = None

    def known(self, word: str | None) -> Category | None:
        """The category that a camera or a person means by `word`, without regard to case, spaces and hyphens."""
        wanted = plain(word or "")
        if not wanted:
            return None
        return next((each for each in self.categories if wanted in {plain(name) for name in (each.name, *each.words)}), None)

    def retained_days(self, word: str | None, *, first_amendment: bool = False) -> int:
        """How long the archive is asked to keep a recording that was called `word`."""
        category = None if first_amendment else self.known(word)
        days = [each.retain_days for each in self.categories] if category is None else [category.retain_days]
        return max([self.retain_days, *days])

    def retained_until(self, archived: datetime, word: str | None, *, first_amendment: bool = False) -> datetime:
        """Until when the archive is asked to keep a recording that it proved at `archived`."""
        return archived + timedelta(days=self.retained_days(word, first_amendment=first_amendment))

    def priority(self, word: str | None, otherwise: int = ROUTINE) -> int:
        """How urgent it is; `otherwise` is what the profile says, and the more urgent of both counts."""
        category = self.known(word)
        return min(otherwise, URGENT) if category is not None and category.urgent else otherwise

    def deadline(self, seen: datetime, priority: int) -> datetime | None:
        """Until when the archive should have a recording that the dock saw at `seen`; None if the site sets no such time."""
        hours = [self.within_hours]
        if priority <= CRITICAL:
            hours.append(self.critical_within_hours)
        known = [each for each in hours if each is not None]
        return seen + timedelta(hours=min(known)) if known else None


def ranked(files: Iterable[ScannedFile], policy: Policy) -> tuple[ScannedFile, ...]:
    """A scan's files, each as urgent as its category is; a sidecar has its recording's category already."""
    return tuple(replace(file, priority=policy.priority(file.category, file.priority)) for file in files)


def used_by_another(assigned: str | None, officer: str | None) -> bool:
    """Whether a camera names somebody else than the person to whom it is assigned; of a name that is missing nothing is said."""
    return bool(assigned and officer) and plain(assigned or "") != plain(officer or "")
