"""JSON columns arrive in PostgreSQL as they were written, and reconcile compares every digit."""

import json

import pytest

from cdc.core.errors import ProblemKind
from cdc.core.writes import map_change
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.replication.batch import replicate
from mappers.game_sessions import GAME_SESSIONS
from tests.builders import a_change, a_session

EXACT = '{"v":0.1234567890123456789012345678,"tiny":1e-400,"big":1e400,"whole":1.500,"long":12345678901234567890123}'
# As PostgreSQL writes it: keys by length, exponents written out.
STORED = (
    f'{{"v": 0.1234567890123456789012345678, "big": 1{"0" * 400}, "long": 12345678901234567890123, '
    f'"tiny": 0.{"0" * 399}1, "whole": 1.500}}'
)


def a_delivery(id_="s", **overrides):
    """Build a delivery of a session."""
    return a_change(id_, container="GameSessions", body=a_session(id_, **overrides))


@pytest.fixture
def read(observer):
    """Read a column of the only session as PostgreSQL writes it."""
    return lambda column: observer.connection.execute(f"select {column}::text from game_sessions").fetchone()[0]


@pytest.fixture
def compare(database):
    """Compare deliveries with the tables, and return the ids of those that differ."""
    side = PostgresTablesSide(database, GAME_SESSIONS)

    def compare_values(*changes):
        compared, found = side.find_different([map_change(GAME_SESSIONS, change) for change in changes])
        assert compared == len(changes)
        return [json.loads(identity.id) for identity in found]

    return compare_values


@pytest.mark.parametrize("text", [EXACT, json.dumps(EXACT)], ids=["in a string", "in a string in a string"])
def test_json_in_a_string_keeps_every_digit(sink, read, compare, text):
    """No number passes through a binary one on its way, and reconcile finds no difference."""
    change = a_delivery(CompassValues=text)

    outcome = replicate(GAME_SESSIONS, [change], sink)

    assert (outcome.applied, outcome.problems) == (1, ())
    assert read("compass_values") == STORED
    assert compare(change) == []


def test_reconcile_sees_the_last_digit(sink, observer, compare):
    """A number was edited where no binary one can tell it."""
    change = a_delivery(CompassValues=EXACT)
    replicate(GAME_SESSIONS, [change], sink)
    edited = EXACT.replace("5678,", "5679,")
    observer.connection.execute("update game_sessions set compass_values = %s", [edited])

    assert compare(change) == ["s"]


def test_deep_json_is_written_and_compared(sink, read, compare):
    """As deep as it may be: both ways into PostgreSQL take it."""
    deep = "[" * 254 + "1" + "]" * 254
    change = a_delivery(CompassValues=deep, ChoiceHistory=json.loads(deep))

    outcome = replicate(GAME_SESSIONS, [change], sink)

    assert outcome.problems == ()
    assert read("compass_values") == read("choice_history") == deep
    assert compare(change) == []


@pytest.mark.parametrize("number", ["1e200000", "1e-20000", "1" * 140_000])
def test_a_number_that_postgres_cannot_hold_parks_its_document(sink, observer, number):
    """Only that document; its neighbour is written."""
    bad = a_delivery("bad", CompassValues=f'{{"v":{number}}}')

    outcome = replicate(GAME_SESSIONS, [bad, a_delivery("good")], sink)

    assert outcome.applied == 1
    assert [problem.kind for problem in outcome.problems] == [ProblemKind.DATA]
    assert observer.ids("game_sessions") == ["good"]
