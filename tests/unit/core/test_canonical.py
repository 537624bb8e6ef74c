"""One spelling for each value, as RFC 8785 has it, and the leaf hash of RFC 6962."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.canonical import Json, canonical, leaf_hash
from dockd.core.proof import StatementKind

LARGEST = 2**53 - 1
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
)


@given(JSON)
def test_every_value_survives_and_has_one_spelling(value: Json) -> None:
    """What is written can be read back, and writing it again gives the same bytes."""
    spelled = canonical(value)
    assert json.loads(spelled) == value
    assert canonical(json.loads(spelled)) == spelled


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), st.integers(0, 9), min_size=2), st.randoms())
def test_the_order_of_members_does_not_matter(members: dict[str, int], shuffler: Random) -> None:
    """Two objects with the same members are spelled alike."""
    shuffled = list(members.items())
    shuffler.shuffle(shuffled)
    assert canonical(dict(shuffled)) == canonical(members)


def test_strings_are_spelled_as_rfc_8785_spells_them() -> None:
    r"""RFC 8785 section 3.2.2.2's example: short escapes, \u00xx in lower case, everything else as itself."""
    text = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    assert canonical({"string": text}) == b'{"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'


def test_literals_and_order_are_spelled_as_rfc_8785_spells_them() -> None:
    """Section 3.2.2's literals, and members sorted as in section 3.2.3, down to a carriage return before a digit."""
    value: dict[str, Json] = {"literals": [None, True, False], "1": "One", "\r": "Carriage Return", "": 0}
    assert canonical(value) == b'{"":0,"\\r":"Carriage Return","1":"One","literals":[null,true,false]}'


def test_control_characters_have_their_short_forms() -> None:
    r"""Section 3.2.2.2: \b \t \n \f \r, and no other short form."""
    assert canonical("\b\t\n\f\r\x0b\x7f") == b'"\\b\\t\\n\\f\\r\\u000b\x7f"'


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 0])
def test_integers_that_a_double_holds_are_plain_digits(value: int) -> None:
    """Up to 2^53 - 1 either way, no reader's number differs."""
    assert canonical(value) == str(value).encode()


@pytest.mark.parametrize(
    "value",
    [LARGEST + 1, -LARGEST - 1, 0.5, float("nan"), b"bytes", {1: "x"}, {"ä": "x"}, [{"deep": [Ellipsis]}], {"x"}],
    ids=repr,
)
def test_what_has_no_exact_spelling_is_a_bug(value: Any) -> None:  # noqa: ANN401 - what a type checker would refuse
    """Floats, large integers, bytes and odd keys are refused instead of spelled somehow."""
    with pytest.raises(RuntimeError):
        canonical(value)


def test_half_a_surrogate_pair_has_no_utf_8() -> None:
    """A string that no UTF-8 can carry is refused, also deep inside."""
    with pytest.raises(UnicodeEncodeError):
        canonical({"a": ["\ud800"]})


@pytest.mark.parametrize(
    ("entry", "digest"),
    [
        # Leaf hashes of the reference data in Certificate Transparency's own tests (RFC 6962 section 2.1 over these inputs).
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"),
        ("10", "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7"),
        ("2021", "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7"),
    ],
)
def test_leaf_hashes_are_those_of_certificate_transparency(entry: str, digest: str) -> None:
    """The published vectors: other software will verify our log."""
    assert leaf_hash(bytes.fromhex(entry)).hex() == digest


def test_mappings_and_tuples_are_objects_and_lists() -> None:
    """The caller need not copy what it has into dicts and lists."""
    assert canonical({"a": (1, [2]), "b": StatementKind.RECEIPT}) == b'{"a":[1,[2]],"b":"dockd/receipt/v1"}'
