"""Which of two versions wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.core.documents import Held, State, Version
from cdc.core.ordering import Verdict, compare, judge
from tests.builders import a_change

versions = st.builds(
    Version, ts=st.integers(0, 3), lsn=st.none() | st.integers(0, 3), etag=st.sampled_from(["x", "y", ""])
)
OPPOSITES = {
    Verdict.NEWER: Verdict.STALE,
    Verdict.STALE: Verdict.NEWER,
    Verdict.SAME: Verdict.SAME,
    Verdict.UNDECIDED: Verdict.UNDECIDED,
}


@pytest.mark.parametrize(
    ("incoming", "held", "verdict"),
    [
        pytest.param((2, 7, "b"), (1, 6, "a"), Verdict.NEWER, id="ts newer, lsn greater"),
        pytest.param((2, 6, "b"), (1, 6, "a"), Verdict.NEWER, id="ts newer, lsn equal"),
        pytest.param((2, None, "b"), (1, 6, "a"), Verdict.NEWER, id="ts newer, incoming lsn unknown"),
        pytest.param((2, 6, "b"), (1, None, "a"), Verdict.NEWER, id="ts newer, held lsn unknown"),
        pytest.param((2, 5, "b"), (1, 6, "a"), Verdict.UNDECIDED, id="ts newer, lsn smaller"),
        pytest.param((1, 5, "b"), (2, 6, "a"), Verdict.STALE, id="ts older, lsn smaller"),
        pytest.param((1, 6, "b"), (2, 6, "a"), Verdict.STALE, id="ts older, lsn equal"),
        pytest.param((1, None, "b"), (2, 6, "a"), Verdict.STALE, id="ts older, lsn unknown"),
        pytest.param((1, 7, "b"), (2, 6, "a"), Verdict.UNDECIDED, id="ts older, lsn greater"),
        pytest.param((1, 7, "b"), (1, 6, "a"), Verdict.NEWER, id="same second, lsn greater"),
        pytest.param((1, 5, "b"), (1, 6, "a"), Verdict.STALE, id="same second, lsn smaller"),
        pytest.param((1, 6, "b"), (1, 6, "a"), Verdict.UNDECIDED, id="same second, same lsn, another etag"),
        pytest.param((1, None, "b"), (1, 6, "a"), Verdict.UNDECIDED, id="same second, incoming lsn unknown"),
        pytest.param((1, 6, "b"), (1, None, "a"), Verdict.UNDECIDED, id="same second, held lsn unknown"),
        pytest.param((1, None, "b"), (1, None, "a"), Verdict.UNDECIDED, id="same second, no lsn"),
        pytest.param((1, 6, "a"), (1, 6, "a"), Verdict.SAME, id="the same"),
        pytest.param((1, None, "a"), (1, 6, "a"), Verdict.SAME, id="the same, incoming lsn unknown"),
        pytest.param((1, 6, "a"), (1, None, "a"), Verdict.SAME, id="the same, held lsn unknown"),
        pytest.param((1, 6, ""), (1, 6, ""), Verdict.SAME, id="the same delete"),
        pytest.param((1, 7, ""), (1, 6, ""), Verdict.NEWER, id="a later delete of the same second"),
        pytest.param((1, 6, ""), (1, 7, ""), Verdict.STALE, id="an earlier delete of the same second"),
    ],
)
def test_verdict(incoming, held, verdict):
    """A delivered version is judged by ts, then lsn, then etag; what contradicts itself is undecided."""
    assert compare(Version(*incoming), Version(*held)) is verdict


@pytest.mark.parametrize(
    ("incoming", "tombstone", "verdict"),
    [
        pytest.param((1, 6, "a"), (1, 7, "a"), Verdict.STALE, id="the version that was deleted"),
        pytest.param((1, None, "a"), (1, 7, "a"), Verdict.STALE, id="the same, lsn unknown"),
        pytest.param((1, 8, "b"), (1, 7, "a"), Verdict.NEWER, id="created again in its second"),
        pytest.param((1, None, "b"), (1, 7, "a"), Verdict.UNDECIDED, id="another of its second, lsn unknown"),
        pytest.param((2, 8, "b"), (1, 7, "a"), Verdict.NEWER, id="created again"),
        pytest.param((1, 5, "b"), (2, 7, "a"), Verdict.STALE, id="an older version"),
        pytest.param((1, 7, None), (1, 7, "a"), Verdict.SAME, id="the same delete event"),
        pytest.param((1, 9, None), (1, 7, "a"), Verdict.NEWER, id="a later delete of the same second"),
        pytest.param((1, 5, None), (1, 7, "a"), Verdict.STALE, id="an earlier delete of the same second"),
        pytest.param((1, 6, "a"), (1, 7, ""), Verdict.STALE, id="a version before a delete of what was never seen"),
        pytest.param((1, 7, None), (1, 7, ""), Verdict.SAME, id="the same delete of what was never seen"),
        pytest.param((1, 9, None), (1, 7, ""), Verdict.NEWER, id="a later delete of what was never seen"),
    ],
)
def test_verdict_on_a_tombstone(incoming, tombstone, verdict):
    """It keeps the etag of what it replaced, where that was seen; a delete event has none of its own."""
    assert _judge(incoming, tombstone) is verdict


@pytest.mark.parametrize(
    ("incoming", "verdict"),
    [
        pytest.param((100, 6, "a"), Verdict.STALE, id="the version that was deleted"),
        pytest.param((90, 8, "b"), Verdict.UNDECIDED, id="ten seconds before"),
        pytest.param((110, 8, "b"), Verdict.UNDECIDED, id="ten seconds after"),
        pytest.param((89, 5, "b"), Verdict.STALE, id="long before"),
        pytest.param((111, 8, "b"), Verdict.NEWER, id="long after"),
        pytest.param((105, 8, None), Verdict.NEWER, id="a delete event"),
    ],
)
def test_verdict_on_an_answer_that_a_document_is_gone(incoming, verdict):
    """Its time is that of another clock."""
    assert _judge(incoming, (100, 6, "a"), absence=True) is verdict


def _judge(incoming, held, *, absence=False):
    ts, lsn, etag = incoming
    body = {"body": None} if etag is None else {}
    change = a_change(version=Version(ts, lsn, etag or ""), **body)
    return judge(change, Held(Version(*held), State.DELETED, absence))


@given(versions, versions)
def test_the_opposite_comparison_gives_the_opposite_verdict(one, other):
    """Whichever of two versions is held, they agree on which is newer."""
    assert compare(other, one) is OPPOSITES[compare(one, other)]


@given(versions)
def test_a_version_is_the_same_as_itself(version):
    """A redelivery is recognised as applied already."""
    assert compare(version, version) is Verdict.SAME


@given(st.lists(versions, min_size=3, max_size=3))
def test_no_three_versions_are_newer_in_a_circle(three):
    """Deliveries cannot overwrite each other for ever."""
    a, b, c = three

    verdicts = {compare(a, b), compare(b, c), compare(c, a)}

    assert verdicts != {Verdict.NEWER}
