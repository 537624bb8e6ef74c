"""What counts as the archive's proof, and everything that does not."""

import base64
import json
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.canonical import canonical
from dockd.core.proof import (
    ENVELOPE_LIMIT_BYTES,
    PAYLOAD_TYPE,
    ArchiveProof,
    Statement,
    StatementError,
    StatementKind,
    accept_statement,
    pre_authentication,
    seal_envelope,
)
from dockd.core.recording import Digests, Measured
from dockd.dsse import PinnedKeys, SigningKey
from tests.sim.evidence import DOCK, NOW, Notary, seen, stored

NONCE = "cd" * 16
NOTARY = Notary()
STORED = stored(seen("r1"), b"content")
STATEMENT = NOTARY.statement(STORED, kind=StatementKind.HOLDING, nonce=NONCE)
ENVELOPE = NOTARY.key.envelope(STATEMENT)


def accept(envelope: bytes, *, kind: StatementKind = StatementKind.HOLDING) -> ArchiveProof:
    """What the dock, which sent `STORED` and asked with `NONCE`, makes of an envelope."""
    return NOTARY.accept(envelope, STORED, kind=kind, nonce=NONCE)


def test_a_true_statement_is_a_proof() -> None:
    """The proof carries what was proved and the very bytes that were signed."""
    proof = accept(ENVELOPE)
    assert (proof.statement, proof.envelope) == (STATEMENT, ENVELOPE)


def test_nobody_else_makes_a_proof() -> None:
    """The constructor wants a seal that only this module has."""
    with pytest.raises(RuntimeError, match="only accept_statement"):
        ArchiveProof(STATEMENT, ENVELOPE, object())


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DIGESTS = st.builds(Digests, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
OTHER_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(StatementKind),
    "archive": TEXT,
    "object_id": TEXT,
    "measured": st.builds(Measured, st.integers(0, 2**60), DIGESTS)
    | DIGESTS.map(lambda digests: Measured(STORED.measured.size_bytes, digests))
    | st.integers(0, 2**60).map(lambda size: Measured(size, STORED.measured.digests))
    | st.binary(min_size=32, max_size=32).map(
        lambda sha256: Measured(STORED.measured.size_bytes, Digests(STORED.measured.digests.blake3, sha256))
    )
    | st.binary(min_size=32, max_size=32).map(
        lambda blake3: Measured(STORED.measured.size_bytes, Digests(blake3, STORED.measured.digests.sha256))
    ),
    "dock": TEXT,
    "camera": TEXT,
    "recording_id": TEXT,
    "nonce": TEXT,
}


def test_every_field_but_the_times_and_the_key_is_held_against_what_the_dock_knows() -> None:
    """A field that is added to the statement must be added to this test."""
    assert {each.name for each in fields(Statement)} == OTHER_VALUES.keys() | {"time", "retain_until", "key_id"}


@given(st.data(), st.sampled_from(sorted(OTHER_VALUES)))
def test_a_signed_statement_about_anything_else_proves_nothing(data: st.DataObject, field: str) -> None:
    """Signed with the right key, but one field is not the dock's: refused, naming the field."""
    value = data.draw(OTHER_VALUES[field])
    other = replace(STATEMENT, **{field: value})
    if other == STATEMENT:
        assert accept(NOTARY.key.envelope(other)).statement == STATEMENT
        return
    with pytest.raises(StatementError, match=r"its (type|archive|object|size|blake3|sha256|dock|camera|recording|nonce) is"):
        accept(NOTARY.key.envelope(other))


@given(st.data())
def test_no_envelope_with_a_changed_byte_is_accepted_as_something_else(data: st.DataObject) -> None:
    """One byte wrong anywhere: refused; or it was one that says nothing (base64 padding bits), and the statement is the same."""
    changed = bytearray(ENVELOPE)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        proof = accept(bytes(changed))
    except StatementError:
        return
    assert proof.statement == STATEMENT


@given(st.sampled_from(sorted(json.loads(STATEMENT.payload()))), st.text(max_size=20))
def test_a_changed_payload_breaks_the_signature(member: str, value: str) -> None:
    """Whoever rewrites a member without the key is found out before the member is looked at."""
    members = json.loads(STATEMENT.payload())
    if members[member] == value:
        return
    envelope = json.loads(ENVELOPE)
    payload = json.dumps(members | {member: value}, separators=(",", ":"), sort_keys=True).encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(StatementError, match="signature"):
        accept(json.dumps(envelope).encode())


def test_another_archives_signature_proves_nothing() -> None:
    """A key that is not pinned, even one that claims the pinned one's id, is no witness."""
    other = SigningKey.generate()
    with pytest.raises(StatementError, match="signature"):
        accept(other.envelope(replace(STATEMENT, key_id=other.key_id)))
    envelope = json.loads(other.envelope(replace(STATEMENT, key_id=other.key_id)))
    envelope["signatures"][0]["keyid"] = NOTARY.key.key_id
    with pytest.raises(StatementError, match="signature"):
        accept(json.dumps(envelope).encode())


def test_a_statement_names_the_key_that_signed_it() -> None:
    """Two pinned keys: what one signed cannot be passed off as the other's."""
    second = SigningKey.generate()
    payload = replace(STATEMENT, key_id=NOTARY.key.key_id)
    envelope = seal_envelope(replace(payload, key_id=second.key_id), second._private.sign(pre_authentication(payload.payload())))
    forged = json.loads(envelope)
    forged["payload"] = base64.b64encode(payload.payload()).decode()
    with pytest.raises(StatementError, match="its key is"):
        accept_statement(
            json.dumps(forged).encode(),
            verifier=PinnedKeys(NOTARY.key.public_text, second.public_text),
            kind=StatementKind.HOLDING,
            stored=STORED,
            nonce=NONCE,
            dock=DOCK,
            camera="C1",
        )


