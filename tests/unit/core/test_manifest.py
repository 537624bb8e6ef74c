"""The manifest beside each recording in the spool says everything, in one spelling."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.canonical import canonical
from dockd.core.manifest import Manifest, ManifestError
from dockd.core.recording import Digests, Measured
from tests.sim.evidence import measure

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MANIFESTS = st.builds(
    Manifest,
    recording_id=TEXT,
    dock=TEXT,
    camera=TEXT,
    docking=TEXT,
    path=st.binary(max_size=40),
    modified_ns=st.integers(),
    sidecar_of=st.none() | TEXT,
    priority=st.integers(0, 1000),
    seen=TEXT,
    measured=st.builds(
        Measured,
        st.integers(0, 2**70),
        st.builds(Digests, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32)),
    ),
)
MANIFEST = Manifest("r1", "dock-1", "C1", "d1", b"DCIM/\xff.MP4", 5, None, 10, "2026-01-01T00:00:00.000Z", measure(b"x"))


@given(MANIFESTS)
def test_a_manifest_comes_back_as_it_was_written(manifest: Manifest) -> None:
    """Every recording, whatever its name and however odd its times."""
    assert Manifest.decode(manifest.encode()) == manifest


@given(MANIFESTS, st.data())
def test_a_changed_byte_is_never_read_as_the_same_manifest(manifest: Manifest, data: st.DataObject) -> None:
    """One byte wrong: no manifest, or one that says something else in the one right spelling of that."""
    encoded = bytearray(manifest.encode())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        read = Manifest.decode(bytes(encoded))
    except ManifestError:
        return
    assert read != manifest
    assert read.encode() == bytes(encoded)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_a_refusal(data: bytes) -> None:
    """Nothing else comes out than a manifest or a ManifestError."""
    try:
        assert Manifest.decode(data).encode() == data
    except ManifestError:
        return


@pytest.mark.parametrize("member", ["v", *json.loads(MANIFEST.encode())])
def test_a_missing_member_is_a_refusal(member: str) -> None:
    """Every member counts."""
    members = json.loads(MANIFEST.encode())
    del members[member]
    with pytest.raises(ManifestError):
        Manifest.decode(canonical(members) + b"\n")


@pytest.mark.parametrize("wrong", [None, 7, [], {}, True, "no number"])
@pytest.mark.parametrize("member", [each for each in json.loads(MANIFEST.encode()) if each != "sidecar_of"])
def test_a_member_of_another_type_is_a_refusal(member: str, wrong: object) -> None:
    """A number where text belongs, or text that is no number: the manifest is not believed, or says just that."""
    members = json.loads(MANIFEST.encode()) | {member: wrong}
    try:
        read = Manifest.decode(canonical(members) + b"\n")
    except ManifestError:
        return
    assert json.loads(read.encode())[member] == wrong
    assert isinstance(wrong, str) or member == "priority"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        MANIFEST.encode()[:-1],
        MANIFEST.encode() + b"\n",
        MANIFEST.encode().replace(b'"v":1', b'"v":2'),
        MANIFEST.encode().replace(b'"v":1', b'"v": 1'),
        MANIFEST.encode().replace(b'"size":"1"', b'"size":"01"'),
        MANIFEST.encode().replace(b"%FF", b"%ff"),
        MANIFEST.encode().replace(b'"dock-1"', b'"\\ud800"'),
        MANIFEST.encode().replace(b"00:00:00.000Z", b"00:00:00.000Z\x00"),
        MANIFEST.encode().replace(b'"priority":10', b'"priority":' + b"9" * 5000),
    ],
    ids=range(14),
)
def test_what_is_not_exactly_a_manifest_is_refused(data: bytes) -> None:
    """Damage, another version and another spelling are all the same: not believed."""
    with pytest.raises(ManifestError):
        Manifest.decode(data)
