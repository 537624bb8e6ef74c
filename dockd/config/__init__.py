"""From the site file and the profiles to frozen values, or to errors that say file, line and what was expected.

Read `model` for what can be configured, then `source` (YAML with places), `rules`, `fill`, and `site` and `profile`, which put
them together.
"""

from dockd.config.model import (
    ArchiveSettings,
    Bay,
    Control,
    Erase,
    Offload,
    Profiles,
    Site,
    Spool,
    Uploads,
)
from dockd.config.office import Category
from dockd.config.profile import load_profile, load_profiles
from dockd.config.readying import Ready
from dockd.config.served import Kiosk
from dockd.config.site import load_site

__all__ = [
    "ArchiveSettings",
    "Bay",
    "Category",
    "Control",
    "Erase",
    "Kiosk",
    "Offload",
    "Profiles",
    "Ready",
    "Site",
    "Spool",
    "Uploads",
    "load_profile",
    "load_profiles",
    "load_site",
]