@pytest.mark.parametrize("kept_for", [timedelta(0), timedelta(seconds=-1), timedelta(days=-3650)])
def test_an_archive_that_keeps_nothing_proves_nothing(kept_for: timedelta) -> None:
    """An object that may be gone the moment it was proved is no reason to erase."""
    with pytest.raises(StatementError, match="promises to keep"):
        accept(NOTARY.key.envelope(replace(STATEMENT, retain_until=NOW + kept_for)))


def signed(payload: bytes) -> bytes:
    """An envelope over anything, with a good signature."""
    signature = NOTARY.key._private.sign(pre_authentication(payload))
    return json.dumps(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": NOTARY.key.key_id, "sig": base64.b64encode(signature).decode()}],
        }
    ).encode()


def members(**others: Any) -> bytes:  # noqa: ANN401 - any JSON
    """The statement's payload with some members replaced, in canonical form where that exists."""
    changed = json.loads(STATEMENT.payload()) | others
    return json.dumps(changed, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 4000,
        STATEMENT.payload() + b" ",
        STATEMENT.payload().replace(b'"size":"7"', b'"size":"07"'),
        STATEMENT.payload().replace(b'"size":"7"', b'"size":7'),
        STATEMENT.payload().replace(b'"blake3":"', b'"blake3":"0'),
        members(blake3=STATEMENT.measured.digests.blake3.hex().upper()),
        members(extra=1),
        members(type="dockd/holding/v9"),
        members(size="many"),
        members(size="1" * 5000),
        members(time="yesterday"),
        members(time="2026-11-24T19:10:00"),
        members(retain_until="2036-11-24T19:10:00"),
        members(time="2026-11-24T19:10:00Z"),
        members(time=5),
        members(archive=0.5),
        members(camera=["C1"]),
        members(dock=None),
    ],
    ids=range(23),
)
def test_a_signed_payload_that_is_no_statement_proves_nothing(payload: bytes) -> None:
    """The right key under nonsense, or under another spelling of the truth, is refused."""
    with pytest.raises(StatementError):
        accept(signed(payload))


@pytest.mark.parametrize("member", sorted(json.loads(STATEMENT.payload())))
def test_no_member_may_be_missing(member: str) -> None:
    """A statement that leaves something open proves nothing."""
    left = json.loads(STATEMENT.payload())
    del left[member]
    with pytest.raises(StatementError, match="not a statement"):
        accept(signed(canonical(left)))


_GOOD = json.loads(ENVELOPE)


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        b"[" * 10_000,
        b"x" * (ENVELOPE_LIMIT_BYTES + 1),
        json.dumps(_GOOD | {"payloadType": "text/plain"}).encode(),
        json.dumps(_GOOD | {"signatures": []}).encode(),
        json.dumps(_GOOD | {"signatures": _GOOD["signatures"] * 2}).encode(),
        json.dumps(_GOOD | {"signatures": [{"keyid": NOTARY.key.key_id}]}).encode(),
        json.dumps(_GOOD | {"signatures": [{"keyid": 5, "sig": "AA=="}]}).encode(),
        json.dumps(_GOOD | {"payload": None}).encode(),
        json.dumps(_GOOD | {"payload": "%%%%"}).encode(),
        json.dumps(_GOOD | {"payload": "A"}).encode(),
        json.dumps(_GOOD | {"signatures": [{"keyid": NOTARY.key.key_id, "sig": ""}]}).encode(),
    ],
    ids=range(15),
)
def test_what_is_no_envelope_proves_nothing(envelope: bytes) -> None:
    """Anything but one good signature over one dockd statement is refused."""
    with pytest.raises(StatementError):
        accept(envelope)


@given(st.binary(max_size=300))
def test_any_answer_is_a_proof_or_a_refusal(answer: bytes) -> None:
    """Whatever bytes the archive sends, nothing but StatementError comes out."""
    with pytest.raises(StatementError):
        accept(answer)


@pytest.mark.parametrize(
    "envelope",
    [
        json.dumps(_GOOD | {"payload": "é"}, ensure_ascii=False).encode(),
        json.dumps(_GOOD | {"signatures": [{"keyid": "k", "sig": "é"}]}, ensure_ascii=False).encode(),
        b'{"payload":' + b"1" * 5000 + b"}",
    ],
    ids=["payload not ASCII", "signature not ASCII", "a number of 5000 digits"],
)
def test_a_hostile_envelope_is_a_refusal_and_no_crash(envelope: bytes) -> None:
    """What the JSON and base64 readers refuse in their own words is refused in ours."""
    with pytest.raises(StatementError):
        accept(envelope)


def test_a_receipt_and_a_holding_statement_are_not_each_other() -> None:
    """A receipt from the day of the upload never stands for a fresh look."""
    with pytest.raises(StatementError, match="its type is"):
        accept(ENVELOPE, kind=StatementKind.RECEIPT)


def test_what_is_signed_is_dsses_pre_authentication_encoding() -> None:
    """The example of the DSSE specification's form: lengths in decimal, one space between the parts."""
    kind = PAYLOAD_TYPE.encode()
    assert pre_authentication(b"hello") == b"DSSEv1 %d %b 5 hello" % (len(kind), kind)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-1439, 1439))  # noqa: DTZ001 - the zone follows
def test_times_of_any_zone_are_accepted_as_signed(moment: datetime, offset_minutes: int) -> None:
    """The archive writes its own zone; the statement is read back as it was signed."""
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    statement = replace(STATEMENT, time=zoned, retain_until=zoned + timedelta(days=1))
    assert accept(NOTARY.key.envelope(statement)).statement.payload() == statement.payload()
