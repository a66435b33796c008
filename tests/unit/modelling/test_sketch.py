"""Counting in bounded memory."""

import pytest

from cdc.modelling.sketch import Owners, Sketch


def test_few_values_are_counted_exactly():
    """Also after a merge."""
    one, other = Sketch(10), Sketch(10)
    for value in ("a", "b", "b", 1):
        one.add(value)
    for value in ("a", "c"):
        other.add(value)
    one.merge(other)

    assert (one.distinct, one.repeated, one.exact) == (4, 2, True)


@pytest.mark.parametrize("merged", [False, True])
def test_many_values_are_estimated_and_memory_stays_bounded(merged):
    """Small numbers, too, whose own hashes are not random."""
    sketch, other = Sketch(256), Sketch(256)
    for value in range(20_000):
        (other if merged and value % 2 else sketch).add(value)
    sketch.merge(other)

    assert len(sketch.counts) <= 256
    assert not sketch.exact
    assert 14_000 < sketch.distinct < 26_000
    assert sketch.repeated == 0


@pytest.mark.parametrize("at_most", [100, 10_000])
def test_a_key_of_two_owners_is_found_and_an_owner_may_come_twice(at_most):
    """Of a thousand keys every second has two owners; the estimate is near that."""
    owners = Owners(at_most)
    for key in range(1_000):
        owners.add(key, "first")
        owners.add(key, "second" if key % 2 else "first")

    assert len(owners.owners) <= at_most
    assert owners.exact == (at_most > 1_000)
    assert (250 < owners.shared < 750) if at_most < 1_000 else owners.shared == 500


def test_owners_that_differ_between_two_halves_are_found_by_a_merge():
    """And keys that were shared before stay shared."""
    one, other = Owners(10), Owners(10)
    one.add("a", 1)
    other.add("a", 2)
    other.add("b", 1)
    other.add("b", 2)
    one.merge(other)

    assert (one.distinct, one.shared) == (2, 2)
