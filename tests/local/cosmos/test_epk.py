"""Effective partition keys are the service's."""

import json
from typing import Any

import pytest
from azure.cosmos.partition_key import PartitionKey, _Undefined
from hypothesis import given
from hypothesis import strategies as st

from local.cosmos import epk, epk_v1
from local.cosmos.partition_key import Definition
from local.cosmos.values import UNDEFINED

COMPONENTS = st.one_of(
    st.none(), st.booleans(), st.text(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)
)


def sdk_key(component: Any) -> str:
    """Hash a value as the SDK does."""
    return PartitionKey(path="/pk")._get_effective_partition_key_string([component])


@given(COMPONENTS)
def test_hash_equals_the_sdks(component: Any) -> None:
    """Every kind of value hashes as the SDK's own implementation says."""
    assert epk.effective_key(component) == sdk_key(component)


@given(st.one_of(st.booleans(), st.text(), st.floats(allow_nan=False, allow_infinity=False)))
def test_first_version_of_the_hash_equals_the_sdks(component: Any) -> None:
    """Containers of version 1 hash as the SDK says."""
    expected = PartitionKey(path="/pk", version=1)._get_effective_partition_key_string([component])
    assert epk_v1.effective_key(component) == expected.upper()


def test_undefined_hashes_differently_from_null() -> None:
    """A missing partition key lives elsewhere than null."""
    assert epk.effective_key(UNDEFINED) == sdk_key(_Undefined())
    assert epk.effective_key(UNDEFINED) != epk.effective_key(None)


def test_five_ranges_begin_at_fifths_of_the_space() -> None:
    """Boundaries are multiples of the largest key divided by the count."""
    ranges = epk.boundaries(5)

    assert [low[:4] for low, _ in ranges] == ["", "0CCC", "1999", "2666", "3333"]
    assert ranges[-1][1] == "FF"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
def test_ranges_tile_the_space(count: int) -> None:
    """Each range begins where the one before ends."""
    ranges = epk.boundaries(count)

    assert len(ranges) == count
    assert [high for _, high in ranges[:-1]] == [low for low, _ in ranges[1:]]
    assert (ranges[0][0], ranges[-1][1]) == ("", "FF")


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_hierarchical_hash_equals_the_sdks(components: list[str]) -> None:
    """Each level is hashed by itself, so that a prefix is a range."""
    paths = [f"/{number}" for number in range(len(components))]
    definition = {"paths": paths, "kind": "MultiHash", "version": 2}

    found = Definition(definition).from_header(json.dumps(components))

    assert found.epk == PartitionKey(path=paths, kind="MultiHash")._get_effective_partition_key_string(components)


def test_range_of_one_key_cannot_be_cut() -> None:
    """A split always leaves two ranges that can hold something."""
    with pytest.raises(ValueError, match="too narrow"):
        epk.cut("05", "05" + "0" * 29 + "1", 2)
