"""From the site file to `core.policy`."""

from collections.abc import Iterable

from dockd.config.model import Site
from dockd.config.office import Category
from dockd.core import policy


def policy_of(site: Site) -> policy.Policy:
    """The agency's policy, as the site file has it."""
    return retention(
        site.categories,
        site.uploads.retain_days,
        within_hours=site.uploads.within_hours,
        critical_within_hours=site.uploads.critical_within_hours,
    )


def retention(
    categories: Iterable[Category],
    retain_days: int | None,
    *,
    within_hours: int | None = None,
    critical_within_hours: int | None = None,
) -> policy.Policy:
    """A policy from its parts."""
    return policy.Policy(
        categories=tuple(
            policy.Category(each.name, each.retain_days, frozenset(each.words), urgent=each.urgent) for each in categories
        ),
        retain_days=retain_days or 0,
        within_hours=within_hours,
        critical_within_hours=critical_within_hours,
    )
