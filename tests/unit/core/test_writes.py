"""What a write does to the ledger, and what became of a batch."""

from cdc.core.documents import State
from cdc.core.errors import Problem, ProblemKind
from cdc.core.mapping import Tuples
from cdc.core.writes import Outcome, Write
from tests.builders import a_change


def test_state_follows_from_the_write():
    """A problem parks, a delete leaves a tombstone, another type is unmapped, everything else is applied."""
    problem = Problem(ProblemKind.MAPPING, "$", "wrong")

    assert Write(a_change()).state is State.APPLIED
    assert Write(a_change(body=None)).state is State.DELETED
    assert Write(a_change(), rows=Tuples(unmapped_type="other")).state is State.UNMAPPED
    assert Write(a_change(), problem=problem).state is State.PARKED
    assert Write.read_again(a_change()).undecided


def test_outcomes_add_up():
    """The outcome of a batch is the sum of its parts."""
    problem = Problem(ProblemKind.DATA, "$", "wrong")

    one, other = (
        Outcome(applied=1, deleted=2, unmapped=3),
        Outcome(applied=4, undecided=5, problems=(problem,), unmapped=1),
    )

    total = one + other

    assert total == Outcome(applied=5, deleted=2, undecided=5, problems=(problem,), unmapped=4)
    assert total.parked == 1
