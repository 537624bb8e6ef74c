"""Which changes of a site file weaken evidence."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.config import ArchiveSettings, Bay, Category, Erase, Ready, Site, Spool, Uploads
from dockd.config.guarded import Guarded, changes, guarded, permits, restrained, weakenings
from dockd.config.model import S3
from dockd.core.readiness import Needs

KEY = "ed25519:4ER87XYQ41M8xOKoyDKsL5ft3QDVdboZgquKMXe0ea8="
ARCHIVE = ArchiveSettings(kind="tus", url="https://vault.example/files/", key=KEY, id="vault-01", ca_file=Path("/etc/ca.pem"))
SITE = Site(
    agency="ICE",
    division="ERO",
    site="Buffalo",
    dock="buf-ero-02",
    time_zone="America/New_York",
    bays=(Bay(id="1", directory=Path("/srv/bays/1")),),
    spool=Spool(directory=Path("/var/lib/dockd/spool")),
    archive=ARCHIVE,
    erase=Erase(policy="delete"),
)


def with_archive(**values: object) -> Site:
    """The site with other values in its archive section."""
    return msgspec.structs.replace(SITE, archive=msgspec.structs.replace(ARCHIVE, **values))


def with_erase(erase: Erase, needs: Needs = Needs.ARCHIVED) -> Site:
    """The site with another erase policy."""
    return msgspec.structs.replace(SITE, erase=erase, ready=Ready(needs=needs))


@pytest.mark.parametrize(
    ("site", "words"),
    [
        (with_archive(url="https://other.example/files/"), "archive.url: https://other.example/files/ instead of"),
        (with_archive(key="ed25519:AAAA"), "archive.key: ed25519:AAAA instead of ed25519:4ER8"),
        (with_archive(id="vault-02"), "archive.id: vault-02 instead of vault-01"),
        (with_archive(id=None), "archive.id: nothing instead of vault-01"),
        (with_archive(ca_file=None), "archive.ca_file: nothing instead of /etc/ca.pem"),
        (with_archive(ca_file=Path("/x.pem")), "archive.ca_file: /x.pem instead of /etc/ca.pem"),
        (with_erase(Erase(policy="delete", directory_erase=True)), "erase.directory_erase: true instead of false"),
        (with_erase(Erase(policy="delete", unsigned=True)), "erase.unsigned: true instead of false"),
    ],
)
def test_what_weakens_evidence_waits_and_the_accepted_section_stays(site: Site, words: str) -> None:
    """The words say what is wanted and what stands; the whole section stays as it was accepted."""
    (found,) = weakenings(site, guarded(SITE))
    assert str(found).startswith(words)
    assert restrained(site, guarded(SITE)) == SITE


def test_an_erase_policy_that_erases_more_waits() -> None:
    """With the light that goes with it; bays and all the rest are as the file says."""
    accepted = guarded(with_erase(Erase(policy="never")))
    wanted = with_erase(Erase(policy="delete", directory_erase=True), Needs.ERASED)
    assert [each.key for each in weakenings(wanted, accepted)] == ["erase.policy", "erase.directory_erase"]
    running = restrained(msgspec.structs.replace(wanted, site="Detroit"), accepted)
    assert (running.erase, running.ready, running.site) == (Erase(), Ready(), "Detroit")


@pytest.mark.parametrize(
    "site",
    [
        SITE,
        with_erase(Erase(policy="never")),
        with_archive(token_file=Path("/etc/dockd/token")),
        with_archive(client_cert=Path("/c"), client_key=Path("/k")),
        msgspec.structs.replace(SITE, division="HSI", ready=Ready(needs=Needs.VERIFIED)),
    ],
)
def test_what_is_stricter_or_says_nothing_about_evidence_needs_nobody(site: Site) -> None:
    """It is in force as it is written."""
    assert weakenings(site, guarded(SITE)) == ()
    assert restrained(site, guarded(SITE)) == site


def test_an_id_or_an_authority_where_there_was_none_is_stricter() -> None:
    """Pinning more needs no leave."""
    accepted = guarded(with_archive(id=None, ca_file=None))
    assert weakenings(SITE, accepted) == ()


def test_what_is_accepted_is_told_line_by_line() -> None:
    """For a person before, for the custody log after; the spool's disk only where it was accepted in the clear."""
    first = guarded(SITE)
    assert permits(first) == (
        "archive.url: https://vault.example/files/",
        f"archive.key: {KEY}",
        "archive.id: vault-01",
        "archive.ca_file: /etc/ca.pem",
        "erase.policy: delete",
        "erase.directory_erase: false",
        "retention of uncategorised: as the archive likes",
    )
    bare = guarded(with_archive(id=None), unencrypted_spool=True)
    assert changes(first, bare) == (
        "archive.id: nothing",
        "spool.directory: /var/lib/dockd/spool on a disk that is not encrypted",
    )


