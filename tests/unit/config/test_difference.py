"""What differs between two site files, and what of it a running dock takes over."""

from pathlib import Path

import msgspec
import pytest

from dockd.config import Bay, Erase, Site, Spool, Uploads
from dockd.config.difference import differences, live_keys, taken_over
from tests.unit.config.test_guarded import SITE


def changed(**values: object) -> Site:
    """The site with other values."""
    return msgspec.structs.replace(SITE, **values)


@pytest.mark.parametrize(
    ("site", "words", "live"),
    [
        (changed(site="Detroit"), ["site: Buffalo -> Detroit"], False),
        (changed(erase=Erase(policy="never")), ["erase.policy: delete -> never"], True),
        (changed(erase=Erase(policy="delete", directory_erase=True)), ["erase.directory_erase: false -> true"], True),
        (
            changed(spool=Spool(directory=SITE.spool.directory, keep_free_bytes=1)),
            ["spool.keep_free: 1073741824 -> 1"],
            True,
        ),
        (changed(spool=Spool(directory=Path("/x"))), ["spool.directory: /var/lib/dockd/spool -> /x"], False),
        (changed(uploads=Uploads(parallel=3)), ["uploads.parallel: 2 -> 3"], False),
        (
            changed(archive=msgspec.structs.replace(SITE.archive, id=None)),
            ["archive.id: vault-01 -> nothing"],
            False,
        ),
    ],
)
def test_each_key_is_told_with_both_values(site: Site, words: list[str], *, live: bool) -> None:
    """And whether it needs a restart."""
    found = differences(SITE, site)
    assert list(map(str, found)) == words
    assert [each.live for each in found] == [live]
    assert (taken_over(SITE, site) == site) is live
    assert [each for each in differences(taken_over(SITE, site), site) if each.live] == []


def test_bays_are_compared_by_their_ids() -> None:
    """One that came, one that went, one that moved; and the same ones in another order."""
    one, two = Bay(id="1", directory=Path("/srv/bays/1")), Bay(id="2", usb_port="pci-0000:00:14.0-usb-0:1")
    moved = Bay(id="1", directory=Path("/srv/bays/9"))
    assert list(map(str, differences(changed(bays=(one,)), changed(bays=(moved, two))))) == [
        "bays[1].directory: /srv/bays/1 -> /srv/bays/9",
        "bays[2]: nothing -> there",
    ]
    assert list(map(str, differences(changed(bays=(one, two)), changed(bays=(one,))))) == ["bays[2]: there -> nothing"]
    assert list(map(str, differences(changed(bays=(one, two)), changed(bays=(two, one))))) == ["bays: 1, 2 -> 2, 1"]


def test_a_site_does_not_differ_from_itself() -> None:
    """Nor is anything taken over."""
    assert differences(SITE, SITE) == ()
    assert taken_over(SITE, SITE) == SITE


def test_every_key_says_whether_it_is_live() -> None:
    """The documentation is made from this."""
    keys = dict(live_keys())
    assert (keys["erase"], keys["spool.keep_free"], keys["spool.directory"], keys["bays"]) == (True, True, False, False)
