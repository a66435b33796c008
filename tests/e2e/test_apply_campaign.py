"""Everything goes wrong at once, in small; and the campaign's checks would find what is wrong."""

import random

import pytest

from campaigns import leaks, pauses
from campaigns.apply import find_wrongly_parked, play
from campaigns.example import EXAMPLE
from campaigns.faults import Scale
from campaigns.mystira import MYSTIRA
from campaigns.planted import mix

SMALL = Scale(
    changes=300,
    kills=2,
    outages=2,
    outage_seconds=0.5,
    deadlocks=2,
    freezes=2,
    splits=1,
    merges=1,
    pauses=1,
    stills=2,
    pace=400,
    stall_seconds=0.5,
    still_seconds=1,
)
ONE, OTHER = ("Accounts", '["one", "one"]'), ("Accounts", '["other", "other"]')


def test_whatever_breaks_both_sides_are_equal_and_exactly_the_poison_is_parked():
    """`python -m campaigns apply` with fewer changes and faults."""
    said = []

    result = play(11, SMALL, said.append)

    assert result.differences == [], said
    assert result.faults == 15
    assert result.changes >= SMALL.changes
    assert result.parked > 5


def test_a_document_that_is_parked_for_nothing_or_not_at_all_is_named():
    """One is planted and applied, another one is parked and was good."""
    named = list(find_wrongly_parked({ONE}, {OTHER}, "a dead letter"))

    assert len(named) == 2
    assert "other" in named[0]
    assert "one" in named[1]
    assert list(find_wrongly_parked({ONE}, {ONE}, "a dead letter")) == []


def test_what_is_written_of_a_paused_container_is_named(dsn, connection):
    """A row of the ledger is written again, one of a table comes, and another container is not looked at."""
    document = (
        "insert into cdc.document (key, container, partition_key, id, ts, etag, state)"
        " values (%s, %s, '1', '1', 1, 'e', 'applied')"
    )
    connection.execute(document, [b"a", "Accounts"])
    before = pauses.read_rows(dsn, "Accounts", ["accounts"])
    connection.execute(document, [b"s", "GameSessions"])
    assert list(pauses.compare("Accounts", before, pauses.read_rows(dsn, "Accounts", ["accounts"]))) == []

    connection.execute("update cdc.document set ts = ts where container = 'Accounts'")
    connection.execute("insert into accounts (id, email, created_at) values ('a', 'e', now())")

    found = list(pauses.compare("Accounts", before, pauses.read_rows(dsn, "Accounts", ["accounts"])))
    assert [words.split(" of ")[-1] for words in found] == ["cdc.document came or went", "accounts came or went"]


def test_what_is_personal_is_found_in_our_tables_but_for_the_identity_columns(dsn, connection):
    """An e-mail stands in a dead letter's message, and in its id; a time may be infinitely long ago."""
    connection.execute(
        "insert into cdc.container (container, account, rid, partition_key_paths, leases_start)"
        " values ('Accounts', 'a', 'r', '{}', '-infinity')"
    )
    connection.execute(
        "insert into cdc.dead_letter (key, container, partition_key, id, ts, etag, kind, path, message) values"
        " ('k', 'Accounts', '\"a@example.com\"', '\"a@example.com\"', 1, 'e', 'data', '$', 'a@example.com is taken')"
    )

    found = list(leaks.find_in_tables(dsn, ("@example.com",)))

    assert found == ["cdc.dead_letter.message holds something personal in 1 rows"]


def test_what_is_personal_is_found_in_texts_and_not_quoted():
    """One line of two names somebody."""
    texts = ["applied 3", "refused planted7 Amara"]

    assert list(leaks.find_in_texts("lines", texts, ("planted7",))) == ["something personal stands in 1 lines"]
    assert list(leaks.find_in_texts("lines", texts[:1], ("planted7",))) == []


@pytest.mark.parametrize(
    ("application", "containers"),
    [
        (MYSTIRA, {"Accounts", "UserProfiles", "GameSessions", "PlayerScenarioScores"}),
        (EXAMPLE, {"orders", "visits"}),
    ],
    ids=["mystira", "example"],
)
def test_every_kind_of_case_is_planted_in_its_order(application, containers):
    """Each case keeps the order of its documents wherever they are mixed in; each lasting one tells what it parks."""
    cases = application.make_planter(1, "marker").cases(2_000)
    places = mix(cases, 2_000, random.Random(1))
    written = [write for place in sorted(places) for write in places[place]]

    assert sum(case.parked is not None for case in cases) > 10
    for case in cases:
        positions = [next(i for i, write in enumerate(written) if write is each) for each in case.writes]
        assert positions == sorted(positions)
        assert case.parked is None or case.parked == case.writes[-1]
    assert {write[0] for case in cases for write in case.writes} == containers