archives = st.builds(
    ArchiveSettings,
    kind=st.just("tus"),
    url=st.sampled_from(["https://a/", "https://b/"]),
    key=st.sampled_from([KEY, "ed25519:B"]),
    id=st.none() | st.sampled_from(["a", "b"]),
    ca_file=st.none() | st.sampled_from([Path("/a"), Path("/b")]),
    token_file=st.none() | st.just(Path("/token")),
)
erases = st.builds(Erase, policy=st.sampled_from(["never", "delete"]), directory_erase=st.booleans())
sites = st.builds(lambda archive, erase: msgspec.structs.replace(SITE, archive=archive, erase=erase), archives, erases)


@settings(deadline=None)
@given(file=sites, accepted=sites.map(guarded))
def test_what_is_in_force_is_never_weaker_than_what_was_accepted(file: Site, accepted: Guarded) -> None:
    """Whatever stands in the file; and accepting the file makes all of it count."""
    running = restrained(file, accepted)
    assert weakenings(running, accepted) == ()
    assert (running == file) == (not weakenings(file, accepted))
    assert restrained(file, guarded(file)) == file
    assert not weakenings(file, guarded(file))


def kept(*categories: Category, retain_days: int | None = None) -> Site:
    """The site with these categories."""
    return msgspec.structs.replace(SITE, categories=categories, uploads=Uploads(retain_days=retain_days))


ARREST, CONTACT = Category(name="arrest", retain_days=1000, words=("AR",)), Category(name="contact", retain_days=100)


@pytest.mark.parametrize(
    ("accepted", "site", "keys"),
    [
        (kept(ARREST), kept(Category(name="arrest", retain_days=999)), {"arrest", "AR", "uncategorised"}),
        (kept(ARREST, CONTACT), kept(CONTACT), {"arrest", "AR", "uncategorised"}),
        (kept(ARREST, CONTACT), kept(ARREST, Category(name="contact", retain_days=100, words=("ar mk2",))), {"ar mk2"}),
        (kept(ARREST, CONTACT), kept(ARREST), set()),
        (kept(ARREST), kept(ARREST, CONTACT), {"contact"}),
        (
            kept(ARREST, CONTACT),
            kept(Category(name="arrest", retain_days=1000), Category(name="contact", retain_days=1, words=("AR",))),
            {"contact", "AR"},
        ),
        (kept(retain_days=90), kept(retain_days=89), {"uncategorised"}),
        (kept(retain_days=90), kept(), {"uncategorised"}),
        (kept(), kept(ARREST, retain_days=1), set()),
    ],
)
def test_a_shorter_retention_waits(accepted: Site, site: Site, keys: set[str]) -> None:
    """For a category, for a word that cameras have for it, and for what nobody named; longer needs nobody."""
    found = weakenings(site, guarded(accepted))
    assert {each.key.removeprefix("retention of ") for each in found} == keys
    running = restrained(site, guarded(accepted))
    assert (running == site) is (not keys)
    assert weakenings(running, guarded(accepted)) == ()


def test_another_bucket_or_a_weaker_lock_waits() -> None:
    """Told with what is there, not with what is not."""
    s3 = S3(bucket="evidence", credentials_file=Path("/etc/dockd/s3"), lock="compliance")
    accepted = guarded(with_archive(kind="s3", key="", s3=s3))
    weaker = with_archive(kind="s3", key="", s3=msgspec.structs.replace(s3, lock="none"))
    (found,) = weakenings(weaker, accepted)
    assert found.key == "archive.s3"
    assert found.wanted == (
        "bucket evidence, credentials_file /etc/dockd/s3, region us-east-1, addressing path, lock none, encryption bucket"
    )
    assert any(line.startswith("archive.s3: bucket evidence") for line in permits(accepted))
    assert restrained(weaker, accepted).archive.s3 == s3
