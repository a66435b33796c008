"""A batch is applied, and what cannot be applied is parked alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.core.documents import State
from cdc.core.errors import FatalError, ProblemKind, TransientError
from cdc.core.mapping import NO_ROWS
from cdc.core.writes import Outcome, map_change
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, a_version, an_account
from tests.fakes import REFUSAL, FakeSink

MARKER = "Thandi-secret"
ids = st.sampled_from([f"document-{number}" for number in range(8)])
changes = st.builds(
    lambda id_, ts, lsn, etag, body: a_change(id_, version=a_version(ts, lsn, etag), body=body),
    ids,
    st.integers(0, 3),
    st.none() | st.integers(0, 3),
    st.sampled_from(["x", "y"]),
    st.sampled_from([an_account(), an_account(Email=None), None]),
)


@given(st.sets(ids), st.sets(ids))
def test_exactly_the_refused_documents_are_parked(all_ids, refused):
    """Bisecting parks each document that the sink refuses, and applies every neighbour."""
    sink = FakeSink(lambda write: write.change.identity.id.strip('"') in refused)
    batch = [a_change(id_) for id_ in all_ids]

    outcome = replicate(ACCOUNTS, batch, sink)

    expected = {a_change(id_).key: State.PARKED if id_ in refused else State.APPLIED for id_ in all_ids}
    assert sink.states == expected
    assert outcome == Outcome(applied=len(all_ids - refused), problems=(REFUSAL,) * len(all_ids & refused))


def test_one_refused_document_costs_few_transactions():
    """Among 1,000 documents the bad one is found by halving, not one by one."""
    sink = FakeSink(lambda write: write.change.identity.id == '"500"')

    outcome = replicate(ACCOUNTS, [a_change(str(number)) for number in range(1000)], sink)

    assert outcome.applied == 999
    assert sink.transactions < 30


@given(st.lists(changes, max_size=12), st.lists(changes, max_size=12), st.sets(ids))
def test_every_change_is_counted_once(first, second, refused):
    """Applied, deleted, stale, undecided and parked add up to the changes that came in."""
    sink = FakeSink(lambda write: write.change.identity.id.strip('"') in refused)

    for batch in (first, second):
        outcome = replicate(ACCOUNTS, batch, sink)

        counted = outcome.applied + outcome.deleted + outcome.stale + outcome.undecided + outcome.parked
        assert counted == len(batch)


@given(st.lists(changes, max_size=12))
def test_a_second_delivery_writes_no_decided_document(batch):
    """A replay finds every version applied already; only what is undecided is noted again."""
    sink = FakeSink()
    replicate(ACCOUNTS, batch, sink)
    versions = dict(sink.versions)
    sink.writes.clear()

    replicate(ACCOUNTS, batch, sink)

    assert all(write.undecided for write in sink.writes)
    assert sink.versions == versions


def test_stale_changes_are_not_even_mapped():
    """What the ledger has moved past costs no mapping and writes nothing."""
    sink = FakeSink()
    replicate(ACCOUNTS, [a_change(version=a_version(ts=9))], sink)
    broken = replace(ACCOUNTS, rows=lambda _: pytest.fail("was mapped"))

    outcome = replicate(broken, [a_change(version=a_version(ts=ts)) for ts in (7, 8, 9)], sink)

    assert outcome == Outcome(stale=3)
    assert len(sink.writes) == 1


@pytest.mark.parametrize("error", [TransientError("away"), FatalError("table missing")])
def test_a_failure_of_the_whole_batch_is_raised(error):
    """The host delivers the batch again; no document is blamed."""

    def fail(write):
        raise error

    sink = FakeSink(fail)

    with pytest.raises(type(error), match=str(error)):
        replicate(ACCOUNTS, [a_change("a"), a_change("b")], sink)

    assert sink.writes == []
    assert sink.transactions == 1


def test_a_transient_failure_after_bisecting_keeps_what_was_committed():
    """The retry of a batch starts further on: halves that succeeded stay."""
    batch = sorted((a_change(str(number)) for number in range(8)), key=lambda change: change.key)

    def refuse_the_last(write):
        if sink.transactions == 3:
            raise TransientError("away")
        return write.change == batch[-1]

    sink = FakeSink(refuse_the_last)

    with pytest.raises(TransientError, match="away"):
        replicate(ACCOUNTS, batch, sink)

    assert {write.change.key for write in sink.writes} == {change.key for change in batch[:4]}


def test_changes_that_cannot_be_ordered_are_read_again():
    """Neither of an undecided pair in one batch is written: both ask for the document to be read again."""
    earlier = a_change(version=a_version(ts=1, lsn=9, etag="x"))
    later = a_change(version=a_version(ts=2, lsn=8, etag="y"))
    sink = FakeSink()

    outcome = replicate(ACCOUNTS, [later, earlier], sink)

    assert outcome == Outcome(undecided=2)
    assert [(write.change, write.undecided) for write in sink.writes] == [(later, True), (earlier, True)]
    assert sink.versions == {}


def test_a_refused_document_that_cannot_be_ordered_any_more_is_read_again():
    """Another writer commits between the refusal and the parking: the refusal blames none of the versions."""

    def refuse(write):
        sink.versions[write.change.key] = a_version(ts=3, lsn=1, etag="z")
        return True

    sink = FakeSink(refuse)
    sink.versions[a_change().key], sink.states[a_change().key] = a_version(ts=1), State.APPLIED
    earlier = a_change(version=a_version(ts=0, lsn=3, etag="x"))
    later = a_change(version=a_version(ts=2, lsn=2, etag="y"))

    outcome = replicate(ACCOUNTS, [earlier, later], sink)

    assert outcome == Outcome(undecided=2)
    assert sink.states == {later.key: State.APPLIED}


@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError, ZeroDivisionError, AssertionError])
def test_whatever_a_mapper_raises_parks_the_document(error):
    """No exception of a mapper stops the batch, and its words, which may quote the document, are not kept."""

    def fail(document):
        raise error(MARKER)

    write = map_change(replace(ACCOUNTS, rows=fail), a_change())

    assert write.state is State.PARKED
    assert write.rows == NO_ROWS
    assert (write.problem.kind, write.problem.path) == (ProblemKind.MAPPING, "$")
    assert write.problem.message == f"the mapper raised {error.__name__}"


def test_a_delete_is_not_mapped():
    """A delete has no body to map and leads to a tombstone."""
    write = map_change(ACCOUNTS, a_change(body=None))

    assert (write.state, write.rows, write.problem) == (State.DELETED, NO_ROWS, None)


def test_an_empty_batch_touches_no_rows():
    """Nothing to write opens no transaction."""
    sink = FakeSink()

    assert replicate(ACCOUNTS, [], sink) == Outcome()
    assert sink.transactions == 0


@given(st.lists(changes, max_size=12), st.sets(ids))
def test_the_transaction_that_ends_a_batch_does_one_thing_more(batch, refused):
    """Once, also when nothing is left to write, and with what became of the whole batch."""
    sink = FakeSink(lambda write: write.change.identity.id.strip('"') in refused)
    for _ in range(2):
        seen = []

        outcome = replicate(ACCOUNTS, batch, sink, lambda _, outcome, seen=seen: seen.append(outcome))

        assert seen == [outcome]
