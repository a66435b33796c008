"""The end of a request's time."""

from contextvars import copy_context

import pytest

from cdc.core import deadline
from cdc.core.deadline import Change, Deadline
from cdc.core.errors import TransientError


def test_what_waits_longer_is_shortened_inside_the_block_alone():
    """A share leaves time to say what did not answer; when the time is over, nothing is left."""
    now = 0.0
    until = Deadline(4, clock=lambda: now)

    assert deadline.shorten(120) == 120
    with until.applies():
        assert (deadline.shorten(120), deadline.shorten(120, 0.5), deadline.shorten(1)) == (4, 2, 1)
        now = 9
        assert deadline.shorten(1) == 0
        assert copy_context().run(deadline.current) is until
    assert deadline.current() is None


def test_after_the_answer_no_commit_begins():
    """The answer has said that nothing was changed, and this stays true."""
    until = Deadline(4)

    assert until.close() is Change.NONE
    with pytest.raises(TransientError):
        until.begin_commit()

    assert until.change is Change.NONE


def test_a_commit_that_began_is_unknown_until_it_ends():
    """The answer may come between the two."""
    until = Deadline(4)
    until.begin_commit()
    between = until.close()
    until.end_commit()

    assert (between, until.change) == (Change.UNKNOWN, Change.MADE)
