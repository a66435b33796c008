"""Identities have one canonical form, and outcomes add up."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.core.documents import Identity, canonical_json

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=3) | st.just({})
partition_keys = scalars | st.lists(scalars, min_size=2, max_size=3)


def test_key_is_the_sha_256_of_the_canonical_json():
    """The ledger's key can be computed by anyone who knows container, partition key and id."""
    identity = Identity.of("Accounts", ["tenant", 1.0], "é")

    text = b'["Accounts",["tenant",1],"\\u00e9"]'
    assert identity.key == hashlib.sha256(text).digest()
    assert identity.key.hex() == "6b1836f791a396cdaeebaa2541bd51c4a50d6c178a688d4aa606a07901180811"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(1, 1.0, id="1 and 1.0"),
        pytest.param(0, -0.0, id="0 and -0.0"),
        pytest.param(-3, -3.0, id="-3 and -3.0"),
        pytest.param(2**53, float(2**53), id="the largest exact integer"),
        pytest.param([1, "x"], [1.0, "x"], id="inside a hierarchical key"),
    ],
)
def test_equal_numbers_are_one_key(one, other):
    """Cosmos keeps numbers as doubles: however one is written, it is the same key."""
    assert Identity.of("Accounts", one, "a") == Identity.of("Accounts", other, "a")
    assert Identity.of("Accounts", one, "a").key == Identity.of("Accounts", other, "a").key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(True, 1, id="true and 1"),
        pytest.param(False, 0, id="false and 0"),
        pytest.param(None, {}, id="null and missing"),
        pytest.param(None, "null", id="null and its name"),
        pytest.param(1, "1", id="1 and its text"),
        pytest.param("", {}, id="empty text and missing"),
        pytest.param(["a"], "a", id="a list and its item"),
        pytest.param(["a", "b"], ["b", "a"], id="levels in another order"),
        pytest.param(["a", {}], ["a", None], id="missing and null levels"),
        pytest.param("a", "A", id="case"),
        pytest.param("é", "e\u0301", id="composed and decomposed"),
        pytest.param(1e300, 2e300, id="large numbers"),
        pytest.param(0.1, 0.2, id="fractions"),
    ],
)
def test_different_partition_keys_are_different_documents(one, other):
    """A JSON value keeps its type: two keys that Cosmos tells apart never share a ledger row."""
    assert Identity.of("Accounts", one, "a").key != Identity.of("Accounts", other, "a").key


def test_container_partition_key_and_id_are_told_apart():
    """The parts of an identity cannot run into each other."""
    identities = [
        Identity.of("A", "b", "c"),
        Identity.of("A", "c", "b"),
        Identity.of("b", "A", "c"),
        Identity.of("A", ["b", "c"], "c"),
        Identity.of("A", 'b","c', "c"),
        Identity.of("A", "b", 'b","c'),
    ]

    assert len({identity.key for identity in identities}) == len(identities)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("名前-é-🦊", id="non-ASCII"),
        pytest.param("\ud83e", id="lone surrogate"),
        pytest.param("a\0b", id="NUL"),
        pytest.param("x" * 1000, id="1,000 characters"),
        pytest.param("🦊" * 255, id="1,020 bytes"),
        pytest.param("\"\\/\n'%s", id="quotes and escapes"),
    ],
)
def test_any_identity_that_cosmos_accepts_is_storable(text):
    """Whatever its characters, an identity is plain ASCII text without NUL and has a key of 32 bytes."""
    identity = Identity.of("Accounts", text, text)

    assert identity.id.isascii()
    assert identity.id.isprintable()
    assert identity.partition_key == identity.id
    assert len(identity.key) == 32


@given(partition_keys, partition_keys)
def test_identities_agree_with_their_keys(one, other):
    """Two identities are equal exactly when their keys are."""
    first, second = Identity.of("C", one, "a"), Identity.of("C", other, "a")

    assert (first == second) == (first.key == second.key)


@pytest.mark.parametrize(("value", "text"), [(1e16, "1e+16"), (2.5, "2.5"), ({}, "{}"), ([{}, None], "[{},null]")])
def test_canonical_json(value, text):
    """A value has one text."""
    assert canonical_json(value) == text
