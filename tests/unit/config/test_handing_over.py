"""A new key of the archive in the site file: which statements make it count without an admin, and which do not."""

import base64
import json
from pathlib import Path

import msgspec
import pytest

from dockd.config import ArchiveSettings
from dockd.config.guarded import guarded, permits, restrained, weakenings
from dockd.config.handing_over import archive_keys, read_handover
from dockd.config.model import Site
from dockd.config.site import load_site
from dockd.core.handover import HANDOVER_TYPE, Handover, HandoverError
from dockd.core.proof import PAYLOAD_TYPE
from dockd.dsse import SigningKey
from dockd.errors import ConfigError
from tests.unit.config.test_guarded import SITE

AT = "2026-11-28T12:00:00.000Z"
A, B, C, THIEF = (SigningKey.generate() for _ in range(4))


def handover(old: SigningKey, new: SigningKey, *, by: SigningKey | None = None, archive: str = "vault-01") -> str:
    """As `dockd vault rotate` prints it; signed by another key than the old one where `by` says so."""
    statement = Handover(archive, old.public_text, new.public_text, AT)
    return base64.b64encode((by or old).sealed(statement.payload(), HANDOVER_TYPE)).decode()


def sealed(payload: bytes, kind: str = HANDOVER_TYPE) -> str:
    """Whatever A signed, as a handover is written."""
    return base64.b64encode(A.sealed(payload, kind)).decode()


def site_with(key: SigningKey, *handovers: str) -> Site:
    """The site of these tests with that key."""
    archive = msgspec.structs.replace(SITE.archive, key=key.public_text, handovers=handovers)
    return msgspec.structs.replace(SITE, archive=archive)


def test_a_key_that_was_handed_over_to_counts_at_once() -> None:
    """Nothing waits for an admin; both keys count, and only the new one once the statement is taken out."""
    accepted = guarded(site_with(A))
    now = site_with(B, handover(A, B))
    assert weakenings(now, accepted) == ()
    assert restrained(now, accepted) == now
    assert archive_keys(now.archive) == (A.public_text, B.public_text)
    assert f"archive.handovers: {A.public_text}, which handed over" in permits(guarded(now))
    after = site_with(B)
    assert weakenings(after, guarded(now)) == ()
    assert archive_keys(after.archive) == (B.public_text,)
    twice = site_with(C, handover(A, B), handover(B, C))
    assert weakenings(twice, accepted) == weakenings(twice, guarded(now)) == ()


@pytest.mark.parametrize(
    ("wanted", "accepted", "key"),
    [
        (site_with(B), site_with(A), "archive.key"),
        (site_with(A), site_with(B, handover(A, B)), "archive.key"),
        (site_with(THIEF, handover(A, THIEF)), site_with(B, handover(A, B)), "archive.key"),
        (site_with(B, handover(THIEF, A), handover(A, B)), site_with(A), "archive.key"),
        (site_with(A, handover(THIEF, A)), site_with(A), "archive.handovers"),
    ],
)
def test_any_other_way_to_a_key_waits_for_an_admin(wanted: Site, accepted: Site, key: str) -> None:
    """No statement; back to the old key; a second one of a key that handed over; strangers brought in before the trusted one."""
    (found,) = weakenings(wanted, guarded(accepted))
    assert found.key == key
    assert restrained(wanted, guarded(accepted)) == accepted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (handover(A, B, by=THIEF), "the old key did not sign it"),
        (
            base64.b64encode(A.sealed(Handover("v", A.public_text, B.public_text, AT).payload(), PAYLOAD_TYPE)).decode(),
            "envelope",
        ),
        (base64.b64encode(A.sealed(b"{}", HANDOVER_TYPE)).decode(), "no archive, old and new key"),
        (base64.b64encode(A.sealed(Handover("v", A.public_text, "B", AT).payload(), HANDOVER_TYPE)).decode(), "not a public key"),
        (base64.b64encode(b"[" * 100_000).decode(), "nested too deeply"),
        ("not base64!", "not base64"),
        (base64.b64encode(b"{}").decode(), "no envelope"),
    ],
    ids=["another's", "another kind", "empty", "no key", "deep", "no base64", "no envelope"],
)
def test_a_forged_statement_hands_over_nothing(text: str, words: str) -> None:
    """Another's signature, another kind of statement, nonsense: refused in words."""
    with pytest.raises(HandoverError, match=words):
        read_handover(text)


def test_a_changed_statement_is_not_the_one_that_was_signed() -> None:
    """The envelope with another new key in it."""
    envelope = json.loads(base64.b64decode(handover(A, B)))
    envelope["payload"] = base64.b64encode(Handover("vault-01", A.public_text, THIEF.public_text, AT).payload()).decode()
    with pytest.raises(HandoverError, match="did not sign"):
        read_handover(base64.b64encode(json.dumps(envelope).encode()).decode())


def test_another_archives_handover_is_refused() -> None:
    """It names its archive; where the site file names one, it is the same."""
    with pytest.raises(HandoverError, match="archive 'vault-02' hands over, but the site file names 'vault-01'"):
        archive_keys(site_with(B, handover(A, B, archive="vault-02")).archive)
    unnamed = msgspec.structs.replace(site_with(B, handover(A, B, archive="vault-02")).archive, id=None)
    assert archive_keys(unnamed) == (A.public_text, B.public_text)


def test_an_archive_that_signs_nothing_has_no_keys() -> None:
    """S3, and read-back."""
    assert archive_keys(ArchiveSettings(kind="s3", url="https://s3.example/")) == ()


TUS, HANDED = "kind: tus\n  url: https://v.example/f/\n  ", f"handovers: [{handover(A, B)}]"
S3 = "kind: s3\n  url: https://s.example/\n  s3: {bucket: evidence, credentials_file: /etc/dockd/s3}\n  "


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (f"{TUS}key: {C.public_text}\n  {HANDED}", "do not lead to the key: they end"),
        (f"{TUS}key: {B.public_text}\n  handovers: [short]", "what dockd vault rotate printed"),
        (f"{TUS}id: x\n  proof: read-back\n  {HANDED}", "archive.handovers: has no effect without a key"),
        (f"{S3}{HANDED}", "archive.handovers: S3 signs nothing"),
    ],
    ids=["another end", "no statement", "read-back", "s3"],
)
def test_handovers_that_lead_nowhere_are_named_in_the_site_file(tmp_path: Path, archive: str, words: str) -> None:
    """With file and line, as everything else."""
    path = tmp_path / "site.yaml"
    path.write_text(
        "agency: ICE\ndivision: ERO\nsite: Buffalo\ndock: buf-1\ntime_zone: America/New_York\n"
        f"bays: [{{id: one, directory: {tmp_path}/bay}}]\nspool: {{directory: {tmp_path}/spool}}\narchive:\n  {archive}\n"
    )
    with pytest.raises(ConfigError, match=words) as caught:
        load_site(path)
    assert f"{path}:" in str(caught.value)
