"""What a dock's own look at an archive without signatures proves, and everything that it does not."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from dockd.core import custody, life
from dockd.core.clearance import NoClearanceError
from dockd.core.observation import ReadBack, StoreChecksum
from dockd.core.proof import ArchiveProof, Basis, StatementError, StatementKind, observe, recall_observation
from dockd.core.recording import StoredObject
from tests.sim.evidence import DOCK, NOW, Notary, measure, seen, stored
from tests.unit.core.test_clearance import Evidence

NONCE = "cd" * 16
CONTENT = b"content"
STORED = stored(seen("r1"), CONTENT, object_id="recordings/C1/x#version-1")
SOUND = StoreChecksum(
    refuses_wrong=True,
    size_bytes=len(CONTENT),
    checksum="abc=-2",
    expected="abc=-2",
    version="version-1",
    lock="COMPLIANCE",
    retain_until=NOW + timedelta(days=30),
)


def observed(found: ReadBack | StoreChecksum, *, at: StoredObject = STORED, nonce: str = NONCE) -> ArchiveProof:
    """What `found` proves about `at`."""
    return observe(found, kind=StatementKind.HOLDING, stored=at, nonce=nonce, dock=DOCK, camera="C1", time=NOW)


def test_bytes_that_were_fetched_and_are_the_same_prove_it() -> None:
    """The proof says that it rests on a read-back, and promises nothing beyond the moment where the archive promised nothing."""
    proof = observed(ReadBack(measure(CONTENT)))
    assert proof.basis is Basis.READ_BACK
    assert (proof.statement.measured, proof.statement.nonce) == (STORED.measured, NONCE)
    assert proof.statement.retain_until == NOW
    assert observed(ReadBack(measure(CONTENT), NOW + timedelta(days=1))).statement.retain_until == NOW + timedelta(days=1)


def test_other_bytes_prove_nothing() -> None:
    """One byte differs."""
    with pytest.raises(StatementError, match="what was fetched is 7 bytes of SHA-256"):
        observed(ReadBack(measure(b"contenT")))


def test_a_locked_version_with_the_expected_checksum_proves_it() -> None:
    """What the store said is kept as evidence."""
    proof = observed(SOUND)
    assert proof.basis is Basis.STORE_CHECKSUM
    assert proof.statement.retain_until == SOUND.retain_until
    assert json.loads(proof.envelope)["evidence"] == {"checksum": "abc=-2", "lock": "COMPLIANCE", "version": "version-1"}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(SOUND, refuses_wrong=False), "was not seen to refuse a wrong checksum"),
        (replace(SOUND, size_bytes=8), "its size is 8, not 7"),
        (replace(SOUND, checksum="other"), "its checksum is 'other'"),
        (replace(SOUND, checksum="", expected=""), "its checksum is ''"),
        (replace(SOUND, version=""), "its version is ''"),
        (replace(SOUND, version="version-2"), "its version is 'version-2'"),
        (replace(SOUND, version="1"), "its version is '1'"),
        (replace(SOUND, lock=""), "it is not locked"),
        (replace(SOUND, retain_until=None), "its lock has ended"),
        (replace(SOUND, retain_until=NOW), "its lock has ended"),
    ],
)
def test_a_store_that_says_less_proves_nothing(found: StoreChecksum, words: str) -> None:
    """Each thing that must be seen, missing or wrong alone."""
    with pytest.raises(StatementError, match=words):
        observed(found)


@pytest.mark.parametrize("found", [ReadBack(measure(CONTENT)), SOUND])
def test_the_record_gives_the_proof_back(found: ReadBack | StoreChecksum) -> None:
    """In another process, to who takes the daemon's word."""
    proof = observed(found)
    again = recall_observation(proof.envelope, kind=StatementKind.HOLDING, stored=STORED, nonce=NONCE, dock=DOCK, camera="C1")
    assert again == proof


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"basis":"signed","evidence":{},"statement":"{}"}',
        b'{"basis":"hearsay","evidence":{},"statement":"{}"}',
        b'{"basis":"read-back","evidence":{},"statement":"{}"}',
        b'{"basis":"read-back","evidence":"","statement":"{}"}',
    ],
)
def test_what_is_no_record_is_not_taken_for_one(record: bytes) -> None:
    """No word at all is not the daemon's word, and nobody signs by saying so."""
    with pytest.raises(StatementError):
        recall_observation(record, kind=StatementKind.HOLDING, stored=STORED, nonce=NONCE, dock=DOCK, camera="C1")


def test_a_record_about_something_else_is_not_taken() -> None:
    """Another object, nonce, camera, kind: the record says what it is about, and is compared."""
    record = observed(SOUND).envelope
    for changed in ({"stored": replace(STORED, object_id="other")}, {"nonce": "ab"}, {"camera": "C2"}, {"dock": "other"}):
        asked = {"kind": StatementKind.HOLDING, "stored": STORED, "nonce": NONCE, "dock": DOCK, "camera": "C1"} | changed
        with pytest.raises(StatementError, match="its "):
            recall_observation(record, **asked)  # type: ignore[arg-type] # built from parts
    with pytest.raises(StatementError, match="its type"):
        recall_observation(record, kind=StatementKind.RECEIPT, stored=STORED, nonce=NONCE, dock=DOCK, camera="C1")


def test_a_signed_statement_is_not_an_observation() -> None:
    """The two never pass for each other."""
    envelope = Notary().holding(STORED, NONCE).envelope
    with pytest.raises(StatementError, match="not the record of an observation"):
        recall_observation(envelope, kind=StatementKind.HOLDING, stored=STORED, nonce=NONCE, dock=DOCK, camera="C1")


def test_custody_says_what_a_proof_without_signature_rests_on() -> None:
    """An auditor sees at once whose word it was."""
    proof = observed(SOUND)
    _, members = custody.entry(custody.Stepped("r1", life.UploadProved(proof, STORED)))
    assert members["basis"] == "store-checksum"


def test_no_word_but_the_archives_erases_unless_the_site_file_says_so() -> None:
    """The same camera, the same proof: kept without the admin's word for it, covered with it."""
    evidence = Evidence()
    at = evidence.add(b"A.MP4")
    found = observe(ReadBack(at.measured), kind=StatementKind.HOLDING, stored=at, nonce=NONCE, dock=DOCK, camera="C1", time=NOW)
    evidence.claim_anew(b"A.MP4", lambda claim: replace(claim, holding=found))
    with pytest.raises(NoClearanceError) as refused:
        evidence.permit()
    assert [left.reason for left in refused.value.left] == [
        "the archive signs nothing, and the site file does not say that the dock's own word is enough"
    ]
    evidence.unsigned = True
    assert [covered.path for covered in evidence.permit().covered] == [b"A.MP4"]
