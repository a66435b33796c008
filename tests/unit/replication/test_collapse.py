"""A batch is reduced to the newest change of each document."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.core.ordering import Verdict, compare
from cdc.replication.collapse import collapse
from tests.builders import a_change, a_version

ids = st.sampled_from(["a", "b", "c", "d"])
ordered_changes = st.builds(
    lambda id_, order: a_change(id_, version=a_version(ts=order // 2, lsn=order)), ids, st.integers(0, 9)
)
any_changes = st.builds(
    lambda id_, ts, lsn, etag: a_change(id_, version=a_version(ts, lsn, etag)),
    ids,
    st.integers(0, 3),
    st.none() | st.integers(0, 3),
    st.sampled_from(["x", "y", "z"]),
)


@given(st.lists(ordered_changes, max_size=12).flatmap(lambda batch: st.tuples(st.just(batch), st.permutations(batch))))
def test_order_of_a_batch_does_not_matter(batches):
    """Where versions are totally ordered, every permutation collapses to the one newest change of each document."""
    batch, shuffled = batches
    newest = {}
    for change in batch:
        newest[change.key] = max(newest.get(change.key, change), change, key=lambda one: one.version.lsn)

    collapsed = collapse(shuffled)

    assert collapsed == {key: (change,) for key, change in newest.items()}


@given(st.lists(any_changes, max_size=12))
def test_documents_come_in_key_order(batch):
    """The result has the lock order of all writers, and every document of the batch."""
    keys = list(collapse(batch))

    assert keys == sorted({change.key for change in batch})


@given(st.lists(any_changes, max_size=12))
def test_what_is_dropped_is_covered_by_what_is_kept(batch):
    """No change is dropped unless a chain of known supersessions leads from it to one that is kept."""
    for key, heads in collapse(batch).items():
        covered = [head.version for head in heads]
        for version in covered:
            covered.extend(
                change.version
                for change in batch
                if change.key == key
                and change.version not in covered
                and compare(change.version, version) in (Verdict.STALE, Verdict.SAME)
            )
        assert {change.version for change in batch if change.key == key} <= set(covered)


@given(st.lists(any_changes, max_size=12))
def test_kept_changes_cannot_be_ordered(batch):
    """Several changes of one document are kept only while nothing tells which is newer."""
    for heads in collapse(batch).values():
        for place, head in enumerate(heads):
            for other in heads[:place]:
                assert compare(head.version, other.version) is Verdict.UNDECIDED


def test_undecided_pair_stays_undecided():
    """Of two versions that cannot be ordered neither is dropped, whichever comes first."""
    known = a_change(version=a_version(lsn=5, etag="x"))
    unknown = a_change(version=a_version(lsn=None, etag="y"))

    assert collapse([known, unknown]) == {known.key: (known, unknown)}
    assert collapse([unknown, known]) == {known.key: (unknown, known)}


def test_a_newer_version_settles_an_undecided_pair():
    """A version that supersedes both of an undecided pair is kept alone."""
    known = a_change(version=a_version(lsn=5, etag="x"))
    unknown = a_change(version=a_version(lsn=None, etag="y"))
    newer = a_change(version=a_version(ts=1, lsn=6))

    assert collapse([known, unknown, newer]) == {known.key: (newer,)}


def test_an_empty_batch_collapses_to_nothing():
    """A page without documents is no special case."""
    assert collapse([]) == {}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_two_deletes_of_one_second_are_two_versions(order):
    """A delete has no etag of its own: the lsn tells which one came after the new document between them."""
    versions = [
        a_change(version=a_version(0, 11, ""), body=None),
        a_change(version=a_version(0, 12)),
        a_change(version=a_version(0, 13, ""), body=None),
    ]

    (heads,) = collapse([versions[place] for place in order]).values()

    assert heads == (versions[2],)
