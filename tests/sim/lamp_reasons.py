"""Every reason that a lamp can have, as far as the code can give one: derived from it, so that none is left out."""

from collections.abc import Iterator

from dockd.core.readiness import CODES
from dockd.errors import CameraError, ClearanceError, DockError, SpoolError, WorkerError

FAMILIES: tuple[type[DockError], ...] = (CameraError, SpoolError, ClearanceError, WorkerError)
"""Errors of a docking; each has words of its own on the page."""

OTHER = "other"
"""What the page shows of a code that it does not know: the daemon's own words."""


def leaves(kind: type[DockError]) -> Iterator[type[DockError]]:
    """The classes that are raised, not their parents."""
    below = kind.__subclasses__()
    if not below:
        yield kind
    for each in below:
        yield from leaves(each)


REASONS = (*CODES, *(each.code for kind in FAMILIES for each in leaves(kind)), OTHER)
