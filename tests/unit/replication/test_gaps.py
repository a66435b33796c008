"""A version that does not follow the held one, through those of its page, was never delivered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.core.documents import Held, State
from cdc.core.writes import Write
from cdc.replication.collapse import collapse
from cdc.replication.gaps import chains, mark_gaps
from tests.builders import a_change, a_version

DELETE = True


def a_step(lsn, follows, *, deletes=False):
    """Build a version of one document, with the lsn of the one before it."""
    body = {"body": None} if deletes else {}
    return a_change(version=a_version(lsn // 10, lsn, "" if deletes else None), follows=follows, **body)


def has_gap(steps, held_lsn, state=State.APPLIED):
    """Tell whether the newest of these versions does not follow what is held."""
    page = [a_step(lsn, follows, deletes=bool(deletes)) for lsn, follows, *deletes in steps]
    key = page[0].key
    held = {} if held_lsn is False else {key: Held(a_version(0, held_lsn), state)}
    newest = max(page, key=lambda change: change.version.lsn or 0)
    (write,) = mark_gaps([Write(newest)], chains(page), held)
    return write.gap


@pytest.mark.parametrize(
    ("steps", "held", "state", "gap"),
    [
        pytest.param([(12, 10)], 10, State.APPLIED, False, id="follows the held one"),
        pytest.param([(12, 11)], 10, State.APPLIED, True, id="one was left out"),
        pytest.param([(12, 10), (13, 12), (15, 13)], 10, State.PARKED, False, id="through the page"),
        pytest.param([(12, 10), (13, 12), (15, 13)], 12, State.APPLIED, False, id="delivered once before, in part"),
        pytest.param([(12, 10), (15, 13)], 10, State.APPLIED, True, id="left out within the page"),
        pytest.param([(12, 10), (15, 13), (16, 15)], 12, State.APPLIED, True, id="left out behind the held one"),
        pytest.param([(12, 0)], 10, State.DELETED, False, id="created after a delete"),
        pytest.param([(12, 0)], 10, State.APPLIED, True, id="a delete was left out"),
        pytest.param([(11, 10, DELETE), (12, 0)], 10, State.APPLIED, False, id="deleted and created in the page"),
        pytest.param([(11, 9, DELETE), (12, 0)], 10, State.APPLIED, True, id="left out before the delete"),
        pytest.param([(8, 7, DELETE), (12, 0)], 10, State.DELETED, False, id="an earlier delete in the page"),
        pytest.param(
            [(11, 10, DELETE), (12, 0), (14, 0)], 10, State.APPLIED, True, id="the second delete was left out"
        ),
        pytest.param([(12, 10, DELETE)], 10, State.APPLIED, False, id="the delete follows"),
        pytest.param([(12, 11, DELETE)], 10, State.APPLIED, True, id="the delete does not follow"),
        pytest.param([(12, 11)], None, State.APPLIED, False, id="the held lsn is unknown"),
        pytest.param([(12, 11)], False, State.APPLIED, False, id="nothing is held"),
        pytest.param([(12, None)], 10, State.APPLIED, False, id="the feed does not tell"),
        pytest.param([(12, 12)], 10, State.APPLIED, False, id="twice in one transaction"),
    ],
)
def test_a_gap_is_a_version_that_was_left_out(steps, held, state, gap):
    """The chain of a page may begin before the held version, and go through deletes."""
    assert has_gap(steps, held, state) is gap


def test_what_is_read_again_is_no_gap():
    """A version that cannot be ordered is not written yet."""
    change = a_step(12, 11)
    write = Write.read_again(change)

    assert mark_gaps([write], chains([change]), {change.key: Held(a_version(0, 10), State.APPLIED)}) == [write]


@given(
    deletes=st.lists(st.booleans(), min_size=2, max_size=12),
    start=st.integers(0, 11),
    left_out=st.none() | st.integers(0, 11),
    randomness=st.randoms(use_true_random=False),
)
def test_a_history_in_one_page_has_a_gap_where_something_was_left_out(deletes, start, left_out, randomness):
    """Whatever came before the held version, and in whatever order the page is, only what is missing is a gap."""
    history = []
    alive = 0
    for number, wants_delete in enumerate(deletes):
        lsn = 10 + 2 * number
        is_delete = wants_delete and alive > 0
        history.append(a_step(lsn, alive, deletes=is_delete))
        alive = 0 if is_delete else lsn
    start %= len(history)
    held = history[start]
    page = [change for number, change in enumerate(history) if number != left_out]
    randomness.shuffle(page)
    (newest,) = collapse(page)[held.key]
    state = State.DELETED if held.body is None else State.APPLIED

    (write,) = mark_gaps([Write(newest)], chains(page), {held.key: Held(held.version, state)})

    if newest.version.lsn > held.version.lsn:
        missing = None if left_out is None or not start < left_out < history.index(newest) else history[left_out]
        assert write.gap == (missing is not None)
